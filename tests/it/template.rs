//! Recorded templates of alerts and consoles: what they expand to, and the error texts of those that do not.

use model::float::parse_float;
use model::histogram::{FloatHistogram, Layout, Span};
use serde_json::Value as Json;
use std::sync::Arc;
use template::{Error, Host, Record, Sample, Template, TextMap, Value, text_map};

/// What a recorded server knew.
struct Recorded<'l> {
    line: &'l Json,
    url: &'l str,
}

impl Host for Recorded<'_> {
    fn query(&self, text: &str) -> Result<Vec<Sample>, String> {
        let answer = &self.line["queries"][text];
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let rows = answer["vector"].as_array().ok_or("nobody recorded this query")?;
        Ok(rows
            .iter()
            .map(|row| Sample { labels: labels(&row["labels"]), value: value(row) })
            .collect())
    }

    fn now_ms(&self) -> i64 {
        self.line["data"]["now_ms"].as_i64().expect("a time")
    }

    fn external_url(&self) -> &str {
        self.url
    }

    fn go_on(&self) -> Result<(), String> {
        Ok(())
    }
}

fn text(value: &Json) -> &str {
    value.as_str().expect("text")
}

fn labels(labels: &Json) -> TextMap {
    text_map(labels.as_object().into_iter().flatten().map(|(name, value)| (name, text(value))))
}

/// The float or the histogram of a row.
fn value(row: &Json) -> Value {
    let histogram = &row["histogram"];
    if histogram.is_null() {
        return Value::Float(float(&row["value"]));
    }
    let floats = |name: &str| histogram[name].as_array().into_iter().flatten().map(float).collect();
    let spans = |name: &str| {
        let spans = histogram[name].as_array().into_iter().flatten();
        let number = |span: &Json, at: usize| span[at].as_i64().expect("a number");
        let span = |span: &Json| Span {
            offset: number(span, 0).try_into().expect("small"),
            length: number(span, 1).try_into().expect("small"),
        };
        spans.map(span).collect()
    };
    let layout = Layout {
        schema: histogram["schema"].as_i64().expect("a schema").try_into().expect("small"),
        zero_threshold: float(&histogram["zero_threshold"]),
        positive_spans: spans("positive_spans"),
        negative_spans: spans("negative_spans"),
        custom_values: floats("custom_values"),
    };
    Value::Histogram(Arc::new(FloatHistogram {
        layout: Arc::new(layout),
        zero_count: float(&histogram["zero_count"]),
        count: float(&histogram["count"]),
        sum: float(&histogram["sum"]),
        positive: floats("positive_buckets"),
        negative: floats("negative_buckets"),
        ..FloatHistogram::default()
    }))
}

fn float(value: &Json) -> f64 {
    parse_float(text(value)).expect("a float")
}

fn expand(line: &Json) -> Result<String, Error> {
    let data = &line["data"];
    let url = text(&data["externalURL"]);
    let host = Recorded { line, url };
    let external = labels(&data["externalLabels"]);
    if line["mode"] == "alert" {
        let alert = line["alert"].as_str().unwrap_or("x");
        let data = Record::alert(labels(&data["labels"]), external, url, value(data));
        return Template::alert(alert, text(&line["text"]))?.expand(data, &host);
    }
    let path = text(&data["path"]);
    let params = data["params"].as_object().into_iter().flatten();
    let params: Vec<(String, String)> = params
        .flat_map(|(name, values)| {
            let values = values.as_array().expect("values").iter();
            values.map(move |value| (name.clone(), text(value).to_owned()))
        })
        .collect();
    let libraries = line["libraries"].as_object().into_iter().flatten();
    let libraries: Vec<(String, String)> =
        libraries.map(|(name, value)| (name.clone(), text(value).to_owned())).collect();
    let data = Record::console(&params, path.trim_start_matches('/'), external);
    Template::console(path, text(&line["text"]), &libraries)?.expand(data, &host)
}

/// Replays a file.
fn replay(file: &str) {
    let lines = tests::golden(file);
    let mut wrong = Vec::new();
    for line in &lines {
        let got = expand(line).map_err(|error| error.to_string());
        let wanted = match line["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(text(&line["out"]).to_owned()),
        };
        if got != wanted {
            let (id, text) = (&line["id"], &line["text"]);
            wrong.push(format!("{id} {text}\n got {got:?}\nwant {wanted:?}"));
        }
    }
    println!("{file} {}/{}", lines.len() - wrong.len(), lines.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn recorded_templates_agree() {
    replay("template.jsonl");
}

#[test]
fn functions_are_those_that_the_reference_lists() {
    let lines = tests::golden("http/status.jsonl");
    let line = lines.iter().find(|line| line["name"] == "features").expect("recorded");
    let body: Json = serde_json::from_str(text(&line["response"]["body"])).expect("JSON");
    let names = body["data"]["templating_functions"].as_object().expect("names").keys();
    assert!(template::functions().eq(names));
}

#[test]
fn recorded_consoles_agree() {
    replay("consoles.jsonl");
}
