//! The contracts as the crate `contracts` carries them: comments, idempotency and audience included.
//!
//! `prost_types` drops options that it does not know, the audience among them, so the few messages of `descriptor.proto`
//! that count here are written out.

use std::collections::HashMap;

use prost::Message;

/// What one file describes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct File {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) package: String,
    #[prost(message, repeated, tag = "4")]
    pub(crate) message_type: Vec<MessageType>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) enum_type: Vec<Named>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) service: Vec<Service>,
    #[prost(message, optional, tag = "9")]
    source_code_info: Option<SourceCodeInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MessageType {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) field: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) nested_type: Vec<MessageType>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) enum_type: Vec<Named>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageOptions>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) oneof_decl: Vec<Field>,
}

#[derive(Clone, PartialEq, Message)]
struct MessageOptions {
    #[prost(bool, tag = "7")]
    map_entry: bool,
}

/// A field, a oneof or an enum's value: what has a name and a comment.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Field {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// An enum.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Named {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(int32, tag = "2")]
    pub(crate) number: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Service {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) method: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Method {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// With a dot in front.
    #[prost(string, tag = "2")]
    pub(crate) input_type: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) options: Option<MethodOptions>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MethodOptions {
    #[prost(int32, optional, tag = "34")]
    pub(crate) idempotency_level: Option<i32>,
    #[prost(int32, optional, tag = "50501")]
    pub(crate) audience: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct SourceCodeInfo {
    #[prost(message, repeated, tag = "1")]
    location: Vec<Location>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(int32, repeated, tag = "1")]
    path: Vec<i32>,
    #[prost(string, tag = "3")]
    leading_comments: String,
}

#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

/// The numbers of `descriptor.proto` that paths of comments are made of.
mod number {
    pub(super) const MESSAGE: i32 = 4;
    pub(super) const ENUM: i32 = 5;
    pub(super) const SERVICE: i32 = 6;
    pub(super) const FIELD: i32 = 2;
    pub(super) const NESTED: i32 = 3;
    pub(super) const NESTED_ENUM: i32 = 4;
    pub(super) const ONEOF: i32 = 8;
}

/// All contracts of `souk.*`.
pub(crate) struct Descriptors(Set);

impl Descriptors {
    pub(crate) fn read() -> Self {
        Self(Set::decode(contracts::FILE_DESCRIPTOR_SET).unwrap())
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.0.file.iter().filter(|file| file.package.starts_with("souk."))
    }

    /// Every RPC with its full name, `package.Service/Method`.
    pub(crate) fn methods(&self) -> impl Iterator<Item = (String, &Method)> {
        self.files().flat_map(|file| {
            let methods = file.service.iter().flat_map(|service| service.method.iter().map(move |m| (service, m)));
            methods.map(|(service, method)| (format!("{}.{}/{}", file.package, service.name, method.name), method))
        })
    }

    /// Everything that has to be commented, by its full name, with its comment.
    pub(crate) fn comments(&self) -> Vec<(String, String)> {
        self.files().flat_map(File::comments).collect()
    }
}

impl File {
    fn comments(&self) -> Vec<(String, String)> {
        let locations = self.source_code_info.iter().flat_map(|info| &info.location);
        let by_path: HashMap<_, _> =
            locations.map(|location| (location.path.as_slice(), location.leading_comments.trim())).collect();
        let mut found = Vec::new();
        let mut add = |path: &[i32], name: String| {
            found.push((name, by_path.get(path).copied().unwrap_or_default().to_owned()));
        };
        for (index, service) in (0..).zip(&self.service) {
            let name = format!("{}.{}", self.package, service.name);
            add(&[number::SERVICE, index], name.clone());
            for (place, method) in (0..).zip(&service.method) {
                add(&[number::SERVICE, index, number::FIELD, place], format!("{name}/{}", method.name));
            }
        }
        for (index, named) in (0..).zip(&self.enum_type) {
            add_enum(named, &self.package, &[number::ENUM, index], &mut add);
        }
        for (index, message) in (0..).zip(&self.message_type) {
            add_message(message, &self.package, &[number::MESSAGE, index], &mut add);
        }
        found
    }
}

fn add_message(message: &MessageType, within: &str, path: &[i32], add: &mut impl FnMut(&[i32], String)) {
    // A map's entry is nobody's to comment.
    if message.options.as_ref().is_some_and(|options| options.map_entry) {
        return;
    }
    let name = format!("{within}.{}", message.name);
    add(path, name.clone());
    let at = |number: i32, index: i32| [path, &[number, index]].concat();
    for (index, field) in (0..).zip(&message.field) {
        add(&at(number::FIELD, index), format!("{name}.{}", field.name));
    }
    for (index, oneof) in (0..).zip(&message.oneof_decl).filter(|(_, oneof)| !oneof.name.starts_with('_')) {
        add(&at(number::ONEOF, index), format!("{name}.{}", oneof.name));
    }
    for (index, nested) in (0..).zip(&message.nested_type) {
        add_message(nested, &name, &at(number::NESTED, index), add);
    }
    for (index, named) in (0..).zip(&message.enum_type) {
        add_enum(named, &name, &at(number::NESTED_ENUM, index), add);
    }
}

fn add_enum(named: &Named, within: &str, path: &[i32], add: &mut impl FnMut(&[i32], String)) {
    let name = format!("{within}.{}", named.name);
    add(path, name.clone());
    for (index, value) in (0..).zip(&named.value) {
        add(&[path, &[number::FIELD, index]].concat(), format!("{name}.{}", value.name));
    }
}
