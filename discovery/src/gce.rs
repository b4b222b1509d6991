//! Instances of the Google Compute Engine, in one zone. Who asks is for `identity` to find out.

mod identity;

use crate::api::{Api, escaped, good, json};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
pub(crate) use identity::Identity;
use model::Labels;
use net::config::{HttpClientConfig, ProxyConfig};
use serde_json::Value;
use yaml::Section;

const BASE: &str = "https://compute.googleapis.com";

struct Gce {
    api: Api,
    identity: Identity,
    base: String,
    project: String,
    zone: String,
    filter: String,
    separator: String,
    port: i64,
}

impl Gce {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let own = |name: &str| section.text(name).to_owned();
        let proxy = ProxyConfig { proxy_from_environment: true, ..ProxyConfig::default() };
        let config = HttpClientConfig { proxy, ..HttpClientConfig::default() };
        let timeout = section.duration("refresh_interval");
        Ok(Self {
            api: Api::with_config(context, &config, timeout, None)?,
            identity: Identity::new(context, timeout)?,
            base: BASE.to_owned(),
            project: own("project"),
            zone: own("zone"),
            filter: own("filter"),
            separator: own("tag_separator"),
            port: section.int("port"),
        })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    Ok(refresh::every(context, "gce", section, Gce::new(context, section)?))
}

impl Mechanism for Gce {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let mut url = format!(
            "{}/compute/v1/projects/{}/zones/{}/instances?alt=json&prettyPrint=false",
            self.base,
            escaped(&self.project),
            escaped(&self.zone)
        );
        if !self.filter.is_empty() {
            url = format!("{url}&filter={}", escaped(&self.filter));
        }
        let mut targets = Vec::new();
        let mut page = String::new();
        loop {
            let url = match page.as_str() {
                "" => url.clone(),
                page => format!("{url}&pageToken={}", escaped(page)),
            };
            let token = self.identity.header(&self.api).await?;
            let headers = [("Authorization", token.as_str())];
            let answer = self.api.call("GET", &url, &headers, "").await?;
            if answer.status == 401 {
                self.identity.forget();
            }
            let answer = json(&url, &good(&url, answer)?.body)?;
            targets.extend(items(&answer["items"]).iter().filter_map(|one| self.target(one)));
            page = text(&answer["nextPageToken"]).into_owned();
            if page.is_empty() {
                let source = format!("GCE_{}_{}", self.project, self.zone);
                return Ok(vec![group(&source, targets)]);
            }
        }
    }
}

/// Labels of instances, and the fields they come from.
const FIELDS: [(&str, &str); 5] = [
    ("zone", "zone"),
    ("instance_id", "id"),
    ("instance_name", "name"),
    ("instance_status", "status"),
    ("machine_type", "machineType"),
];

impl Gce {
    /// An instance without network interface is no target.
    fn target(&self, instance: &Value) -> Option<Labels> {
        let interfaces = items(&instance["networkInterfaces"]);
        let first = interfaces.first()?;
        let mut target = Target::new("__meta_gce_");
        let address = text(&first["networkIP"]);
        target.address(&address, self.port);
        target.set("project", &self.project);
        for (label, field) in FIELDS {
            target.json(label, &instance[field]);
        }
        target.json("network", &first["network"]);
        target.json("subnetwork", &first["subnetwork"]);
        target.set("private_ip", &address);
        for interface in interfaces {
            let name = text(&interface["name"]);
            target.keyed("interface_ipv4_", &name, &text(&interface["networkIP"]));
        }
        let tags = texts(&instance["tags"]["items"]);
        if !tags.is_empty() {
            target.set("tags", &surrounded(&tags, &self.separator));
        }
        for item in items(&instance["metadata"]["items"]) {
            target.keyed("metadata_", &text(&item["key"]), &text(&item["value"]));
        }
        target.fields("label_", &instance["labels"]);
        let access = items(&first["accessConfigs"]).first();
        if let Some(access) = access.filter(|access| access["type"] == "ONE_TO_ONE_NAT") {
            target.json("public_ip", &access["natIP"]);
        }
        Some(target.labels())
    }
}

#[cfg(test)]
mod tests;
