//! Puts `assets/` into the binary: a sorted table of path, content type, entity tag and bytes.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed=build.rs");
    #[allow(clippy::disallowed_methods, reason = "cargo tells a build script by its environment where things are")]
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("cargo sets {name}"));
    let (crate_dir, out_dir) = (folder("CARGO_MANIFEST_DIR")?, folder("OUT_DIR")?);

    let assets = crate_dir.join("assets");
    let mut files = files_in(&assets.join("pictures"), "/pictures")?;
    for name in ["no-picture.svg", "shop.js", "style.css"] {
        files.push((format!("/assets/{name}"), assets.join(name)));
    }
    files.push(("/favicon.svg".into(), assets.join("favicon.svg")));
    files.sort();

    let mut table = String::from("&[\n");
    for (path, file) in files {
        let content_type = match file.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => "image/svg+xml",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => return Err(format!("{}: no content type is known for it", file.display()).into()),
        };
        let etag = format!("\"{:016x}\"", fnv1a(&fs::read(&file)?));
        writeln!(
            table,
            "Asset {{ path: {path:?}, content_type: {content_type:?}, etag: {etag:?}, bytes: include_bytes!({file:?}) }},"
        )?;
    }
    table.push(']');
    fs::write(out_dir.join("assets.rs"), table)?;
    Ok(())
}

fn files_in(folder: &Path, below: &str) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("file names are UTF-8")?;
        // Editors leave hidden files behind.
        if !name.starts_with('.') {
            files.push((format!("{below}/{name}"), file));
        }
    }
    Ok(files)
}

/// FNV-1a: enough to tell one version of a file from the next.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
