//! How far an import is: a bar with rate and time left for people at a terminal, now and then a line for everybody else.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// How often a line is written.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of one import.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    said: Instant,
    total: Option<u64>,
    rows: u64,
}

impl Progress {
    /// `total`: how many bytes there are to read, where that is known.
    pub(super) fn begin(total: Option<u64>) -> Self {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| bar(total));
        Self { bar, begun: now, said: now, total, rows: 0 }
    }

    /// So many rows are in the shop, of so many bytes.
    pub(super) fn advance(&mut self, rows: u64, bytes: u64) {
        self.rows = rows;
        let rate = format!("{} rows, {} rows/s", grouped(rows), grouped(self.rate()));
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(rate);
            return;
        }
        if self.said.elapsed() < LINE_EVERY {
            return;
        }
        self.said = Instant::now();
        let left = self.total.filter(|total| *total > 0 && bytes > 0).map(|total| {
            let left = self.begun.elapsed().mul_f64(total.saturating_sub(bytes) as f64 / bytes as f64);
            format!(", {} %, {} s left", bytes.min(total) * 100 / total, left.as_secs())
        });
        say(&format!("{rate}{}", left.unwrap_or_default()));
    }

    /// Writes a line that stays, above the bar.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    pub(super) fn end(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Rows a second so far.
    pub(super) fn rate(&self) -> u64 {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.rows.saturating_mul(1_000) / millis.max(1)
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{wide_bar} {percent:>3} %  {msg}  {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}"),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// Tells people how it goes; programs read standard output.
pub(super) fn say(line: &str) {
    let _closed = writeln!(std::io::stderr(), "{line}").is_err();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(["7", "1,000", "12,345,678"], [7, 1_000, 12_345_678].map(grouped).each_ref().map(String::as_str));
    }
}
