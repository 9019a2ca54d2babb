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
    client::{Channel, ChannelParts, ClientConfig, Pages, resolve::Resolve},
    methods::{DescriptorError, Methods},
    process::Process,
    server::Inbound,
};

/// A service that another one calls. Two are the same if their nouns are.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    name: &'static str,
    local_port: Option<u16>,
}

impl Target {
    /// The service called `name`, its noun.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, local_port: None }
    }

    /// The port of this machine where a process of the service listens unless it is told otherwise.
    #[must_use]
    pub const fn on_port(self, port: u16) -> Self {
        Self { local_port: Some(port), ..self }
    }

    /// The service's noun.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The port of [`Target::on_port`].
    #[must_use]
    pub const fn local_port(self) -> Option<u16> {
        self.local_port
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Target {}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Where one service is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Over the network or a Unix socket.
    Remote(Remote),
    /// Inside this process.
    InProcess(Inbound),
}

/// Where a service's endpoints come from.
#[derive(Clone, Debug)]
pub(crate) enum Remote {
    /// What an address says.
    Address(Address),
    /// A source of somebody else's.
    Source(Arc<dyn Resolve>),
}

impl Remote {
    /// What a request calls the service, where it has a name there.
    pub(crate) fn authority(&self) -> Option<String> {
        match self {
            Self::Address(Address::Dns { host, port }) => Some(format!("{host}:{port}")),
            Self::Address(Address::Static(_) | Address::Unix(_)) | Self::Source(_) => None,
        }
    }
}

impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Source(one), Self::Source(other)) => Arc::ptr_eq(one, other),
            (Self::Address(_), Self::Source(_)) | (Self::Source(_), Self::Address(_)) => false,
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Source(source) => source.fmt(f),
        }
    }
}

/// Where each service is. Cloning shares it, so services of one process may call each other in any order of starting.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    places: Arc<RwLock<HashMap<String, Place>>>,
}

impl Directory {
    /// Says that `service` is at an address. Channels that are in use keep the place they had.
    pub fn remote(&self, service: &str, address: Address) {
        self.put(service.to_owned(), Place::Remote(Remote::Address(address)));
    }

    /// Says that `service` is wherever `source` says. Channels that are in use keep the place they had.
    pub fn resolved(&self, service: &str, source: impl Resolve) {
        self.put(service.to_owned(), Place::Remote(Remote::Source(Arc::new(source))));
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
            background: process.background().clone(),
            pools: Default::default(),
        };
        Ok(Self { parts: Arc::new(parts), calls })
    }

    /// The targets that the service declares.
    #[must_use]
    pub fn calls(&self) -> &'static [Target] {
        self.calls
    }

    /// A channel to `target`. Nothing is looked up before the first call or [`Channel::connect`], and each event loop that
    /// calls makes connections of its own, at its first call; from then on they are kept, without calls too, and made again
    /// whenever they end. All channels of these clients to a target share its connections, which end with the last one.
    ///
    /// # Errors
    /// If the service does not declare the target.
    pub fn channel(&self, target: Target) -> Result<Channel, UndeclaredTarget> {
        self.declared(target)?;
        Ok(Channel::new(&self.parts, target))
    }

    /// The pages that `target` has below a path, such as `/pay/`: plain HTTP beside its calls
    /// ([`Builder::pages`](crate::Builder::pages)), on the connections that its channels share.
    ///
    /// # Errors
    /// If the service does not declare the target.
    pub fn pages(&self, target: Target, below: &'static str) -> Result<Pages, UndeclaredTarget> {
        self.declared(target)?;
        Ok(Pages::new(&self.parts, target, below))
    }

    fn declared(&self, target: Target) -> Result<(), UndeclaredTarget> {
        if self.calls.contains(&target) {
            return Ok(());
        }
        Err(UndeclaredTarget { caller: Arc::clone(&self.parts.caller), target })
    }
}
