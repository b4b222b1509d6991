//! The rules of good names, and the units they know.

use super::Family;
use model::metadata::MetricType;

/// Units with the base unit that should stand in their place.
const UNITS: &[(&str, &str)] = &[
    ("amperes", "amperes"),
    ("bytes", "bytes"),
    ("celsius", "celsius"),
    ("grams", "grams"),
    ("joules", "joules"),
    ("kelvin", "kelvin"),
    ("meters", "meters"),
    ("metres", "metres"),
    ("seconds", "seconds"),
    ("volts", "volts"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kelvins", "kelvin"),
    ("fahrenheit", "celsius"),
    ("rankine", "celsius"),
    ("inches", "meters"),
    ("yards", "meters"),
    ("miles", "meters"),
    ("bits", "bytes"),
    ("calories", "joules"),
    ("pounds", "grams"),
    ("ounces", "grams"),
];

/// What may stand before a unit.
const PREFIXES: &[&str] = &[
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
    "mibi", "giga", "gibi", "tera", "tebi", "peta", "pebi",
];

/// Abbreviated units.
const ABBREVIATIONS: &[&str] =
    &["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];

/// What is wrong with a family, sorted.
pub(super) fn problems(name: &str, family: &Family) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut note = |what: &str| found.push(what.to_owned());
    if !family.has_help {
        note("no help text");
    }
    if name.contains(':') {
        note("metric names should not contain ':'");
    }
    if is_camel_case(name) {
        note("metric names should be written in 'snake_case' not 'camelCase'");
    }
    let lower = name.to_lowercase();
    for _ in ABBREVIATIONS.iter().filter(|unit| has_word(&lower, unit)) {
        note("metric names should not contain abbreviated units");
    }
    if let Some((unit, base)) = unit(name)
        && unit != base
    {
        note(&format!("use base unit {base:?} instead of {unit:?}"));
    }
    check_type(name, family, &mut note);
    check_labels(family, &mut note);
    found.sort_unstable();
    found
}

fn check_type(name: &str, family: &Family, note: &mut dyn FnMut(&str)) {
    let metric_type = family.metric_type;
    let is_total = name.ends_with("_total");
    if metric_type == MetricType::Counter && !is_total {
        note("counter metrics should have \"_total\" suffix");
    }
    if metric_type == MetricType::Unknown {
        return;
    }
    if metric_type != MetricType::Counter && is_total {
        note("non-counter metrics should not have \"_total\" suffix");
    }
    if has_word(&name.to_lowercase(), metric_type.as_str()) {
        note(&format!("metric name should not include type '{}'", metric_type.as_str()));
    }
    let is_histogram = metric_type == MetricType::Histogram;
    if !is_histogram && name.ends_with("_bucket") {
        note("non-histogram metrics should not have \"_bucket\" suffix");
    }
    for suffix in ["_count", "_sum"] {
        if !family.has_parts() && name.ends_with(suffix) {
            note(&format!(
                "non-histogram and non-summary metrics should not have {suffix:?} suffix"
            ));
        }
    }
}

fn check_labels(family: &Family, note: &mut dyn FnMut(&str)) {
    let (is_histogram, is_summary) =
        (family.metric_type == MetricType::Histogram, family.metric_type == MetricType::Summary);
    let mut seen = model::hash::HashSet::default();
    for pairs in &family.metrics {
        if !seen.insert(pairs) {
            note("metric not unique");
        }
        for (label, _) in pairs {
            if is_camel_case(label) {
                note("label names should be written in 'snake_case' not 'camelCase'");
            }
            if family.metric_type == MetricType::Unknown {
                continue;
            }
            if !is_histogram && label == "le" {
                note("non-histogram metrics should not have \"le\" label");
            }
            if !is_summary && label == "quantile" {
                note("non-summary metrics should not have \"quantile\" label");
            }
        }
    }
}

/// Whether a lower case letter comes before an upper case one.
fn is_camel_case(name: &str) -> bool {
    name.as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}

/// Whether `word` stands between underscores, or behind the last, in `name`.
fn has_word(name: &str, word: &str) -> bool {
    name.contains(&format!("_{word}_")) || name.ends_with(&format!("_{word}"))
}

/// The first part of a name that is a unit, and its base unit.
fn unit(name: &str) -> Option<(&str, &'static str)> {
    let base = |part: &str| UNITS.iter().find(|(unit, _)| *unit == part).map(|(_, base)| *base);
    name.split('_').find_map(|part| {
        let prefixed =
            PREFIXES.iter().filter_map(|prefix| part.strip_prefix(prefix)).find_map(base);
        base(part).or(prefixed).map(|base| (part, base))
    })
}
