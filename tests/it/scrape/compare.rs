//! A replay against the record: series sample by sample, targets, metadata, metrics.

use super::Outcome;
use super::storage::Samples;
use model::{Labels, METRIC_NAME, STALE_NAN_BITS};
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
        let scrapes = samples.iter().filter(|(_, bits)| *bits != STALE_NAN_BITS);
        (target_of(labels), scrapes.map(|(timestamp_ms, _)| *timestamp_ms).collect())
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

/// Whether our sample is the recorded one.
fn is_sample(recorded: &Value, ours: (i64, u64), scrapes: &[i64], outcome: &Outcome) -> bool {
    let (timestamp_ms, bits) = ours;
    let when = &recorded[0];
    let time_agrees = match when.as_str() {
        None => scrapes.get(when.as_u64().expect("a number") as usize) == Some(&timestamp_ms),
        Some(text) => {
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
            } else {
                text.strip_prefix("abs ").map(number) == Some(timestamp_ms)
            }
        }
    };
    let value = recorded[1].as_str().unwrap_or_default();
    let value_agrees = match value {
        "*" => true,
        "stale" => bits == STALE_NAN_BITS,
        _ => match value.strip_prefix('S') {
            Some(offset) => {
                let seconds =
                    (outcome.base_ms + offset.parse::<i64>().unwrap_or(0)) as f64 / 1000.0;
                bits == seconds.to_bits()
            }
            None => {
                value == format!("{bits:016x}")
                    || (value.starts_with("7ff8")
                        && f64::from_bits(bits).is_nan()
                        && bits != STALE_NAN_BITS)
            }
        },
    };
    time_agrees && value_agrees
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
                .all(|(&ours, recorded)| is_sample(recorded, ours, scrapes, outcome));
        if !same {
            let shown: Vec<String> = have
                .iter()
                .map(|(t, bits)| format!("{} {bits:016x}", t - outcome.base_ms))
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
        !is_beginning || Some(&samples[0].0) == scrapes.first()
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
