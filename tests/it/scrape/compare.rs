//! A replay against the record: series sample by sample, targets, metadata, metrics.

use super::Outcome;
use super::storage::{Sample, Samples};
use model::histogram::{Histogram, HistogramView, Span};
use model::{Labels, METRIC_NAME};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Difference = String;

/// Scenarios whose recording ends in the middle of a row of equal scrapes.
fn is_open_ended(name: &str) -> bool {
    name.starts_with("target_limit") || name == "connection_refused"
}

/// `is_beginning`: the record ends before the scripts do.
pub(super) fn compare(
    line: &Value,
    outcome: &Outcome,
    is_beginning: bool,
) -> Result<(), Difference> {
    series(line, outcome, is_beginning || is_open_ended(line["name"].as_str().expect("a name")))?;
    let varies =
        |what: &str| line["varies"].as_array().is_some_and(|list| list.iter().any(|v| v == what));
    exemplars(line, outcome)?;
    if !varies("targets") {
        targets(line, outcome)?;
    }
    metadata(line, outcome)?;
    metrics(line, outcome)
}

fn labels_of(value: &Value) -> Labels {
    let pairs = value.as_object().expect("labels");
    Labels::from_pairs(pairs.iter().map(|(name, value)| (name, value.as_str().expect("a text"))))
}

/// The label sets but for the name: what tells targets apart.
fn target_of(labels: &Labels) -> Labels {
    Labels::from_pairs(labels.iter().filter(|(name, _)| *name != METRIC_NAME))
}

/// Times of scrapes by target.
fn scrape_times(ours: &BTreeMap<Labels, Samples>) -> BTreeMap<Labels, Vec<i64>> {
    let ups = ours.iter().filter(|(labels, _)| labels.get(METRIC_NAME) == Some("up"));
    ups.map(|(labels, samples)| {
        let scrapes = samples.iter().filter(|sample| !sample.is_stale());
        (target_of(labels), scrapes.map(|sample| sample.timestamp_ms).collect())
    })
    .collect()
}

/// The scrapes of the target that a series comes from.
fn scrapes_of<'a>(labels: &Labels, times: &'a BTreeMap<Labels, Vec<i64>>) -> &'a [i64] {
    let fits = |target: &Labels| {
        ["instance", "job"].iter().all(|name| target.get(name) == labels.get(name))
    };
    let contains =
        |target: &Labels| target.iter().all(|(name, value)| labels.get(name) == Some(value));
    let found = times
        .iter()
        .filter(|(target, _)| contains(target))
        .max_by_key(|(target, _)| target.len())
        .or_else(|| times.iter().find(|(target, _)| fits(target)))
        .or_else(|| times.iter().next());
    found.map_or(&[], |(_, scrapes)| scrapes)
}

/// Whether a recorded time is this one.
fn is_time(when: &Value, timestamp_ms: i64, scrapes: &[i64], outcome: &Outcome) -> bool {
    let Some(text) = when.as_str() else {
        return scrapes.get(when.as_u64().expect("a number") as usize) == Some(&timestamp_ms);
    };
    let number = |text: &str| text.parse::<i64>().expect("a number");
    if let Some(intervals) = text.strip_prefix('~') {
        let first = scrapes.first().copied().unwrap_or_default();
        let interval_ms = outcome
            .pools
            .first()
            .and_then(|pool| pool.active.first())
            .map_or(1000, |t| t.scrape_interval_ms);
        (first + number(intervals) * interval_ms as i64 - timestamp_ms).abs() <= 120
    } else if let Some(offset) = text.strip_prefix('T') {
        outcome.base_ms + if offset.is_empty() { 0 } else { number(offset) } == timestamp_ms
    } else if let Some(scrape) = text.strip_suffix("-1ms") {
        scrapes.get(number(scrape) as usize) == Some(&(timestamp_ms + 1))
    } else {
        text.strip_prefix("abs ").map(number) == Some(timestamp_ms)
    }
}

fn spans(spans: &[Span]) -> Value {
    spans.iter().map(|span| json!([span.offset, span.length])).collect()
}

/// Whether a histogram is the recorded one; hints are what the storage makes of them.
fn is_histogram(recorded: &Value, ours: &Histogram) -> bool {
    let float = ours.to_float();
    let HistogramView { layout, zero_count, count, sum, positive, negative, .. } = float.view();
    let numbers = |values: &[f64]| -> Vec<Value> { values.iter().map(|&v| json!(v)).collect() };
    let same = |name: &str, ours: &[Value]| {
        let list = recorded[name].as_array().cloned().unwrap_or_default();
        list.len() == ours.len() && list.iter().zip(ours).all(|(a, b)| a.as_f64() == b.as_f64())
    };
    let same_spans =
        |name: &str, ours: &[Span]| spans(ours) == recorded.get(name).cloned().unwrap_or(json!([]));
    let number = |name: &str| recorded[name].as_f64().unwrap_or(0.0);
    let sum_bits = format!("{:016x}", sum.to_bits());
    let same_sum = recorded["sum"] == sum_bits
        || (sum.is_nan() && recorded["sum"].as_str().is_some_and(|s| s.starts_with("7ff8")));
    (recorded["int"] == true) == matches!(ours, Histogram::Int(_))
        && number("schema") == f64::from(layout.schema)
        && number("count") == count
        && number("zero_count") == zero_count
        && number("zero_threshold") == layout.zero_threshold
        && same("pbuckets", &numbers(positive))
        && same("nbuckets", &numbers(negative))
        && same("custom_values", &numbers(&layout.custom_values))
        && same_spans("pspans", &layout.positive_spans)
        && same_spans("nspans", &layout.negative_spans)
        && same_sum
}

/// Whether our sample is the recorded one.
fn is_sample(recorded: &Value, ours: &Sample, scrapes: &[i64], outcome: &Outcome) -> bool {
    let start_agrees = match recorded.get(2) {
        Some(start) => is_time(start, ours.start_ms, scrapes, outcome),
        // The original's chunks of histograms do not keep all of them.
        None => ours.start_ms == 0 || ours.histogram.is_some(),
    };
    start_agrees
        && is_time(&recorded[0], ours.timestamp_ms, scrapes, outcome)
        && is_value(&recorded[1], ours, outcome)
}

fn is_value(recorded: &Value, ours: &Sample, outcome: &Outcome) -> bool {
    let kind = match &ours.histogram {
        None => "stale",
        Some(Histogram::Int(_)) => "stale_h",
        Some(Histogram::Float(_)) => "stale_fh",
    };
    if ours.is_stale() {
        return recorded == kind;
    }
    let Some(value) = recorded.as_str() else {
        return ours.histogram.as_ref().is_some_and(|ours| is_histogram(recorded, ours));
    };
    if ours.histogram.is_some() {
        return false;
    }
    let bits = ours.bits;
    if value == "*" {
        return true;
    }
    match value.strip_prefix('S') {
        Some(offset) => {
            let seconds = (outcome.base_ms + offset.parse::<i64>().unwrap_or(0)) as f64 / 1000.0;
            bits == seconds.to_bits()
        }
        None => {
            value == format!("{bits:016x}")
                || (value.starts_with("7ff8") && f64::from_bits(bits).is_nan())
        }
    }
}

/// Whether the recorded exemplars are ours, in order.
fn exemplars(line: &Value, outcome: &Outcome) -> Result<(), Difference> {
    let ours = outcome.storage.exemplars();
    let times = scrape_times(&outcome.storage.series());
    let recorded = line["result"]["exemplars"].as_array().cloned().unwrap_or_default();
    let same = ours.len() == recorded.len()
        && ours.iter().zip(&recorded).all(|(ours, recorded)| {
            let scrapes = scrapes_of(&ours.series, &times);
            labels_of(&recorded["series"]) == ours.series
                && labels_of(&recorded["labels"]) == ours.labels
                && is_time(&recorded["t"], ours.timestamp_ms, scrapes, outcome)
                && recorded["v"] == format!("{:016x}", ours.bits)
        });
    if same { Ok(()) } else { Err(format!("exemplars {ours:?}, recorded {recorded:?}")) }
}

fn series(line: &Value, outcome: &Outcome, is_beginning: bool) -> Result<(), Difference> {
    let mut ours = outcome.storage.series();
    let times = scrape_times(&ours);
    for recorded in line["result"]["series"].as_array().expect("series") {
        let labels = labels_of(&recorded["labels"]);
        let samples = recorded["samples"].as_array().expect("samples");
        let mut have = ours
            .remove(&labels)
            .ok_or_else(|| format!("no series {labels}, recorded {}", recorded["samples"]))?;
        if is_beginning {
            have.truncate(samples.len());
        }
        let scrapes = scrapes_of(&labels, &times);
        let same = have.len() == samples.len()
            && have
                .iter()
                .zip(samples)
                .all(|(ours, recorded)| is_sample(recorded, ours, scrapes, outcome));
        if !same {
            let shown: Vec<String> = have
                .iter()
                .map(|s| {
                    let (t, bits, start_ms) =
                        (s.timestamp_ms - outcome.base_ms, s.bits, s.start_ms);
                    format!("{t} {bits:016x} {start_ms} {:?}", s.histogram)
                })
                .collect();
            return Err(format!(
                "{labels} has {shown:?}, recorded {}, scrapes {:?}",
                recorded["samples"],
                scrapes.iter().map(|t| t - outcome.base_ms).collect::<Vec<_>>()
            ));
        }
    }
    let mut others = ours.into_iter().filter(|(labels, samples)| {
        let scrapes = scrapes_of(labels, &times);
        !is_beginning || Some(&samples[0].timestamp_ms) == scrapes.first()
    });
    match others.next() {
        Some((labels, samples)) => Err(format!("series {labels} is not recorded: {samples:?}")),
        None => Ok(()),
    }
}

fn labels_value(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect())
}

fn targets(line: &Value, outcome: &Outcome) -> Result<(), Difference> {
    let mut ours: Vec<String> = Vec::new();
    for target in outcome.pools.iter().flat_map(|pool| &pool.active) {
        ours.push(
            json!([
                labels_value(&target.discovered_labels),
                labels_value(&target.labels),
                &*target.scrape_pool,
                &*target.scrape_url,
                target.health.as_str(),
                !target.last_error.is_empty(),
                target.scrape_interval_ms,
                target.scrape_timeout_ms,
            ])
            .to_string(),
        );
    }
    let mut recorded: Vec<String> = Vec::new();
    for target in line["result"]["targets"].as_array().expect("targets") {
        let ms = |field: &str| {
            model::duration::parse(target[field].as_str().expect("a duration")).expect("a duration")
        };
        recorded.push(
            json!([
                labels_value(&labels_of(&target["discoveredLabels"])),
                labels_value(&labels_of(&target["labels"])),
                target["scrapePool"],
                target["scrapeUrl"],
                target["health"],
                target["lastError"] != "",
                ms("scrapeInterval"),
                ms("scrapeTimeout"),
            ])
            .to_string(),
        );
    }
    ours.sort();
    recorded.sort();
    if ours != recorded {
        return Err(format!("targets {ours:#?}, recorded {recorded:#?}"));
    }
    let dropped: Vec<Value> = outcome
        .pools
        .iter()
        .flat_map(|p| &p.dropped)
        .map(|t| labels_value(&t.discovered_labels))
        .collect();
    let recorded: Vec<Value> = line["result"]["dropped_targets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|t| labels_value(&labels_of(&t["discoveredLabels"])))
        .collect();
    if dropped != recorded {
        return Err(format!("dropped {dropped:?}, recorded {recorded:?}"));
    }
    for (job, count) in line["result"]["dropped_target_counts"].as_object().into_iter().flatten() {
        let pool = outcome.pools.iter().find(|pool| *pool.scrape_pool == **job);
        if pool.map(|pool| json!(pool.num_dropped)).as_ref() != Some(count) {
            return Err(format!("dropped count of {job}, recorded {count}"));
        }
    }
    Ok(())
}

fn metadata(line: &Value, outcome: &Outcome) -> Result<(), Difference> {
    let mut ours: Vec<String> = Vec::new();
    for target in &outcome.metadata {
        for (metric, entry) in &target.entries {
            ours.push(
                json!([
                    labels_value(&target.labels),
                    &**metric,
                    entry.metric_type.as_str(),
                    &*entry.help,
                    &*entry.unit
                ])
                .to_string(),
            );
        }
    }
    let mut recorded: Vec<String> = Vec::new();
    for entry in line["result"]["metadata"].as_array().into_iter().flatten() {
        recorded.push(
            json!([
                labels_value(&labels_of(&entry["target"])),
                entry["metric"],
                entry["type"],
                entry["help"],
                entry["unit"]
            ])
            .to_string(),
        );
    }
    ours.sort();
    recorded.sort();
    if ours == recorded { Ok(()) } else { Err(format!("metadata {ours:?}, recorded {recorded:?}")) }
}

fn metrics(line: &Value, outcome: &Outcome) -> Result<(), Difference> {
    let compared = [
        "prometheus_target_scrapes_",
        "prometheus_target_sync_failed",
        "prometheus_target_metadata_cache_entries",
        "prometheus_target_scrape_pool_targets",
    ];
    for (name, value) in line["result"]["metrics"].as_object().into_iter().flatten() {
        if !compared.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let found = outcome
            .metrics
            .lines()
            .find_map(|l| l.strip_prefix(name.as_str())?.trim().parse::<f64>().ok());
        if found != value.as_f64() {
            return Err(format!("{name} is {found:?}, recorded {value}"));
        }
    }
    Ok(())
}
