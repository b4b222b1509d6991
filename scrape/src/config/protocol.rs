//! The fields that choose exposition formats and name schemes, and their checks.

use super::{EscapingScheme, NameValidation, ScrapeProtocol};
use yaml::{Problem, Section};

/// What targets are asked for unless told otherwise.
pub(super) const DEFAULT: [ScrapeProtocol; 4] = [
    ScrapeProtocol::OpenMetricsText1_0_0,
    ScrapeProtocol::OpenMetricsText0_0_1,
    ScrapeProtocol::PrometheusText1_0_0,
    ScrapeProtocol::PrometheusText0_0_4,
];

/// The same with protobuf first, which alone carries native histograms and start times.
pub(super) const PROTOBUF_FIRST: [ScrapeProtocol; 5] = [
    ScrapeProtocol::PrometheusProto,
    ScrapeProtocol::OpenMetricsText1_0_0,
    ScrapeProtocol::OpenMetricsText0_0_1,
    ScrapeProtocol::PrometheusText1_0_0,
    ScrapeProtocol::PrometheusText0_0_4,
];

/// The names of `protocols`.
pub(super) fn names(protocols: &[ScrapeProtocol]) -> Vec<String> {
    protocols.iter().map(|protocol| protocol.as_str().to_owned()).collect()
}

fn unknown(name: &str) -> String {
    let known = ScrapeProtocol::ALL.map(ScrapeProtocol::as_str);
    let meant = yaml::suggest(name, known)
        .or_else(|| known.into_iter().find(|known| known.eq_ignore_ascii_case(name)));
    match meant {
        Some(meant) => format!("there is no scrape protocol {name:?}; did you mean {meant:?}?"),
        None => format!("there is no scrape protocol {name:?}; there are {}", known.join(", ")),
    }
}

/// The protocols of `scrape_protocols`: at least one, all known, none twice.
pub(super) fn protocols(section: &Section) -> Result<Vec<ScrapeProtocol>, Problem> {
    let list = section.list("scrape_protocols");
    let problem = |what: String| section.problem("scrape_protocols", what);
    if list.is_empty() {
        return Err(problem(String::from("scrape_protocols needs at least one protocol")));
    }
    let mut protocols = Vec::with_capacity(list.len());
    for name in list {
        let protocol = ScrapeProtocol::from_name(name).ok_or_else(|| problem(unknown(name)))?;
        if protocols.contains(&protocol) {
            return Err(problem(format!("scrape_protocols lists {name} twice")));
        }
        protocols.push(protocol);
    }
    Ok(protocols)
}

/// Accepts the name of a protocol.
pub(super) fn check_protocol(name: &str) -> Result<(), String> {
    if name.is_empty() || ScrapeProtocol::from_name(name).is_some() {
        Ok(())
    } else {
        Err(unknown(name))
    }
}

/// Accepts the name of a validation scheme.
pub(super) fn check_validation(name: &str) -> Result<(), String> {
    match name {
        "" | "utf8" | "legacy" => Ok(()),
        _ => Err(format!("there is no validation scheme {name:?}; there are utf8 and legacy")),
    }
}

/// The validation scheme of a checked name.
pub(super) fn validation(name: &str) -> NameValidation {
    if name == "legacy" { NameValidation::Legacy } else { NameValidation::Utf8 }
}

/// The escaping scheme that `section` names, if it names one.
pub(super) fn escaping(section: &Section) -> Result<Option<EscapingScheme>, Problem> {
    let name = section.text("metric_name_escaping_scheme");
    if name.is_empty() {
        return Ok(None);
    }
    name.parse().map(Some).map_err(|_| {
        let what = format!(
            "there is no escaping scheme {name:?}; there are allow-utf-8, underscores, dots, values"
        );
        section.problem("metric_name_escaping_scheme", what)
    })
}
