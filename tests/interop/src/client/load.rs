//! The load that a server reports of itself (gRFC A51). The mesh balances by what it measures and not by such reports; what is
//! asked for here is that they come through to whoever wants them.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::Subject;
use crate::{
    LOAD_TRAILER, OrcaLoadReport,
    orca::{OrcaLoadReportRequest, open_rca_service_client::OpenRcaServiceClient},
    pb::{ResponseParameters, SimpleRequest, StreamingOutputCallRequest, TestOrcaReport},
    report_of,
};

fn report(cpu: f64, memory: f64, util: f64) -> TestOrcaReport {
    TestOrcaReport {
        cpu_utilization: cpu,
        memory_utilization: memory,
        request_cost: HashMap::new(),
        utilization: HashMap::from([("util".to_owned(), util)]),
    }
}

pub(super) async fn per_rpc(subject: &Subject) -> Result<()> {
    let mut told = report(0.821, 0.5847, 0.304_99);
    told.request_cost.insert("cost".to_owned(), 3_456.32);
    let request = SimpleRequest { orca_per_query_report: Some(told.clone()), ..SimpleRequest::default() };
    let answer = subject.client()?.unary_call(request).await.context("UnaryCall")?;
    let trailer = answer.metadata().get_bin(LOAD_TRAILER).context("the answer has no load report")?;
    let reported = OrcaLoadReport::decode(trailer.to_bytes()?)?;
    ensure!(reported == report_of(told), "the report is {reported:?}");
    Ok(())
}

pub(super) async fn out_of_band(subject: &Subject) -> Result<()> {
    let mut orca = OpenRcaServiceClient::new(subject.channel()?);
    let every = prost_types::Duration::try_from(Duration::from_secs(1))?;
    let request = OrcaLoadReportRequest { report_interval: Some(every), request_cost_names: Vec::new() };
    let mut reports = orca.stream_core_metrics(request).await.context("StreamCoreMetrics")?.into_inner();

    let told = [report(0.821, 0.5847, 0.304_99), report(0.293_09, 0.2, 0.203_9)];
    let (sender, requests) = mpsc::channel(1);
    // The first one before the call: a server may send headers no earlier than its first answer.
    sender.send(reporting(told[0].clone())).await?;
    let answers = subject.client()?.full_duplex_call(ReceiverStream::new(requests)).await.context("FullDuplexCall")?;
    let mut answers = answers.into_inner();
    answers.message().await?.context("FullDuplexCall has no answer")?;
    ensure_reported(&mut reports, &report_of(told[0].clone())).await?;
    sender.send(reporting(told[1].clone())).await?;
    answers.message().await?.context("FullDuplexCall has no second answer")?;
    ensure_reported(&mut reports, &report_of(told[1].clone())).await
}

/// Tells the server its load.
fn reporting(told: TestOrcaReport) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest {
        response_parameters: vec![ResponseParameters { size: 1, ..ResponseParameters::default() }],
        orca_oob_report: Some(told),
        ..StreamingOutputCallRequest::default()
    }
}

/// The server had the report before it answered; what it had said before may still be on the way.
async fn ensure_reported(reports: &mut Streaming<OrcaLoadReport>, expected: &OrcaLoadReport) -> Result<()> {
    let seen = async {
        while let Some(report) = reports.message().await? {
            if report == *expected {
                return Ok(());
            }
        }
        anyhow::bail!("StreamCoreMetrics ended")
    };
    tokio::time::timeout(Duration::from_secs(10), seen).await.with_context(|| format!("no report of {expected:?}"))?
}
