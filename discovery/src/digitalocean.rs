//! Droplets and databases at DigitalOcean.

use crate::api::Api;
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::Value;
use yaml::Section;

const URL: &str = "https://api.digitalocean.com/v2";
const PREFIX: &str = "__meta_digitalocean_";

struct DigitalOcean {
    api: Api,
    port: i64,
    is_databases: bool,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let api = Api::new(context, section, section.duration("refresh_interval"))?
        .header("Accept", "application/json");
    let is_databases = section.text("role") == "databases";
    let digital_ocean = DigitalOcean { api, port: section.int("port"), is_databases };
    Ok(refresh::every(context, "digitalocean", section, digital_ocean))
}

impl Mechanism for DigitalOcean {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        if self.is_databases {
            return Ok(vec![group("DigitalOcean Databases", self.databases().await?)]);
        }
        Ok(vec![group("DigitalOcean", self.droplets().await?)])
    }
}

/// The first address of a kind.
fn address<'a>(droplet: &'a Value, version: &str, kind: &str) -> &'a str {
    let mut networks = items(&droplet["networks"][version]).iter();
    let network = networks.find(|network| network["type"] == kind);
    network.and_then(|network| network["ip_address"].as_str()).unwrap_or_default()
}

impl DigitalOcean {
    async fn droplets(&self) -> Result<Vec<Labels>, Error> {
        let mut targets = Vec::new();
        for page in 1.. {
            let parameter = if page == 1 { String::new() } else { format!("?page={page}") };
            let answer = self.api.get_json(&format!("{URL}/droplets{parameter}")).await?;
            let droplets = items(&answer["droplets"]);
            targets.extend(droplets.iter().filter_map(|droplet| self.droplet(droplet)));
            if text(&answer["links"]["pages"]["last"]).is_empty() || droplets.is_empty() {
                break;
            }
        }
        Ok(targets)
    }

    /// A droplet without network is no target.
    fn droplet(&self, droplet: &Value) -> Option<Labels> {
        items(&droplet["networks"]["v4"]).first()?;
        let mut target = Target::new(PREFIX);
        let public = address(droplet, "v4", "public");
        target.address(public, self.port);
        target.json("droplet_id", &droplet["id"]);
        target.json("droplet_name", &droplet["name"]);
        target.json("image", &droplet["image"]["slug"]);
        target.json("image_name", &droplet["image"]["name"]);
        target.set("private_ipv4", address(droplet, "v4", "private"));
        target.set("public_ipv4", public);
        target.set("public_ipv6", address(droplet, "v6", "public"));
        target.json("region", &droplet["region"]["slug"]);
        target.json("size", &droplet["size_slug"]);
        target.json("status", &droplet["status"]);
        target.json("vpc", &droplet["vpc_uuid"]);
        for name in ["features", "tags"] {
            let list = texts(&droplet[name]);
            if !list.is_empty() {
                target.set(name, &surrounded(&list, ","));
            }
        }
        Some(target.labels())
    }

    async fn databases(&self) -> Result<Vec<Labels>, Error> {
        let mut targets = Vec::new();
        for page in 1.. {
            let url = format!("{URL}/databases?page={page}&per_page=100");
            let answer = self.api.get_json(&url).await?;
            let databases = items(&answer["databases"]);
            if databases.is_empty() {
                break;
            }
            targets.extend(databases.iter().map(|database| self.database(database)));
        }
        Ok(targets)
    }

    fn database(&self, database: &Value) -> Labels {
        let mut target = Target::new(PREFIX);
        for name in ["id", "name", "engine", "version", "status", "region", "size", "num_nodes"] {
            target.json(&format!("db_{name}"), &database[name]);
        }
        let public = text(&database["connection"]["host"]);
        let private = text(&database["private_connection"]["host"]);
        target.set("db_host", &public);
        target.set("db_private_host", &private);
        let host = if private.is_empty() { &public } else { &private };
        if !host.is_empty() {
            target.address(host, self.port);
        }
        for tag in texts(&database["tags"]) {
            target.set(&format!("db_tag_{tag}"), "true");
        }
        target.labels()
    }
}
