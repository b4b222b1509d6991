//! Targets from the objects of a Kubernetes cluster, in six roles. Watches keep copies of the objects that matter; a
//! change marks the objects whose targets depend on it, and those are built anew.
//! Reading order: `objects` (what is kept of them), `watch` (lists and watches), `labels` (from objects to targets),
//! `cluster` (where the API is).

mod cluster;
mod labels;
mod objects;
mod watch;

use crate::Error;
use crate::api::Api;
use crate::provider::{Context, Provider, Publisher, Running};
use crate::target::{group, text};
use cluster::Cluster;
use metrics::{Counter, CounterVec, Registry};
use objects::{Resource, Stores, key_of};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use watch::{Change, Scope};
use yaml::Section;

/// Changes that wait to be taken over; watches pause beyond.
const MAX_WAITING: usize = 256;

/// Which metadata of other objects targets get.
#[derive(Clone, Copy, Debug, Default)]
struct Attach {
    node: bool,
    namespace: bool,
    deployment: bool,
    job: bool,
    cron_job: bool,
}

struct Kubernetes {
    api: Arc<Api>,
    cluster: Cluster,
    role: Role,
    namespaces: Vec<String>,
    with_own_namespace: bool,
    /// Role, label selector, field selector.
    selectors: Vec<(String, String, String)>,
    attach: Attach,
    metrics: KubernetesMetrics,
    job: Box<str>,
}

#[derive(Clone)]
pub(crate) struct KubernetesMetrics {
    events: CounterVec,
    failures: Counter,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Node,
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
    Ingress,
}

const ROLES: [Role; 6] =
    [Role::Node, Role::Pod, Role::Service, Role::Endpoints, Role::EndpointSlice, Role::Ingress];

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Pod => "pod",
            Self::Service => "service",
            Self::Endpoints => "endpoints",
            Self::EndpointSlice => "endpointslice",
            Self::Ingress => "ingress",
        }
    }

    /// The objects that targets are made of.
    fn resource(self) -> Resource {
        match self {
            Self::Node => Resource::Nodes,
            Self::Pod => Resource::Pods,
            Self::Service => Resource::Services,
            Self::Endpoints => Resource::Endpoints,
            Self::EndpointSlice => Resource::EndpointSlices,
            Self::Ingress => Resource::Ingresses,
        }
    }

    /// What the sources of groups begin with.
    fn source(self) -> &'static str {
        if self == Self::Service { "svc" } else { self.name() }
    }
}

pub(crate) fn register(registry: &Registry) -> KubernetesMetrics {
    let events = registry.counter_vec(
        "prometheus_sd_kubernetes_events_total",
        "The number of Kubernetes events handled.",
        &["role", "event"],
    );
    for role in ROLES {
        for event in ["add", "delete", "update"] {
            drop(events.with(&[role.name(), event]));
        }
    }
    let failures = registry.counter(
        "prometheus_sd_kubernetes_failures_total",
        "The number of failed WATCH/LIST requests.",
    );
    KubernetesMetrics { events, failures }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let cluster = Cluster::from_section(section, context.environment)?;
    let api = Api::with_config(context, &cluster.http, watch::TIMEOUT, None)?;
    let role = ROLES.into_iter().find(|role| role.name() == section.text("role"));
    let namespaces = section.one("namespaces");
    let attach = section.one("attach_metadata");
    let selectors = section.sections("selectors").iter();
    let own = |selector: &Section, name: &str| selector.text(name).to_owned();
    Ok(Box::new(Kubernetes {
        api: Arc::new(api.header("Accept", "application/json")),
        cluster,
        role: role.ok_or_else(|| Error::config("kubernetes_sd_configs", "unknown role"))?,
        namespaces: namespaces.list("names").to_vec(),
        with_own_namespace: namespaces.bool("own_namespace"),
        selectors: selectors.map(|s| (own(s, "role"), own(s, "label"), own(s, "field"))).collect(),
        attach: Attach {
            node: attach.bool("node"),
            namespace: attach.bool("namespace"),
            deployment: attach.bool("deployment"),
            job: attach.bool("job"),
            cron_job: attach.bool("cronjob"),
        },
        metrics: register(context.registry),
        job: context.job.into(),
    }))
}

impl Provider for Kubernetes {
    fn run(self: Box<Self>, publisher: Publisher) -> Running {
        Box::pin(self.follow(publisher))
    }
}

impl Kubernetes {
    /// The resources that targets of the role depend on.
    fn resources(&self) -> Vec<Resource> {
        let mut all = vec![self.role.resource()];
        let of_pods = matches!(self.role, Role::Pod | Role::Endpoints | Role::EndpointSlice);
        if matches!(self.role, Role::Endpoints | Role::EndpointSlice) {
            all.extend([Resource::Services, Resource::Pods]);
        }
        if of_pods && self.attach.node {
            all.push(Resource::Nodes);
        }
        if self.role != Role::Node && self.attach.namespace {
            all.push(Resource::Namespaces);
        }
        if of_pods && self.attach.deployment {
            all.push(Resource::ReplicaSets);
        }
        if of_pods && (self.attach.job || self.attach.cron_job) {
            all.push(Resource::Jobs);
        }
        all
    }

    fn scopes(&self, own_namespace: Option<String>) -> Vec<Scope> {
        let mut namespaces = self.namespaces.clone();
        namespaces.extend(own_namespace);
        if namespaces.is_empty() {
            namespaces.push(String::new());
        }
        let mut scopes = Vec::new();
        for resource in self.resources() {
            let everywhere = [String::new()];
            let within = if resource.is_namespaced() { &namespaces[..] } else { &everywhere[..] };
            let selector = self.selectors.iter().find(|(role, ..)| resource.role() == Some(role));
            for namespace in within {
                scopes.push(Scope {
                    index: scopes.len(),
                    resource,
                    namespace: namespace.clone(),
                    labels: selector.map_or_else(String::new, |(_, labels, _)| labels.clone()),
                    fields: selector.map_or_else(String::new, |(_, _, fields)| fields.clone()),
                });
            }
        }
        scopes
    }

    async fn follow(self: Box<Self>, publisher: Publisher) {
        let own_namespace = match self.with_own_namespace {
            true => Some(cluster::own_namespace(&self.job).await),
            false => None,
        };
        let scopes = self.scopes(own_namespace);
        let mut waiting: BTreeSet<usize> = scopes.iter().map(|scope| scope.index).collect();
        let (sender, mut receive) = mpsc::channel(MAX_WAITING);
        let mut tasks = JoinSet::new();
        for scope in scopes {
            let watcher = watch::Watcher {
                scope,
                api: Arc::clone(&self.api),
                server: self.cluster.server.clone(),
                sender: sender.clone(),
                failures: self.metrics.failures.clone(),
                job: self.job.clone(),
                min_pause: watch::MIN_PAUSE,
            };
            tasks.spawn(watcher.watch());
        }
        drop(sender);
        let mut stores = Stores::default();
        let mut dirty = BTreeSet::new();
        while let Some(change) = receive.recv().await {
            let mut changed = Changed::default();
            let mut next = Some(change);
            while let Some(change) = next {
                if let Change::Listed { scope, .. } = &change {
                    waiting.remove(&scope.index);
                }
                self.apply(change, &mut stores, &mut changed);
                next = receive.try_recv().ok();
            }
            self.mark(&stores, &changed, &mut dirty);
            if waiting.is_empty() && !dirty.is_empty() {
                publisher.publish(dirty.iter().map(|key| self.group(&stores, key)));
                dirty.clear();
            }
        }
    }

    fn apply(&self, change: Change, stores: &mut Stores, changed: &mut Changed) {
        match change {
            Change::Listed { scope, objects } => {
                let listed: BTreeSet<String> = objects.iter().map(key_of).collect();
                let gone: Vec<String> = stores
                    .keys(scope.resource)
                    .filter(|key| scope.holds(key) && !listed.contains(*key))
                    .cloned()
                    .collect();
                for key in gone {
                    self.remove(scope.resource, &key, stores, changed);
                }
                for object in objects {
                    self.set(scope.resource, object, stores, changed);
                }
            }
            Change::Set { resource, object } => self.set(resource, object, stores, changed),
            Change::Deleted { resource, key } => self.remove(resource, &key, stores, changed),
        }
    }

    fn count(&self, resource: Resource, event: &str) {
        let is_counted = resource == self.role.resource()
            || resource == Resource::Services
            || (resource == Resource::Pods && event == "update" && self.role == Role::Endpoints);
        if let (true, Some(role)) = (is_counted, resource.role()) {
            self.metrics.events.with(&[role, event]).inc();
        }
    }

    fn set(&self, resource: Resource, object: Value, stores: &mut Stores, changed: &mut Changed) {
        let key = key_of(&object);
        let before = stores.get(resource, &key);
        self.count(resource, if before.is_some() { "update" } else { "add" });
        if before == Some(&object) {
            return;
        }
        let phase = |pod: &Value| text(&pod["status"]["phase"]).into_owned();
        let is_pod_of_endpoints = resource == Resource::Pods && self.role == Role::Endpoints;
        let is_other_phase = before.is_some_and(|before| phase(before) != phase(&object));
        if !is_pod_of_endpoints || is_other_phase {
            changed.add(resource, &key);
        }
        stores.set(resource, key, object);
    }

    fn remove(&self, resource: Resource, key: &str, stores: &mut Stores, changed: &mut Changed) {
        if stores.remove(resource, key) {
            self.count(resource, "delete");
            if !(resource == Resource::Pods && self.role == Role::Endpoints) {
                changed.add(resource, key);
            }
        }
    }

    /// Marks the objects of the role whose targets depend on something that changed.
    fn mark(&self, stores: &Stores, changed: &Changed, dirty: &mut BTreeSet<String>) {
        let main = self.role.resource();
        let mut others = BTreeSet::new();
        for (resource, key) in &changed.0 {
            // Endpoints have the name of their service; other services matter to slices only.
            if *resource == main
                || (*resource == Resource::Services && self.role == Role::Endpoints)
            {
                dirty.insert(key.clone());
            } else {
                others.insert((*resource, key.as_str()));
            }
        }
        if others.is_empty() {
            return;
        }
        for (key, object) in stores.objects(main) {
            if labels::depends(self.role, object, &others) {
                dirty.insert(key.clone());
            }
        }
    }

    fn group(&self, stores: &Stores, key: &str) -> crate::TargetGroup {
        let source = format!("{}/{key}", self.role.source());
        let Some(object) = stores.get(self.role.resource(), key) else {
            return group(&source, Vec::new());
        };
        let builder = labels::Builder { stores, attach: self.attach };
        builder.group(self.role, source.into(), object)
    }
}

/// What changed, by resource and key.
#[derive(Debug, Default)]
struct Changed(BTreeSet<(Resource, String)>);

impl Changed {
    fn add(&mut self, resource: Resource, key: &str) {
        self.0.insert((resource, key.to_owned()));
    }
}
