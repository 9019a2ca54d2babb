//! A client of gRPC's interoperation tests, for the servers of other implementations.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Parser;
use interop::client::{Amount, CASES, Subject, TARGET};
use mesh::{Address, Directory, Output, Process};

/// Runs cases against one server, or against several replicas of it.
#[derive(Parser)]
#[command(name = "interop-client", version)]
struct Command {
    /// Where the server is: HOST:PORT, IP:PORT[,IP:PORT…], unix:PATH
    #[arg(long, value_name = "ADDRESS", required_unless_present = "list")]
    server: Option<String>,
    /// The cases to run, in this order
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    case: Vec<String>,
    /// Print the names of all cases instead
    #[arg(long)]
    list: bool,
    /// How much the cases do that can do more or less.
    #[command(flatten)]
    amount: Amount,
    /// What every process can be told.
    #[command(flatten)]
    process: mesh::process::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    let Command { server, case: cases, list, amount, process } = Command::parse();
    if list {
        for (name, _) in CASES {
            Output::Json.print("case", &[("name", (*name).to_owned())]);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let directory = Directory::default();
    directory.remote(TARGET.name(), address(&server.unwrap_or_default())?);
    for name in &cases {
        ensure!(
            CASES.iter().any(|(known, _)| known == name),
            "there is no case {name:?}; --list prints those there are"
        );
    }
    let subject = Subject::new(Process::start("interop-client", process, None)?, &directory, amount)?;
    let mut code = ExitCode::SUCCESS;
    for name in cases {
        let outcome = subject.process().block_on(subject.run(&name));
        let failure = outcome.err().map(|error| ("reason", format!("{error:#}")));
        if failure.is_some() {
            code = ExitCode::FAILURE;
        }
        let event = if failure.is_some() { "failed" } else { "passed" };
        let fields: Vec<_> = std::iter::once(("case", name)).chain(failure).collect();
        Output::Json.print(event, &fields);
    }
    Ok(code)
}

/// A list without a scheme is one of IP addresses.
fn address(server: &str) -> anyhow::Result<Address> {
    let listed = server.contains(',') && !server.starts_with("ipv");
    let server = if listed { format!("ipv4:{server}") } else { server.to_owned() };
    server.parse().with_context(|| "read --server")
}
