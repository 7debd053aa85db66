//! Telemetry 遥测: figures and traces to a collector, in OpenTelemetry's protocol over HTTP with JSON. Small enough to
//! be written here: the crates for it bring protocol buffers and gRPC along.
//!
//! What leaves is closed: figures are those of `/metrics`; of a span only the attributes in [`ATTRIBUTES`], whose
//! values come from our own tables. So no value of a record, and nothing about a person, can get in. A collector that
//! does not answer costs nothing but what is thrown away.

use node::{Clock as _, SystemClock, draw_bytes};
use serde_json::{Value, json};
use std::{fmt::Debug, time::Duration};
use tokio::sync::mpsc;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};
use vocabulary::Timestamp;

/// The attributes of a span that leave.
const ATTRIBUTES: [&str; 3] = ["method", "route", "status"];
/// An attribute's value is cut after so many characters.
const VALUE_CHARS_MAX: usize = 128;
/// Spans that wait at most; what comes meanwhile is thrown away.
const SPANS_MAX: usize = 4_096;
/// Spans in one message at most.
const BATCH_MAX: usize = 512;
/// Figures are sent this often, spans as well.
const INTERVAL: Duration = Duration::from_secs(15);
/// The collector is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Collects spans.
pub struct Spans(mpsc::Sender<Value>);

/// Sends what is collected.
pub struct Exporter {
    collector: String,
    spans: mpsc::Receiver<Value>,
}

/// Both ends, for a collector at `http://host:4318`.
pub fn to(collector: &str) -> (Spans, Exporter) {
    let (send, spans) = mpsc::channel(SPANS_MAX);
    (Spans(send), Exporter { collector: collector.trim_end_matches('/').to_owned(), spans })
}

/// A span that runs.
struct Running {
    trace: String,
    id: String,
    parent: Option<String>,
    begun: Timestamp,
    attributes: Vec<Value>,
}

impl Visit for Running {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if ATTRIBUTES.contains(&field.name()) {
            let text: String = format!("{value:?}").trim_matches('"').chars().take(VALUE_CHARS_MAX).collect();
            self.attributes.push(json!({"key": field.name(), "value": {"stringValue": text}}));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if ATTRIBUTES.contains(&field.name()) {
            self.attributes.push(json!({"key": field.name(), "value": {"intValue": value.to_string()}}));
        }
    }
}

fn hex<const N: usize>() -> String {
    let bytes: [u8; N] = draw_bytes().unwrap_or([1; N]);
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let above =
            span.parent().and_then(|it| it.extensions().get::<Running>().map(|it| (it.trace.clone(), it.id.clone())));
        let (trace, parent) = above.map_or_else(|| (hex::<16>(), None), |(trace, id)| (trace, Some(id)));
        let begun = SystemClock.now();
        let mut running = Running { trace, id: hex::<8>(), parent, begun, attributes: Vec::new() };
        attributes.record(&mut running);
        span.extensions_mut().insert(running);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(running) = span.extensions_mut().get_mut::<Running>()
        {
            values.record(running);
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(it) = span.extensions_mut().remove::<Running>() else { return };
        let nanos = |at: Timestamp| at.as_nanosecond().to_string();
        let told = json!({
            "traceId": it.trace, "spanId": it.id, "parentSpanId": it.parent.unwrap_or_default(), "name": span.name(),
            "kind": 2, "startTimeUnixNano": nanos(it.begun), "endTimeUnixNano": nanos(SystemClock.now()),
            "attributes": it.attributes,
        });
        // Full: thrown away, so that nobody waits for a collector.
        drop(self.0.try_send(told));
    }
}

impl Exporter {
    /// Sends figures of the node at `base`, and spans, until it is dropped.
    pub async fn run(mut self, base: String) {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let Ok(http) = http else { return };
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.step(&http, &base).await;
        }
    }

    async fn step(&mut self, http: &reqwest::Client, base: &str) {
        if let Ok(answer) = http.get(format!("{base}/metrics")).send().await
            && let Ok(text) = answer.text().await
        {
            self.send(http, "metrics", &metrics(&text, SystemClock.now())).await;
        }
        let mut batch = Vec::new();
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
            if batch.len() == BATCH_MAX {
                self.send(http, "traces", &traces(std::mem::take(&mut batch))).await;
            }
        }
        if !batch.is_empty() {
            self.send(http, "traces", &traces(batch)).await;
        }
    }

    async fn send(&self, http: &reqwest::Client, what: &str, body: &Value) {
        let sent = http.post(format!("{}/v1/{what}", self.collector)).json(body).send().await;
        if let Err(error) = sent.and_then(reqwest::Response::error_for_status) {
            tracing::info!(what, %error, "the collector of telemetry took nothing");
        }
    }
}

fn resource() -> Value {
    json!({"attributes": [
        {"key": "service.name", "value": {"stringValue": "yunhe"}},
        {"key": "service.version", "value": {"stringValue": env!("CARGO_PKG_VERSION")}},
    ]})
}

fn traces(spans: Vec<Value>) -> Value {
    json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [{"scope": {"name": "yunhe"}, "spans": spans}]}]})
}

/// `/metrics` as gauges.
fn metrics(text: &str, now: Timestamp) -> Value {
    let nanos = now.as_nanosecond().to_string();
    let gauge = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        let value: f64 = value.parse().ok()?;
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels = labels.trim_end_matches('}').split("\",").filter_map(|it| {
            let (key, value) = it.split_once("=\"")?;
            Some(json!({"key": key, "value": {"stringValue": value.trim_end_matches('"')}}))
        });
        let point = json!({"timeUnixNano": nanos, "asDouble": value, "attributes": labels.collect::<Vec<_>>()});
        Some(json!({"name": name, "gauge": {"dataPoints": [point]}}))
    };
    let all: Vec<Value> = text.lines().filter(|it| it.starts_with("yunhe_")).filter_map(gauge).collect();
    let scope = json!([{"scope": {"name": "yunhe"}, "metrics": all}]);
    json!({"resourceMetrics": [{"resource": resource(), "scopeMetrics": scope}]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tracing_subscriber::layer::SubscriberExt as _;
    use vocabulary::Personal;

    #[test]
    fn figures_become_gauges_with_their_labels() {
        let text = "# a comment\nyunhe_job_failing{organisation=\"js-scjg\",job=\"pull\"} 4\nother 1\nyunhe_x 2.5\n";
        let value = metrics(text, "2026-11-24T02:00:00Z".parse().unwrap());
        let all = &value["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        assert_eq!(all.as_array().map(Vec::len), Some(2));
        assert_eq!(all[0]["name"], "yunhe_job_failing");
        let point = &all[0]["gauge"]["dataPoints"][0];
        assert_eq!((&point["asDouble"], &point["timeUnixNano"]), (&json!(4.0), &json!("1795485600000000000")));
        assert_eq!(point["attributes"][1], json!({"key": "job", "value": {"stringValue": "pull"}}));
    }

    /// A collector hears of a request what our own table says of it, and nothing else that anybody put into a span.
    #[tokio::test]
    async fn what_leaves_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = format!("http://{}", listener.local_addr().unwrap());
        let (spans, mut exporter) = to(&collector);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(spans), || {
            let name = Personal::new("张三".to_owned());
            let outer = tracing::info_span!("request", method = "GET", route = "/v1/records/{name}", person = ?name);
            let _entered = outer.enter();
            let inner = tracing::info_span!("inner", secret = "张三", status = 200_u64);
            drop(inner);
        });
        let heard = tokio::spawn(async move {
            let (mut line, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            while !String::from_utf8_lossy(&text).contains("\"inner\"") || !text.ends_with(b"}") {
                let mut piece = [0; 4096];
                let read = line.read(&mut piece).await.unwrap();
                text.extend_from_slice(&piece[..read]);
            }
            line.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            String::from_utf8(text).unwrap()
        });
        // The cryptographic provider that the client asks for, though nothing here is encrypted.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        exporter.step(&http, "http://127.0.0.1:1").await;
        let text = heard.await.unwrap();
        assert!(text.starts_with("POST /v1/traces "), "{text}");
        assert!(!text.contains("张三") && !text.contains("secret") && !text.contains("person"), "{text}");
        let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        assert_eq!((&spans[0]["name"], &spans[1]["name"]), (&json!("inner"), &json!("request")));
        assert_eq!(spans[0]["parentSpanId"], spans[1]["spanId"]);
        assert_eq!(spans[0]["traceId"].as_str().map(str::len), Some(32));
    }
}
