//! One request made at once, for tools that push what they have at hand; queues make theirs in `shard`.

use super::encode::Encoder;
use super::item::{Doubt, Item, Payload};
use super::wire::Wire;
use crate::receive::Message;
use model::Labels;
use model::metadata::Metadata;
use std::sync::Arc;

/// A sample with the labels of its series.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// All labels, the name among them.
    pub labels: Labels,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The value.
    pub value: f64,
    /// What its family is.
    pub metadata: Option<Arc<Metadata>>,
}

/// A request as it is posted.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The headers that tell what it is.
    pub headers: [(&'static str, &'static str); 3],
    /// The packed message.
    pub body: Vec<u8>,
}

/// The headers of requests with this message.
pub(super) fn headers(message: Message) -> [(&'static str, &'static str); 3] {
    let (content_type, version) = match message {
        Message::V1 => ("application/x-protobuf", "0.1.0"),
        Message::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    };
    [
        ("content-encoding", "snappy"),
        ("content-type", content_type),
        ("x-prometheus-remote-write-version", version),
    ]
}

/// The request with these samples. `families`, by name, go along in 1.0; samples of 2.0 have what theirs is themselves.
#[must_use]
pub fn push_request(
    message: Message,
    samples: Vec<Pushed>,
    families: &[(String, Metadata)],
) -> PushRequest {
    let item = |(number, pushed): (u64, Pushed)| Item {
        labels: Wire::new(&pushed.labels),
        metadata: pushed.metadata,
        series: number,
        timestamp_ms: pushed.timestamp_ms,
        start_timestamp_ms: 0,
        payload: Payload::Float(pushed.value),
        exemplars: Vec::new(),
        number,
        doubt: Doubt::None,
    };
    let items: Vec<Item> = (0..).zip(samples).map(item).collect();
    let body = Encoder::default().encode_all(message, &items, families).to_vec();
    PushRequest { headers: headers(message), body }
}
