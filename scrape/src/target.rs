//! From discovered labels to targets: defaults, relabelling, checks, the URL; and what is known of a target's last
//! scrape. Does not scrape.

use crate::config::ScrapeConfig;
use crate::metadata::Families;
use crate::schedule::target_hash;
use crate::status::{ActiveTarget, Health};
use crate::url::target_url;
use discovery::TargetGroup;
use model::relabel::{Scratch, process};
use model::{Labels, LabelsBuilder, duration};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

const PARAM_PREFIX: &str = "__param_";

/// Why discovered labels are no target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("no address")]
    NoAddress,
    #[error("{0:?} is not a valid hostname")]
    BadAddress(String),
    #[error("error parsing scrape {which}: {source}")]
    BadDuration { which: &'static str, source: duration::DurationError },
    #[error("error parsing scrape {which}: {text:?} is neither true nor false")]
    BadBool { which: &'static str, text: String },
    #[error("scrape {0} cannot be 0")]
    ZeroDuration(&'static str),
    #[error("scrape timeout cannot be greater than scrape interval ({timeout:?} > {interval:?})")]
    TimeoutAboveInterval { timeout: String, interval: String },
}

/// What became of discovered labels.
#[derive(Debug)]
pub(crate) enum Discovered {
    Target(Box<Target>),
    /// Relabelling dropped it; with the labels before.
    Dropped(Labels),
}

/// Which forms of histograms are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistogramForms {
    pub(crate) native: bool,
    /// Classic ones beside native or converted ones.
    pub(crate) classic: bool,
    /// Classic ones become ones with custom buckets.
    pub(crate) convert: bool,
}

/// What to scrape, under which labels.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Labels before relabelling.
    pub(crate) discovered_labels: Labels,
    /// Labels that samples get.
    pub(crate) labels: Labels,
    pub(crate) url: Box<str>,
    /// The path of a socket to connect to, instead of the address.
    pub(crate) unix_socket: Option<Box<str>>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// What of its histograms is stored.
    pub(crate) histograms: HistogramForms,
    /// Identity within the job.
    pub(crate) hash: u64,
}

/// Puts the labels that a target has before relabelling into `builder`: its own, its group's, those of the job.
fn discovered_labels(
    config: &ScrapeConfig,
    target: &Labels,
    group: &Labels,
    builder: &mut LabelsBuilder,
) -> Labels {
    builder.reset(group);
    for (name, value) in target {
        builder.set(name, value);
    }
    let bool_text = |value: bool| if value { "true" } else { "false" };
    let interval = duration_text(config.scrape_interval);
    let timeout = duration_text(config.scrape_timeout);
    let defaults = [
        ("job", config.job_name.as_str()),
        ("__scrape_interval__", &interval),
        ("__scrape_timeout__", &timeout),
        ("__metrics_path__", &config.metrics_path),
        ("__scheme__", &config.scheme),
        (
            "__always_scrape_classic_histograms__",
            bool_text(config.always_scrape_classic_histograms),
        ),
        (
            "__convert_classic_histograms_to_nhcb__",
            bool_text(config.convert_classic_histograms_to_nhcb),
        ),
        ("__scrape_native_histograms__", bool_text(config.scrape_native_histograms)),
    ];
    for (name, value) in defaults {
        if builder.get(name).is_empty() {
            builder.set(name, value);
        }
    }
    for (name, values) in &config.params {
        let name = format!("{PARAM_PREFIX}{name}");
        if let Some(first) = values.first()
            && builder.get(&name).is_empty()
        {
            builder.set(&name, first);
        }
    }
    builder.labels()
}

fn duration_text(duration: Duration) -> String {
    duration::format(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn parse_duration(text: &str, which: &'static str) -> Result<Duration, TargetError> {
    let ms = duration::parse(text).map_err(|source| TargetError::BadDuration { which, source })?;
    match u64::try_from(ms) {
        Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err(TargetError::ZeroDuration(which)),
    }
}

/// A truth value in any of Go's spellings.
fn parse_bool(
    labels: &LabelsBuilder,
    label: &str,
    which: &'static str,
) -> Result<bool, TargetError> {
    match labels.get(label) {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        text => Err(TargetError::BadBool { which, text: text.to_owned() }),
    }
}

fn histogram_forms(labels: &LabelsBuilder) -> Result<HistogramForms, TargetError> {
    let parse = |label, which| parse_bool(labels, label, which);
    Ok(HistogramForms {
        native: parse("__scrape_native_histograms__", "native histograms")?,
        classic: parse("__always_scrape_classic_histograms__", "classic histograms")?,
        convert: parse("__convert_classic_histograms_to_nhcb__", "conversion of histograms")?,
    })
}

/// Discovered labels after relabelling, hidden ones among them, and what they say of the scrape.
struct Populated {
    labels: Labels,
    interval: Duration,
    timeout: Duration,
    histograms: HistogramForms,
}

/// Relabels what is in `builder` and checks what comes of it; `None` if it is dropped.
fn populate(
    config: &ScrapeConfig,
    builder: &mut LabelsBuilder,
    scratch: &mut Scratch,
) -> Result<Option<Populated>, TargetError> {
    if !process(&config.relabel_configs, builder, scratch) {
        return Ok(None);
    }
    let address = builder.get("__address__").to_owned();
    if address.is_empty() {
        return Err(TargetError::NoAddress);
    }
    if address.contains('/') {
        return Err(TargetError::BadAddress(address));
    }
    let interval_text = builder.get("__scrape_interval__").to_owned();
    let timeout_text = builder.get("__scrape_timeout__").to_owned();
    let interval = parse_duration(&interval_text, "interval")?;
    let timeout = parse_duration(&timeout_text, "timeout")?;
    if timeout > interval {
        return Err(TargetError::TimeoutAboveInterval {
            timeout: timeout_text,
            interval: interval_text,
        });
    }
    let histograms = histogram_forms(builder)?;
    builder.retain(|name, _| !name.starts_with("__meta_"));
    if builder.get("instance").is_empty() {
        builder.set("instance", &address);
    }
    Ok(Some(Populated { labels: builder.labels(), interval, timeout, histograms }))
}

/// Builds the target of discovered labels, `target` before `group`.
pub(crate) fn build(
    config: &ScrapeConfig,
    target: &Labels,
    group: &Labels,
    builder: &mut LabelsBuilder,
    scratch: &mut Scratch,
) -> Result<Discovered, TargetError> {
    let discovered_labels = discovered_labels(config, target, group, builder);
    let Some(populated) = populate(config, builder, scratch)? else {
        return Ok(Discovered::Dropped(discovered_labels));
    };
    let Populated { labels: all_labels, interval, timeout, histograms } = populated;
    let url = url_of(config, &all_labels);
    let hash = target_hash(&all_labels, &url);
    let unix_socket = all_labels.get("__unix_socket__").map(Into::into);
    builder.retain(|name, _| !name.starts_with("__"));
    let labels = builder.labels();
    let url = url.into();
    let target =
        Target { discovered_labels, labels, url, unix_socket, interval, timeout, histograms, hash };
    Ok(Discovered::Target(Box::new(target)))
}

/// What a job makes of a discovered target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredTarget {
    /// The labels before relabelling, those of the job among them.
    pub discovered_labels: Labels,
    /// The labels after it, hidden ones among them; empty if the target is dropped or wrong.
    pub labels: Labels,
    /// Why it cannot be scraped.
    pub error: Option<String>,
}

/// What a job makes of the targets of a group, in their order.
#[must_use]
pub fn discovered_targets(config: &ScrapeConfig, group: &TargetGroup) -> Vec<DiscoveredTarget> {
    let (mut builder, mut scratch) = (LabelsBuilder::new(), Scratch::default());
    let one = |target: &Labels| {
        let discovered_labels = discovered_labels(config, target, &group.labels, &mut builder);
        let (labels, error) = match populate(config, &mut builder, &mut scratch) {
            Ok(Some(populated)) => (populated.labels, None),
            Ok(None) => (Labels::empty(), None),
            Err(error) => (Labels::empty(), Some(error.to_string())),
        };
        DiscoveredTarget { discovered_labels, labels, error }
    };
    group.targets.iter().map(one).collect()
}

/// Whether the job could make targets of what was discovered; those it would drop are fine.
pub fn check_targets(config: &ScrapeConfig, group: &TargetGroup) -> Result<(), String> {
    let (mut builder, mut scratch) = (LabelsBuilder::new(), Scratch::default());
    for target in &group.targets {
        build(config, target, &group.labels, &mut builder, &mut scratch)
            .map_err(|error| format!("target {target}: {error}"))?;
    }
    Ok(())
}

/// The URL by the hidden labels; a parameter's label replaces its first value.
fn url_of(config: &ScrapeConfig, labels: &Labels) -> String {
    let mut params = config.params.clone();
    for (name, value) in labels {
        let Some(name) = name.strip_prefix(PARAM_PREFIX) else { continue };
        match params.iter_mut().find(|(n, _)| n == name) {
            Some((_, values)) if !values.is_empty() => value.clone_into(&mut values[0]),
            Some((_, values)) => values.push(value.to_owned()),
            None => params.push((name.to_owned(), vec![value.to_owned()])),
        }
    }
    let part = |name: &str| labels.get(name).unwrap_or_default();
    target_url(part("__scheme__"), part("__address__"), part("__metrics_path__"), &params)
}

/// The result of a scrape, for show.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastScrape {
    pub(crate) health: Health,
    pub(crate) error: Box<str>,
    pub(crate) begin_ms: Option<i64>,
    pub(crate) duration_seconds: f64,
}

/// What the loop of a target shares with readers.
#[derive(Debug, Default)]
pub(crate) struct TargetState {
    pub(crate) last: Mutex<LastScrape>,
    /// Set by the loop once it has its cache.
    pub(crate) metadata: Mutex<Option<Arc<Mutex<Arc<Families>>>>>,
}

impl TargetState {
    /// The target as the API shows it.
    pub(crate) fn show(&self, target: &Target, scrape_pool: &Arc<str>) -> ActiveTarget {
        let last = self.last.lock().clone();
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        ActiveTarget {
            discovered_labels: target.discovered_labels.clone(),
            labels: target.labels.clone(),
            scrape_pool: Arc::clone(scrape_pool),
            scrape_url: target.url.clone(),
            last_error: last.error,
            last_scrape_ms: last.begin_ms,
            last_scrape_duration_seconds: last.duration_seconds,
            health: last.health,
            scrape_interval_ms: ms(target.interval),
            scrape_timeout_ms: ms(target.timeout),
        }
    }

    /// The metadata that the target exposed.
    pub(crate) fn families(&self) -> Arc<Families> {
        let shared = self.metadata.lock().clone();
        shared.map_or_else(Arc::default, |shared| Arc::clone(&shared.lock()))
    }
}

#[cfg(test)]
mod tests;
