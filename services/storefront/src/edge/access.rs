//! Who each RPC of the shop is for, as its contract says (`souk.access.v1.audience`).
//!
//! Read once from the descriptor set. Only packages `souk.<noun>.v1` are in the table; whatever else a descriptor set
//! holds is nothing that the edge could forward to.

use std::collections::{BTreeMap, HashMap};

use contracts::access::v1::Audience;
use mesh::Target;
use prost::Message;

/// One RPC as the edge sees it.
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
