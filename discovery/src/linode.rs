//! Instances at Linode.

use crate::api::{Api, good, json};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use bytes::Bytes;
use metrics::{Counter, Registry};
use model::Labels;
use serde_json::Value;
use yaml::Section;

const URL: &str = "https://api.linode.com/v4";

struct Linode {
    api: Api,
    port: i64,
    separator: String,
    region: String,
    failures: Counter,
}

pub(crate) fn register(registry: &Registry) -> Counter {
    registry.counter(
        "prometheus_sd_linode_failures_total",
        "Number of Linode service discovery refresh failures.",
    )
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let linode = Linode {
        api: Api::new(context, section, section.duration("refresh_interval"))?
            .header("Accept", "application/json")
            .header("Content-Type", "application/json"),
        port: section.int("port"),
        separator: section.text("tag_separator").to_owned(),
        region: section.text("region").to_owned(),
        failures: register(context.registry),
    };
    Ok(refresh::every(context, "linode", section, linode))
}

impl Mechanism for Linode {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let asked = self.ask().await;
        if asked.is_err() {
            self.failures.inc();
        }
        asked
    }
}

/// The addresses of an instance, as they are told apart.
#[derive(Default)]
struct Addresses<'a> {
    public: Option<&'a Value>,
    private: Option<&'a Value>,
    extra: Vec<&'a str>,
}

impl Linode {
    /// All pages of a list.
    async fn list(&self, path: &str) -> Result<Vec<Value>, Error> {
        let filter = format!("{{\"region\": \"{}\"}}", self.region);
        let headers: &[(&str, &str)] =
            if self.region.is_empty() { &[] } else { &[("X-Filter", &filter)] };
        let mut all = Vec::new();
        for page in 1.. {
            let url = format!("{URL}/{path}?page={page}&page_size=500");
            let answer = good(&url, self.api.call("GET", &url, headers, Bytes::new()).await?)?;
            let mut answer = json(&url, &answer.body)?;
            if let Value::Array(list) = answer["data"].take() {
                all.extend(list);
            }
            if answer["pages"].as_u64().unwrap_or(0) <= page {
                break;
            }
        }
        Ok(all)
    }

    async fn ask(&self) -> Result<Vec<TargetGroup>, Error> {
        let instances = self.list("linode/instances").await?;
        let addresses = self.list("networking/ips").await?;
        let ranges = self.list("networking/ipv6/ranges").await?;
        let with_address = instances.iter().filter(|i| !items(&i["ipv4"]).is_empty());
        let targets = with_address.map(|instance| self.target(instance, &addresses, &ranges));
        Ok(vec![group("Linode", targets.collect())])
    }

    fn target(&self, instance: &Value, addresses: &[Value], ranges: &[Value]) -> Labels {
        let mut target = Target::new("__meta_linode_");
        let found = ipv4_addresses(instance, addresses);
        for (name, address) in [("public", found.public), ("private", found.private)] {
            if let Some(address) = address {
                target.json(&format!("{name}_ipv4"), &address["address"]);
                target.json(&format!("{name}_ipv4_rdns"), &address["rdns"]);
            }
        }
        let public = found.public.map_or_else(Default::default, |a| text(&a["address"]));
        target.address(&public, self.port);
        self.set_list(&mut target, "extra_ips", &found.extra);
        let ipv6 = text(&instance["ipv6"]);
        let own = ipv6.split('/').next().unwrap_or_default();
        if let Some(address) = addresses.iter().find(|a| !own.is_empty() && a["address"] == *own) {
            target.json("public_ipv6", &address["address"]);
            target.json("public_ipv6_rdns", &address["rdns"]);
        }
        let routed = ranges.iter().filter(|r| !own.is_empty() && r["route_target"] == *own);
        let routed: Vec<String> =
            routed.map(|r| format!("{}/{}", text(&r["range"]), text(&r["prefix"]))).collect();
        self.set_list(&mut target, "ipv6_ranges", &routed);
        target.json("instance_id", &instance["id"]);
        target.json("instance_label", &instance["label"]);
        for name in ["image", "region", "type", "status", "group", "hypervisor"] {
            target.json(name, &instance[name]);
        }
        let specs = &instance["specs"];
        target.json("gpus", &specs["gpus"]);
        target.json("specs_vcpus", &specs["vcpus"]);
        for name in ["disk", "memory", "transfer"] {
            let size_bytes = specs[name].as_i64().unwrap_or(0) << 20;
            target.set(&format!("specs_{name}_bytes"), &size_bytes.to_string());
        }
        let has_backups = instance["backups"]["enabled"] == true;
        target.set("backups", if has_backups { "enabled" } else { "disabled" });
        self.set_list(&mut target, "tags", &texts(&instance["tags"]));
        target.labels()
    }

    fn set_list<T: AsRef<str>>(&self, target: &mut Target, name: &str, list: &[T]) {
        if !list.is_empty() {
            target.set(name, &surrounded(list, &self.separator));
        }
    }
}

fn ipv4_addresses<'a>(instance: &Value, addresses: &'a [Value]) -> Addresses<'a> {
    let mut found = Addresses::default();
    for own in items(&instance["ipv4"]) {
        for address in addresses.iter().filter(|address| address["address"] == *own) {
            let is_public = address["public"] == true;
            let place = if is_public { &mut found.public } else { &mut found.private };
            match place {
                None => *place = Some(address),
                Some(_) => found.extra.extend(address["address"].as_str()),
            }
        }
    }
    found
}
