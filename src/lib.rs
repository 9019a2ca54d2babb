//! The shop's contracts: messages, clients and servers generated from `proto/`. No logic.
//!
//! Clients and servers know no transport; `mesh` gives them one.

pub use souk::{access, acquirer, cart, catalog, checkout, event, inventory, payment, search};

/// Every contract with its imports, its options (audiences included) and its comments, as an encoded
/// `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.binpb"));

/// Messages that Google defined for everyone.
pub mod google {
    /// `google.type`: money.
    pub mod r#type {
        include!(concat!(env!("OUT_DIR"), "/google.r#type.rs"));
    }
}

// Generated code names its neighbours by their place in the package tree, so the tree is kept, and hidden.
#[allow(clippy::all, clippy::allow_attributes_without_reason, clippy::too_many_lines, reason = "generated")]
mod souk {
    /// Who an RPC is for.
    pub mod access {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.access.v1.rs"));
        }
    }
    /// A payment processor.
    pub mod acquirer {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.acquirer.v1.rs"));
        }
    }
    /// Carts.
    pub mod cart {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.cart.v1.rs"));
        }
    }
    /// Products.
    pub mod catalog {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.catalog.v1.rs"));
        }
    }
    /// Orders.
    pub mod checkout {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.checkout.v1.rs"));
        }
    }
    /// The envelope of every change.
    pub mod event {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.event.v1.rs"));
        }
    }
    /// Stock and reservations.
    pub mod inventory {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.inventory.v1.rs"));
        }
    }
    /// Payments and card tokens.
    pub mod payment {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.payment.v1.rs"));
        }
    }
    /// Products by words.
    pub mod search {
        /// Version 1.
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/souk.search.v1.rs"));
        }
    }
}
