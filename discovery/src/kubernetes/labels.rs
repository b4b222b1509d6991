//! From the objects of a cluster to the labels of targets, role by role.

use super::objects::{Resource, Stores, key};
use super::{Attach, Role};
use crate::TargetGroup;
use crate::target::{Target, host_port, items, text};
use model::Labels;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "__meta_kubernetes_";
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// In which order the kinds of addresses of a node are taken.
const NODE_ADDRESSES: [&str; 6] =
    ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

fn str_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn namespace_of(object: &Value) -> &str {
    str_of(&object["metadata"], "namespace")
}

fn name_of(object: &Value) -> &str {
    str_of(&object["metadata"], "name")
}

/// The owner that controls an object.
fn controller(object: &Value) -> Option<&Value> {
    let owners = items(&object["metadata"]["ownerReferences"]);
    owners.iter().find(|owner| owner["controller"] == true)
}

/// The addresses in the subsets of endpoints that are ready.
fn ready_addresses(endpoints: &Value) -> impl Iterator<Item = &Value> {
    items(&endpoints["subsets"]).iter().flat_map(|subset| items(&subset["addresses"]))
}

/// Whether the targets of `object` depend on one of `changed`.
pub(super) fn depends(role: Role, object: &Value, changed: &BTreeSet<(Resource, &str)>) -> bool {
    let has = |resource: Resource, key: &str| changed.contains(&(resource, key));
    let namespace = namespace_of(object);
    if has(Resource::Namespaces, namespace) {
        return true;
    }
    match role {
        Role::Node | Role::Service | Role::Ingress => false,
        Role::Pod => {
            let owned = controller(object).map(|owner| key(namespace, str_of(owner, "name")));
            has(Resource::Nodes, str_of(&object["spec"], "nodeName"))
                || owned.is_some_and(|owner| {
                    has(Resource::ReplicaSets, &owner) || has(Resource::Jobs, &owner)
                })
        }
        Role::Endpoints => ready_addresses(object).any(|address| {
            let target = &address["targetRef"];
            match str_of(target, "kind") {
                "Pod" => {
                    has(Resource::Pods, &key(str_of(target, "namespace"), str_of(target, "name")))
                        || has(Resource::Nodes, str_of(address, "nodeName"))
                }
                "Node" => has(Resource::Nodes, str_of(target, "name")),
                _ => false,
            }
        }),
        Role::EndpointSlice => {
            let service = str_of(&object["metadata"]["labels"], SERVICE_NAME);
            has(Resource::Services, &key(namespace, service))
                || items(&object["endpoints"]).iter().any(|endpoint| {
                    let target = &endpoint["targetRef"];
                    match str_of(target, "kind") {
                        "Pod" => has(Resource::Nodes, str_of(endpoint, "nodeName")),
                        "Node" => has(Resource::Nodes, str_of(target, "name")),
                        _ => false,
                    }
                })
        }
    }
}

/// Builds groups from what the stores hold.
pub(super) struct Builder<'a> {
    pub(super) stores: &'a Stores,
    pub(super) attach: Attach,
}

impl Builder<'_> {
    /// The group of an object.
    pub(super) fn group(&self, role: Role, source: Box<str>, object: &Value) -> TargetGroup {
        let mut shared = Target::new(PREFIX);
        let targets = match role {
            Role::Node => node(object, &mut shared),
            Role::Pod => self.pod(object, &mut shared),
            Role::Service => service(object, &mut shared),
            Role::Endpoints => self.endpoints(object, &mut shared),
            Role::EndpointSlice => self.slice(object, &mut shared),
            Role::Ingress => ingress(object, &mut shared),
        };
        if role != Role::Node {
            shared.set("namespace", namespace_of(object));
            self.add_namespace(&mut shared, namespace_of(object));
        }
        TargetGroup { source, labels: shared.labels(), targets }
    }

    fn add_namespace(&self, target: &mut Target, namespace: &str) {
        if self.attach.namespace
            && let Some(object) = self.stores.get(Resource::Namespaces, namespace)
        {
            add_foreign_fields(target, object, "namespace");
        }
    }

    fn add_node(&self, target: &mut Target, name: &str) {
        if self.attach.node
            && let Some(object) = self.stores.get(Resource::Nodes, name)
        {
            add_metadata(target, object, "node");
        }
    }

    fn pod(&self, pod: &Value, shared: &mut Target) -> Vec<Labels> {
        let address = str_of(&pod["status"], "podIP");
        let node = str_of(&pod["spec"], "nodeName");
        let is_elsewhere = self.attach.node && self.stores.get(Resource::Nodes, node).is_none();
        if address.is_empty() || is_elsewhere {
            return Vec::new();
        }
        self.add_pod(shared, pod);
        self.add_node(shared, node);
        let mut targets = Vec::new();
        for (container, is_init) in containers(pod) {
            let ports = items(&container["ports"]);
            let mut target = Target::new(PREFIX);
            add_container(&mut target, container, is_init);
            target.set("pod_container_id", container_id(pod, container, is_init));
            if ports.is_empty() {
                target.plain("__address__", address);
                targets.push(target.labels());
            }
            for port in ports {
                let mut target = target.clone();
                target.plain("__address__", &host_port(address, text(&port["containerPort"])));
                add_port(&mut target, port, str_of(port, "protocol"));
                targets.push(target.labels());
            }
        }
        targets
    }

    /// The labels that each target of a pod has.
    fn add_pod(&self, target: &mut Target, pod: &Value) {
        let status = &pod["status"];
        target.set("pod_ip", str_of(status, "podIP"));
        target.set("pod_phase", str_of(status, "phase"));
        target.set("pod_node_name", str_of(&pod["spec"], "nodeName"));
        target.set("pod_host_ip", str_of(status, "hostIP"));
        target.set("pod_uid", str_of(&pod["metadata"], "uid"));
        let conditions = items(&status["conditions"]);
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
        let ready = ready.map_or("unknown", |condition| str_of(condition, "status"));
        target.set("pod_ready", &ready.to_lowercase());
        add_metadata(target, pod, "pod");
        let Some(owner) = controller(pod) else { return };
        let (kind, name) = (str_of(owner, "kind"), str_of(owner, "name"));
        target.set("pod_controller_kind", kind);
        target.set("pod_controller_name", name);
        let owner_of = |resource: Resource, kind: &str| {
            let owned = self.stores.get(resource, &key(namespace_of(pod), name))?;
            let owner = controller(owned).filter(|owner| owner["kind"] == *kind)?;
            Some(str_of(owner, "name"))
        };
        match kind {
            "ReplicaSet" if self.attach.deployment => {
                let deployment = owner_of(Resource::ReplicaSets, "Deployment");
                target.set("pod_deployment_name", deployment.unwrap_or_default());
            }
            "Job" => {
                if self.attach.job {
                    target.set("pod_job_name", name);
                }
                if self.attach.cron_job {
                    let cron_job = owner_of(Resource::Jobs, "CronJob");
                    target.set("pod_cronjob_name", cron_job.unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    /// The pod that an address stands for.
    fn pod_of(&self, reference: &Value) -> Option<&Value> {
        let is_pod = str_of(reference, "kind") == "Pod";
        let key = key(str_of(reference, "namespace"), str_of(reference, "name"));
        self.stores.get(Resource::Pods, &key).filter(|_| is_pod)
    }

    fn add_service(&self, shared: &mut Target, namespace: &str, name: &str) -> Option<&Value> {
        let service = self.stores.get(Resource::Services, &key(namespace, name))?;
        add_metadata(shared, service, "service");
        Some(service)
    }

    fn endpoints(&self, endpoints: &Value, shared: &mut Target) -> Vec<Labels> {
        self.add_service(shared, namespace_of(endpoints), name_of(endpoints));
        add_metadata(shared, endpoints, "endpoints");
        let mut targets = Vec::new();
        let mut seen = SeenPods::default();
        for subset in items(&endpoints["subsets"]) {
            for port in items(&subset["ports"]) {
                for (list, ready) in [("addresses", "true"), ("notReadyAddresses", "false")] {
                    for address in items(&subset[list]) {
                        let mut target = Target::new(PREFIX);
                        let number = text(&port["port"]);
                        target.plain("__address__", &host_port(str_of(address, "ip"), &number));
                        target.set("endpoint_port_name", str_of(port, "name"));
                        target.set("endpoint_port_protocol", str_of(port, "protocol"));
                        target.set("endpoint_ready", ready);
                        self.add_endpoint_address(&mut target, address);
                        if let Some(pod) = self.pod_of(&address["targetRef"]) {
                            let protocol = Some(str_of(port, "protocol"));
                            self.add_pod_of_port(&mut target, pod, &number, protocol);
                            seen.note(pod, &port["port"]);
                        }
                        targets.push(target.labels());
                    }
                }
            }
        }
        self.add_other_ports(&seen, &mut targets);
        targets
    }

    fn add_endpoint_address(&self, target: &mut Target, address: &Value) {
        let (reference, node) = (&address["targetRef"], str_of(address, "nodeName"));
        target.set("endpoint_address_target_kind", str_of(reference, "kind"));
        target.set("endpoint_address_target_name", str_of(reference, "name"));
        target.set("endpoint_node_name", node);
        target.set("endpoint_hostname", str_of(address, "hostname"));
        if address["nodeName"].is_string() {
            self.add_node(target, node);
        } else if str_of(reference, "kind") == "Node" {
            self.add_node(target, str_of(reference, "name"));
        }
    }

    fn slice(&self, slice: &Value, shared: &mut Target) -> Vec<Labels> {
        shared.set("endpointslice_address_type", str_of(slice, "addressType"));
        add_metadata(shared, slice, "endpointslice");
        let labels = &slice["metadata"]["labels"];
        let service = labels[SERVICE_NAME].as_str();
        let service = service.and_then(|name| self.add_service(shared, namespace_of(slice), name));
        if service.is_some_and(|service| is_second_family(service, slice)) {
            return Vec::new();
        }
        let mut targets = Vec::new();
        let mut seen = SeenPods::default();
        for endpoint in items(&slice["endpoints"]) {
            for port in items(&slice["ports"]) {
                for address in items(&endpoint["addresses"]) {
                    let mut target = self.slice_target(endpoint, port, &text(address));
                    if let Some(pod) = self.pod_of(&endpoint["targetRef"]) {
                        self.add_pod_of_port(&mut target, pod, &text(&port["port"]), None);
                        seen.note(pod, &port["port"]);
                    }
                    targets.push(target.labels());
                }
            }
        }
        self.add_other_ports(&seen, &mut targets);
        targets
    }

    fn slice_target(&self, endpoint: &Value, port: &Value, address: &str) -> Target {
        let mut target = Target::new(PREFIX);
        if port["port"].is_null() {
            target.plain("__address__", address);
        } else {
            target.plain("__address__", &host_port(address, text(&port["port"])));
        }
        target.json("endpointslice_port_name", &port["name"]);
        target.json("endpointslice_port_protocol", &port["protocol"]);
        target.json("endpointslice_port", &port["port"]);
        target.json("endpointslice_port_app_protocol", &port["appProtocol"]);
        for condition in ["ready", "serving", "terminating"] {
            let name = format!("endpointslice_endpoint_conditions_{condition}");
            target.json(&name, &endpoint["conditions"][condition]);
        }
        target.json("endpointslice_endpoint_hostname", &endpoint["hostname"]);
        let reference = &endpoint["targetRef"];
        target.json("endpointslice_address_target_kind", &reference["kind"]);
        target.json("endpointslice_address_target_name", &reference["name"]);
        target.json("endpointslice_endpoint_node_name", &endpoint["nodeName"]);
        target.json("endpointslice_endpoint_zone", &endpoint["zone"]);
        let topology = &endpoint["deprecatedTopology"];
        for (name, value) in topology.as_object().into_iter().flatten() {
            target.keyed("endpointslice_endpoint_topology_", name, &text(value));
            target.keyed("endpointslice_endpoint_topology_present_", name, "true");
        }
        if str_of(reference, "kind") == "Node" {
            self.add_node(&mut target, str_of(reference, "name"));
        } else {
            self.add_node(&mut target, str_of(endpoint, "nodeName"));
        }
        target
    }

    /// The labels of a pod and of its container that has the port; `protocol` is that of the port of the endpoints.
    fn add_pod_of_port(
        &self,
        target: &mut Target,
        pod: &Value,
        number: &str,
        protocol: Option<&str>,
    ) {
        self.add_pod(target, pod);
        for (container, is_init) in containers(pod) {
            let ports = items(&container["ports"]);
            if let Some(port) = ports.iter().find(|port| text(&port["containerPort"]) == number) {
                add_container(target, container, is_init);
                add_port(target, port, protocol.unwrap_or(str_of(port, "protocol")));
            }
        }
    }

    /// Targets for the container ports of pods that no endpoint has.
    fn add_other_ports(&self, seen: &SeenPods<'_>, targets: &mut Vec<Labels>) {
        for (pod, ports) in seen.0.values() {
            let address = str_of(&pod["status"], "podIP");
            if address.is_empty() {
                continue;
            }
            for (container, is_init) in containers(pod) {
                let all = items(&container["ports"]).iter();
                for port in
                    all.filter(|port| !ports.contains(&text(&port["containerPort"]).into_owned()))
                {
                    let mut target = Target::new(PREFIX);
                    self.add_pod(&mut target, pod);
                    target.plain("__address__", &host_port(address, text(&port["containerPort"])));
                    add_container(&mut target, container, is_init);
                    add_port(&mut target, port, str_of(port, "protocol"));
                    targets.push(target.labels());
                }
            }
        }
    }
}

/// The pods behind endpoints, with the ports that endpoints have.
#[derive(Default)]
struct SeenPods<'a>(BTreeMap<String, (&'a Value, BTreeSet<String>)>);

impl<'a> SeenPods<'a> {
    fn note(&mut self, pod: &'a Value, port: &Value) {
        let entry = self.0.entry(super::objects::key_of(pod)).or_insert((pod, BTreeSet::new()));
        entry.1.insert(text(port).into_owned());
    }
}

/// The containers of a pod, and whether each is an init container.
fn containers(pod: &Value) -> impl Iterator<Item = (&Value, bool)> {
    let spec = &pod["spec"];
    let usual = items(&spec["containers"]).iter().map(|container| (container, false));
    usual.chain(items(&spec["initContainers"]).iter().map(|container| (container, true)))
}

fn container_id<'a>(pod: &'a Value, container: &Value, is_init: bool) -> &'a str {
    let list = if is_init { "initContainerStatuses" } else { "containerStatuses" };
    let mut statuses = items(&pod["status"][list]).iter();
    let status = statuses.find(|status| status["name"] == container["name"]);
    status.map_or("", |status| str_of(status, "containerID"))
}

fn add_container(target: &mut Target, container: &Value, is_init: bool) {
    target.set("pod_container_name", str_of(container, "name"));
    target.set("pod_container_image", str_of(container, "image"));
    target.set("pod_container_init", if is_init { "true" } else { "false" });
}

fn add_port(target: &mut Target, port: &Value, protocol: &str) {
    target.json("pod_container_port_number", &port["containerPort"]);
    target.set("pod_container_port_name", str_of(port, "name"));
    target.set("pod_container_port_protocol", protocol);
}

/// The name, labels and annotations of an object.
fn add_metadata(target: &mut Target, object: &Value, role: &str) {
    target.set(&format!("{role}_name"), name_of(object));
    add_foreign_fields(target, object, role);
}

fn add_foreign_fields(target: &mut Target, object: &Value, role: &str) {
    for (list, kind) in [("labels", "label"), ("annotations", "annotation")] {
        for (name, value) in object["metadata"][list].as_object().into_iter().flatten() {
            target.keyed(&format!("{role}_{kind}_"), name, &text(value));
            target.keyed(&format!("{role}_{kind}present_"), name, "true");
        }
    }
}

/// Whether a slice has the second family of addresses of a service that has two: its targets are those of the first.
fn is_second_family(service: &Value, slice: &Value) -> bool {
    let spec = &service["spec"];
    let is_dual = matches!(str_of(spec, "ipFamilyPolicy"), "PreferDualStack" | "RequireDualStack");
    let first = items(&spec["ipFamilies"]).first();
    is_dual && first.is_some_and(|first| *first != slice["addressType"])
}

fn node(node: &Value, shared: &mut Target) -> Vec<Labels> {
    shared.set("node_provider_id", str_of(&node["spec"], "providerID"));
    let status = &node["status"];
    for condition in items(&status["conditions"]) {
        let kind = str_of(condition, "type").to_lowercase();
        let value = str_of(condition, "status").to_lowercase();
        shared.keyed("node_condition_", &kind, &value);
    }
    add_metadata(shared, node, "node");
    let addresses = items(&status["addresses"]);
    let of_kind = |kind: &&str| addresses.iter().find(|address| address["type"] == **kind);
    let Some(address) = NODE_ADDRESSES.iter().find_map(of_kind) else {
        tracing::warn!(discovery = "kubernetes", node = name_of(node), "No node address found");
        return Vec::new();
    };
    let mut target = Target::new(PREFIX);
    let port = &status["daemonEndpoints"]["kubeletEndpoint"]["Port"];
    target.address(str_of(address, "address"), port.as_u64().unwrap_or(0));
    target.plain("instance", name_of(node));
    // The first of each kind, so the others first.
    for address in addresses.iter().rev() {
        target.keyed("node_address_", str_of(address, "type"), str_of(address, "address"));
    }
    vec![target.labels()]
}

fn service(service: &Value, shared: &mut Target) -> Vec<Labels> {
    add_metadata(shared, service, "service");
    let host = format!("{}.{}.svc", name_of(service), namespace_of(service));
    let spec = &service["spec"];
    let kind = str_of(spec, "type");
    let build = |port: &Value| {
        let mut target = Target::new(PREFIX);
        target.address(&host, text(&port["port"]));
        target.set("service_port_name", str_of(port, "name"));
        target.json("service_port_number", &port["port"]);
        target.set("service_port_protocol", str_of(port, "protocol"));
        target.set("service_type", kind);
        if kind == "ExternalName" {
            target.set("service_external_name", str_of(spec, "externalName"));
        } else {
            target.set("service_cluster_ip", str_of(spec, "clusterIP"));
        }
        if kind == "LoadBalancer" {
            let ingress = items(&service["status"]["loadBalancer"]["ingress"]).iter();
            let addresses: Vec<&str> =
                ingress.map(|i| str_of(i, "ip")).filter(|ip| !ip.is_empty()).collect();
            match addresses.is_empty() {
                true => target.set("service_loadbalancer_ip", str_of(spec, "loadBalancerIP")),
                false => target.set("service_loadbalancer_ip", &addresses.join(",")),
            }
        }
        target.labels()
    };
    items(&spec["ports"]).iter().map(build).collect()
}

fn ingress(ingress: &Value, shared: &mut Target) -> Vec<Labels> {
    let spec = &ingress["spec"];
    shared.json("ingress_class_name", &spec["ingressClassName"]);
    add_metadata(shared, ingress, "ingress");
    let mut targets = Vec::new();
    for rule in items(&spec["rules"]) {
        let host = str_of(rule, "host");
        let mut tls_hosts = items(&spec["tls"]).iter().flat_map(|tls| items(&tls["hosts"]));
        let is_tls = tls_hosts.any(|pattern| matches_host(&text(pattern), host));
        let paths: Vec<&str> = match &rule["http"] {
            Value::Null => vec!["/"],
            http => items(&http["paths"]).iter().map(|path| str_of(path, "path")).collect(),
        };
        for path in paths {
            let mut target = Target::new(PREFIX);
            target.plain("__address__", host);
            target.set("ingress_scheme", if is_tls { "https" } else { "http" });
            target.set("ingress_host", host);
            target.set("ingress_path", if path.is_empty() { "/" } else { path });
            targets.push(target.labels());
        }
    }
    targets
}

/// Whether a name of a certificate, whose first part may be `*`, covers a host.
fn matches_host(pattern: &str, host: &str) -> bool {
    let rest = |name: &str| name.split_once('.').map(|(_, rest)| rest.to_owned());
    pattern == host
        || (pattern.starts_with("*.") && !host.starts_with('.') && rest(pattern) == rest(host))
}
