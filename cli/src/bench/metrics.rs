//! Reads a server's own counts.

use super::http;

/// One line of a page of metrics.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    /// As they are written; empty where there are none.
    pub(super) labels: String,
    pub(super) value: f64,
}

/// Everything that a server counts.
pub(super) fn samples(admin: &str) -> anyhow::Result<Vec<Sample>> {
    let page = http::get(admin, "/metrics")?;
    let page = String::from_utf8_lossy(&page);
    let samples = page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').to_owned();
        Some(Sample { name: name.to_owned(), labels, value: value.trim().parse().ok()? })
    });
    Ok(samples.collect())
}

/// The sum of a metric's series whose labels contain `label`.
pub(super) fn counter(admin: &str, metric: &str, label: &str) -> anyhow::Result<f64> {
    let found = samples(admin)?.into_iter().filter(|sample| sample.name == metric && sample.labels.contains(label));
    Ok(found.map(|sample| sample.value).sum())
}
