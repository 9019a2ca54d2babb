//! What each service is, in the words of its own contract.

use std::sync::Arc;

use mesh::Target;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// `service` in a `FileDescriptorProto`.
const SERVICE_FIELD: i32 = 6;

/// A service of the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    /// Its noun.
    pub(super) noun: &'static str,
    /// Its full name.
    pub(super) service: String,
    /// The first sentence about it.
    pub(super) about: String,
    /// How many RPCs it has.
    pub(super) rpcs: usize,
}

/// The services of `targets`, in their order.
pub(super) fn described(targets: &'static [Target]) -> Arc<[Description]> {
    // The contracts were read before this is asked for; a set that cannot be read describes nothing.
    let files = FileDescriptorSet::decode(contracts::FILE_DESCRIPTOR_SET).map(|set| set.file).unwrap_or_default();
    let of_target = |target: &'static Target| {
        let package = format!("souk.{target}.v1");
        let files = files.iter().filter(move |file| file.package() == package);
        files.flat_map(move |file| services_of(target.name(), file))
    };
    targets.iter().flat_map(of_target).collect()
}

fn services_of(noun: &'static str, file: &FileDescriptorProto) -> impl Iterator<Item = Description> {
    file.service.iter().zip(0..).map(move |(service, index)| Description {
        noun,
        service: format!("{}.{}", file.package(), service.name()),
        about: first_sentence(comment_at(file, &[SERVICE_FIELD, index])),
        rpcs: service.method.len(),
    })
}

fn comment_at<'a>(file: &'a FileDescriptorProto, path: &[i32]) -> &'a str {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    locations.filter(|location| location.path == path).map(|location| location.leading_comments()).next().unwrap_or("")
}

/// Up to the first full stop at the end of a word, on one line.
fn first_sentence(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let end = words.iter().position(|word| word.ends_with('.')).map_or(words.len(), |last| last + 1);
    words[..end].join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_that_is_called_is_described_by_its_contract() {
        let described = described(crate::CALLS);
        for target in crate::CALLS {
            let description = described.iter().find(|one| one.noun == target.name()).unwrap();
            assert!(description.about.ends_with('.') && description.rpcs > 0, "{description:?}");
        }
    }

    #[test]
    fn a_first_sentence_ends_at_its_full_stop() {
        assert_eq!(first_sentence("Products: v1.0 of\nthem. More."), "Products: v1.0 of them.");
        assert_eq!(first_sentence(""), "");
    }
}
