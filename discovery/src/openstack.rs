//! Hypervisors, instances and load balancers of an OpenStack cloud: a token from the identity service, whose catalog
//! tells where the others are.

mod identity;

use crate::api::{Api, good, json};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, text, texts};
use crate::{Error, TargetGroup};
use bytes::Bytes;
use identity::{Identity, Session};
use model::Labels;
use net::config::{HttpClientConfig, TlsConfig};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use yaml::Section;

const PREFIX: &str = "__meta_openstack_";

struct OpenStack {
    api: Api,
    identity: Identity,
    role: String,
    region: String,
    availability: String,
    all_tenants: bool,
    port: i64,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let config = HttpClientConfig {
        tls_config: TlsConfig::from_section(section.one("tls_config")),
        ..HttpClientConfig::default()
    };
    let own = |name: &str| section.text(name).to_owned();
    let timeout = section.duration("refresh_interval");
    let open_stack = OpenStack {
        api: Api::with_config(context, &config, timeout, None)?
            .header("Accept", "application/json"),
        identity: Identity::from_section(section)?,
        role: own("role"),
        region: own("region"),
        availability: own("availability"),
        all_tenants: section.bool("all_tenants"),
        port: section.int("port"),
    };
    Ok(refresh::every(context, "openstack", section, open_stack))
}

impl Mechanism for OpenStack {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let session = self.identity.log_in(&self.api).await?;
        let targets = match self.role.as_str() {
            "hypervisor" => self.hypervisors(&session).await?,
            "instance" => self.instances(&session).await?,
            _ => self.load_balancers(&session).await?,
        };
        Ok(vec![group(&format!("OS_{}", self.region), targets)])
    }
}

impl OpenStack {
    /// Where a service is, with a slash at the end.
    fn endpoint(&self, session: &Session, service: &str) -> Result<String, Error> {
        session.endpoint(service, &self.region, &self.availability)
    }

    /// Where the second version of a service is.
    fn second(&self, session: &Session, service: &str) -> Result<String, Error> {
        let endpoint = self.endpoint(session, service)?;
        Ok(if endpoint.ends_with("/v2.0/") { endpoint } else { format!("{endpoint}v2.0/") })
    }

    /// All pages of a list.
    async fn list(&self, session: &Session, url: String, name: &str) -> Result<Vec<Value>, Error> {
        let headers = [("X-Auth-Token", session.token.as_str())];
        let links = format!("{name}_links");
        let mut all = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(url);
        // A page that names one before it would be a loop.
        while let Some(url) = next.filter(|url| seen.insert(url.clone())) {
            let answer = good(&url, self.api.call("GET", &url, &headers, Bytes::new()).await?)?;
            let mut answer = json(&url, &answer.body)?;
            if let Value::Array(list) = answer[name].take() {
                all.extend(list);
            }
            let link = items(&answer[&links]).iter().find(|link| link["rel"] == "next");
            next = link.and_then(|link| link["href"].as_str()).map(str::to_owned);
        }
        Ok(all)
    }

    async fn hypervisors(&self, session: &Session) -> Result<Vec<Labels>, Error> {
        let url = format!("{}os-hypervisors/detail", self.endpoint(session, "compute")?);
        let build = |hypervisor: &Value| {
            let mut target = Target::new(PREFIX);
            target.address(&text(&hypervisor["host_ip"]), self.port);
            target.json("hypervisor_id", &hypervisor["id"]);
            target.json("hypervisor_hostname", &hypervisor["hypervisor_hostname"]);
            target.json("hypervisor_host_ip", &hypervisor["host_ip"]);
            target.json("hypervisor_status", &hypervisor["status"]);
            target.json("hypervisor_state", &hypervisor["state"]);
            target.json("hypervisor_type", &hypervisor["hypervisor_type"]);
            target.labels()
        };
        Ok(self.list(session, url, "hypervisors").await?.iter().map(build).collect())
    }

    async fn instances(&self, session: &Session) -> Result<Vec<Labels>, Error> {
        let network = self.second(session, "network")?;
        let ports = self.list(session, format!("{network}ports"), "ports").await?;
        let devices: BTreeMap<&str, &str> = ports
            .iter()
            .filter_map(|port| Some((port["id"].as_str()?, port["device_id"].as_str()?)))
            .collect();
        let url = format!("{network}floatingips");
        let floating = self.list(session, url, "floatingips").await?;
        // By device and fixed address.
        let floating: BTreeMap<(&str, &str), &str> = floating
            .iter()
            .filter_map(|ip| {
                let device = devices.get(ip["port_id"].as_str()?)?;
                let key = (*device, ip["fixed_ip_address"].as_str()?);
                Some((key, ip["floating_ip_address"].as_str()?))
            })
            .collect();
        let compute = self.endpoint(session, "compute")?;
        let tenants = if self.all_tenants { "?all_tenants=true" } else { "" };
        let url = format!("{compute}servers/detail{tenants}");
        let servers = self.list(session, url, "servers").await?;
        Ok(servers.iter().flat_map(|server| self.instance(server, &floating)).collect())
    }

    /// A target for each fixed address.
    fn instance(&self, server: &Value, floating: &BTreeMap<(&str, &str), &str>) -> Vec<Labels> {
        let flavor = &server["flavor"];
        let names = [&flavor["original_name"], &flavor["id"]];
        let Some(flavor) = names.into_iter().find(|name| name.is_string()) else {
            return Vec::new();
        };
        let mut shared = Target::new(PREFIX);
        shared.json("instance_id", &server["id"]);
        shared.json("instance_status", &server["status"]);
        shared.json("instance_name", &server["name"]);
        shared.json("project_id", &server["tenant_id"]);
        shared.json("user_id", &server["user_id"]);
        shared.json("instance_flavor", flavor);
        shared.json("instance_image", &server["image"]["id"]);
        shared.fields("tag_", &server["metadata"]);
        let id = text(&server["id"]);
        let mut targets = Vec::new();
        for (pool, addresses) in server["addresses"].as_object().into_iter().flatten() {
            for address in items(addresses).iter().filter_map(|entry| entry["addr"].as_str()) {
                if floating.values().any(|public| *public == address) {
                    continue;
                }
                let mut target = shared.clone();
                target.address(address, self.port);
                target.set("address_pool", pool);
                target.set("private_ip", address);
                let public = floating.get(&(&*id, address));
                target.set("public_ip", public.copied().unwrap_or_default());
                targets.push(target.labels());
            }
        }
        targets
    }

    async fn load_balancers(&self, session: &Session) -> Result<Vec<Labels>, Error> {
        let base = format!("{}lbaas/", self.second(session, "load-balancer")?);
        let url = format!("{base}loadbalancers");
        let balancers = self.list(session, url, "loadbalancers").await?;
        let listeners = self.list(session, format!("{base}listeners"), "listeners").await?;
        let url = format!("{}floatingips", self.second(session, "network")?);
        let floating = self.list(session, url, "floatingips").await?;
        let floating: BTreeMap<&str, &Value> = floating
            .iter()
            .filter_map(|ip| Some((ip["port_id"].as_str()?, &ip["floating_ip_address"])))
            .collect();
        let build = |balancer: &Value| {
            let mut own = listeners.iter().filter(|listener| {
                items(&listener["loadbalancers"]).iter().any(|b| b["id"] == balancer["id"])
            });
            let listener = own.find(|listener| listener["protocol"] == "PROMETHEUS")?;
            Some(load_balancer(balancer, &listener["protocol_port"], &floating))
        };
        Ok(balancers.iter().filter_map(build).collect())
    }
}

fn load_balancer(balancer: &Value, port: &Value, floating: &BTreeMap<&str, &Value>) -> Labels {
    let mut target = Target::new(PREFIX);
    target.address(&text(&balancer["vip_address"]), text(port));
    for name in ["id", "name", "operating_status", "provisioning_status", "availability_zone"] {
        target.json(&format!("loadbalancer_{name}"), &balancer[name]);
    }
    target.json("loadbalancer_vip", &balancer["vip_address"]);
    target.json("loadbalancer_provider", &balancer["provider"]);
    target.json("project_id", &balancer["project_id"]);
    target.set("loadbalancer_tags", &texts(&balancer["tags"]).join(","));
    let port = balancer["vip_port_id"].as_str().and_then(|port| floating.get(port));
    target.json("loadbalancer_floating_ip", port.unwrap_or(&&Value::Null));
    target.labels()
}
