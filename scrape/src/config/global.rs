//! The section `global`: its fields, how it is settled, and the typed form.

use super::protocol::{check_validation, names, protocols, validation};
use super::{GlobalConfig, LimitMode, Limits, protocol};
use model::Labels;
use yaml::{Field, Kind, Problem, Schema, Section, Value, no_check};

/// Limits, which jobs inherit.
pub(super) const LIMIT_FIELDS: &[Field] = &[
    Field::new("body_size_limit", Kind::Size),
    Field::new("sample_limit", Kind::Uint),
    Field::new("target_limit", Kind::Uint),
    Field::new("label_limit", Kind::Uint),
    Field::new("label_name_length_limit", Kind::Uint),
    Field::new("label_value_length_limit", Kind::Uint),
    Field::new("limit_mode", Kind::Word(check_limit_mode)),
];

const KEEP_EXISTING: &str = "keep_existing";

fn check_limit_mode(name: &str) -> Result<(), String> {
    match name {
        "" | "reject" | KEEP_EXISTING => Ok(()),
        _ => Err(format!("there is no limit mode {name:?}; there are reject and {KEEP_EXISTING}")),
    }
}

/// How names are checked and asked for.
pub(super) const NAME_FIELDS: &[Field] = &[
    Field::new("keep_dropped_targets", Kind::Uint),
    Field::new("metric_name_validation_scheme", Kind::Word(check_validation)),
    Field::new("metric_name_escaping_scheme", Kind::Text),
];

/// The section `global`. Settle it with [`check_global`] before anything asks it.
pub static GLOBAL: Schema = Schema {
    name: "global",
    parts: &[
        &[
            Field::new("scrape_interval", Kind::Duration),
            Field::new("scrape_timeout", Kind::Duration),
            Field::new("scrape_protocols", Kind::List),
            Field::new("evaluation_interval", Kind::Duration),
            Field::new("rule_query_offset", Kind::Duration),
            Field::new("query_log_file", Kind::Path),
            Field::new("scrape_failure_log_file", Kind::Path),
            Field::new("external_labels", Kind::Map),
        ],
        LIMIT_FIELDS,
        NAME_FIELDS,
        &[
            Field::new("scrape_native_histograms", Kind::MaybeBool),
            Field::new("convert_classic_histograms_to_nhcb", Kind::Bool),
            Field::new("always_scrape_classic_histograms", Kind::Bool),
            Field::new("extra_scrape_metrics", Kind::MaybeBool),
        ],
    ],
    check: no_check,
};

/// Defaults that flags of the server change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults {
    /// Ask for protobuf first.
    pub protobuf_first: bool,
    /// Store further metrics about each scrape.
    pub extra_scrape_metrics: bool,
}

const DEFAULT_INTERVAL_MS: i64 = 60_000;
const DEFAULT_TIMEOUT_MS: i64 = 10_000;

/// Checks `global` and fills in what it leaves open. `is_absent`: the file has no such section, or an empty one.
pub fn check_global(
    section: &mut Section,
    defaults: Defaults,
    is_absent: bool,
) -> Result<(), Problem> {
    if section.text("metric_name_validation_scheme").is_empty() {
        section.set("metric_name_validation_scheme", Value::Text(String::from("utf8")));
    }
    if is_absent {
        section.set("metric_name_escaping_scheme", Value::Text(String::from("allow-utf-8")));
    }
    let scheme = validation(section.text("metric_name_validation_scheme"));
    let labels = section.map("external_labels");
    if let Some((name, _)) = labels.iter().find(|(name, _)| !scheme.is_label_name(name)) {
        let what = format!("external_labels: {name:?} cannot be a label name");
        return Err(section.problem("external_labels", what));
    }
    settle_times(section)?;
    for (name, default) in [
        ("scrape_native_histograms", false),
        ("extra_scrape_metrics", defaults.extra_scrape_metrics),
    ] {
        if section.maybe_bool(name).is_none() {
            section.set(name, Value::Bool(default));
        }
    }
    match section.value("scrape_protocols") {
        Value::Null if defaults.protobuf_first => {
            section.set("scrape_protocols", Value::List(names(&protocol::PROTOBUF_FIRST)));
        }
        Value::Null => {}
        _ => drop(protocols(section)?),
    }
    Ok(())
}

fn settle_times(section: &mut Section) -> Result<(), Problem> {
    if section.int("scrape_interval") == 0 {
        section.set("scrape_interval", Value::Int(DEFAULT_INTERVAL_MS));
    }
    let interval = section.int("scrape_interval");
    if section.int("scrape_timeout") > interval {
        let what = format!(
            "the scrape_timeout is longer than the scrape_interval, {}",
            model::duration::format(interval)
        );
        return Err(section.problem("scrape_timeout", what));
    }
    if section.int("scrape_timeout") == 0 {
        section.set("scrape_timeout", Value::Int(DEFAULT_TIMEOUT_MS.min(interval)));
    }
    if section.int("evaluation_interval") == 0 {
        section.set("evaluation_interval", Value::Int(DEFAULT_INTERVAL_MS));
    }
    Ok(())
}

impl Limits {
    pub(super) fn from_section(section: &Section) -> Self {
        Self {
            body_size_limit: u64::try_from(section.int("body_size_limit")).unwrap_or(0),
            sample_limit: section.uint("sample_limit"),
            target_limit: section.uint("target_limit"),
            label_limit: section.uint("label_limit"),
            label_name_length_limit: section.uint("label_name_length_limit"),
            label_value_length_limit: section.uint("label_value_length_limit"),
            keep_dropped_targets: section.uint("keep_dropped_targets"),
            mode: match section.text("limit_mode") {
                KEEP_EXISTING => LimitMode::KeepExisting,
                _ => LimitMode::Reject,
            },
        }
    }
}

impl GlobalConfig {
    /// The typed form of a settled section.
    pub fn from_section(section: &Section) -> Result<Self, Problem> {
        let labels = section.map("external_labels").iter().map(|(name, value)| (name, value));
        Ok(Self {
            scrape_interval: section.duration("scrape_interval"),
            scrape_timeout: section.duration("scrape_timeout"),
            scrape_protocols: match section.value("scrape_protocols") {
                Value::Null => Vec::new(),
                _ => protocols(section)?,
            },
            evaluation_interval: section.duration("evaluation_interval"),
            rule_query_offset: section.duration("rule_query_offset"),
            query_log_file: section.text("query_log_file").to_owned(),
            scrape_failure_log_file: section.text("scrape_failure_log_file").to_owned(),
            external_labels: Labels::from_pairs(labels),
            limits: Limits::from_section(section),
            metric_name_validation_scheme: validation(
                section.text("metric_name_validation_scheme"),
            ),
            scrape_native_histograms: section.bool("scrape_native_histograms"),
            convert_classic_histograms_to_nhcb: section.bool("convert_classic_histograms_to_nhcb"),
            always_scrape_classic_histograms: section.bool("always_scrape_classic_histograms"),
            extra_scrape_metrics: section.bool("extra_scrape_metrics"),
        })
    }
}
