//! One listener that hands sockets to cores against SO_REUSEPORT, where the kernel's hash does.

use std::{fmt::Write as _, os::fd::AsFd as _, process::Command};

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};
use rustix::net::{self, AddressFamily, SocketType, sockopt};

use super::{Options, fixture::Fixture, progress, server::Server, variant::median};

/// Connections that the kernel keeps for an acceptor, as the mesh's own.
const BACKLOG: i32 = 1024;

/// One way to share connections among two cores.
struct Way {
    name: &'static str,
    servers: Vec<Server>,
    per_core: Vec<f64>,
    per_second: Vec<f64>,
    busier: Vec<f64>,
}

/// The section, as Markdown.
pub(super) fn measure(options: &Options, fixture: &Fixture) -> anyhow::Result<String> {
    let asked = fixture.products.first().context("there is no product to ask for")?;
    let way = |name, servers| Way { name, servers, per_core: Vec::new(), per_second: Vec::new(), busier: Vec::new() };
    let mut ways = [
        way("one listener, sockets handed to the core with the fewest", vec![one_listener(fixture)?]),
        way("SO_REUSEPORT, a listener a core", reuseport(fixture)?),
    ];
    for round in 1..=options.rounds {
        progress(format_args!("acceptors: round {round} of {}", options.rounds));
        for way in &mut ways {
            let address = way.servers[0].address("grpc")?.to_owned();
            let before = threads(&way.servers)?;
            let per_second = asked.call().run(&address, options.requests)?;
            let mut used: Vec<f64> = threads(&way.servers)?
                .into_iter()
                .map(|(thread, used)| used - before.iter().find(|(id, _)| *id == thread).map_or(0.0, |(_, used)| *used))
                .collect();
            used.sort_unstable_by(|one, other| other.total_cmp(one));
            way.per_core.push(f64::from(options.requests) / used.iter().sum::<f64>());
            way.per_second.push(per_second);
            way.busier.push(used[0] / (used[0] + used.get(1).copied().unwrap_or_default()));
        }
    }
    let mut text = format!("## Sharing connections among cores: GetProduct, {} bytes\n\n", asked.bytes);
    writeln!(
        text,
        "Two cores for the server, which the load shares; 8 connections that live long. SO_REUSEPORT is two processes of one"
    )?;
    writeln!(text, "core each on the same port. The share is the busier event loop's, of both loops' CPU time.\n")?;
    writeln!(text, "| | calls a CPU-second | calls a second | busier loop, median | worst |\n|---|---|---|---|---|")?;
    for Way { name, per_core, per_second, busier, .. } in ways {
        let worst = busier.iter().copied().fold(0.0, f64::max);
        writeln!(
            text,
            "| {name} | {:.0} | {:.0} | {:.0} % | {:.0} % |",
            median(per_core),
            median(per_second),
            100.0 * median(busier),
            100.0 * worst
        )?;
    }
    writeln!(text)?;
    Ok(text)
}

fn one_listener(fixture: &Fixture) -> anyhow::Result<Server> {
    let mut command = souk(&fixture.catalog())?;
    command.env("CORES", "2");
    Server::spawn(command)
}

/// Two processes on one port, each with a listener of its own that it inherits.
fn reuseport(fixture: &Fixture) -> anyhow::Result<Vec<Server>> {
    let first = listen("127.0.0.1:0".parse()?)?;
    let address = net::getsockname(&first)?.try_into().context("read the listener's address")?;
    let mut servers = Vec::new();
    for socket in [first, listen(address)?] {
        let mut command = souk(&fixture.catalog())?;
        command.env("CORES", "1").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "grpc");
        let mapping = FdMapping { parent_fd: socket, child_fd: 3 };
        command.fd_mappings(vec![mapping]).context("hand the listener down")?;
        servers.push(Server::spawn(command)?);
    }
    Ok(servers)
}

fn listen(address: std::net::SocketAddr) -> anyhow::Result<std::os::fd::OwnedFd> {
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseport(socket.as_fd(), true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn souk(arguments: &[String]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("find this program")?);
    command.args(arguments).env("LOG", "error");
    Ok(command)
}

/// CPU seconds of each thread of all servers.
fn threads(servers: &[Server]) -> anyhow::Result<Vec<(String, f64)>> {
    let mut all = Vec::new();
    for server in servers {
        all.extend(server.threads()?);
    }
    Ok(all)
}
