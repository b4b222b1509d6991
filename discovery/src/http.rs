//! Targets from a URL that answers a list of groups in JSON, of the form of discovery files.

use crate::api::{Api, good, header_of};
use crate::config::StaticGroup;
use crate::manager::address_label;
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::{Error, TargetGroup, file_format};
use bytes::Bytes;
use metrics::{Counter, Registry};
use model::LabelsBuilder;
use yaml::Section;

struct Http {
    api: Api,
    url: String,
    failures: Counter,
}

pub(crate) fn register(registry: &Registry) -> Counter {
    registry.counter(
        "prometheus_sd_http_failures_total",
        "Number of HTTP service discovery refresh failures.",
    )
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let interval = section.duration("refresh_interval");
    let api = Api::new(context, section, interval)?.header("Accept", "application/json").header(
        "X-Prometheus-Refresh-Interval-Seconds",
        &model::float::fixed(interval.as_secs_f64()),
    );
    let url = section.text("url").to_owned();
    let http = Http { api, url, failures: register(context.registry) };
    Ok(refresh::every(context, "http", section, http))
}

impl Mechanism for Http {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let asked = self.ask().await;
        if asked.is_err() {
            self.failures.inc();
        }
        asked
    }
}

impl Http {
    async fn ask(&self) -> Result<Vec<TargetGroup>, Error> {
        let answer = good(&self.url, self.api.call("GET", &self.url, &[], Bytes::new()).await?)?;
        let wrong = |what: String| Error::answer(&self.url, what);
        if answer.status != 200 {
            return Err(wrong(format!("server returned HTTP status {}", answer.status)));
        }
        let content_type = header_of(&answer, "content-type");
        if !is_json(content_type) {
            return Err(wrong(format!("unsupported content type {content_type:?}")));
        }
        let text = String::from_utf8_lossy(&answer.body);
        let groups =
            file_format::parse_json(&self.url, &text).map_err(|error| wrong(error.to_string()))?;
        Ok(groups.iter().enumerate().map(|(index, group)| self.group(index, group)).collect())
    }

    fn group(&self, index: usize, group: &StaticGroup) -> TargetGroup {
        let mut builder = LabelsBuilder::new();
        builder.reset(&group.labels);
        builder.set("__meta_url", &self.url);
        TargetGroup {
            source: format!("{}:{index}", self.url).into(),
            labels: builder.labels(),
            targets: group.targets.iter().map(|address| address_label(address)).collect(),
        }
    }
}

/// Whether an answer says that it is JSON: without parameters, or in UTF-8.
fn is_json(content_type: &str) -> bool {
    let (kind, rest) = content_type.split_once(';').unwrap_or((content_type, ""));
    let is_utf8 = rest.trim().is_empty()
        || rest.trim().split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("charset")
                && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        });
    kind.trim().eq_ignore_ascii_case("application/json") && is_utf8
}
