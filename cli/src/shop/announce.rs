//! The line, or for people the few lines, that say that the shop is open and where.

use std::{io::Write as _, path::PathBuf, time::Duration};

use mesh::{Address, ListenAddress, Output};

use super::Addresses;

/// A shop that answers.
pub(crate) struct Open {
    pub(crate) ports: Addresses,
    pub(crate) data: PathBuf,
    /// Products of the demo catalogue that came in at this start.
    pub(crate) loaded: i64,
}

/// Prints where the shop is. Nobody reading standard output any more is no reason to close it.
pub(crate) fn print(output: Output, open: &Open, took: Duration) {
    let Open { ports, data, .. } = open;
    match output {
        Output::Json => output.print(
            "listening",
            &[
                ("service", "souk".to_owned()),
                ("http", ports.http.to_string()),
                ("grpc", ports.grpc.to_string()),
                ("admin", ports.admin.to_string()),
                ("data", data.display().to_string()),
            ],
        ),
        Output::Text => {
            let mut out = std::io::stdout().lock();
            let _closed = write!(out, "{}", text(open, took)).and_then(|()| out.flush()).is_err();
        }
    }
}

fn text(open: &Open, took: Duration) -> String {
    let Open { ports, data, loaded } = open;
    let (http, grpc, admin) = (url(&ports.http), ports.grpc.dial(), url(&ports.admin));
    let filled = if *loaded > 0 { format!(" ({loaded} demo products loaded)") } else { String::new() };
    format!(
        "\n  The souk is open, after {:.1} s.\n\n  \
           shop   {http}\n  \
           gRPC   {grpc}   grpcurl -plaintext {grpc} list\n  \
           admin  {admin}   livez, readyz, metrics\n  \
           data   {}{filled}\n\n  \
           Ctrl-C closes it once the calls in flight are answered, a second one at once.\n\n",
        took.as_secs_f64(),
        data.display(),
    )
}

/// Where people on this machine reach a listener.
pub(crate) fn url(address: &ListenAddress) -> String {
    match address.dial() {
        tcp @ (Address::Static(_) | Address::Dns { .. }) => format!("http://{tcp}/"),
        unix @ Address::Unix(_) => unix.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_addresses_that_they_can_open() {
        let ports = Addresses {
            http: "0.0.0.0:8080".parse().unwrap(),
            grpc: "127.0.0.1:50051".parse().unwrap(),
            admin: "unix:/run/admin".parse().unwrap(),
        };
        let open = Open { ports, data: "/srv/souk-data".into(), loaded: 132 };
        let text = text(&open, Duration::from_millis(870));
        for part in [
            "after 0.9 s",
            "http://127.0.0.1:8080/",
            "grpcurl -plaintext 127.0.0.1:50051 list",
            "unix:/run/admin",
            "/srv/souk-data (132 demo products loaded)",
            "Ctrl-C",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
