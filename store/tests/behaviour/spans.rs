//! Traces show statements by name, under the call that made them, and never a value.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument as _, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::harness::{Db, Insert, number};

/// A span as it was closed: its parent, and its fields.
#[derive(Clone, Debug, Default)]
struct Seen {
    parent: Option<u64>,
    fields: HashMap<&'static str, String>,
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<HashMap<u64, Seen>>>);

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context.span(id).and_then(|span| span.parent().map(|parent| parent.id().into_u64()));
        let mut seen = Seen { parent, fields: HashMap::new() };
        seen.fields.insert("span", attributes.metadata().name().to_owned());
        attributes.record(&mut Fields(&mut seen.fields));
        self.0.lock().unwrap().insert(id.into_u64(), seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(seen) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Fields(&mut seen.fields));
        }
    }
}

#[tokio::test]
async fn statements_are_children_of_the_call_and_show_no_value() {
    let recorder = Recorder::default();
    // Spans are opened on the databases' runtime too, so the subscriber is the process's.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(recorder.clone())).unwrap();
    let db = Db::sqlite();
    let store = db.open().await;
    let call = tracing::info_span!("call");
    let call_id = call.id().unwrap().into_u64();
    async {
        store.write(Insert("canary-4242".to_owned())).await.unwrap();
        assert_eq!(number(&store, "canary-4242").await, Some(1));
    }
    .instrument(call)
    .await;

    let all = recorder.0.lock().unwrap().clone();
    let children = |parent: u64| all.iter().filter(move |(_, seen)| seen.parent == Some(parent));
    let named = |seen: &Seen| seen.fields.get("otel.name").cloned().unwrap_or_default();
    let mut calls: Vec<(u64, String)> = children(call_id).map(|(id, seen)| (*id, named(seen))).collect();
    calls.sort_by(|left, right| left.1.cmp(&right.1));
    assert_eq!(calls.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["Insert", "number"]);
    assert_eq!(all[&calls[0].0].fields["db.operation.batch.size"], "1");

    let mut statements: Vec<String> = children(calls[0].0).map(|(_, seen)| named(seen)).collect();
    statements.sort();
    assert_eq!(statements, ["INSERT thing", "UPSERT store_revision"]);
    let (_, select) = children(calls[1].0).next().expect("the read has a statement");
    let expected = [
        ("otel.name", "SELECT thing"),
        ("otel.kind", "client"),
        ("db.system.name", "sqlite"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "thing"),
        ("db.query.summary", "SELECT thing"),
    ];
    for (field, value) in expected {
        assert_eq!(select.fields[field], value, "{field}");
    }
    assert!(!format!("{all:?}").contains("canary"), "a value is in a span");
}
