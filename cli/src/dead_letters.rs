//! `souk dead-letters`: events that a service could not apply, listed, and applied again.
//!
//! It opens the service's own database, also beside a shop that runs: a replica more, for as long as the command takes.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use mesh::{Process, process};
use serde_json::json;
use store::{
    Effect,
    inbox::{Beside, DeadLetter, LetterId, Replayed},
};

use crate::shop::{Server, sqlite};

/// Some could not be applied this time either.
const LEFT: u8 = 1;

/// What `souk dead-letters` is told.
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What could not be applied and why, the oldest first
    List(Options),
    /// Applies again what could not be applied; what still cannot stays. Exit status: 0 none is left of them, 1 some are
    Replay(Options),
}

/// A consumer keeps what it cannot apply; which ones do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Service {
    /// Events of the catalog
    Cart,
    /// Events of checkout. Those of the catalog and inventory are only counted, in search_feed_dead_letters_total: the index
    /// is built anew from their feeds
    Search,
}

#[derive(Debug, Args)]
struct Options {
    /// Whose; without it, of every service that keeps them
    #[arg(value_name = "SERVICE")]
    service: Option<Service>,
    /// The data directory of the shop
    #[arg(long, env = "SOUK_DATA", value_name = "DIR", default_value = "souk-data")]
    data: PathBuf,
    /// The PostgreSQL server of the shop, postgres://USER:PASSWORD@HOST, with a database souk_SERVICE for each; instead of --data
    #[arg(long, env = "SOUK_DATABASE", value_name = "URL", hide_env_values = true)]
    database: Option<Server>,
    /// One JSON object a letter
    #[arg(long)]
    json: bool,
    /// Which log lines are written: a level, or targets with levels
    #[arg(long, env = "LOG", default_value = "error", value_name = "FILTER")]
    log: String,
}

/// Lists or replays them.
pub(crate) fn run(letters: &DeadLetters) -> anyhow::Result<ExitCode> {
    let (options, replay) = match &letters.command {
        Command::List(options) => (options, false),
        Command::Replay(options) => (options, true),
    };
    let wanted = |service| options.service.is_none_or(|only| only == service);
    let (cart, search) = (wanted(Service::Cart), wanted(Service::Search));
    let url = if cart { Some(options.url("cart")?) } else { None };
    let folder = if search { options.search()? } else { None };
    let started = process::Options { log: options.log.clone(), cores: 1, ..process::Options::default() };
    let process = Process::start("souk-dead-letters", started, None)?;
    process.block_on(async {
        let mut left = 0;
        if let Some(url) = url {
            let letters = cart::dead_letters(&url, process.background().clone()).await;
            left += all("cart", &letters.context("open the database of cart")?, replay, options.json).await?;
        }
        if let Some(folder) = folder {
            let letters = search::dead_letters(&folder, process.background().clone()).await;
            left += all("search", &letters.context("open the database of search")?, replay, options.json).await?;
        }
        Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
    })
}

/// Lists or replays those of one service; how many could not be applied this time either.
async fn all<E: Effect>(name: &str, letters: &Beside<E>, replay: bool, json: bool) -> anyhow::Result<usize> {
    let done = if replay { self::replay(name, letters, json).await } else { list(name, letters, json).await };
    letters.close().await;
    done.with_context(|| format!("read the dead letters of {name}"))
}

impl Options {
    fn url(&self, service: &str) -> anyhow::Result<String> {
        match &self.database {
            Some(server) => server.database_of(service),
            None => file(&self.data, service),
        }
    }

    /// Search's folder, which is in the data directory whatever the others' databases are; `None` where it is not asked for
    /// by name and not there.
    fn search(&self) -> anyhow::Result<Option<PathBuf>> {
        let folder = self.data.join("search");
        let file = folder.join(search::SALES_FILE);
        match (file.is_file(), self.service) {
            (true, _) => Ok(Some(folder)),
            (false, None) => Ok(None),
            (false, Some(_)) => bail!("--data: there is no {}; name the data directory of a shop", file.display()),
        }
    }
}

/// The embedded database of a service. A new one is not made: nobody asked for a shop.
fn file(data: &Path, service: &str) -> anyhow::Result<String> {
    let path = data.join(format!("{service}.db"));
    if !path.is_file() {
        bail!("--data: there is no {}; name the data directory of a shop, or --database", path.display());
    }
    sqlite(data, service)
}

async fn list<E: Effect>(name: &str, letters: &Beside<E>, json: bool) -> Result<usize, store::Error> {
    let mut after = LetterId::default();
    let mut count = 0;
    loop {
        let page = letters.list(after).await?;
        let Some(last) = page.last() else { break };
        after = last.id.clone();
        count += page.len();
        page.iter().for_each(|letter| say((name, letters.source()), letter, None, json));
    }
    if !json {
        line(&format!("{name}: {count} dead letters of {}", letters.source()));
    }
    Ok(0)
}

async fn replay<E: Effect>(name: &str, letters: &Beside<E>, json: bool) -> Result<usize, store::Error> {
    let (mut after, mut left) = (LetterId::default(), 0);
    loop {
        let page = letters.list(after).await?;
        let Some(last) = page.last() else { break };
        after = last.id.clone();
        for letter in &page {
            let outcome = match letters.replay(letter.id.clone()).await {
                Ok(Replayed::Applied) => "applied".to_owned(),
                Ok(Replayed::Superseded) => "superseded: what it is about has gone on without it".to_owned(),
                Ok(Replayed::Gone) => "gone: somebody else was faster".to_owned(),
                Err(failure) => {
                    left += 1;
                    format!("failed: {}", store::chain(&failure))
                }
            };
            say((name, letters.source()), letter, Some(&outcome), json);
        }
    }
    Ok(left)
}

fn say((service, source): (&str, &str), letter: &DeadLetter, outcome: Option<&str>, json: bool) {
    let DeadLetter { id, event, reason, attempts, time_us } = letter;
    if json {
        let said = json!({
            "service": service, "source": source, "position": id.position, "key": id.key, "type": event.r#type,
            "revision": event.revision, "reason": reason, "attempts": attempts, "time_us": time_us, "outcome": outcome,
        });
        return line(&said.to_string());
    }
    let outcome = outcome.map(|outcome| format!(" → {outcome}")).unwrap_or_default();
    line(&format!(
        "{service}  {source}@{}  {}  {}  tries {attempts}  {reason}{outcome}",
        id.position, id.key, event.r#type
    ));
}

fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "{text}").and_then(|()| out.flush()).is_err();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_shop_is_named_and_left_empty() {
        let folder = tempfile::tempdir().unwrap();
        let refused = file(folder.path(), "cart").unwrap_err().to_string();
        assert!(refused.contains("cart.db") && refused.contains("--database"), "{refused}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
