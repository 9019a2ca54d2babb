//! What the contracts say of each method: its label, whether it streams, whether it may be retried.
//!
//! Read once from encoded descriptor sets. A path that is in none of them has the label `other`, so that callers cannot
//! make metrics grow.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use prost::Message as _;
use prost_types::{FileDescriptorSet, method_options::IdempotencyLevel};

/// What one method's contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// `package.Service/Method`, or `other`.
    pub label: &'static str,
    /// The caller sends a stream.
    pub client_streaming: bool,
    /// The answer is a stream.
    pub server_streaming: bool,
    /// Calling it twice is as good as calling it once (`idempotency_level` NO_SIDE_EFFECTS or IDEMPOTENT).
    pub idempotent: bool,
}

impl Method {
    /// Whether both directions are a single message. Only such a method gets a default deadline.
    #[must_use]
    pub fn is_unary(&self) -> bool {
        !self.client_streaming && !self.server_streaming
    }
}

/// Every method of some descriptor sets, by path.
#[derive(Clone, Debug)]
pub struct Methods {
    methods: ByPath<Method>,
    services: Arc<[String]>,
}

/// One thing for each method, and one for all the paths that no contract knows.
#[derive(Debug)]
pub(crate) struct ByPath<T> {
    known: Arc<HashMap<String, Arc<T>>>,
    other: Arc<T>,
}

impl<T> Clone for ByPath<T> {
    fn clone(&self) -> Self {
        Self { known: Arc::clone(&self.known), other: Arc::clone(&self.other) }
    }
}

impl<T> ByPath<T> {
    /// What belongs to an HTTP/2 `:path`.
    pub(crate) fn at(&self, path: &str) -> &Arc<T> {
        self.known.get(path).unwrap_or(&self.other)
    }
}

/// A descriptor set that is none.
#[derive(Debug, thiserror::Error)]
#[error("read an encoded FileDescriptorSet")]
pub struct DescriptorError(#[from] prost::DecodeError);

impl Methods {
    /// Reads encoded `FileDescriptorSet`s.
    ///
    /// # Errors
    /// If one of them cannot be decoded.
    pub fn from_descriptor_sets(sets: &[&[u8]]) -> Result<Self, DescriptorError> {
        let (mut by_path, mut services) = (HashMap::new(), Vec::new());
        for set in sets {
            for file in FileDescriptorSet::decode(*set)?.file {
                for service in &file.service {
                    let name = match file.package() {
                        "" => service.name().to_owned(),
                        package => format!("{package}.{}", service.name()),
                    };
                    for method in &service.method {
                        let level = method.options.as_ref().map(prost_types::MethodOptions::idempotency_level);
                        let label = format!("{name}/{}", method.name());
                        by_path.insert(
                            format!("/{label}"),
                            Arc::new(Method {
                                label: interned(label),
                                client_streaming: method.client_streaming(),
                                server_streaming: method.server_streaming(),
                                idempotent: level.is_some_and(|level| level != IdempotencyLevel::IdempotencyUnknown),
                            }),
                        );
                    }
                    services.push(name);
                }
            }
        }
        let other = Method { label: "other", client_streaming: true, server_streaming: true, idempotent: false };
        let methods = ByPath { known: Arc::new(by_path), other: Arc::new(other) };
        Ok(Self { methods, services: services.into() })
    }

    /// Makes one thing for each method, so that a call finds it and makes nothing.
    pub(crate) fn each<T>(&self, make: impl Fn(&Arc<Method>) -> T) -> ByPath<T> {
        let known = self.methods.known.iter().map(|(path, method)| (path.clone(), Arc::new(make(method))));
        ByPath { known: Arc::new(known.collect()), other: Arc::new(make(&self.methods.other)) }
    }

    /// The method at an HTTP/2 `:path`; an unknown one is `other`, which may stream and is never retried.
    #[must_use]
    pub fn at(&self, path: &str) -> &Arc<Method> {
        self.methods.at(path)
    }

    /// The full names of all services described.
    #[must_use]
    pub fn services(&self) -> &[String] {
        &self.services
    }
}

/// The one copy of a label. It is kept for ever: there are as many as the contracts have methods, whoever reads them.
fn interned(label: String) -> &'static str {
    static LABELS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut labels = LABELS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = labels.get(label.as_str()) {
        return known;
    }
    let kept: &'static str = label.leak();
    labels.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods() -> Methods {
        Methods::from_descriptor_sets(&[crate::FILE_DESCRIPTOR_SET]).unwrap()
    }

    #[test]
    fn a_contract_tells_streams_and_idempotency() {
        let methods = methods();
        let (check, watch) = (methods.at("/grpc.health.v1.Health/Check"), methods.at("/grpc.health.v1.Health/Watch"));
        assert!(check.is_unary() && check.idempotent);
        assert!(watch.server_streaming && !watch.client_streaming);
        assert_eq!(check.label, "grpc.health.v1.Health/Check");
        assert_eq!(methods.services(), ["grpc.health.v1.Health"]);
    }

    #[test]
    fn a_path_that_no_contract_knows_is_other() {
        let methods = methods();
        for path in ["/", "", "/grpc.health.v1.Health/Nope", "/../../etc/passwd"] {
            assert_eq!(methods.at(path).label, "other");
            assert!(!methods.at(path).idempotent);
        }
    }

    #[test]
    fn bytes_that_are_no_descriptor_set_are_refused() {
        assert!(Methods::from_descriptor_sets(&[b"\xff\xff\xff"]).is_err());
    }
}
