//! Asks the person at the terminal before money moves.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use contracts::checkout::v1::Order;

use super::{options::short, text};

/// Whether it is to be done: `yes` was given, or somebody says so now.
///
/// # Errors
/// If there is nobody to ask.
pub(super) fn confirmed(yes: bool, question: &str, order: &Order) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    let asked = format!("{question} order {} ({})", short(&order.order_id), text::price_and_card(order));
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("{asked}? there is no terminal to ask at: say --yes");
    }
    let mut out = std::io::stderr();
    write!(out, "{asked}? [y/N] ").and_then(|()| out.flush()).context("ask at the terminal")?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer).context("read the answer")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
