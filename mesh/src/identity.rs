//! Who is calling: the peer's principal and the way the call came in.

use std::{fmt, net::SocketAddr, sync::Arc};

/// The authenticated name of a caller: a SPIFFE id, `role:<role>` for the bearer of a token, or `anonymous`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// The principal of a peer that proved nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        static ANONYMOUS: std::sync::LazyLock<Principal> = std::sync::LazyLock::new(|| Principal("anonymous".into()));
        ANONYMOUS.clone()
    }

    /// The SPIFFE id of a service: `spiffe://<trust domain>/ns/<namespace>/sa/<service>`.
    #[must_use]
    pub fn service(trust_domain: &str, namespace: &str, service: &str) -> Self {
        Self(format!("spiffe://{trust_domain}/ns/{namespace}/sa/{service}").into())
    }

    /// The principal of whoever bears a token of this role: `role:<role>`.
    #[must_use]
    pub fn role(role: &str) -> Self {
        Self(format!("role:{role}").into())
    }

    /// The name as it is written in policies and logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the peer proved nothing.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        &*self.0 == "anonymous"
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The way a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, from this address.
    Tcp(SocketAddr),
    /// A Unix domain socket.
    Unix,
    /// A tower call inside this process.
    InProcess,
}

/// The other end of a call, in every request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// As whom the peer calls.
    pub principal: Principal,
    /// How the call came in.
    pub transport: Transport,
}

impl Peer {
    /// Whether the peer is on this machine: a loopback address, a Unix socket or this process.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self.transport {
            Transport::Tcp(address) => address.ip().is_loopback(),
            Transport::Unix | Transport::InProcess => true,
        }
    }
}
