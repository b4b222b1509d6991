//! Instances and bare metal servers at Scaleway.

use crate::api::{Api, escaped, good, header_of, json};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use bytes::Bytes;
use model::Labels;
use serde_json::Value;
use std::collections::BTreeMap;
use yaml::Section;

const SEPARATOR: &str = ",";

struct Scaleway {
    api: Api,
    url: String,
    zone: String,
    secret_key: String,
    secret_key_file: String,
    name_filter: String,
    tags_filter: Vec<String>,
    port: i64,
    is_bare_metal: bool,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let own = |name: &str| section.text(name).to_owned();
    let scaleway = Scaleway {
        api: Api::new(context, section, section.duration("refresh_interval"))?,
        url: section.text("api_url").trim_end_matches('/').to_owned(),
        zone: own("zone"),
        secret_key: own("secret_key"),
        secret_key_file: own("secret_key_file"),
        name_filter: own("name_filter"),
        tags_filter: section.list("tags_filter").to_vec(),
        port: section.int("port"),
        is_bare_metal: section.text("role") == "baremetal",
    };
    Ok(refresh::every(context, "scaleway", section, scaleway))
}

impl Mechanism for Scaleway {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let targets =
            if self.is_bare_metal { self.bare_metal().await? } else { self.instances().await? };
        Ok(vec![group("scaleway", targets)])
    }
}

/// The region of a zone: `fr-par` of `fr-par-1`.
fn region(zone: &str) -> &str {
    zone.rsplit_once('-').map_or("", |(region, _)| region)
}

impl Scaleway {
    async fn secret(&self) -> Result<String, Error> {
        if self.secret_key_file.is_empty() {
            return Ok(self.secret_key.clone());
        }
        let read = tokio::fs::read_to_string(&self.secret_key_file).await;
        let read = read.map_err(|error| Error::config(&self.secret_key_file, error))?;
        Ok(read.trim().to_owned())
    }

    /// All pages of a list; parameters in the order of their names.
    async fn list(
        &self,
        path: &str,
        name: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<Value>, Error> {
        let secret = self.secret().await?;
        let mut all: Vec<Value> = Vec::new();
        for page in 1_u32.. {
            let page = page.to_string();
            let mut pairs = parameters.to_vec();
            pairs.push(("page", &page));
            pairs.sort_by_key(|(name, _)| *name);
            let query: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
            let url = format!("{}{path}?{}", self.url, query.join("&"));
            let headers = [("X-Auth-Token", secret.as_str())];
            let answer = good(&url, self.api.call("GET", &url, &headers, Bytes::new()).await?)?;
            let told = header_of(&answer, "x-total-count").parse::<usize>().ok();
            let mut answer = json(&url, &answer.body)?;
            let total = answer["total_count"].as_u64().and_then(|n| usize::try_from(n).ok());
            let Value::Array(list) = answer[name].take() else { break };
            let is_last = list.is_empty();
            all.extend(list);
            if is_last || total.or(told).is_none_or(|total| all.len() >= total) {
                break;
            }
        }
        Ok(all)
    }

    fn filters(&self) -> Vec<(&str, &str)> {
        let mut filters = Vec::new();
        if !self.name_filter.is_empty() {
            filters.push(("name", self.name_filter.as_str()));
        }
        filters
    }

    async fn instances(&self) -> Result<Vec<Labels>, Error> {
        let mut parameters = self.filters();
        parameters.push(("order", "creation_date_desc"));
        // One parameter with all tags.
        let tags = self.tags_filter.join(",");
        if !tags.is_empty() {
            parameters.push(("tags", &tags));
        }
        let path = format!("/instance/v1/zones/{}/servers", self.zone);
        let servers = self.list(&path, "servers", &parameters).await?;
        let addresses = self.private_addresses(&servers).await?;
        Ok(servers.iter().filter_map(|server| self.instance(server, &addresses)).collect())
    }

    /// The addresses of private network interfaces of servers that have no other, by interface.
    async fn private_addresses(
        &self,
        servers: &[Value],
    ) -> Result<BTreeMap<String, String>, Error> {
        let has_none = |server: &&Value| {
            ["private_ip", "public_ip", "ipv6"].iter().all(|name| server[*name].is_null())
        };
        let mut by_region: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for server in servers.iter().filter(has_none) {
            let region = region(server["zone"].as_str().unwrap_or_default());
            let interfaces = items(&server["private_nics"]).iter();
            let ids = interfaces.filter_map(|interface| interface["id"].as_str());
            by_region.entry(region).or_default().extend(ids);
        }
        let mut addresses = BTreeMap::new();
        for (region, ids) in by_region.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let mut parameters = vec![("order_by", "created_at_desc")];
            parameters.extend(ids.into_iter().map(|id| ("resource_ids", id)));
            parameters.push(("resource_type", "unknown_type"));
            parameters.push(("resource_types", "instance_private_nic"));
            let path = format!("/ipam/v1/regions/{region}/ips");
            for found in self.list(&path, "ips", &parameters).await? {
                let address = text(&found["address"]);
                let address = address.split('/').next().unwrap_or_default();
                if found["is_ipv6"] != true && !address.is_empty() {
                    let interface = text(&found["resource"]["id"]).into_owned();
                    addresses.insert(interface, address.to_owned());
                }
            }
        }
        Ok(addresses)
    }

    /// A server without address is no target.
    fn instance(&self, server: &Value, addresses: &BTreeMap<String, String>) -> Option<Labels> {
        let mut target = Target::new("__meta_scaleway_instance_");
        let fields = [
            ("boot_type", &server["boot_type"]),
            ("hostname", &server["hostname"]),
            ("id", &server["id"]),
            ("name", &server["name"]),
            ("organization_id", &server["organization"]),
            ("project_id", &server["project"]),
            ("status", &server["state"]),
            ("type", &server["commercial_type"]),
            ("zone", &server["zone"]),
            ("image_arch", &server["image"]["arch"]),
            ("image_id", &server["image"]["id"]),
            ("image_name", &server["image"]["name"]),
            ("location_cluster_id", &server["location"]["cluster_id"]),
            ("location_hypervisor_id", &server["location"]["hypervisor_id"]),
            ("location_node_id", &server["location"]["node_id"]),
            ("security_group_id", &server["security_group"]["id"]),
            ("security_group_name", &server["security_group"]["name"]),
        ];
        for (label, value) in fields {
            target.json(label, value);
        }
        target.set("region", region(&text(&server["zone"])));
        let public = items(&server["public_ips"]);
        for (label, family) in
            [("public_ipv4_addresses", "inet"), ("public_ipv6_addresses", "inet6")]
        {
            let alike = public.iter().filter(|address| address["family"] == family);
            let found: Vec<_> = alike.map(|address| text(&address["address"])).collect();
            set_list(&mut target, label, &found);
        }
        set_list(&mut target, "tags", &texts(&server["tags"]));
        let (ipv6, public) = (text(&server["ipv6"]["address"]), &server["public_ip"]);
        target.set("public_ipv6", &ipv6);
        let public_address = text(&public["address"]);
        if public["family"] != "inet6" {
            target.set("public_ipv4", &public_address);
        }
        let private = text(&server["private_ip"]);
        target.set("private_ipv4", &private);
        let known = [private, public_address, ipv6].into_iter().find(|a| !a.is_empty());
        if let Some(address) = known {
            target.address(&address, self.port);
            return Some(target.labels());
        }
        let mut interfaces = items(&server["private_nics"]).iter();
        let address = interfaces.find_map(|nic| addresses.get(&*text(&nic["id"])))?;
        target.set("private_ipv4", address);
        target.address(address, self.port);
        Some(target.labels())
    }

    async fn bare_metal(&self) -> Result<Vec<Labels>, Error> {
        let mut parameters = self.filters();
        parameters.push(("order_by", "created_at_asc"));
        parameters.extend(self.tags_filter.iter().map(|tag| ("tags", tag.as_str())));
        let base = format!("/baremetal/v1/zones/{}", self.zone);
        let servers = self.list(&format!("{base}/servers"), "servers", &parameters).await?;
        let all = [("subscription_period", "unknown_subscription_period")];
        let offers = self.list(&format!("{base}/offers"), "offers", &all).await?;
        let systems = self.list(&format!("{base}/os"), "os", &[]).await?;
        let build = |server| self.bare_metal_target(server, &offers, &systems);
        Ok(servers.iter().map(build).collect())
    }

    fn bare_metal_target(&self, server: &Value, offers: &[Value], systems: &[Value]) -> Labels {
        let mut target = Target::new("__meta_scaleway_baremetal_");
        for name in ["id", "name", "zone", "status", "project_id"] {
            target.json(name, &server[name]);
        }
        if let Some(offer) = offers.iter().find(|offer| offer["id"] == server["offer_id"]) {
            target.json("type", &offer["name"]);
        }
        let installed = &server["install"]["os_id"];
        let system = systems.iter().find(|system| system["id"] == *installed);
        if let Some(system) = system.filter(|_| !installed.is_null()) {
            target.json("os_name", &system["name"]);
            target.json("os_version", &system["version"]);
        }
        set_list(&mut target, "tags", &texts(&server["tags"]));
        let first = |version: &str| {
            let address = items(&server["ips"]).iter().find(|ip| ip["version"] == version);
            address.map(|ip| text(&ip["address"]))
        };
        let (v4, v6) = (first("IPv4"), first("IPv6"));
        target.set("public_ipv4", v4.as_deref().unwrap_or_default());
        target.set("public_ipv6", v6.as_deref().unwrap_or_default());
        if let Some(address) = v4.or(v6) {
            target.address(&address, self.port);
        }
        target.labels()
    }
}

fn set_list<T: AsRef<str>>(target: &mut Target, name: &str, list: &[T]) {
    if !list.is_empty() {
        target.set(name, &surrounded(list, SEPARATOR));
    }
}
