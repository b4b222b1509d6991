//! Services, tasks and nodes of a Docker Swarm.

use crate::docker::{Engine, filters};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, host_port, items, text};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::Value;
use std::collections::BTreeMap;
use yaml::Section;

const PREFIX: &str = "__meta_dockerswarm_";

struct Swarm {
    engine: Engine,
    role: String,
    filters: String,
    port: i64,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let swarm = Swarm {
        engine: Engine::new(context, section)?,
        role: section.text("role").to_owned(),
        filters: filters(section),
        port: section.int("port"),
    };
    Ok(refresh::every(context, "dockerswarm", section, swarm))
}

impl Mechanism for Swarm {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let targets = match self.role.as_str() {
            "services" => self.services().await?,
            "tasks" => self.tasks().await?,
            _ => self.nodes().await?,
        };
        Ok(vec![group("DockerSwarm", targets)])
    }
}

/// Ports of services and tasks that targets have.
fn tcp_ports(list: &Value) -> impl Iterator<Item = &Value> {
    items(list).iter().filter(|port| port["Protocol"] == "tcp")
}

/// The address of `10.0.0.1/24`.
fn without_mask(address: &Value) -> &str {
    let text = address.as_str().unwrap_or_default();
    text.split_once('/').map_or(text, |(address, _)| address)
}

fn add_service(target: &mut Target, service: &Value) {
    let spec = &service["Spec"];
    target.json("service_id", &service["ID"]);
    target.json("service_name", &spec["Name"]);
    let mode = &spec["Mode"];
    let mode = match (mode["Global"].is_null(), mode["Replicated"].is_null()) {
        (false, _) => "global",
        (true, false) => "replicated",
        (true, true) => "",
    };
    target.set("service_mode", mode);
    target.fields("service_label_", &spec["Labels"]);
}

fn add_node(target: &mut Target, node: &Value) {
    let (spec, description) = (&node["Spec"], &node["Description"]);
    target.json("node_id", &node["ID"]);
    target.json("node_role", &spec["Role"]);
    target.json("node_address", &node["Status"]["Addr"]);
    target.json("node_availability", &spec["Availability"]);
    target.json("node_hostname", &description["Hostname"]);
    target.json("node_platform_architecture", &description["Platform"]["Architecture"]);
    target.json("node_platform_os", &description["Platform"]["OS"]);
    target.json("node_status", &node["Status"]["State"]);
    target.fields("node_label_", &spec["Labels"]);
}

fn by_id(list: &Value) -> BTreeMap<&str, &Value> {
    items(list).iter().filter_map(|entry| Some((entry["ID"].as_str()?, entry))).collect()
}

impl Swarm {
    async fn services(&mut self) -> Result<Vec<Labels>, Error> {
        let services = self.engine.list("services", &self.filters).await?;
        let networks = self.engine.networks(PREFIX).await?;
        let mut targets = Vec::new();
        for service in items(&services) {
            let mut shared = Target::new(PREFIX);
            add_service(&mut shared, service);
            let container = &service["Spec"]["TaskTemplate"]["ContainerSpec"];
            shared.json("service_task_container_hostname", &container["Hostname"]);
            shared.json("service_task_container_image", &container["Image"]);
            shared.json("service_updating_status", &service["UpdateStatus"]["State"]);
            let endpoint = &service["Endpoint"];
            for virtual_ip in items(&endpoint["VirtualIPs"]) {
                let address = without_mask(&virtual_ip["Addr"]);
                let mut shared = shared.clone();
                if let Some(labels) = networks.get(&*text(&virtual_ip["NetworkID"])) {
                    shared.extend(labels);
                }
                let before = targets.len();
                for port in tcp_ports(&endpoint["Ports"]) {
                    let mut target = shared.clone();
                    target.json("service_endpoint_port_name", &port["Name"]);
                    target.json("service_endpoint_port_publish_mode", &port["PublishMode"]);
                    target.address(address, port["PublishedPort"].as_u64().unwrap_or(0));
                    targets.push(target.labels());
                }
                if targets.len() == before {
                    shared.address(address, self.port);
                    targets.push(shared.labels());
                }
            }
        }
        Ok(targets)
    }

    async fn tasks(&mut self) -> Result<Vec<Labels>, Error> {
        let tasks = self.engine.list("tasks", &self.filters).await?;
        let services = self.engine.list("services", "").await?;
        let nodes = self.engine.list("nodes", "").await?;
        let networks = self.engine.networks(PREFIX).await?;
        let (services, nodes) = (by_id(&services), by_id(&nodes));
        let mut targets = Vec::new();
        for task in items(&tasks) {
            let service = services.get(&*text(&task["ServiceID"]));
            let node = nodes.get(&*text(&task["NodeID"]));
            let mut shared = Target::new(PREFIX);
            shared.json("task_id", &task["ID"]);
            shared.json("task_desired_state", &task["DesiredState"]);
            shared.json("task_state", &task["Status"]["State"]);
            shared.set("task_slot", &task["Slot"].as_i64().unwrap_or(0).to_string());
            shared.json("task_container_id", &task["Status"]["ContainerStatus"]["ContainerID"]);
            shared.fields("container_label_", &task["Spec"]["ContainerSpec"]["Labels"]);
            if let Some(service) = service {
                add_service(&mut shared, service);
            }
            let mut node_address = String::new();
            if let Some(node) = node {
                add_node(&mut shared, node);
                node_address = text(&node["Status"]["Addr"]).into_owned();
            }
            let with_port = |shared: &Target, address: &str, port: &Value| {
                let mut target = shared.clone();
                target.json("task_port_publish_mode", &port["PublishMode"]);
                let number = port["PublishedPort"].as_u64().unwrap_or(0);
                target.plain("__address__", &host_port(address, number));
                target.labels()
            };
            for port in tcp_ports(&task["Status"]["PortStatus"]["Ports"]) {
                targets.push(with_port(&shared, &node_address, port));
            }
            for attachment in items(&task["NetworksAttachments"]) {
                let mut shared = shared.clone();
                if let Some(labels) = networks.get(&*text(&attachment["Network"]["ID"])) {
                    shared.extend(labels);
                }
                let ports = service.map_or(&Value::Null, |service| &service["Endpoint"]["Ports"]);
                for address in items(&attachment["Addresses"]) {
                    let address = without_mask(address);
                    let before = targets.len();
                    let found = tcp_ports(ports).map(|port| with_port(&shared, address, port));
                    targets.extend(found);
                    if targets.len() == before {
                        let mut target = shared.clone();
                        target.address(address, self.port);
                        targets.push(target.labels());
                    }
                }
            }
        }
        Ok(targets)
    }

    async fn nodes(&mut self) -> Result<Vec<Labels>, Error> {
        let nodes = self.engine.list("nodes", &self.filters).await?;
        let build = |node: &Value| {
            let mut target = Target::new(PREFIX);
            add_node(&mut target, node);
            target.json("node_engine_version", &node["Description"]["Engine"]["EngineVersion"]);
            let manager = &node["ManagerStatus"];
            if !manager.is_null() {
                let leader = if manager["Leader"] == true { "true" } else { "false" };
                target.set("node_manager_leader", leader);
                target.json("node_manager_reachability", &manager["Reachability"]);
                target.json("node_manager_address", &manager["Addr"]);
            }
            target.address(&text(&node["Status"]["Addr"]), self.port);
            target.labels()
        };
        Ok(items(&nodes).iter().map(build).collect())
    }
}
