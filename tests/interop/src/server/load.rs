//! `xds.service.orca.v3.OpenRcaService`: the load that a full-duplex call told the server to report (gRFC A51).

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt as _};
use tokio::{sync::watch, time::interval};
use tokio_stream::wrappers::IntervalStream;
use tonic::{Request, Response, Status};

use crate::{
    OrcaLoadReport,
    orca::{OrcaLoadReportRequest, open_rca_service_server::OpenRcaService},
};

/// The shortest time between two reports, whatever is asked for.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Tells the load to whoever asks.
#[derive(Debug)]
pub(super) struct Load(watch::Receiver<OrcaLoadReport>);

impl Load {
    pub(super) fn new(load: &watch::Sender<OrcaLoadReport>) -> Self {
        Self(load.subscribe())
    }
}

#[tonic::async_trait]
impl OpenRcaService for Load {
    type StreamCoreMetricsStream = Pin<Box<dyn Stream<Item = Result<OrcaLoadReport, Status>> + Send>>;

    async fn stream_core_metrics(
        &self,
        request: Request<OrcaLoadReportRequest>,
    ) -> Result<Response<Self::StreamCoreMetricsStream>, Status> {
        let asked = request.get_ref().report_interval.and_then(|interval| Duration::try_from(interval).ok());
        let ticks = IntervalStream::new(interval(asked.unwrap_or(INTERVAL_MIN).max(INTERVAL_MIN)));
        let load = self.0.clone();
        Ok(Response::new(Box::pin(ticks.map(move |_| Ok(load.borrow().clone())))))
    }
}
