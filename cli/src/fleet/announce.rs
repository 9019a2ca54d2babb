//! The line, or for people the few lines, that say that the fleet is open and where.

use std::{fmt::Write as _, io::Write as _, time::Duration};

use mesh::Output;

use super::board::{Board, Row};
use crate::shop::{Addresses, announce::url};

/// A fleet that answers.
pub(super) struct Open<'a> {
    pub(super) at: &'a Addresses,
    pub(super) board: &'a Board,
    /// Products of the demo catalogue that came in at this start.
    pub(super) loaded: i64,
}

/// Prints where the shop is. Nobody reading standard output any more is no reason to close it.
pub(super) fn print(output: Output, open: &Open<'_>, took: Duration) {
    match output {
        Output::Json => output.print(
            "listening",
            &[
                ("service", "souk".to_owned()),
                ("http", open.at.http.to_string()),
                ("grpc", open.at.grpc.to_string()),
                ("admin", open.at.admin.to_string()),
                ("data", open.board.data().display().to_string()),
                ("fleet", open.board.path().display().to_string()),
            ],
        ),
        Output::Text => {
            let text = text(open, &open.board.rows(), took);
            let mut out = std::io::stdout().lock();
            let _closed = write!(out, "{text}").and_then(|()| out.flush()).is_err();
        }
    }
}

fn text(open: &Open<'_>, rows: &[Row], took: Duration) -> String {
    let Open { at, board, loaded } = open;
    let filled = if *loaded > 0 { format!(" ({loaded} demo products loaded)") } else { String::new() };
    let (http, grpc, data) = (url(&at.http), at.grpc.dial(), board.data().display());
    let mut text = format!(
        "\n  The souk is open, after {:.1} s, as {} processes.\n\n  \
           shop   {http}\n  \
           gRPC   {grpc}   grpcurl -plaintext {grpc} list\n  \
           data   {data}{filled}\n\n",
        took.as_secs_f64(),
        rows.len(),
    );
    let external = board.external();
    let names = rows.iter().map(|row| &*row.name).chain(external.keys().copied());
    let width = names.map(str::len).max().unwrap_or_default();
    for row in rows {
        let pid = row.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let grpc = row.grpc.as_ref().map(|grpc| grpc.dial().to_string()).unwrap_or_default();
        let admin = row.admin.as_ref().map(url).unwrap_or_default();
        // A string takes every line.
        let _written = writeln!(text, "  {:width$}   process {pid:<8} gRPC {grpc:<17} admin {admin}", row.name).is_ok();
    }
    for (service, at) in external {
        let _written = writeln!(text, "  {service:width$}   runs elsewhere, at {at}").is_ok();
    }
    text + "\n  `souk fleet status` says how they are, `souk fleet restart [NAME]` replaces them one at a time.\n  \
            Ctrl-C closes the souk once the calls in flight are answered, a second one at once.\n\n"
}
