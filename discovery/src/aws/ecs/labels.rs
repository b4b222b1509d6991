//! From tasks to targets: where a task is reached, and what is known of it, its service, cluster and machine.

use crate::target::{Target, items, text};
use model::Labels;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A machine that containers run on.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) private_address: String,
    pub(super) public_address: String,
    pub(super) subnet: String,
    pub(super) kind: String,
    pub(super) tags: Vec<(String, String)>,
}

/// All that is known of a cluster.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) own: Value,
    pub(super) services: Vec<Value>,
    pub(super) tasks: Vec<Value>,
    /// Identities of machines by the names under which the cluster knows them.
    pub(super) hosts: BTreeMap<String, String>,
    pub(super) machines: BTreeMap<String, Machine>,
    /// By network interface.
    pub(super) public_addresses: BTreeMap<String, String>,
}

/// Labels of tasks, and the fields they come from.
const OF_TASKS: [(&str, &str); 11] = [
    ("task_group", "group"),
    ("task_arn", "taskArn"),
    ("task_definition", "taskDefinitionArn"),
    ("availability_zone", "availabilityZone"),
    ("desired_status", "desiredStatus"),
    ("last_status", "lastStatus"),
    ("health_status", "healthStatus"),
    ("launch_type", "launchType"),
    ("container_instance_arn", "containerInstanceArn"),
    ("platform_family", "platformFamily"),
    ("platform_version", "platformVersion"),
];

/// The network interface that a task has for itself.
fn attachment(task: &Value) -> Option<&Value> {
    let mut attachments = items(&task["attachments"]).iter();
    attachments.find(|attachment| attachment["type"] == "ElasticNetworkInterface")
}

fn detail<'a>(attachment: &'a Value, name: &str) -> Cow<'a, str> {
    let found = items(&attachment["details"]).iter().find(|detail| detail["name"] == *name);
    found.map_or(Cow::Borrowed(""), |detail| text(&detail["value"]))
}

/// The name of the network interface that a task has for itself.
pub(super) fn interface_of(task: &Value) -> Option<String> {
    let name = detail(attachment(task)?, "networkInterfaceId");
    Some(name.into_owned()).filter(|name| !name.is_empty())
}

impl Cluster {
    /// The targets among the tasks.
    pub(super) fn targets(&self, region: &str, port: i64) -> impl Iterator<Item = Labels> {
        self.tasks.iter().filter_map(move |task| self.target(region, port, task))
    }

    /// A task without address is no target.
    fn target(&self, region: &str, port: i64, task: &Value) -> Option<Labels> {
        let host = task["containerInstanceArn"].as_str().map(|arn| self.hosts.get(arn));
        let instance = host.flatten();
        let machine = instance.and_then(|instance| self.machines.get(instance));
        let mut target = Target::new("__meta_ecs_");
        let address = if let Some(attachment) = attachment(task) {
            let interface = detail(attachment, "networkInterfaceId");
            let public = self.public_addresses.get(&*interface);
            target.set("network_mode", "awsvpc");
            target.set("subnet_id", &detail(attachment, "subnetId"));
            target.set("public_ip", public.map_or("", String::as_str));
            detail(attachment, "privateIPv4Address")
        } else {
            let machine = machine?;
            target.set("network_mode", "bridge");
            target.set("subnet_id", &machine.subnet);
            target.set("public_ip", &machine.public_address);
            Cow::Borrowed(machine.private_address.as_str())
        };
        if address.is_empty() {
            return None;
        }
        target.address(&address, port);
        target.set("ip_address", &address);
        target.set("region", region);
        target.json("cluster_arn", &self.own["clusterArn"]);
        target.json("cluster", &self.own["clusterName"]);
        for (label, field) in OF_TASKS {
            target.json(label, &task[field]);
        }
        super::super::tags(&mut target, "tag_cluster_", &self.own["tags"]);
        self.set_service(&mut target, task);
        super::super::tags(&mut target, "tag_task_", &task["tags"]);
        target.set("ec2_instance_id", instance.map_or("", String::as_str));
        if let Some(machine) = machine {
            target.set("ec2_instance_type", &machine.kind);
            target.set("ec2_instance_private_ip", &machine.private_address);
            target.set("ec2_instance_public_ip", &machine.public_address);
            for (key, value) in &machine.tags {
                target.keyed("tag_ec2_", key, value);
            }
        }
        Some(target.labels())
    }

    /// Labels of the service that a task belongs to.
    fn set_service(&self, target: &mut Target, task: &Value) {
        let group = text(&task["group"]);
        let Some(name) = group.strip_prefix("service:") else { return };
        let mut services = self.services.iter();
        let Some(service) = services.find(|service| service["serviceName"] == *name) else {
            return;
        };
        target.set("service", name);
        target.json("service_arn", &service["serviceArn"]);
        target.json("service_status", &service["status"]);
        super::super::tags(target, "tag_service_", &service["tags"]);
    }
}
