//! Who each RPC of the shop is for, as its contract says (`souk.access.v1.audience`).
//!
//! Read once from the descriptor set. Only packages `souk.<noun>.v1` are in the table; whatever else a descriptor set
//! holds is nothing of the shop's. A service serves under [`policy`], the edge forwards by [`Access`].

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use contracts::access::v1::Audience;
use mesh::server::{Policy, Rule};
use mesh::token::Grant;
use mesh::{Principal, Target};
use prost::Message;

/// The role of operators, as their tokens say it.
const OPERATOR: &str = "operator";

/// The policy of every service: who may call what, as the contracts say.
///
/// # Panics
/// Never: the contracts of this build can be read.
#[must_use]
pub fn policy() -> Policy {
    Access::read(contracts::FILE_DESCRIPTOR_SET).expect("the contracts of this build").policy()
}

/// What an operator of this name is granted in a trust domain.
#[must_use]
pub fn operator(subject: &str, trust_domain: &str, lifetime: Duration) -> Grant {
    let (role, audience) = (OPERATOR.to_owned(), trust_domain.to_owned());
    Grant { subject: subject.to_owned(), role, audience, lifetime }
}

/// Whether this is the principal of operators.
#[must_use]
pub fn is_operator(principal: &Principal) -> bool {
    *principal == Principal::role(OPERATOR)
}

/// One RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// The full name of its service, such as `souk.cart.v1.CartService`.
    pub service: String,
    /// The service's noun, such as `cart`.
    pub noun: String,
    /// Who it is for.
    pub audience: Audience,
}

/// Every RPC of the shop's contracts, by path.
#[derive(Clone, Debug, Default)]
pub struct Access {
    by_path: HashMap<String, Rpc>,
    nouns: BTreeMap<String, String>,
}

/// The bytes are no descriptor set.
#[derive(Debug, thiserror::Error)]
#[error("read an encoded FileDescriptorSet")]
pub struct AccessError(#[from] prost::DecodeError);

impl Access {
    /// Reads an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(descriptors: &[u8]) -> Result<Self, AccessError> {
        let mut access = Self::default();
        for file in FileSet::decode(descriptors)?.file {
            let Some(noun) = noun_of(&file.package) else { continue };
            for service in file.service {
                let full_name = format!("{}.{}", file.package, service.name);
                for method in service.method {
                    let audience = method.options.map(|options| options.audience());
                    let rpc = Rpc {
                        service: full_name.clone(),
                        noun: noun.to_owned(),
                        audience: audience.unwrap_or(Audience::Unspecified),
                    };
                    access.by_path.insert(format!("/{full_name}/{}", method.name), rpc);
                }
                access.nouns.insert(full_name, noun.to_owned());
            }
        }
        Ok(access)
    }

    /// The RPC at exactly this path.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Rpc> {
        self.by_path.get(path)
    }

    /// Who may call which RPC of the services themselves.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let rule = |audience| match audience {
            // Services prove nothing to each other yet; who reaches one's port may ask what services ask.
            Audience::Shopper | Audience::Service => Rule::Anybody,
            Audience::Operator => Rule::Role(Principal::role(OPERATOR)),
            Audience::Unspecified => Rule::Nobody,
        };
        self.by_path.iter().map(|(path, rpc)| (path.clone(), rule(rpc.audience))).collect()
    }

    /// The noun of a service, by its full name.
    #[must_use]
    pub fn noun_of(&self, service: &str) -> Option<&str> {
        self.nouns.get(service).map(String::as_str)
    }

    /// The full names of the services of `targets`, each with its target.
    pub fn services_of<'a>(&'a self, targets: &'a [Target]) -> impl Iterator<Item = (&'a str, Target)> {
        self.nouns.iter().filter_map(|(service, noun)| {
            let target = targets.iter().find(|target| target.name() == noun)?;
            Some((service.as_str(), *target))
        })
    }

    /// Every RPC with its path, in the order of the paths.
    #[must_use]
    pub fn all(&self) -> Vec<(&str, &Rpc)> {
        let mut all: Vec<_> = self.by_path.iter().map(|(path, rpc)| (path.as_str(), rpc)).collect();
        all.sort_unstable_by_key(|(path, _)| *path);
        all
    }
}

/// `cart` of `souk.cart.v1`.
fn noun_of(package: &str) -> Option<&str> {
    let noun = package.strip_prefix("souk.")?.strip_suffix(".v1")?;
    (!noun.is_empty() && !noun.contains('.')).then_some(noun)
}

// What of descriptor.proto matters here, with the extension that prost's own types would drop.

#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "4")]
    options: Option<Options>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Options {
    #[prost(enumeration = "Audience", tag = "50501")]
    audience: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one reviewed list: what each RPC of every contract is. A change here is a change of who may call what.
    const REVIEWED: &str = "
        acquirer AcquirerService AuthorizeCharge SERVICE
        acquirer AcquirerService CaptureCharge SERVICE
        acquirer AcquirerService GetCharge SERVICE
        acquirer AcquirerService GetFaults OPERATOR
        acquirer AcquirerService ListEntries OPERATOR
        acquirer AcquirerService RefundCharge SERVICE
        acquirer AcquirerService SetFaults OPERATOR
        acquirer AcquirerService VoidCharge SERVICE
        catalog CatalogService BatchGetProducts SHOPPER
        catalog CatalogService CreateProduct OPERATOR
        catalog CatalogService DeleteProduct OPERATOR
        catalog CatalogService GetProduct SHOPPER
        catalog CatalogService ImportProducts OPERATOR
        catalog CatalogService ListProducts SHOPPER
        catalog CatalogService UpdateProduct OPERATOR
        catalog CatalogService WatchProducts SERVICE
        cart CartService AddItem SHOPPER
        cart CartService ClearCart SHOPPER
        cart CartService GetCart SHOPPER
        cart CartService MergeCarts SHOPPER
        cart CartService RemoveItem SHOPPER
        cart CartService SetItemQuantity SHOPPER
        checkout CheckoutService CancelOrder SHOPPER
        checkout CheckoutService FulfillOrder OPERATOR
        checkout CheckoutService GetOrder SHOPPER
        checkout CheckoutService ListOrders OPERATOR
        checkout CheckoutService PlaceOrder SHOPPER
        checkout CheckoutService QuoteOrder SHOPPER
        checkout CheckoutService RefundOrder OPERATOR
        checkout CheckoutService RetryOrder OPERATOR
        checkout CheckoutService WatchOrders SERVICE
        inventory InventoryService AdjustStock OPERATOR
        inventory InventoryService BatchGetStock SHOPPER
        inventory InventoryService CommitReservation SERVICE
        inventory InventoryService GetStock SHOPPER
        inventory InventoryService ReleaseReservation SERVICE
        inventory InventoryService ReserveStock SERVICE
        inventory InventoryService ReturnStock SERVICE
        inventory InventoryService WatchStock SERVICE
        payment PaymentService AuthorizePayment SERVICE
        payment PaymentService CapturePayment SERVICE
        payment PaymentService GetPayment SERVICE
        payment PaymentService ListPayments OPERATOR
        payment PaymentService RefundPayment SERVICE
        payment PaymentService TokenizeCard SHOPPER
        payment PaymentService VoidPayment SERVICE
        search SearchService SearchProducts SHOPPER
        search SearchService SuggestQueries SHOPPER
    ";

    #[test]
    fn every_rpc_of_every_contract_has_the_audience_that_was_reviewed() {
        let access = Access::read(contracts::FILE_DESCRIPTOR_SET).unwrap();
        let read = access.all().into_iter().map(|(path, rpc)| {
            let (_, method) = path.rsplit_once('/').unwrap();
            let service = rpc.service.rsplit('.').next().unwrap();
            let audience = rpc.audience.as_str_name().trim_start_matches("AUDIENCE_");
            format!("{} {service} {method} {audience}", rpc.noun)
        });
        let mut read: Vec<_> = read.collect();
        let mut reviewed: Vec<_> = REVIEWED.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        read.sort_unstable();
        reviewed.sort_unstable();
        assert_eq!(read, reviewed);
    }

    #[test]
    fn what_is_for_operators_needs_their_role_and_what_is_not_classed_is_nobodys() {
        let policy = policy();
        let (open, operators) = (Rule::Anybody, Rule::Role(Principal::role("operator")));
        assert_eq!(*policy.at("/souk.catalog.v1.CatalogService/GetProduct"), open);
        assert_eq!(*policy.at("/souk.catalog.v1.CatalogService/CreateProduct"), operators);
        assert_eq!(*policy.at("/souk.inventory.v1.InventoryService/ReserveStock"), open);
        let method = Method { name: "M".into(), options: None };
        let service = Service { name: "S".into(), method: vec![method] };
        let set = FileSet { file: vec![File { package: "souk.x.v1".into(), service: vec![service] }] };
        assert_eq!(*Access::read(&set.encode_to_vec()).unwrap().policy().at("/souk.x.v1.S/M"), Rule::Nobody);
    }

    #[test]
    fn only_versioned_packages_of_the_shop_are_in_the_table() {
        assert_eq!(noun_of("souk.cart.v1"), Some("cart"));
        for package in
            ["", "souk", "souk.v1", "souk..v1", "souk.cart", "souk.cart.v2", "souk.a.b.v1", "mesh.identity.v1"]
        {
            assert_eq!(noun_of(package), None, "{package}");
        }
    }

    #[test]
    fn an_rpc_without_an_audience_is_unspecified() {
        let method = Method { name: "M".into(), options: None };
        let service = Service { name: "S".into(), method: vec![method] };
        let set = FileSet { file: vec![File { package: "souk.x.v1".into(), service: vec![service] }] };
        let access = Access::read(&set.encode_to_vec()).unwrap();
        assert_eq!(access.at("/souk.x.v1.S/M").unwrap().audience, Audience::Unspecified);
    }
}
