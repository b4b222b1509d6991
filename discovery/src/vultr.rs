//! Instances at Vultr.

use crate::api::{Api, escaped};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::Value;
use yaml::Section;

const URL: &str = "https://api.vultr.com/v2/instances";

struct Vultr {
    api: Api,
    port: i64,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let api = Api::new(context, section, section.duration("refresh_interval"))?
        .header("Accept", "application/json")
        .header("Content-Type", "application/json");
    Ok(refresh::every(context, "vultr", section, Vultr { api, port: section.int("port") }))
}

impl Mechanism for Vultr {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let mut targets = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = match cursor.as_str() {
                "" => String::new(),
                cursor => format!("cursor={}&", escaped(cursor)),
            };
            let answer = self.api.get_json(&format!("{URL}?{page}per_page=100")).await?;
            targets.extend(items(&answer["instances"]).iter().map(|entry| self.target(entry)));
            cursor = text(&answer["meta"]["links"]["next"]).into_owned();
            if cursor.is_empty() {
                return Ok(vec![group("Vultr", targets)]);
            }
        }
    }
}

/// Labels of instances, and the fields they come from.
const FIELDS: [(&str, &str); 15] = [
    ("id", "id"),
    ("label", "label"),
    ("os", "os"),
    ("os_id", "os_id"),
    ("region", "region"),
    ("plan", "plan"),
    ("vcpu_count", "vcpu_count"),
    ("ram_mb", "ram"),
    ("allowed_bandwidth_gb", "allowed_bandwidth"),
    ("disk_gb", "disk"),
    ("main_ip", "main_ip"),
    ("main_ipv6", "v6_main_ip"),
    ("internal_ip", "internal_ip"),
    ("hostname", "hostname"),
    ("server_status", "server_status"),
];

impl Vultr {
    fn target(&self, instance: &Value) -> Labels {
        let mut target = Target::new("__meta_vultr_instance_");
        target.address(&text(&instance["main_ip"]), self.port);
        for (label, field) in FIELDS {
            target.json(label, &instance[field]);
        }
        for name in ["features", "tags"] {
            let list = texts(&instance[name]);
            if !list.is_empty() {
                target.set(name, &surrounded(&list, ","));
            }
        }
        target.labels()
    }
}
