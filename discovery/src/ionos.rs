//! Servers of a data center at IONOS.

use crate::api::Api;
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use yaml::Section;

const URL: &str = "https://api.ionos.com/cloudapi/v6";
const SEPARATOR: &str = ",";
/// The name of a network interface that has none.
const UNNAMED: &str = "unnamed";

struct Ionos {
    api: Api,
    url: String,
    port: i64,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let api = Api::new(context, section, section.duration("refresh_interval"))?;
    let datacenter = section.text("datacenter_id");
    let ionos = Ionos {
        api: api.header("Accept", "application/json"),
        url: format!(
            "{URL}/datacenters/{datacenter}/servers?depth=3&limit=1000&offset=0&pretty=true"
        ),
        port: section.int("port"),
    };
    Ok(refresh::every(context, "ionos", section, ionos))
}

impl Mechanism for Ionos {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let answer = self.api.get_json(&self.url).await?;
        let servers = items(&answer["items"]).iter();
        let targets = servers.filter_map(|server| self.target(&answer["id"], server)).collect();
        Ok(vec![group("ionos", targets)])
    }
}

impl Ionos {
    /// A server without address is no target.
    fn target(&self, list: &Value, server: &Value) -> Option<Labels> {
        let entities = &server["entities"];
        let mut all: Vec<Cow<'_, str>> = Vec::new();
        let mut by_name: BTreeMap<Cow<'_, str>, Vec<Cow<'_, str>>> = BTreeMap::new();
        for interface in items(&entities["nics"]["items"]) {
            let properties = &interface["properties"];
            if properties.is_null() {
                continue;
            }
            let own = texts(&properties["ips"]);
            let name = match &properties["name"] {
                Value::Null => Cow::Borrowed(UNNAMED),
                name => text(name),
            };
            all.splice(0..0, own.iter().cloned());
            by_name.entry(name).or_default().splice(0..0, own);
        }
        let mut target = Target::new("__meta_ionos_server_");
        target.address(all.first()?, self.port);
        target.set("ip", &surrounded(&all, SEPARATOR));
        for (name, addresses) in &by_name {
            target.keyed("nic_ip_", name, &surrounded(addresses, SEPARATOR));
        }
        let properties = &server["properties"];
        target.json("availability_zone", &properties["availabilityZone"]);
        target.json("cpu_family", &properties["cpuFamily"]);
        target.json("servers_id", list);
        target.json("id", &server["id"]);
        target.json("lifecycle", &server["metadata"]["state"]);
        target.json("name", &properties["name"]);
        target.json("state", &properties["vmState"]);
        target.json("type", &properties["type"]);
        target.json("boot_cdrom_id", &properties["bootCdrom"]["id"]);
        target.json("boot_volume_id", &properties["bootVolume"]["id"]);
        let volume = items(&entities["volumes"]["items"]).first();
        target.json("boot_image_id", volume.map_or(&Value::Null, |v| &v["properties"]["image"]));
        Some(target.labels())
    }
}
