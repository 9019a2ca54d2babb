//! The services of the fleet, in the order in which they are numbered and drained: callers before those they call.

use mesh::Target;

use crate::shop::{Data, acquirer_key, payment_keys};

/// A service of the fleet.
#[derive(Debug)]
pub(crate) struct Service {
    /// Its noun.
    pub(crate) name: &'static str,
    /// Whom it calls.
    pub(crate) calls: &'static [Target],
    /// Whether it is the front door: its replicas share the edge's port and the pages', which are one address each.
    pub(crate) front: bool,
    /// Whether it has a database.
    pub(crate) data: bool,
    /// Whether it has an index, which its replicas share.
    pub(crate) index: bool,
    /// Where it is given keys: the variable, and what makes them at the first start.
    pub(crate) keys: Option<Keys>,
}

/// A variable, and where what it says comes from.
pub(crate) type Keys = (&'static str, fn(&Data) -> anyhow::Result<String>);

pub(crate) static SERVICES: [Service; 8] = [
    Service { name: "storefront", calls: storefront::CALLS, front: true, data: false, index: false, keys: None },
    Service { name: "search", calls: search::CALLS, front: false, data: false, index: true, keys: None },
    Service { name: "checkout", calls: checkout::CALLS, front: false, data: true, index: false, keys: None },
    Service { name: "cart", calls: cart::CALLS, front: false, data: true, index: false, keys: None },
    Service { name: "catalog", calls: catalog::CALLS, front: false, data: true, index: false, keys: None },
    Service { name: "inventory", calls: inventory::CALLS, front: false, data: true, index: false, keys: None },
    Service {
        name: "payment",
        calls: payment::CALLS,
        front: false,
        data: true,
        index: false,
        keys: Some(("PAYMENT_KEYS", payment_keys)),
    },
    Service {
        name: "acquirer",
        calls: acquirer::CALLS,
        front: false,
        data: true,
        index: false,
        keys: Some(("ACQUIRER_KEY", acquirer_key)),
    },
];

/// Finds a service by its name.
///
/// # Errors
/// If there is none; with the names there are.
pub(super) fn find(name: &str) -> Result<&'static Service, String> {
    SERVICES.iter().find(|service| service.name == name).ok_or_else(|| {
        let names: Vec<_> = SERVICES.iter().map(|service| service.name).collect();
        format!("there is no service {name:?}; the services are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_called_drains_after_its_callers_and_runs_in_the_fleet() {
        for (index, caller) in SERVICES.iter().enumerate() {
            for target in caller.calls {
                let called = SERVICES.iter().position(|service| service.name == target.name());
                assert!(called.is_some_and(|called| called > index), "{} calls {target}", caller.name);
            }
        }
        assert_eq!(SERVICES.iter().filter(|service| service.front).count(), 1);
    }
}
