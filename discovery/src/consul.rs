//! Services of Consul, watched by blocking queries: the catalog for names that appear and go, each service for its
//! instances.

use crate::api::{Api, escaped, good, header_of, json};
use crate::provider::{Context, Provider, Publisher, Running};
use crate::target::{Target, group, host_port, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use bytes::Bytes;
use metrics::{Counter, Registry, Stopwatch, Summary};
use model::Labels;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use yaml::Section;

/// How long Consul may hold a query back when nothing changes.
const WATCH_TIMEOUT: Duration = Duration::from_secs(120);
const GRACE: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(15);

struct Consul {
    api: Api,
    base: String,
    datacenter: String,
    namespace: String,
    partition: String,
    allow_stale: bool,
    separator: String,
    services: Vec<String>,
    tags: Vec<String>,
    node_meta: Vec<(String, String)>,
    filter: String,
    health_filter: String,
    refresh_interval: Duration,
    metrics: ConsulMetrics,
    job: Box<str>,
    /// After a failure.
    retry: Duration,
}

pub(crate) struct ConsulMetrics {
    failures: Counter,
    catalog_seconds: Summary,
    service_seconds: Summary,
}

pub(crate) fn register(registry: &Registry) -> ConsulMetrics {
    let seconds = registry.summary_vec(
        "prometheus_sd_consul_rpc_duration_seconds",
        "The duration of a Consul RPC call in seconds.",
        &["endpoint", "call"],
        &[0.5, 0.9, 0.99],
    );
    ConsulMetrics {
        failures: registry.counter(
            "prometheus_sd_consul_rpc_failures_total",
            "The number of Consul RPC call failures.",
        ),
        catalog_seconds: seconds.with(&["catalog", "services"]),
        service_seconds: seconds.with(&["catalog", "service"]),
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    Ok(Box::new(new(context, section)?))
}

fn new(context: &Context<'_>, section: &Section) -> Result<Consul, Error> {
    let mut api = Api::new(context, section, WATCH_TIMEOUT + GRACE)?
        .header("Content-Type", "application/json; charset=utf-8");
    if section.has("token") {
        api = api.header("X-Consul-Token", section.text("token"));
    }
    let server = section.text("server").trim_end_matches('/');
    let server = match server.split_once("://") {
        Some(_) => server.to_owned(),
        None => format!("{}://{server}", section.text("scheme")),
    };
    let own = |name: &str| section.text(name).to_owned();
    let prefix = own("path_prefix");
    Ok(Consul {
        api,
        base: format!("{server}{}", prefix.trim_end_matches('/')),
        datacenter: own("datacenter"),
        namespace: own("namespace"),
        partition: own("partition"),
        allow_stale: section.bool("allow_stale"),
        separator: own("tag_separator"),
        services: section.list("services").to_vec(),
        tags: section.list("tags").to_vec(),
        node_meta: section.map("node_meta").to_vec(),
        filter: own("filter"),
        health_filter: own("health_filter"),
        refresh_interval: section.duration("refresh_interval").max(Duration::from_millis(1)),
        metrics: register(context.registry),
        job: context.job.into(),
        retry: RETRY,
    })
}

impl Provider for Consul {
    fn run(self: Box<Self>, publisher: Publisher) -> Running {
        Box::pin(self.watch(publisher))
    }
}

impl Consul {
    async fn watch(self: Box<Self>, publisher: Publisher) {
        let datacenter = match self.datacenter.as_str() {
            "" => self.agent_datacenter().await,
            given => given.to_owned(),
        };
        let watches_catalog =
            self.services.is_empty() || !self.tags.is_empty() || !self.filter.is_empty();
        let consul = Arc::new(*self);
        let datacenter: Arc<str> = datacenter.into();
        let mut tasks = JoinSet::new();
        if watches_catalog {
            consul.watch_catalog(&datacenter, &publisher, &mut tasks).await;
            return;
        }
        for name in &consul.services {
            let watch = Arc::clone(&consul).watch_service(
                name.clone(),
                Arc::clone(&datacenter),
                publisher.clone(),
            );
            tasks.spawn(watch);
        }
        while tasks.join_next().await.is_some() {}
    }

    /// The datacenter of the agent that is asked, as soon as it tells.
    async fn agent_datacenter(&self) -> String {
        loop {
            let url = self.url("/v1/agent/self", &[]);
            let answered = self.api.get_json(&url).await;
            let told = answered.and_then(|answer| match &answer["Config"]["Datacenter"] {
                Value::String(datacenter) => Ok(datacenter.clone()),
                other => Err(Error::answer(&url, format!("Config.Datacenter is {other}"))),
            });
            match told {
                Ok(datacenter) => return datacenter,
                Err(error) => self.failed("Error retrieving datacenter name", &error),
            }
            sleep(self.retry).await;
        }
    }

    fn failed(&self, message: &str, error: &Error) {
        self.metrics.failures.inc();
        tracing::error!(discovery = "consul", config = &*self.job, err = %error, "{message}");
    }

    /// A URL with its parameters in the order of their names.
    fn url(&self, path: &str, further: &[(&str, String)]) -> String {
        let mut parameters: Vec<(&str, &str)> =
            further.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let own =
            [("dc", &self.datacenter), ("ns", &self.namespace), ("partition", &self.partition)];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        parameters.extend(own.map(|(name, value)| (name, value.as_str())));
        parameters.sort_by_key(|(name, _)| *name);
        let mut url = format!("{}{path}", self.base);
        for (index, (name, value)) in parameters.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.push_str(&escaped(value));
        }
        url
    }

    /// What is there now if `index` is 0, else what is there after it changed; with the new index.
    async fn query(
        &self,
        path: &str,
        filter: &str,
        tags: &[String],
        index: u64,
    ) -> Result<(Value, u64), Error> {
        let mut further = vec![("wait", format!("{}ms", WATCH_TIMEOUT.as_millis()))];
        if index != 0 {
            further.push(("index", index.to_string()));
        }
        if self.allow_stale {
            further.push(("stale", String::new()));
        }
        if !filter.is_empty() {
            further.push(("filter", filter.to_owned()));
        }
        let meta = self.node_meta.iter().map(|(name, value)| format!("{name}:{value}"));
        further.extend(meta.map(|meta| ("node-meta", meta)));
        further.extend(tags.iter().map(|tag| ("tag", tag.clone())));
        let url = self.url(path, &further);
        let answer = good(&url, self.api.call("GET", &url, &[], Bytes::new()).await?)?;
        let new_index = header_of(&answer, "x-consul-index").parse().unwrap_or(0);
        Ok((json(&url, &answer.body)?, new_index))
    }

    async fn watch_catalog(
        self: &Arc<Self>,
        datacenter: &Arc<str>,
        publisher: &Publisher,
        tasks: &mut JoinSet<()>,
    ) {
        let mut watched: BTreeMap<String, AbortHandle> = BTreeMap::new();
        let mut index = 0;
        let mut ticks = interval(self.refresh_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let stopwatch = Stopwatch::start();
            let answered = self.query("/v1/catalog/services", &self.filter, &[], index).await;
            self.metrics.catalog_seconds.observe(stopwatch.elapsed_seconds());
            let (services, new_index) = match answered {
                Ok(answer) => answer,
                Err(error) => {
                    self.failed("Error refreshing service list", &error);
                    sleep(self.retry).await;
                    continue;
                }
            };
            if new_index == index {
                continue;
            }
            index = new_index;
            for (name, tags) in services.as_object().into_iter().flatten() {
                if self.is_wanted(name, tags) && !watched.contains_key(name) {
                    let watch = Arc::clone(self).watch_service(
                        name.clone(),
                        Arc::clone(datacenter),
                        publisher.clone(),
                    );
                    watched.insert(name.clone(), tasks.spawn(watch));
                }
            }
            let mut gone = Vec::new();
            watched.retain(|name, task| {
                let stays = services.get(name).is_some();
                if !stays {
                    task.abort();
                    gone.push((name.clone(), task.clone()));
                }
                stays
            });
            for (name, task) in gone {
                // What it publishes at its end must not come after its removal.
                while !task.is_finished() {
                    tokio::task::yield_now().await;
                }
                publisher.publish([group(&name, Vec::new())]);
            }
            while tasks.try_join_next().is_some() {}
        }
    }

    fn is_wanted(&self, name: &str, tags: &Value) -> bool {
        let is_named = self.services.is_empty() || self.services.iter().any(|s| s == name);
        let has = |wanted: &String| items(tags).iter().any(|tag| tag.as_str() == Some(wanted));
        is_named && self.tags.iter().all(has)
    }

    async fn watch_service(
        self: Arc<Self>,
        name: String,
        datacenter: Arc<str>,
        publisher: Publisher,
    ) {
        let path = format!("/v1/health/service/{}", escaped(&name).replace('+', "%20"));
        let mut index = 0;
        let mut ticks = interval(self.refresh_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let stopwatch = Stopwatch::start();
            let answered = self.query(&path, &self.health_filter, &self.tags, index).await;
            self.metrics.service_seconds.observe(stopwatch.elapsed_seconds());
            match answered {
                Ok((_, new_index)) if new_index == index => {}
                Ok((nodes, new_index)) => {
                    index = new_index;
                    publisher.publish([self.group(&name, &datacenter, &nodes)]);
                }
                Err(error) => {
                    self.failed("Error refreshing service", &error);
                    sleep(self.retry).await;
                }
            }
        }
    }

    fn group(&self, name: &str, datacenter: &str, nodes: &Value) -> TargetGroup {
        let mut shared = Target::new("__meta_consul_");
        shared.set("service", name);
        shared.set("dc", datacenter);
        let targets = items(nodes).iter().map(|entry| self.target(entry)).collect();
        TargetGroup { source: name.into(), labels: shared.labels(), targets }
    }

    fn target(&self, entry: &Value) -> Labels {
        let (node, service) = (&entry["Node"], &entry["Service"]);
        let address = match text(&service["Address"]) {
            own if !own.is_empty() => own,
            _ => text(&node["Address"]),
        };
        let port = service["Port"].as_i64().unwrap_or(0);
        let mut target = Target::new("__meta_consul_");
        target.plain("__address__", &host_port(&address, port));
        target.json("address", &node["Address"]);
        target.json("node", &node["Node"]);
        target.json("namespace", &service["Namespace"]);
        target.json("partition", &service["Partition"]);
        target.set("tags", &surrounded(&texts(&service["Tags"]), &self.separator));
        target.json("service_address", &service["Address"]);
        target.set("service_port", &port.to_string());
        target.json("service_id", &service["ID"]);
        target.set("health", health(&entry["Checks"]));
        target.fields("metadata_", &node["Meta"]);
        target.fields("service_metadata_", &service["Meta"]);
        target.fields("tagged_address_", &node["TaggedAddresses"]);
        target.labels()
    }
}

/// The worst state of all checks; a maintenance check outweighs them all.
fn health(checks: &Value) -> &'static str {
    let is_maintenance = |check: &&Value| {
        let id = text(&check["CheckID"]);
        id == "_node_maintenance" || id.starts_with("_service_maintenance:")
    };
    let checks = items(checks);
    if checks.iter().any(|check| is_maintenance(&check)) {
        return "maintenance";
    }
    let mut worst = "passing";
    for check in checks {
        match check["Status"].as_str() {
            Some("critical") => return "critical",
            Some("warning") => worst = "warning",
            Some("passing") => {}
            _ => return "",
        }
    }
    worst
}

#[cfg(test)]
mod tests;
