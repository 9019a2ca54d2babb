//! Turns `proto/` into the modules that `src/lib.rs` includes, and into a descriptor set for reflection and policies.
//!
//! protox compiles in this process, so that no `protoc` has to be installed. The descriptor set is written from protox's
//! own bytes: `prost_types` drops custom options, the audience of each RPC among them.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use prost::Message;
use prost_types::{FileDescriptorProto, SourceCodeInfo};

/// A `FileDescriptorSet` whose files stay bytes.
#[derive(Clone, PartialEq, Message)]
struct RawDescriptorSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

/// What of a `FileDescriptorProto` says which fields are secret; `debug_redact` is younger than `prost_types`.
#[derive(Clone, PartialEq, Message)]
struct RedactFile {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<RedactMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct RedactMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    field: Vec<RedactField>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    nested_type: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    oneof_decl: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct RedactField {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "8")]
    options: Option<RedactOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct RedactOptions {
    #[prost(bool, tag = "16")]
    debug_redact: bool,
}

impl RedactField {
    fn is_redacted(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.debug_redact)
    }
}

impl RedactFile {
    fn redacted(&self) -> impl Iterator<Item = &RedactMessage> {
        self.message_type.iter().filter(|message| message.field.iter().any(RedactField::is_redacted))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=build.rs");
    #[allow(clippy::disallowed_methods, reason = "cargo tells a build script by its environment where to write")]
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut protos = Vec::new();
    find_protos(Path::new("proto"), &mut protos)?;
    protos.sort();

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(&protos)?;
    let set = RawDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())?;
    let redact = set.file.iter().map(|bytes| RedactFile::decode(bytes.as_slice())).collect::<Result<Vec<_>, _>>()?;
    let described = compiler.include_source_info(true).file_descriptor_set();
    fs::write(out_dir.join("descriptor_set.binpb"), with_comments(set, &described.file)?)?;

    // No transport: `mesh` carries the calls, and a client is built over any tower service.
    let secret =
        redact.iter().flat_map(|file| file.redacted().map(|message| format!(".{}.{}", file.package, message.name)));
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .skip_debug(secret)
        .out_dir(&out_dir)
        .compile_fds(described)?;
    redact.iter().try_for_each(|file| write_redacted_debug(&out_dir, file))
}

fn find_protos(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}

/// Adds the comments to a set without source info, for `grpcurl describe` and for tests that ask whether they exist.
///
/// Every service carries the set in its image and its memory, so the positions of what has no comment, most of the
/// source info, stay out. A message that is encoded twice in a row is merged by its reader, so appending is enough.
fn with_comments(mut set: RawDescriptorSet, described: &[FileDescriptorProto]) -> Result<Vec<u8>, Box<dyn Error>> {
    for (bytes, file) in set.file.iter_mut().zip(described) {
        let ours = !file.package().starts_with("google.protobuf");
        let Some(info) = file.source_code_info.as_ref().filter(|_| ours) else { continue };
        let location = info.location.iter().filter(|location| location.leading_comments.is_some()).cloned().collect();
        let source_code_info = Some(SourceCodeInfo { location });
        FileDescriptorProto { source_code_info, ..FileDescriptorProto::default() }.encode(bytes)?;
    }
    Ok(set.encode_to_vec())
}

/// Gives each message that has a field with `debug_redact` a `Debug` that says no more of it than its name.
///
/// prost's own prints every field, and `{:?}` of a request is one careless line away from a log.
fn write_redacted_debug(out_dir: &Path, file: &RedactFile) -> Result<(), Box<dyn Error>> {
    let mut code = String::new();
    for message in file.redacted() {
        // The names below are right for plain fields of messages at the top of their file.
        if !message.oneof_decl.is_empty() || !message.nested_type.is_empty() {
            return Err(format!("{}: a message with debug_redact has no oneof and nests nothing", message.name).into());
        }
        writeln!(code, "impl ::core::fmt::Debug for {} {{", message.name)?;
        writeln!(code, "fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{")?;
        write!(code, "f.debug_struct({:?})", message.name)?;
        for field in &message.field {
            let name = &field.name;
            if field.is_redacted() {
                write!(code, ".field({name:?}, &::core::format_args!(\"[redacted]\"))")?;
            } else {
                write!(code, ".field({name:?}, &self.{name})")?;
            }
        }
        writeln!(code, ".finish()\n}}\n}}")?;
    }
    if !code.is_empty() {
        let module = out_dir.join(format!("{}.rs", file.package));
        fs::OpenOptions::new().append(true).open(module)?.write_all(code.as_bytes())?;
    }
    Ok(())
}
