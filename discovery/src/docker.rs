//! Containers of a Docker engine, and the way to ask an engine, which Swarm shares.

use crate::api::{Api, escaped, header_of};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, host_port, items, text};
use crate::{Error, TargetGroup};
use bytes::Bytes;
use model::Labels;
use net::config::HttpClientConfig;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use yaml::Section;

/// The newest version of the interface that is spoken; engines that are older decide.
const NEWEST: (u32, u32) = (1, 44);
/// What an engine speaks that does not tell.
const OLDEST: (u32, u32) = (1, 24);

/// An engine.
pub(crate) struct Engine {
    api: Api,
    url: String,
    version: Option<(u32, u32)>,
}

impl Engine {
    pub(crate) fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let host = section.text("host");
        let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
        let timeout = section.duration("refresh_interval");
        let configured = HttpClientConfig::from_section(section);
        let bare = HttpClientConfig::default();
        let rest = rest.trim_end_matches('/');
        let (config, url, socket) = match scheme {
            "unix" => (&bare, "http://localhost".to_owned(), Some(rest.into())),
            "tcp" => (&bare, format!("http://{rest}"), None),
            "http" | "https" => (&configured, format!("{scheme}://{rest}"), None),
            other => {
                let what = format!("{other:?}: engines are asked over unix, tcp, http or https");
                return Err(Error::config("host", what));
            }
        };
        let api = Api::with_config(context, config, timeout, socket)?;
        Ok(Self { api, url, version: None })
    }

    /// The version that both sides speak.
    async fn version(&mut self) -> Result<(u32, u32), Error> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let url = format!("{}/_ping", self.url);
        let answer = self.api.call("HEAD", &url, &[], Bytes::new()).await?;
        let told = header_of(&answer, "api-version").split_once('.');
        let told = told.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let version = told.unwrap_or(OLDEST).min(NEWEST);
        self.version = Some(version);
        Ok(version)
    }

    /// A list of the engine; `filters` is empty or the text of [`filters`].
    pub(crate) async fn list(&mut self, path: &str, filters: &str) -> Result<Value, Error> {
        let (major, minor) = self.version().await?;
        let mut url = format!("{}/v{major}.{minor}/{path}", self.url);
        if !filters.is_empty() {
            url.push_str("?filters=");
            url.push_str(&escaped(filters));
        }
        self.api.get_json(&url).await
    }

    /// The labels that targets get of each network, by its identity.
    pub(crate) async fn networks(
        &mut self,
        prefix: &'static str,
    ) -> Result<BTreeMap<String, Labels>, Error> {
        let networks = self.list("networks", "").await?;
        let labels = |network: &Value| {
            let mut target = Target::new(prefix);
            let flag = |name: &str| if network[name] == true { "true" } else { "false" };
            target.json("network_id", &network["Id"]);
            target.json("network_name", &network["Name"]);
            target.json("network_scope", &network["Scope"]);
            target.set("network_internal", flag("Internal"));
            target.set("network_ingress", flag("Ingress"));
            target.fields("network_label_", &network["Labels"]);
            (text(&network["Id"]).into_owned(), target.labels())
        };
        Ok(items(&networks).iter().map(labels).collect())
    }
}

/// The filters of a section as the engine wants them; empty if there are none.
pub(crate) fn filters(section: &Section) -> String {
    let mut all: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for filter in section.sections("filters") {
        let values = all.entry(filter.text("name")).or_default();
        values.extend(filter.list("values").iter().map(|value| (value.clone(), Value::Bool(true))));
    }
    if all.is_empty() {
        return String::new();
    }
    let all: Map<String, Value> =
        all.into_iter().map(|(name, values)| (name.to_owned(), Value::Object(values))).collect();
    Value::Object(all).to_string()
}

const PREFIX: &str = "__meta_docker_";

struct Docker {
    engine: Engine,
    filters: String,
    port: i64,
    host_networking_host: String,
    match_first_network: bool,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let docker = Docker {
        engine: Engine::new(context, section)?,
        filters: filters(section),
        port: section.int("port"),
        host_networking_host: section.text("host_networking_host").to_owned(),
        match_first_network: section.bool("match_first_network"),
    };
    Ok(refresh::every(context, "docker", section, docker))
}

impl Mechanism for Docker {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let list = self.engine.list("containers/json", &self.filters).await?;
        let networks = self.engine.networks(PREFIX).await?;
        let containers = items(&list);
        let by_id: BTreeMap<&str, &Value> =
            containers.iter().filter_map(|c| Some((c["Id"].as_str()?, c))).collect();
        let mut targets = Vec::new();
        for container in containers {
            let Some(name) = items(&container["Names"]).first() else { continue };
            let mut shared = Target::new(PREFIX);
            shared.json("container_id", &container["Id"]);
            shared.json("container_name", name);
            shared.json("container_network_mode", &container["HostConfig"]["NetworkMode"]);
            shared.json("container_image", &container["Image"]);
            shared.json("container_image_id", &container["ImageID"]);
            shared.fields("container_label_", &container["Labels"]);
            for endpoint in self.endpoints(container, &by_id) {
                let mut target = shared.clone();
                if let Some(labels) = networks.get(&*text(&endpoint["NetworkID"])) {
                    target.extend(labels);
                }
                self.add_targets(container, endpoint, &target, &mut targets);
            }
        }
        Ok(vec![group("Docker", targets)])
    }
}

impl Docker {
    /// Where a container is in its networks, or in those of the container whose network it shares.
    fn endpoints<'a>(
        &self,
        container: &'a Value,
        by_id: &BTreeMap<&str, &'a Value>,
    ) -> Vec<&'a Value> {
        let named = |container: &'a Value| {
            let networks = container["NetworkSettings"]["Networks"].as_object();
            let mut named: Vec<_> = networks.into_iter().flatten().collect();
            named.sort_by_key(|(name, _)| *name);
            named
        };
        let mut networks = named(container);
        let mut at = container;
        // A container that shares with itself over others would be a loop.
        for _ in 0..by_id.len() {
            let mode = at["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
            let Some(other) = mode.strip_prefix("container:").filter(|_| networks.is_empty())
            else {
                break;
            };
            let Some(next) = by_id.get(other) else { break };
            at = next;
            networks = named(at);
        }
        let mut endpoints: Vec<&Value> =
            networks.into_iter().map(|(_, e)| e).filter(|e| !e.is_null()).collect();
        if self.match_first_network {
            endpoints.truncate(1);
        }
        endpoints
    }

    fn add_targets(
        &self,
        container: &Value,
        endpoint: &Value,
        shared: &Target,
        targets: &mut Vec<Labels>,
    ) {
        let address = match text(&endpoint["IPAddress"]) {
            own if !own.is_empty() => own,
            _ => text(&endpoint["GlobalIPv6Address"]),
        };
        let before = targets.len();
        for port in items(&container["Ports"]).iter().filter(|port| port["Type"] == "tcp") {
            let mut target = shared.clone();
            target.plain("__address__", &host_port(&address, text(&port["PrivatePort"])));
            target.set("network_ip", &address);
            target.json("port_private", &port["PrivatePort"]);
            if port["PublicPort"].as_u64().is_some_and(|number| number > 0) {
                target.json("port_public", &port["PublicPort"]);
                target.json("port_public_ip", &port["IP"]);
            }
            targets.push(target.labels());
        }
        if targets.len() == before {
            let mut target = shared.clone();
            target.set("network_ip", &address);
            match container["HostConfig"]["NetworkMode"].as_str() {
                Some("host") => target.plain("__address__", &self.host_networking_host),
                _ => target.address(&address, self.port),
            }
            targets.push(target.labels());
        }
    }
}

#[cfg(test)]
mod tests;
