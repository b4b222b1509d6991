//! Servers at Hetzner: of its cloud, and dedicated ones.

use crate::api::{Api, escaped};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, text};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::Value;
use std::collections::BTreeMap;
use yaml::Section;

const CLOUD: &str = "https://api.hetzner.cloud/v1";
const ROBOT: &str = "https://robot-ws.your-server.de";
const PREFIX: &str = "__meta_hetzner_";

struct Hetzner {
    api: Api,
    port: i64,
    is_cloud: bool,
    selector: String,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let hetzner = Hetzner {
        api: Api::new(context, section, section.duration("refresh_interval"))?
            .header("Accept", "application/json"),
        port: section.int("port"),
        is_cloud: section.text("role") == "hcloud",
        selector: section.text("label_selector").to_owned(),
    };
    Ok(refresh::every(context, "hetzner", section, hetzner))
}

impl Mechanism for Hetzner {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let targets = if self.is_cloud { self.cloud().await? } else { self.robot().await? };
        Ok(vec![group("hetzner", targets)])
    }
}

impl Hetzner {
    /// All pages of a list of the cloud.
    async fn list(&self, name: &str, parameters: &str) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        let mut page = 1;
        loop {
            let url = format!("{CLOUD}/{name}?{parameters}page={page}&per_page=50");
            let mut answer = self.api.get_json(&url).await?;
            if let Value::Array(list) = answer[name].take() {
                all.extend(list);
            }
            match answer["meta"]["pagination"]["next_page"].as_u64() {
                Some(next) if next > page => page = next,
                _ => return Ok(all),
            }
        }
    }

    async fn cloud(&self) -> Result<Vec<Labels>, Error> {
        let selector = match self.selector.as_str() {
            "" => String::new(),
            selector => format!("label_selector={}&", escaped(selector)),
        };
        let servers = self.list("servers", &selector).await?;
        let networks = self.list("networks", "").await?;
        let networks: BTreeMap<u64, &Value> =
            networks.iter().filter_map(|n| Some((n["id"].as_u64()?, &n["name"]))).collect();
        Ok(servers.iter().map(|server| self.cloud_target(server, &networks)).collect())
    }

    fn cloud_target(&self, server: &Value, networks: &BTreeMap<u64, &Value>) -> Labels {
        let mut target = Target::new(PREFIX);
        let address = text(&server["public_net"]["ipv4"]["ip"]);
        target.address(&address, self.port);
        target.set("role", "hcloud");
        target.json("server_id", &server["id"]);
        target.json("server_name", &server["name"]);
        target.json("server_status", &server["status"]);
        target.set("public_ipv4", &address);
        target.json("public_ipv6_network", &server["public_net"]["ipv6"]["ip"]);
        // The names with datacenter are those of older versions.
        for name in ["location", "datacenter_location"] {
            target.json(&format!("hcloud_{name}"), &server["location"]["name"]);
            let zone = &server["location"]["network_zone"];
            target.json(&format!("hcloud_{name}_network_zone"), zone);
        }
        let kind = &server["server_type"];
        target.json("hcloud_server_type", &kind["name"]);
        target.json("hcloud_cpu_cores", &kind["cores"]);
        target.json("hcloud_cpu_type", &kind["cpu_type"]);
        let memory = kind["memory"].as_f64().unwrap_or(0.0);
        target.set("hcloud_memory_size_gb", &(memory as i64).to_string());
        target.json("hcloud_disk_size_gb", &kind["disk"]);
        for name in ["name", "description", "os_version", "os_flavor"] {
            target.json(&format!("hcloud_image_{name}"), &server["image"][name]);
        }
        for private in items(&server["private_net"]) {
            let network = private["network"].as_u64().and_then(|id| networks.get(&id));
            if let Some(name) = network {
                target.keyed("hcloud_private_ipv4_", &text(name), &text(&private["ip"]));
            }
        }
        for (name, value) in server["labels"].as_object().into_iter().flatten() {
            target.keyed("hcloud_labelpresent_", name, "true");
            target.keyed("hcloud_label_", name, &text(value));
        }
        target.labels()
    }

    async fn robot(&self) -> Result<Vec<Labels>, Error> {
        let servers = self.api.get_json(&format!("{ROBOT}/server")).await?;
        Ok(items(&servers).iter().map(|entry| self.robot_target(&entry["server"])).collect())
    }

    fn robot_target(&self, server: &Value) -> Labels {
        let mut target = Target::new(PREFIX);
        target.address(&text(&server["server_ip"]), self.port);
        target.set("role", "robot");
        target.json("server_id", &server["server_number"]);
        target.json("server_name", &server["server_name"]);
        target.json("server_status", &server["status"]);
        target.json("public_ipv4", &server["server_ip"]);
        let datacenter = text(&server["dc"]).to_lowercase();
        target.set("datacenter", &datacenter);
        target.set("robot_datacenter", &datacenter);
        target.json("robot_product", &server["product"]);
        target.set("robot_cancelled", if server["cancelled"] == true { "true" } else { "false" });
        let mut subnets = items(&server["subnet"]).iter();
        let is_ipv6 = |subnet: &&Value| text(&subnet["ip"]).contains(':');
        if let Some(subnet) = subnets.find(is_ipv6) {
            let network = format!("{}/{}", text(&subnet["ip"]), text(&subnet["mask"]));
            target.set("public_ipv6_network", &network);
        }
        target.labels()
    }
}
