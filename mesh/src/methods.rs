//! What the contracts say of each method: its label, whether it streams, whether it may be retried.
//!
//! Read once from encoded descriptor sets. A path that is in none of them has the label `other`, so that callers cannot
//! make metrics grow.

use std::{collections::HashMap, sync::Arc};

use prost::Message as _;
use prost_types::{FileDescriptorSet, method_options::IdempotencyLevel};

/// What one method's contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// `package.Service/Method`, or `other`.
    pub label: Arc<str>,
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
    by_path: Arc<HashMap<String, Arc<Method>>>,
    services: Arc<[String]>,
    other: Arc<Method>,
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
                                label: label.into(),
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
        let other = Method { label: "other".into(), client_streaming: true, server_streaming: true, idempotent: false };
        Ok(Self { by_path: Arc::new(by_path), services: services.into(), other: Arc::new(other) })
    }

    /// The method at an HTTP/2 `:path`; an unknown one is `other`, which may stream and is never retried.
    #[must_use]
    pub fn at(&self, path: &str) -> &Arc<Method> {
        self.by_path.get(path).unwrap_or(&self.other)
    }

    /// The full names of all services described.
    #[must_use]
    pub fn services(&self) -> &[String] {
        &self.services
    }
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
        assert_eq!(&*check.label, "grpc.health.v1.Health/Check");
        assert_eq!(methods.services(), ["grpc.health.v1.Health"]);
    }

    #[test]
    fn a_path_that_no_contract_knows_is_other() {
        let methods = methods();
        for path in ["/", "", "/grpc.health.v1.Health/Nope", "/../../etc/passwd"] {
            assert_eq!(&*methods.at(path).label, "other");
            assert!(!methods.at(path).idempotent);
        }
    }

    #[test]
    fn bytes_that_are_no_descriptor_set_are_refused() {
        assert!(Methods::from_descriptor_sets(&[b"\xff\xff\xff"]).is_err());
    }
}
