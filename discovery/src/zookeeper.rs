//! Members of services in ZooKeeper, as Nerve and serversets write them. `client` speaks to the servers; this follows
//! the trees below the configured paths and makes targets of their nodes.

mod client;
mod member;

use crate::provider::{Context, Provider, Publisher, Running};
use crate::target::group;
use crate::{Error, TargetGroup};
use client::{Connection, Node};
use member::Parse;
use metrics::{Counter, Gauge, Registry};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use yaml::Section;

/// After a failure all is read anew, this much later.
const PAUSE: Duration = Duration::from_secs(10);

/// The metrics of all trees.
#[derive(Clone)]
struct Metrics {
    failures: Counter,
    watched: Gauge,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            failures: registry.counter(
                "prometheus_treecache_zookeeper_failures_total",
                "The total number of ZooKeeper failures.",
            ),
            watched: registry.gauge(
                "prometheus_treecache_watcher_goroutines",
                "The current number of watcher goroutines.",
            ),
        }
    }
}

pub(crate) fn register(registry: &Registry) {
    Metrics::new(registry);
}

struct Zookeeper {
    servers: Vec<String>,
    paths: Vec<String>,
    timeout: Duration,
    pause: Duration,
    parse: Parse,
    metrics: Metrics,
    /// What is known of the nodes below the paths, by their own paths.
    nodes: BTreeMap<String, Node>,
}

impl Zookeeper {
    fn new(context: &Context<'_>, section: &Section, parse: Parse) -> Self {
        Self {
            servers: section.list("servers").to_vec(),
            paths: section.list("paths").to_vec(),
            timeout: section.duration("timeout"),
            pause: PAUSE,
            parse,
            metrics: Metrics::new(context.registry),
            nodes: BTreeMap::new(),
        }
    }
}

pub(crate) fn build_nerve(
    context: &Context<'_>,
    section: &Section,
) -> Result<Box<dyn Provider>, Error> {
    Ok(Box::new(Zookeeper::new(context, section, member::nerve)))
}

pub(crate) fn build_serverset(
    context: &Context<'_>,
    section: &Section,
) -> Result<Box<dyn Provider>, Error> {
    Ok(Box::new(Zookeeper::new(context, section, member::serverset)))
}

impl Provider for Zookeeper {
    fn run(self: Box<Self>, publisher: Publisher) -> Running {
        Box::pin(self.follow_for_ever(publisher))
    }
}

impl Drop for Zookeeper {
    fn drop(&mut self) {
        self.metrics.watched.add(-(self.nodes.len() as f64));
    }
}

fn child_of(path: &str, name: &str) -> String {
    format!("{}/{name}", path.trim_end_matches('/'))
}

impl Zookeeper {
    async fn follow_for_ever(mut self, publisher: Publisher) {
        for attempt in 0_usize.. {
            // One server after the other, so that a dead one does not hold us up for long.
            let server = self.servers[attempt % self.servers.len().max(1)].clone();
            let Err(error) = self.follow(&server, &publisher).await;
            self.metrics.failures.inc();
            tracing::error!(%server, err = %error, "Lost ZooKeeper; what was found is kept");
            tokio::time::sleep(self.pause).await;
        }
    }

    /// Reads all trees and goes on with their changes until the connection fails.
    async fn follow(
        &mut self,
        server: &str,
        publisher: &Publisher,
    ) -> Result<std::convert::Infallible, Error> {
        let mut connection = Connection::open(server, self.timeout).await?;
        let mut read = BTreeMap::new();
        let mut wanted = self.paths.clone();
        while !wanted.is_empty() {
            let found = connection.nodes(&wanted).await?;
            let pairs = wanted.iter().zip(found);
            let pairs = pairs.filter_map(|(path, node)| Some((path.clone(), node?)));
            let level: Vec<(String, Node)> = pairs.collect();
            wanted = level.iter().flat_map(|(path, node)| node.paths(path)).collect();
            read.extend(level);
        }
        let gone: Vec<String> =
            self.nodes.keys().filter(|path| !read.contains_key(*path)).cloned().collect();
        self.metrics.watched.add(read.len() as f64 - self.nodes.len() as f64);
        let groups = gone.iter().map(|path| group(path, Vec::new()));
        publisher.publish(groups.chain(read.iter().map(|(path, node)| self.group(path, node))));
        self.nodes = read;
        self.check_paths()?;
        loop {
            let changed = connection.changed().await?;
            self.update(&mut connection, changed, publisher).await?;
            self.check_paths()?;
        }
    }

    /// A path that is not there is looked for again and again.
    fn check_paths(&self) -> Result<(), Error> {
        match self.paths.iter().find(|path| !self.nodes.contains_key(*path)) {
            Some(path) => Err(Error::answer(path, "there is no such path")),
            None => Ok(()),
        }
    }

    /// Reads a node anew, what appeared below it too, and forgets what is gone.
    async fn update(
        &mut self,
        connection: &mut Connection,
        changed: String,
        publisher: &Publisher,
    ) -> Result<(), Error> {
        let mut groups = Vec::new();
        let mut wanted = vec![changed];
        while !wanted.is_empty() {
            let found = connection.nodes(&wanted).await?;
            let mut next = Vec::new();
            for (path, node) in wanted.iter().zip(found) {
                let before = self.nodes.remove(path);
                self.metrics.watched.add(-f64::from(u8::from(before.is_some())));
                let children: BTreeSet<String> =
                    before.iter().flat_map(|before| before.paths(path)).collect();
                let Some(node) = node else {
                    self.forget(path, children, &mut groups);
                    continue;
                };
                let now: BTreeSet<String> = node.paths(path).collect();
                for gone in children.difference(&now) {
                    let below = self.nodes.remove(gone);
                    self.metrics.watched.add(-f64::from(u8::from(below.is_some())));
                    let below = below.iter().flat_map(|below| below.paths(gone)).collect();
                    self.forget(gone, below, &mut groups);
                }
                next.extend(now.difference(&children).cloned());
                groups.push(self.group(path, &node));
                self.metrics.watched.add(1.0);
                self.nodes.insert(path.clone(), node);
            }
            wanted = next;
        }
        publisher.publish(groups);
        Ok(())
    }

    /// Takes away the targets of a node that is gone and of all that was below it.
    fn forget(&mut self, path: &str, children: BTreeSet<String>, groups: &mut Vec<TargetGroup>) {
        groups.push(group(path, Vec::new()));
        let mut waiting: Vec<String> = children.into_iter().collect();
        while let Some(path) = waiting.pop() {
            if let Some(node) = self.nodes.remove(&path) {
                self.metrics.watched.add(-1.0);
                waiting.extend(node.paths(&path));
            }
            groups.push(group(&path, Vec::new()));
        }
    }

    /// The target that a node is; a node that holds something else is none.
    fn group(&self, path: &str, node: &Node) -> TargetGroup {
        group(path, (self.parse)(&node.data, path).into_iter().collect())
    }
}

impl Node {
    /// The paths of the children.
    fn paths<'a>(&'a self, path: &'a str) -> impl Iterator<Item = String> + 'a {
        self.children.iter().map(move |name| child_of(path, name))
    }
}

#[cfg(test)]
mod tests;
