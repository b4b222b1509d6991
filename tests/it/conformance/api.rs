//! Queries asked over HTTP, and what JSON says read back into the rows that scripts judge.

use model::Labels;
use model::histogram::Bucket;
use promql::script::{Found, Reply, Sample, When};
use serde_json::Value;
use std::cell::RefCell;
use std::net::SocketAddr;
use storage::Annotations;
use tests::http::client::Connection;

/// A client that keeps its connection.
pub(super) struct Client(RefCell<Connection>);

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self(RefCell::new(Connection::new(address)))
    }

    /// Asks; an error in the words of the engine, without what the API puts in front.
    pub(super) fn ask(&self, query: &str, when: When) -> Result<Reply, String> {
        let query = encoded(query);
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let (path, form) = match when {
            When::Instant { at_ms } => {
                ("/api/v1/query", format!("query={query}&time={}", seconds(at_ms)))
            }
            When::Range { start_ms, end_ms, step_ms } => {
                let [start, end, step] = [start_ms, end_ms, step_ms].map(seconds);
                let form = format!("query={query}&start={start}&end={end}&step={step}");
                ("/api/v1/query_range", form)
            }
        };
        let answer = self.0.borrow_mut().post(path, &form);
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        if body["status"] == "success" {
            assert_eq!(answer.status, 200);
            return Ok(Reply { found: found(&body["data"]), annotations: annotations(&body) });
        }
        assert_eq!(body["status"], "error");
        let error = body["error"].as_str().expect("an error");
        Err(error.strip_prefix("invalid parameter \"query\": ").unwrap_or(error).to_owned())
    }
}

/// All but letters and digits as percent signs and numbers.
pub(crate) fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn annotations(body: &Value) -> Annotations {
    let texts = |name: &str| -> Vec<Box<str>> {
        let texts = body[name].as_array().into_iter().flatten();
        texts.map(|text| text.as_str().expect("a text").into()).collect()
    };
    Annotations { warnings: texts("warnings"), infos: texts("infos") }
}

fn found(data: &Value) -> Found {
    let result = &data["result"];
    let rows = || result.as_array().expect("rows").iter();
    match data["resultType"].as_str().expect("a type") {
        "scalar" => Found::Scalar(number(&result[1])),
        "string" => Found::Text(result[1].as_str().expect("a text").to_owned()),
        "vector" => Found::Vector(
            rows()
                .map(|row| {
                    let float = row.get("value").map(|pair| Sample::Float(number(&pair[1])));
                    let sample = float.unwrap_or_else(|| histogram(&row["histogram"][1]));
                    (labels(&row["metric"]), sample)
                })
                .collect(),
        ),
        "matrix" => Found::Matrix(
            rows()
                .map(|row| {
                    let pairs = |name: &str| row[name].as_array().cloned().unwrap_or_default();
                    let floats = pairs("values").into_iter();
                    let floats =
                        floats.map(|pair| (time(&pair[0]), Sample::Float(number(&pair[1]))));
                    let histograms = pairs("histograms").into_iter();
                    let histograms = histograms.map(|pair| (time(&pair[0]), histogram(&pair[1])));
                    let mut samples: Vec<_> = floats.chain(histograms).collect();
                    samples.sort_by_key(|(time, _)| *time);
                    (labels(&row["metric"]), samples)
                })
                .collect(),
        ),
        other => panic!("{other} is no type of a result"),
    }
}

fn labels(metric: &Value) -> Labels {
    let pairs = metric.as_object().expect("labels").iter();
    Labels::from_pairs(pairs.map(|(name, value)| (name, value.as_str().expect("text"))))
}

fn time(seconds: &Value) -> i64 {
    (seconds.as_f64().expect("seconds") * 1000.0).round() as i64
}

fn number(text: &Value) -> f64 {
    model::float::parse_float(text.as_str().expect("a number as text")).expect("a number")
}

fn histogram(shown: &Value) -> Sample {
    let bucket = |row: &Value| Bucket {
        lower: number(&row[1]),
        upper: number(&row[2]),
        lower_inclusive: matches!(row[0].as_i64(), Some(1 | 3)),
        upper_inclusive: matches!(row[0].as_i64(), Some(0 | 3)),
        count: number(&row[3]),
    };
    let buckets = shown["buckets"].as_array().into_iter().flatten();
    Sample::Shown {
        count: number(&shown["count"]),
        sum: number(&shown["sum"]),
        buckets: buckets.map(bucket).collect(),
    }
}
