//! The home page: all services in one process against a process each, and what a browser has to fetch for it.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    Options,
    fixture::Fixture,
    http,
    load::Call,
    server::Server,
    shop::{Place, Shop},
    variant::{Comparison, Variant},
};

/// The section, as Markdown.
pub(super) fn measure(options: &Options, fixture: &Fixture) -> anyhow::Result<String> {
    let place = Place::pinned(&fixture.data());
    let (processes, one) = (Shop::in_processes(&place)?, Shop::in_one(&place)?);
    let mut comparison = Comparison::new(vec![
        Variant::pages("a process a service", Call::page(""), processes.servers()),
        Variant::pages("one process", Call::page(""), one.servers()),
    ]);
    comparison.measure("pages", options.effort().tenth(), || Ok(()))?;
    let mut text = String::from("## The home page\n\n");
    writeln!(
        text,
        "The demo catalogue; 128 connections of HTTP/1.1. All processes of a row share one core; a cost is theirs"
    )?;
    writeln!(text, "together.\n\n{comparison}")?;
    writeln!(text, "| what a browser fetches for it | bytes |\n|---|---|")?;
    for (what, bytes) in weight(&*one.process("souk")?)? {
        writeln!(text, "| {what} | {bytes} |")?;
    }
    writeln!(text)?;
    Ok(text)
}

/// The page and what it names of this shop, by kind.
fn weight(server: &Server) -> anyhow::Result<Vec<(&'static str, usize)>> {
    let address = server.address("http")?;
    let page = http::get(address, "/")?;
    let text = String::from_utf8_lossy(&page);
    let paths: BTreeSet<&str> = ["href=\"", "src=\""]
        .iter()
        .flat_map(|attribute| text.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let kinds = [("style sheets", "/assets/", ".css"), ("scripts", "/assets/", ".js"), ("pictures", "/pictures/", "")];
    let mut rows = vec![("the page itself", page.len())];
    for (what, folder, ending) in kinds {
        let mut bytes = 0;
        for path in paths.iter().filter(|path| path.starts_with(folder) && without_version(path).ends_with(ending)) {
            bytes += http::get(address, path)?.len();
        }
        rows.push((what, bytes));
    }
    Ok(rows)
}

/// A path without the version that follows it.
fn without_version(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
