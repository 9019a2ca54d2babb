//! What is said about an import: what the columns are taken for, what came of the rows, and why some are not imported.

use std::collections::BTreeMap;

use contracts::catalog::v1::Product;

use super::{
    progress::{Progress, grouped, say},
    rejection::Kind,
    shop::Outcome,
    table::{Batch, Counts, Rejected},
};

/// Rejected rows that are said one by one; the file of `--rejects` has all.
const SAID_MAX: u64 = 100;
/// Lines that are named for each reason.
const LINES_MAX: usize = 10;

/// What came of an import so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) outcome: Outcome,
    /// Products that were read, whatever became of them.
    pub(super) products: u64,
    pub(super) rejected: u64,
    reasons: BTreeMap<Kind, (u64, Vec<u64>)>,
    /// Up to which line everything is done.
    pub(super) line: u64,
}

impl Tally {
    /// Adds a batch that is done.
    pub(super) fn add(&mut self, batch: &Batch, outcome: Outcome) {
        self.counts.add(batch.counts);
        self.products += batch.products.len() as u64;
        self.line = self.line.max(batch.line);
        self.outcome.created += outcome.created;
        self.outcome.updated += outcome.updated;
        self.outcome.unchanged += outcome.unchanged;
        self.outcome.stocked += outcome.stocked;
        self.outcome.unstocked += outcome.unstocked;
    }

    /// Adds a rejected row, and says it while they are few.
    pub(super) fn reject(&mut self, rejected: &Rejected, progress: &Progress) {
        let line = rejected.rows.first().map(|row| row.line).unwrap_or_default();
        let (count, lines) = self.reasons.entry(rejected.reason.kind).or_default();
        *count += 1;
        if lines.len() < LINES_MAX {
            lines.push(line);
        }
        self.rejected += 1;
        if self.rejected <= SAID_MAX {
            progress.say(&format!("line {line}: {}", rejected.reason));
        }
    }

    /// Counts the rejected rows by their reasons.
    pub(super) fn say_reasons(&self, listed: bool) {
        if self.rejected > SAID_MAX && !listed {
            say(&format!("and {} more; --rejects FILE lists all of them", grouped(self.rejected - SAID_MAX)));
        }
        for (kind, (count, lines)) in &self.reasons {
            let more = if *count > lines.len() as u64 { " …" } else { "" };
            let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
            say(&format!("rejected {:>6}  {} (line {}{more})", grouped(*count), kind.name(), lines.join(", ")));
        }
        for (count, what) in [
            (self.counts.continued, "rows continue the product before them"),
            (self.counts.blank, "rows are blank"),
            (self.counts.shortened, "products are shortened to what the catalog takes"),
            (self.counts.rounded, "prices are rounded to what their currency has coins for"),
        ] {
            if count > 0 {
                say(&format!("{:>15}  {what}", grouped(count)));
            }
        }
    }

    /// The figures, for programs and people.
    pub(super) fn figures(&self, progress: &Progress) -> Vec<(&'static str, String)> {
        let figure = |name, count: &dyn std::fmt::Display| (name, count.to_string());
        vec![
            figure("rows", &self.counts.rows),
            figure("products", &self.products),
            figure("created", &self.outcome.created),
            figure("updated", &self.outcome.updated),
            figure("unchanged", &self.outcome.unchanged),
            figure("rejected", &self.rejected),
            figure("continued", &self.counts.continued),
            figure("blank", &self.counts.blank),
            figure("stocked", &self.outcome.stocked),
            figure("unstocked", &self.outcome.unstocked),
            figure("line", &self.line),
            figure("seconds", &format!("{:.1}", progress.seconds())),
            figure("rows_per_second", &progress.rate()),
        ]
    }
}

/// Says what each column is taken for.
pub(super) fn say_guess(format: &str, rows: &[[String; 3]]) {
    say(&format!("{format}; --map FIELD=COLUMN changes what is read from where:"));
    let width = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or_default().min(40);
    let (field, column) = (width(0), width(1));
    for [name, header, example] in rows {
        say(&format!("  {name:<field$}  {header:<column$}  {example}"));
    }
}

/// Says what a product is.
pub(super) fn say_product(product: &Product, units: Option<i64>) {
    let price = |money: &contracts::google::r#type::Money| {
        let nanos = format!("{:09}", money.nanos);
        let cents = nanos.trim_end_matches('0');
        let cents = if cents.is_empty() { String::new() } else { format!(".{cents:0<2}") };
        format!("{}{cents} {}", money.units, money.currency_code)
    };
    say(&format!("  {}  {}", product.product_id, product.name));
    let before = product.list_price.as_ref().map(|before| format!(" (before {})", price(before))).unwrap_or_default();
    let units = units.map_or_else(|| "stock unknown".to_owned(), |units| format!("{units} in stock"));
    let now = product.price.as_ref().map(price).unwrap_or_default();
    let (pictures, attributes) = (product.pictures.len(), product.attributes.len());
    say(&format!("    {now}{before}, {units}, {pictures} pictures, {attributes} attributes"));
    for path in &product.categories {
        say(&format!("    {}", path.names.join(" > ")));
    }
}
