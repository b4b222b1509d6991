//! The top of the file and the sections that no crate acts on yet: they are checked and shown.

use discovery::config::{DISCOVERY_FIELDS, check_static_targets};
use net::config::{HTTP_FIELDS, TLS, check_http, reserved_header};
use remote::config::{REMOTE_READ, REMOTE_WRITE, SIGV4};
use scrape::config::{GLOBAL, JOB};
use yaml::relabel::RULE;
use yaml::{Field, Kind, Problem, Schema, Section, Value, no_check};

/// The file.
pub(super) static ROOT: Schema = Schema {
    name: "the configuration",
    parts: &[&[
        Field::new("global", Kind::One(&GLOBAL)).always(),
        Field::new("runtime", Kind::One(&RUNTIME)),
        Field::new("alerting", Kind::One(&ALERTING)),
        Field::new("rule_files", Kind::Paths),
        Field::new("scrape_config_files", Kind::Paths),
        Field::new("scrape_configs", Kind::Many(&JOB)),
        Field::new("storage", Kind::One(&STORAGE)),
        Field::new("tracing", Kind::One(&TRACING)),
        Field::new("remote_write", Kind::Many(&REMOTE_WRITE)),
        Field::new("remote_read", Kind::Many(&REMOTE_READ)),
        Field::new("otlp", Kind::One(&OTLP)),
    ]],
    check: no_check,
};

static RUNTIME: Schema =
    Schema { name: "runtime", parts: &[&[Field::new("gogc", Kind::Int)]], check: no_check };

static ALERTING: Schema = Schema {
    name: "alerting",
    parts: &[&[
        Field::new("alert_relabel_configs", Kind::Many(&RULE)),
        Field::new("alertmanagers", Kind::Many(&ALERTMANAGER)),
    ]],
    check: no_check,
};

static ALERTMANAGER: Schema = Schema {
    name: "alertmanagers",
    parts: &[
        HTTP_FIELDS,
        &[
            Field::new("sigv4", Kind::Maybe(&SIGV4)),
            Field::new("scheme", Kind::Text).or("http"),
            Field::new("path_prefix", Kind::Text),
            Field::new("timeout", Kind::Duration).or("10s"),
            Field::new("api_version", Kind::Word(check_api)).or("v2").always(),
            Field::new("relabel_configs", Kind::Many(&RULE)),
            Field::new("alert_relabel_configs", Kind::Many(&RULE)),
        ],
        DISCOVERY_FIELDS,
    ],
    check: check_alertmanager,
};

fn check_api(text: &str) -> Result<(), String> {
    match text {
        "v2" => Ok(()),
        _ => Err(format!("there is no API version {text:?}; Alertmanager has v2 only")),
    }
}

fn check_alertmanager(section: &mut Section) -> Result<(), Problem> {
    check_http(section)?;
    let methods = ["basic_auth", "authorization", "oauth2"];
    let other = methods.into_iter().find(|name| section.section(name).is_some());
    if let (Some(other), Some(sigv4)) = (other, section.section("sigv4")) {
        return Err(Problem::new(
            sigv4.mark,
            format!("alertmanagers: give either sigv4 or {other}"),
        ));
    }
    if section.sections("relabel_configs").is_empty() {
        check_static_targets(section)?;
    }
    Ok(())
}

static STORAGE: Schema = Schema {
    name: "storage",
    parts: &[&[
        Field::new("tsdb", Kind::Maybe(&TSDB)),
        Field::new("exemplars", Kind::Maybe(&EXEMPLARS)),
    ]],
    check: no_check,
};

/// The section `storage.tsdb`.
pub(super) static TSDB: Schema = Schema {
    name: "tsdb",
    parts: &[&[
        // Prometheus shows the window a second time, in milliseconds.
        Field::new("outofordertimewindow", Kind::Int).always(),
        Field::new("out_of_order_time_window", Kind::Duration),
        Field::new("stale_series_compaction_threshold", Kind::Float),
        Field::new("chunk_encoding", Kind::One(&CHUNK_ENCODING)),
        Field::new("retention", Kind::Maybe(&RETENTION)),
        Field::new("max_head_series", Kind::Uint),
        Field::new("max_head_series_per_job", Kind::Uint),
    ]],
    check: check_tsdb,
};

static CHUNK_ENCODING: Schema = Schema {
    name: "chunk_encoding",
    parts: &[&[Field::new("floats", Kind::Word(check_encoding))]],
    check: no_check,
};

/// The section `storage.tsdb.retention`.
pub(super) static RETENTION: Schema = Schema {
    name: "retention",
    parts: &[&[
        Field::new("time", Kind::Duration),
        Field::new("size", Kind::Size),
        Field::new("percentage", Kind::Float),
    ]],
    check: check_retention,
};

/// The section `storage.exemplars`.
pub(super) static EXEMPLARS: Schema = Schema {
    name: "exemplars",
    parts: &[&[Field::new("max_exemplars", Kind::Int)]],
    check: no_check,
};

fn check_encoding(text: &str) -> Result<(), String> {
    match text {
        "" | "xor" | "xor2" => Ok(()),
        _ => Err(format!("there is no chunk encoding {text:?}; there are xor and xor2")),
    }
}

fn check_tsdb(section: &mut Section) -> Result<(), Problem> {
    let window = section.int("out_of_order_time_window");
    section.set("outofordertimewindow", Value::Int(window));
    Ok(())
}

fn check_retention(section: &mut Section) -> Result<(), Problem> {
    if section.int("size") < 0 {
        return Err(section.problem("size", "retention: the size is not below 0"));
    }
    if !(0.0..=100.0).contains(&section.float("percentage")) {
        return Err(
            section.problem("percentage", "retention: the percentage lies between 0 and 100")
        );
    }
    Ok(())
}

static TRACING: Schema = Schema {
    name: "tracing",
    parts: &[&[
        Field::new("client_type", Kind::Word(check_client)),
        Field::new("endpoint", Kind::Text),
        Field::new("sampling_fraction", Kind::Float),
        Field::new("insecure", Kind::Bool),
        Field::new("tls_config", Kind::One(&TLS)),
        Field::new("headers", Kind::Map),
        Field::new("compression", Kind::Text),
        Field::new("timeout", Kind::Duration),
    ]],
    check: check_tracing,
};

fn check_client(text: &str) -> Result<(), String> {
    match text {
        "http" | "grpc" => Ok(()),
        _ => Err(format!("there is no client {text:?}; there are http and grpc")),
    }
}

fn check_tracing(section: &mut Section) -> Result<(), Problem> {
    if !section.is_given("client_type") {
        section.set("client_type", Value::Text(String::from("grpc")));
    }
    if let Some((name, _)) = section.map("headers").iter().find(|(name, _)| reserved_header(name)) {
        let what = format!("tracing: header {name:?} is set by the client itself");
        return Err(section.problem("headers", what));
    }
    if !section.has("endpoint") {
        return Err(section.problem("endpoint", "tracing needs an endpoint"));
    }
    if !matches!(section.text("compression"), "" | "gzip") {
        return Err(section.problem("compression", "tracing: the compression is gzip or none"));
    }
    Ok(())
}

static OTLP: Schema = Schema {
    name: "otlp",
    parts: &[&[
        Field::new("promote_all_resource_attributes", Kind::Bool),
        Field::new("promote_resource_attributes", Kind::List),
        Field::new("ignore_resource_attributes", Kind::List),
        Field::new("translation_strategy", Kind::Word(check_strategy))
            .or("UnderscoreEscapingWithSuffixes"),
        Field::new("keep_identifying_resource_attributes", Kind::Bool),
        Field::new("convert_histograms_to_nhcb", Kind::Bool),
        Field::new("promote_scope_metadata", Kind::Bool),
        Field::new("label_name_underscore_sanitization", Kind::Bool).or("true"),
        Field::new("label_name_preserve_multiple_underscores", Kind::Bool).or("true"),
    ]],
    check: check_otlp,
};

fn check_strategy(text: &str) -> Result<(), String> {
    let known = [
        "UnderscoreEscapingWithSuffixes",
        "UnderscoreEscapingWithoutSuffixes",
        "NoUTF8EscapingWithSuffixes",
        "NoTranslation",
    ];
    if text.is_empty() || known.contains(&text) {
        return Ok(());
    }
    Err(format!("there is no translation strategy {text:?}; there are {}", known.join(", ")))
}

fn check_otlp(section: &mut Section) -> Result<(), Problem> {
    let (promote, ignore) = ("promote_resource_attributes", "ignore_resource_attributes");
    if section.bool("promote_all_resource_attributes") {
        if !section.list(promote).is_empty() {
            let what = format!("otlp: give either promote_all_resource_attributes or {promote}");
            return Err(section.problem(promote, what));
        }
        trim_attributes(section, ignore)
    } else {
        if !section.list(ignore).is_empty() {
            let what = format!("otlp: {ignore} needs promote_all_resource_attributes");
            return Err(section.problem(ignore, what));
        }
        trim_attributes(section, promote)
    }
}

/// Trims the names of attributes; refuses empty and repeated ones.
fn trim_attributes(section: &mut Section, name: &'static str) -> Result<(), Problem> {
    let mut trimmed: Vec<String> = Vec::new();
    for attribute in section.list(name) {
        let attribute = attribute.trim().to_owned();
        if attribute.is_empty() || trimmed.contains(&attribute) {
            let what = if attribute.is_empty() {
                format!("otlp: an entry of {name} is empty")
            } else {
                format!("otlp: {name} lists {attribute:?} twice")
            };
            return Err(section.problem(name, what));
        }
        trimmed.push(attribute);
    }
    if !trimmed.is_empty() {
        section.set(name, Value::List(trimmed));
    }
    Ok(())
}
