//! Assignments of a Kuma control plane, asked for again and again: the server answers when there is something new, or
//! that there is not.

use crate::api::{Api, escaped, good, json};
use crate::provider::{Context, Provider, Publisher, Running};
use crate::target::{Target, group, items, text};
use crate::{Error, TargetGroup};
use metrics::{Counter, Registry, Stopwatch, Summary};
use model::Labels;
use serde_json::{Value, json as object};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use yaml::Section;

const RESOURCE: &str = "type.googleapis.com/kuma.observability.v1.MonitoringAssignment";
const PREFIX: &str = "__meta_kuma_";
const GRACE: Duration = Duration::from_secs(15);

struct Kuma {
    api: Api,
    url: String,
    client_id: String,
    interval: Duration,
    /// Version and nonce of the latest answer.
    latest: Option<(String, String)>,
    metrics: KumaMetrics,
    job: Box<str>,
}

pub(crate) struct KumaMetrics {
    failures: Counter,
    skipped: Counter,
    seconds: Summary,
}

pub(crate) fn register(registry: &Registry) -> KumaMetrics {
    KumaMetrics {
        failures: registry.counter(
            "prometheus_sd_kuma_fetch_failures_total",
            "The number of Kuma MADS fetch call failures.",
        ),
        skipped: registry.counter(
            "prometheus_sd_kuma_fetch_skipped_updates_total",
            "The number of Kuma MADS fetch calls that result in no updates to the targets.",
        ),
        seconds: registry.summary(
            "prometheus_sd_kuma_fetch_duration_seconds",
            "The duration of a Kuma MADS fetch call.",
            &[0.5, 0.9, 0.99],
        ),
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let timeout = section.duration("fetch_timeout");
    let millis = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    let api = Api::new(context, section, timeout + GRACE)?
        .header("Accept", "application/json")
        .header("Content-Type", "application/json");
    let mut client_id = section.text("client_id").to_owned();
    if client_id.is_empty() {
        client_id = std::env::var("HOSTNAME").unwrap_or_default();
    }
    if client_id.is_empty() {
        client_id.push_str("prometheus");
    }
    Ok(Box::new(Kuma {
        api,
        url: format!(
            "{}/v3/discovery:monitoringassignments?fetch-timeout={}",
            section.text("server").trim_end_matches('/'),
            escaped(&model::duration::format(millis))
        ),
        client_id,
        interval: section.duration("refresh_interval").max(Duration::from_millis(1)),
        latest: None,
        metrics: register(context.registry),
        job: context.job.into(),
    }))
}

impl Provider for Kuma {
    fn run(self: Box<Self>, publisher: Publisher) -> Running {
        Box::pin(self.poll(publisher))
    }
}

impl Kuma {
    async fn poll(mut self: Box<Self>, publisher: Publisher) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let stopwatch = Stopwatch::start();
            let fetched = self.fetch().await;
            self.metrics.seconds.observe(stopwatch.elapsed_seconds());
            match fetched {
                Ok(Some(targets)) => publisher.publish([targets]),
                Ok(None) => self.metrics.skipped.inc(),
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::error!(discovery = "kuma", config = &*self.job, err = %error,
                        "Unable to fetch assignments");
                }
            }
        }
    }

    /// What there is, if it is not what there was.
    async fn fetch(&mut self) -> Result<Option<TargetGroup>, Error> {
        let mut question = object!({"node": {"id": self.client_id}, "type_url": RESOURCE});
        if let Some((version, nonce)) = &self.latest {
            question["version_info"] = version.as_str().into();
            question["response_nonce"] = nonce.as_str().into();
        }
        let answer = self.api.call("POST", &self.url, &[], question.to_string()).await?;
        if answer.status == 304 {
            return Ok(None);
        }
        let answer = json(&self.url, &good(&self.url, answer)?.body)?;
        if answer["type_url"] != RESOURCE {
            return Err(Error::answer(&self.url, format!("type_url is {}", answer["type_url"])));
        }
        let own = |name: &str| text(&answer[name]).into_owned();
        self.latest = Some((own("version_info"), own("nonce")));
        let targets = items(&answer["resources"]).iter().flat_map(assigned).collect();
        Ok(Some(group("kuma", targets)))
    }
}

/// A field of an answer, which may be written in two ways.
fn either<'a>(value: &'a Value, names: [&str; 2]) -> &'a Value {
    names.iter().map(|name| &value[*name]).find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

fn assigned(assignment: &Value) -> Vec<Labels> {
    let build = |entry: &Value| {
        let mut target = Target::new(PREFIX);
        target.fields("label_", &entry["labels"]);
        target.fields("label_", &assignment["labels"]);
        target.json("mesh", &assignment["mesh"]);
        target.json("service", &assignment["service"]);
        target.json("dataplane", &entry["name"]);
        target.plain("__address__", &text(&entry["address"]));
        target.plain("instance", &text(&entry["name"]));
        target.plain("__scheme__", &text(&entry["scheme"]));
        let path = either(entry, ["metricsPath", "metrics_path"]);
        target.plain("__metrics_path__", &text(path));
        target.labels()
    };
    items(&assignment["targets"]).iter().map(build).collect()
}
