//! An entry of `scrape_configs`: its fields, what it inherits, what must hold, and the typed form.

use super::global::{LIMIT_FIELDS, NAME_FIELDS};
use super::protocol::{self, check_protocol, escaping, names, protocols, validation};
use super::{EscapingScheme, Limits, NameValidation, ScrapeConfig, ScrapeProtocol};
use discovery::config::{DISCOVERY_FIELDS, DiscoveryConfigs, check_static_targets};
use net::config::{HTTP_FIELDS, HttpClientConfig, check_http};
use std::sync::Arc;
use yaml::relabel::{RULE, rules};
use yaml::{Field, Kind, Problem, Schema, Section, Value, no_check};

/// A file that `scrape_config_files` names.
pub static JOBS: Schema = Schema {
    name: "the file",
    parts: &[&[Field::new("scrape_configs", Kind::Many(&JOB))]],
    check: no_check,
};

/// An entry of `scrape_configs`.
pub static JOB: Schema = Schema {
    name: "scrape_configs",
    parts: &[
        &[
            Field::new("job_name", Kind::Text).always(),
            Field::new("honor_labels", Kind::Bool),
            Field::new("honor_timestamps", Kind::Bool).or("true").always(),
            Field::new("track_timestamps_staleness", Kind::Bool).always(),
            Field::new("params", Kind::Lists),
            Field::new("scrape_interval", Kind::Duration),
            Field::new("scrape_timeout", Kind::Duration),
            Field::new("scrape_protocols", Kind::List),
            Field::new("fallback_scrape_protocol", Kind::Word(check_protocol)),
            Field::new("scrape_native_histograms", Kind::MaybeBool),
            Field::new("always_scrape_classic_histograms", Kind::MaybeBool),
            Field::new("convert_classic_histograms_to_nhcb", Kind::MaybeBool),
            Field::new("scrape_failure_log_file", Kind::Path),
            Field::new("metrics_path", Kind::Text).or("/metrics"),
            Field::new("scheme", Kind::Text).or("http"),
            Field::new("enable_compression", Kind::Bool).or("true").always(),
        ],
        LIMIT_FIELDS,
        &[
            Field::new("max_head_series", Kind::Uint),
            Field::new("native_histogram_bucket_limit", Kind::Uint),
            Field::new("native_histogram_min_bucket_factor", Kind::Float),
        ],
        NAME_FIELDS,
        &[Field::new("extra_scrape_metrics", Kind::MaybeBool)],
        HTTP_FIELDS,
        &[
            Field::new("relabel_configs", Kind::Many(&RULE)),
            Field::new("metric_relabel_configs", Kind::Many(&RULE)),
        ],
        DISCOVERY_FIELDS,
    ],
    check: check_job,
};

fn check_job(section: &mut Section) -> Result<(), Problem> {
    if !section.has("job_name") {
        return Err(section.problem("job_name", "a scrape job needs a job_name"));
    }
    check_http(section)?;
    if section.sections("relabel_configs").is_empty() {
        check_static_targets(section)?;
    }
    Ok(())
}

impl ScrapeConfig {
    /// Settles a job with what it inherits from `global` (settled) and makes its typed form.
    /// Paths are those of the section: resolve them before, and the inherited ones alike.
    pub fn from_section(section: &mut Section, global: &Section) -> Result<Self, Problem> {
        inherit(section, global)?;
        let scheme = settle_names(section, global)?;
        Ok(Self {
            job_name: section.text("job_name").to_owned(),
            honor_labels: section.bool("honor_labels"),
            honor_timestamps: section.bool("honor_timestamps"),
            track_timestamps_staleness: section.bool("track_timestamps_staleness"),
            params: section.lists("params").to_vec(),
            scrape_interval: section.duration("scrape_interval"),
            scrape_timeout: section.duration("scrape_timeout"),
            scrape_protocols: protocols(section)?,
            fallback_scrape_protocol: ScrapeProtocol::from_name(
                section.text("fallback_scrape_protocol"),
            ),
            scrape_native_histograms: section.bool("scrape_native_histograms"),
            always_scrape_classic_histograms: section.bool("always_scrape_classic_histograms"),
            convert_classic_histograms_to_nhcb: section.bool("convert_classic_histograms_to_nhcb"),
            scrape_failure_log_file: section.text("scrape_failure_log_file").to_owned(),
            metrics_path: section.text("metrics_path").to_owned(),
            scheme: section.text("scheme").to_owned(),
            enable_compression: section.bool("enable_compression"),
            limits: Limits::from_section(section),
            max_head_series: section.uint("max_head_series"),
            native_histogram_bucket_limit: section.uint("native_histogram_bucket_limit"),
            native_histogram_min_bucket_factor: section.float("native_histogram_min_bucket_factor"),
            metric_name_validation_scheme: scheme.0,
            metric_name_escaping_scheme: scheme.1,
            extra_scrape_metrics: section.bool("extra_scrape_metrics"),
            discovery: DiscoveryConfigs::from_section(section),
            http_client: HttpClientConfig::from_section(section),
            relabel_configs: Arc::from(rules(section, "relabel_configs", scheme.0)?),
            metric_relabel_configs: Arc::from(rules(section, "metric_relabel_configs", scheme.0)?),
        })
    }
}

fn inherit(section: &mut Section, global: &Section) -> Result<(), Problem> {
    if section.int("scrape_interval") == 0 {
        section.set("scrape_interval", global.value("scrape_interval").clone());
    }
    let interval = section.int("scrape_interval");
    if section.int("scrape_timeout") > interval {
        let what = format!(
            "job {:?}: the scrape_timeout is longer than the scrape_interval, {}",
            section.text("job_name"),
            model::duration::format(interval)
        );
        return Err(section.problem("scrape_timeout", what));
    }
    if section.int("scrape_timeout") == 0 {
        section.set("scrape_timeout", Value::Int(global.int("scrape_timeout").min(interval)));
    }
    let limits = LIMIT_FIELDS.iter().map(|field| field.name);
    for name in limits.chain(["keep_dropped_targets", "scrape_failure_log_file"]) {
        let is_open = match section.value(name) {
            Value::Int(value) => *value == 0,
            Value::Uint(value) => *value == 0,
            Value::Text(value) => value.is_empty(),
            _ => false,
        };
        if is_open {
            section.set(name, global.value(name).clone());
        }
    }
    for name in [
        "scrape_native_histograms",
        "extra_scrape_metrics",
        "convert_classic_histograms_to_nhcb",
        "always_scrape_classic_histograms",
    ] {
        if section.maybe_bool(name).is_none() {
            section.set(name, Value::Bool(global.bool(name)));
        }
    }
    if matches!(section.value("scrape_protocols"), Value::Null) {
        let list = match global.value("scrape_protocols") {
            Value::Null if section.bool("scrape_native_histograms") => {
                names(&protocol::PROTOBUF_FIRST)
            }
            Value::Null => names(&protocol::DEFAULT),
            _ => global.list("scrape_protocols").to_vec(),
        };
        section.set("scrape_protocols", Value::List(list));
    }
    Ok(())
}

/// The scheme that a validation scheme asks for unless told otherwise.
fn natural_escaping(scheme: NameValidation) -> EscapingScheme {
    match scheme {
        NameValidation::Utf8 => EscapingScheme::AllowUtf8,
        NameValidation::Legacy => EscapingScheme::Underscores,
    }
}

fn settle_names(
    section: &mut Section,
    global: &Section,
) -> Result<(NameValidation, EscapingScheme), Problem> {
    let global_validation = validation(global.text("metric_name_validation_scheme"));
    let global_escaping = escaping(global)?.unwrap_or_else(|| natural_escaping(global_validation));
    let inherits = section.text("metric_name_validation_scheme").is_empty();
    if inherits {
        let inherited = global.value("metric_name_validation_scheme").clone();
        section.set("metric_name_validation_scheme", inherited);
    }
    let scheme = validation(section.text("metric_name_validation_scheme"));
    let escaping = match escaping(section)? {
        Some(escaping) => escaping,
        None if inherits => global_escaping,
        None => natural_escaping(scheme),
    };
    if escaping == EscapingScheme::AllowUtf8 && scheme == NameValidation::Legacy {
        let name = if section.is_given("metric_name_escaping_scheme") {
            "metric_name_escaping_scheme"
        } else {
            "metric_name_validation_scheme"
        };
        let what = "escaping scheme allow-utf-8 does not go with validation scheme legacy";
        return Err(section.problem(name, what));
    }
    let name = escaping.as_str().to_owned();
    section.set("metric_name_escaping_scheme", Value::Text(name));
    Ok((scheme, escaping))
}
