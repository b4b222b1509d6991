//! Services of Nomad: the list of their names, then the instances of each.

use crate::api::{Api, escaped};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use metrics::{Counter, Registry};
use model::Labels;
use serde_json::Value;
use yaml::Section;

struct Nomad {
    api: Api,
    server: String,
    query: String,
    separator: String,
    failures: Counter,
}

pub(crate) fn register(registry: &Registry) -> Counter {
    registry.counter(
        "prometheus_sd_nomad_failures_total",
        "Number of nomad service discovery refresh failures.",
    )
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let mut query = format!(
        "?namespace={}&region={}",
        escaped(section.text("namespace")),
        escaped(section.text("region"))
    );
    if section.bool("allow_stale") {
        query.push_str("&stale=");
    }
    let nomad = Nomad {
        api: Api::new(context, section, section.duration("refresh_interval"))?,
        server: section.text("server").trim_end_matches('/').to_owned(),
        query,
        separator: section.text("tag_separator").to_owned(),
        failures: register(context.registry),
    };
    Ok(refresh::every(context, "nomad", section, nomad))
}

impl Mechanism for Nomad {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let asked = self.ask().await;
        if asked.is_err() {
            self.failures.inc();
        }
        asked
    }
}

impl Nomad {
    async fn ask(&self) -> Result<Vec<TargetGroup>, Error> {
        let list = self.get("services").await?;
        let mut targets = Vec::new();
        for service in items(&list).iter().flat_map(|entry| items(&entry["Services"])) {
            let name = escaped(&text(&service["ServiceName"])).replace('+', "%20");
            let instances = self.get(&format!("service/{name}")).await?;
            targets.extend(items(&instances).iter().map(|instance| self.target(instance)));
        }
        Ok(vec![group("Nomad", targets)])
    }

    async fn get(&self, path: &str) -> Result<Value, Error> {
        self.api.get_json(&format!("{}/v1/{path}{}", self.server, self.query)).await
    }

    fn target(&self, instance: &Value) -> Labels {
        let mut target = Target::new("__meta_nomad_");
        target.address(&text(&instance["Address"]), text(&instance["Port"]));
        target.json("address", &instance["Address"]);
        target.json("dc", &instance["Datacenter"]);
        target.json("node_id", &instance["NodeID"]);
        target.json("namespace", &instance["Namespace"]);
        target.json("service", &instance["ServiceName"]);
        target.json("service_address", &instance["Address"]);
        target.json("service_id", &instance["ID"]);
        target.json("service_port", &instance["Port"]);
        let tags = texts(&instance["Tags"]);
        if !tags.is_empty() {
            target.set("tags", &surrounded(&tags, &self.separator));
        }
        target.labels()
    }
}
