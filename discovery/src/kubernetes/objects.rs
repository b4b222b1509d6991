//! Copies of the objects of a cluster, with nothing but the fields that targets are made of: a change of anything else
//! goes unnoticed, and a large cluster needs little memory.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A kind of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    Pods,
    Services,
    Endpoints,
    EndpointSlices,
    Ingresses,
    Nodes,
    Namespaces,
    ReplicaSets,
    Jobs,
}

impl Resource {
    /// Where the API has them: the path before the namespace, the name behind it.
    pub(super) fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::Pods => ("/api/v1", "pods"),
            Self::Services => ("/api/v1", "services"),
            Self::Endpoints => ("/api/v1", "endpoints"),
            Self::EndpointSlices => ("/apis/discovery.k8s.io/v1", "endpointslices"),
            Self::Ingresses => ("/apis/networking.k8s.io/v1", "ingresses"),
            Self::Nodes => ("/api/v1", "nodes"),
            Self::Namespaces => ("/api/v1", "namespaces"),
            Self::ReplicaSets => ("/apis/apps/v1", "replicasets"),
            Self::Jobs => ("/apis/batch/v1", "jobs"),
        }
    }

    pub(super) fn is_namespaced(self) -> bool {
        !matches!(self, Self::Nodes | Self::Namespaces)
    }

    /// The role under which selectors and metrics know them.
    pub(super) fn role(self) -> Option<&'static str> {
        match self {
            Self::Pods => Some("pod"),
            Self::Services => Some("service"),
            Self::Endpoints => Some("endpoints"),
            Self::EndpointSlices => Some("endpointslice"),
            Self::Ingresses => Some("ingress"),
            Self::Nodes => Some("node"),
            Self::Namespaces | Self::ReplicaSets | Self::Jobs => None,
        }
    }

    fn fields(self) -> &'static [Keep] {
        match self {
            Self::Pods => &[METADATA, Keep("spec", POD_SPEC), Keep("status", POD_STATUS)],
            Self::Services => &[METADATA, Keep("spec", SERVICE_SPEC), Keep("status", ALL)],
            Self::Endpoints => &[METADATA, Keep("subsets", ALL)],
            Self::EndpointSlices => {
                &[METADATA, Keep("addressType", ALL), Keep("endpoints", ALL), Keep("ports", ALL)]
            }
            Self::Ingresses => &[METADATA, Keep("spec", ALL)],
            Self::Nodes => &[METADATA, Keep("spec", NODE_SPEC), Keep("status", NODE_STATUS)],
            Self::Namespaces => &[METADATA],
            Self::ReplicaSets | Self::Jobs => OWNED,
        }
    }

    /// What is kept of an object.
    pub(super) fn keep(self, object: Value) -> Value {
        kept(object, self.fields())
    }
}

/// A field that is kept, with those of its fields that are; none for all.
struct Keep(&'static str, &'static [Self]);

const ALL: &[Keep] = &[];

const METADATA: Keep = Keep(
    "metadata",
    &[
        Keep("name", ALL),
        Keep("namespace", ALL),
        Keep("uid", ALL),
        Keep("labels", ALL),
        Keep("annotations", ALL),
        Keep("ownerReferences", ALL),
    ],
);

const OWNED: &[Keep] =
    &[Keep("metadata", &[Keep("name", ALL), Keep("namespace", ALL), Keep("ownerReferences", ALL)])];

const CONTAINER: &[Keep] = &[Keep("name", ALL), Keep("image", ALL), Keep("ports", ALL)];

const POD_SPEC: &[Keep] =
    &[Keep("nodeName", ALL), Keep("containers", CONTAINER), Keep("initContainers", CONTAINER)];

const CONTAINER_STATUS: &[Keep] = &[Keep("name", ALL), Keep("containerID", ALL)];

const CONDITION: &[Keep] = &[Keep("type", ALL), Keep("status", ALL)];

const POD_STATUS: &[Keep] = &[
    Keep("phase", ALL),
    Keep("podIP", ALL),
    Keep("hostIP", ALL),
    Keep("conditions", CONDITION),
    Keep("containerStatuses", CONTAINER_STATUS),
    Keep("initContainerStatuses", CONTAINER_STATUS),
];

const SERVICE_SPEC: &[Keep] = &[
    Keep("type", ALL),
    Keep("ports", ALL),
    Keep("clusterIP", ALL),
    Keep("externalName", ALL),
    Keep("loadBalancerIP", ALL),
    Keep("ipFamilies", ALL),
    Keep("ipFamilyPolicy", ALL),
];

const NODE_SPEC: &[Keep] = &[Keep("providerID", ALL)];

const NODE_STATUS: &[Keep] =
    &[Keep("conditions", CONDITION), Keep("addresses", ALL), Keep("daemonEndpoints", ALL)];

fn kept(value: Value, fields: &[Keep]) -> Value {
    match value {
        value if fields.is_empty() => value,
        Value::Object(mut object) => {
            let mut out = Map::new();
            for Keep(name, fields) in fields {
                if let Some(value) = object.remove(*name) {
                    out.insert((*name).to_owned(), kept(value, fields));
                }
            }
            Value::Object(out)
        }
        Value::Array(list) => list.into_iter().map(|value| kept(value, fields)).collect(),
        value => value,
    }
}

/// `namespace/name`, or the name of an object outside of namespaces.
pub(super) fn key_of(object: &Value) -> String {
    let metadata = &object["metadata"];
    key(
        metadata["namespace"].as_str().unwrap_or_default(),
        metadata["name"].as_str().unwrap_or_default(),
    )
}

/// The key of an object by its namespace, which may be empty, and its name.
pub(super) fn key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// The copies.
#[derive(Debug, Default)]
pub(super) struct Stores(BTreeMap<Resource, BTreeMap<String, Value>>);

impl Stores {
    pub(super) fn get(&self, resource: Resource, key: &str) -> Option<&Value> {
        self.0.get(&resource)?.get(key)
    }

    pub(super) fn set(&mut self, resource: Resource, key: String, object: Value) {
        self.0.entry(resource).or_default().insert(key, object);
    }

    pub(super) fn remove(&mut self, resource: Resource, key: &str) -> bool {
        self.0.get_mut(&resource).is_some_and(|store| store.remove(key).is_some())
    }

    pub(super) fn objects(&self, resource: Resource) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get(&resource).into_iter().flatten()
    }

    pub(super) fn keys(&self, resource: Resource) -> impl Iterator<Item = &String> {
        self.objects(resource).map(|(key, _)| key)
    }
}
