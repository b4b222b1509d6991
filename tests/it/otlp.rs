//! The recorded OTLP requests, by translation strategy and option, replayed over HTTP; and those about HTTP itself.

use crate::http::serve::{Running, Setup, head};
use crate::remote_write::{Outcome, compare, expected, send, stored};
use remote::otlp::{Config, Options, Strategy};
use serde_json::{Value, json};
use std::sync::Arc;
use tests::golden;

/// The configuration of a recorded result: a strategy by its name, or the section as it was written.
fn config(name: &str, result: &Value) -> Config {
    let strategy = match name {
        "UnderscoreEscapingWithoutSuffixes" => (true, false),
        "NoUTF8EscapingWithSuffixes" => (false, true),
        "NoTranslation" => (false, false),
        _ => (true, true),
    };
    let text = result["config"].as_str().unwrap_or_default();
    let has = |switch: &str| text.contains(&format!("{switch}: true"));
    let list = |field: &str| -> Vec<String> {
        let (_, rest) = text.split_once(&format!("{field}: [")).unwrap_or_default();
        let (names, _) = rest.split_once(']').unwrap_or_default();
        names.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let promotes_all = has("promote_all_resource_attributes");
    Config {
        strategy: Strategy { escapes: strategy.0, adds_suffixes: strategy.1 },
        promoted: list("\n  promote_resource_attributes"),
        promoted_all_but: promotes_all.then(|| list("ignore_resource_attributes")),
        keeps_identifying: has("keep_identifying_resource_attributes"),
        custom_buckets: has("convert_histograms_to_nhcb"),
        promotes_scope: has("promote_scope_metadata"),
        sanitizes_underscore: !text.contains("label_name_underscore_sanitization: false"),
        keeps_underscores: !text.contains("label_name_preserve_multiple_underscores: false"),
    }
}

fn options(result: &Value) -> Options {
    let features = result["features"].as_str().unwrap_or_default();
    Options {
        type_and_unit_labels: features.contains("type-and-unit-labels"),
        zero_samples: features.contains("created-timestamp-zero-ingestion"),
        sums_deltas: features.contains("otlp-deltatocumulative"),
        native_delta: features.contains("otlp-native-delta-ingestion"),
        lookback_ms: 300_000,
        ..Options::default()
    }
}

/// Sends one request to a fresh server and compares answer and storage.
fn replay(request: &Value, result: &Value, otlp: (Options, Config)) -> Outcome {
    let head = Arc::new(head());
    let setup = Setup { otlp: Some(otlp), ..Setup::default() };
    let running = Running::start(Arc::clone(&head), &setup);
    match compare(&result["response"], &send(&running, request)) {
        Outcome::Agrees => {}
        differs @ Outcome::Differs(_) => return differs,
    }
    let (got, expect) = (stored(&*head), expected(result));
    if got == expect {
        return Outcome::Agrees;
    }
    Outcome::Differs(format!("stored {got:#?} instead of {expect:#?}"))
}

/// Counts outcomes and tells them.
#[derive(Default)]
struct Tally {
    agreed: usize,
    all: usize,
    failures: Vec<String>,
}

impl Tally {
    fn add(&mut self, what: &str, outcome: Outcome) {
        self.all += 1;
        match outcome {
            Outcome::Agrees => self.agreed += 1,
            Outcome::Differs(how) => self.failures.push(format!("{what}: {how}")),
        }
    }

    fn tell(&self, file: &str) {
        println!("{file} {}/{} agreed", self.agreed, self.all);
        assert!(self.failures.is_empty(), "{}:\n{}", self.failures.len(), self.failures.join("\n"));
    }
}

#[test]
fn recorded_requests() {
    let mut tally = Tally::default();
    let path = "/api/v1/otlp/v1/metrics";
    for line in golden("remotewrite/otlp.jsonl") {
        let results = line["results"].as_object().expect("results");
        let (_, first) = results.iter().next().expect("one result");
        let same = line["same_as_first"].as_array().into_iter().flatten();
        let same = same.map(|name| (name.as_str().expect("name"), first));
        for (name, result) in
            results.iter().map(|(name, result)| (name.as_str(), result)).chain(same)
        {
            let what = format!("{} {} {name}", line["id"], line["name"]);
            let outcome = if name.starts_with("JSON") {
                let headers = json!({"Content-Type": "application/json"});
                let request =
                    json!({"path": path, "headers": headers, "body": line["json"].to_string()});
                replay(&request, result, (options(result), config(name, result)))
            } else {
                let headers = json!({"Content-Type": "application/x-protobuf"});
                let request =
                    json!({"path": path, "headers": headers, "body_b64": line["body_b64"]});
                replay(&request, result, (options(result), config(name, result)))
            };
            tally.add(&what, outcome);
        }
    }
    tally.tell("remotewrite/otlp.jsonl");
}

#[test]
fn recorded_http() {
    let mut tally = Tally::default();
    for line in golden("remotewrite/otlp_http.jsonl") {
        let otlp = (options(&Value::Null), Config::default());
        let outcome = replay(&line["request"], &line, otlp);
        tally.add(&format!("{} {}", line["id"], line["name"]), outcome);
    }
    tally.tell("remotewrite/otlp_http.jsonl");
}
