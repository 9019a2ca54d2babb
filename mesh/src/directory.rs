//! Where each service is, and who may call whom.
//!
//! A [`Directory`] maps names to places: an address, or a stack inside this process. [`Clients`] is the only way to a
//! [`Channel`], and it gives one only to a target that the service declares.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    address::Address,
    client::{Channel, ChannelParts, ClientConfig},
    methods::{DescriptorError, Methods},
    process::Process,
    server::Inbound,
};

/// A service that another one calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target(&'static str);

impl Target {
    /// The service called `name`, its noun.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The service's noun.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Where one service is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Over the network or a Unix socket.
    Remote(Address),
    /// Inside this process.
    InProcess(Inbound),
}

/// Where each service is. Cloning shares it, so services of one process may call each other in any order of starting.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    places: Arc<RwLock<HashMap<String, Place>>>,
}

impl Directory {
    /// Says that `service` is at an address. Channels that are in use keep the place they had.
    pub fn remote(&self, service: &str, address: Address) {
        self.put(service.to_owned(), Place::Remote(address));
    }

    /// Says that a service is this stack, inside the process.
    pub fn in_process(&self, inbound: Inbound) {
        self.put(inbound.name().to_string(), Place::InProcess(inbound));
    }

    pub(crate) fn find(&self, service: &str) -> Option<Place> {
        self.places.read().unwrap_or_else(PoisonError::into_inner).get(service).cloned()
    }

    fn put(&self, service: String, place: Place) {
        self.places.write().unwrap_or_else(PoisonError::into_inner).insert(service, place);
    }
}

/// Makes the channels of one service, to the targets it declares and to no other.
#[derive(Clone, Debug)]
pub struct Clients {
    parts: Arc<ChannelParts>,
    calls: &'static [Target],
}

/// A service asked for a channel to a target that its `CALLS` does not name.
#[derive(Debug, thiserror::Error)]
#[error("{caller} does not declare that it calls {target}: add it to its CALLS")]
pub struct UndeclaredTarget {
    caller: Arc<str>,
    target: Target,
}

impl Clients {
    /// The clients of `caller`, which calls `calls`. `descriptors` tell which methods stream and which may be retried.
    ///
    /// # Errors
    /// If a descriptor set cannot be read.
    pub fn new(
        process: &Process,
        directory: &Directory,
        caller: &str,
        calls: &'static [Target],
        descriptors: &[&[u8]],
        config: ClientConfig,
    ) -> Result<Self, DescriptorError> {
        let reflection = [
            crate::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let methods = Methods::from_descriptor_sets(&[descriptors, &reflection].concat())?;
        let parts = ChannelParts {
            caller: caller.into(),
            principal: process.principal_of(caller),
            directory: directory.clone(),
            methods,
            metrics: process.metrics().clone(),
            tracer: process.tracer_of(caller),
            config,
        };
        Ok(Self { parts: Arc::new(parts), calls })
    }

    /// The targets that the service declares.
    #[must_use]
    pub fn calls(&self) -> &'static [Target] {
        self.calls
    }

    /// A channel to `target`. Nothing is looked up before the first call, and each event loop that calls makes
    /// connections of its own, at its first call; from then on they are kept, and made again whenever they end.
    ///
    /// # Errors
    /// If the service does not declare the target.
    pub fn channel(&self, target: Target) -> Result<Channel, UndeclaredTarget> {
        if !self.calls.contains(&target) {
            return Err(UndeclaredTarget { caller: Arc::clone(&self.parts.caller), target });
        }
        Ok(Channel::new(&self.parts, target))
    }
}
