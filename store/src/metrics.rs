//! What is to be seen of a store.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::open::{Stats, Store, Weak};

/// One metric of a store. Read when it is asked for; it does not keep the store open.
#[derive(Clone, Debug)]
pub struct Series {
    store: Weak,
    of: Of,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Statements,
    Units,
    Commits,
    Queued,
}

impl Store {
    /// Each metric's name, help and values, to be registered under the service's name.
    #[must_use]
    pub fn series(&self) -> [(&'static str, &'static str, Series); 4] {
        let series = |of| Series { store: self.downgrade(), of };
        [
            ("store_statements", "Statements sent to the database; a script counts as one", series(Of::Statements)),
            ("store_units", "Units of work that were committed", series(Of::Units)),
            ("store_commits", "Transactions committed; units of work share them", series(Of::Commits)),
            ("store_queued_units", "Units of work that wait for the commit before them", series(Of::Queued)),
        ]
    }
}

impl EncodeMetric for Series {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(store) = self.store.upgrade() else { return Ok(()) };
        let Stats { commits, units, statements, queued } = store.stats();
        let counter = match self.of {
            Of::Statements => statements,
            Of::Units => units,
            Of::Commits => commits,
            Of::Queued => return encoder.encode_gauge(&i64::try_from(queued).unwrap_or(i64::MAX)),
        };
        encoder.encode_counter::<NoLabelSet, _, u64>(&counter, None)
    }

    fn metric_type(&self) -> MetricType {
        match self.of {
            Of::Statements | Of::Units | Of::Commits => MetricType::Counter,
            Of::Queued => MetricType::Gauge,
        }
    }
}
