//! Spans as OTLP writes them (`opentelemetry/proto/collector/trace/v1`, protocol 1.x).

use crate::{
    attributes as a,
    span::{Finished, Value},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, status::StatusCode},
};
use prost::Message as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The flags of a span with its context: sampled, and whether the parent is known to be local (it is not known, so neither bit is set).
const SAMPLED: u32 = 1;

/// Who sends.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) version: &'static str,
    /// Another one for each start of a process.
    pub(crate) instance: String,
}

/// The body of one request with these spans.
pub(crate) fn encode(sender: &Sender, spans: &[Finished]) -> Vec<u8> {
    let text = |text: &str| Value::Text(text.to_owned());
    let resource =
        [(a::SERVICE_NAME, text("vital-path")), (a::SERVICE_VERSION, text(sender.version)), (a::SERVICE_INSTANCE, text(&sender.instance))];
    let scope = InstrumentationScope { name: "vital".to_owned(), version: sender.version.to_owned(), ..InstrumentationScope::default() };
    let spans = ScopeSpans { scope: Some(scope), spans: spans.iter().map(span).collect(), ..ScopeSpans::default() };
    let resource = Resource { attributes: resource.iter().map(attribute).collect(), ..Resource::default() };
    let spans = ResourceSpans { resource: Some(resource), scope_spans: vec![spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
}

/// How many spans the receiver says it refused; none where the answer is no such message.
pub(crate) fn refused(body: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success);
    answer.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0)
}

fn span(finished: &Finished) -> Span {
    let code = if finished.failed { StatusCode::Error } else { StatusCode::Unset };
    Span {
        trace_id: finished.context.trace.to_vec(),
        span_id: finished.context.span.to_vec(),
        parent_span_id: finished.parent.map(|id| id.to_vec()).unwrap_or_default(),
        flags: SAMPLED,
        name: finished.name.clone().into_owned(),
        kind: finished.kind as i32,
        start_time_unix_nano: nanoseconds(finished.from),
        end_time_unix_nano: nanoseconds(finished.to),
        attributes: finished.attributes.iter().map(attribute).collect(),
        status: Some(Status { message: String::new(), code: code.into() }),
        ..Span::default()
    }
}

fn attribute((name, value): &(&'static str, Value)) -> KeyValue {
    KeyValue { key: (*name).to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

fn any(value: &Value) -> AnyValue {
    use any_value::Value as Any;
    let value = match value {
        Value::Text(text) => Any::StringValue(text.clone()),
        Value::Int(int) => Any::IntValue(*int),
        Value::Double(double) => Any::DoubleValue(*double),
        Value::Bool(yes) => Any::BoolValue(*yes),
        Value::Texts(texts) => {
            let values = texts.iter().map(|text| AnyValue { value: Some(Any::StringValue((*text).to_owned())) }).collect();
            Any::ArrayValue(ArrayValue { values })
        }
    };
    AnyValue { value: Some(value) }
}

fn nanoseconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
