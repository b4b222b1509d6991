//! What a discovery mechanism implements, what it is given, and the handle through which it publishes.

use crate::TargetGroup;
use metrics::Registry;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Variables of the environment by their names; those without a value are absent.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment of the process.
#[must_use]
pub fn process_environment() -> Environment {
    Arc::new(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// What a mechanism is built with, beside its section of the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// Where its metrics go.
    pub registry: &'a Registry,
    /// The `User-Agent` of its requests.
    pub user_agent: &'a str,
    /// The name of the mechanism; its connections are counted under it.
    pub mechanism: &'static str,
    /// The first of the jobs that use it, which is how its metrics are told apart.
    pub job: &'a str,
    /// The time, for signatures.
    pub clock: &'a Clock,
    /// Where credentials and metadata servers are told.
    pub environment: &'a Environment,
}

/// A mechanism at work.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One configured discovery mechanism.
pub trait Provider: Send {
    /// Finds targets and publishes them until the future is dropped.
    fn run(self: Box<Self>, publisher: Publisher) -> Running;
}

/// The latest groups of a provider, by source.
pub(crate) type Groups = Arc<Mutex<BTreeMap<Box<str>, TargetGroup>>>;

/// Where a provider puts what it found. Cloning shares it.
#[derive(Clone)]
pub struct Publisher {
    groups: Groups,
    changed: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Publisher {
    pub(crate) fn new(groups: Groups, changed: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { groups, changed }
    }

    /// Replaces the groups of the same sources; a group without targets removes what its source had.
    pub fn publish(&self, groups: impl IntoIterator<Item = TargetGroup>) {
        let mut known = self.groups.lock();
        let mut is_changed = false;
        for group in groups {
            if group.targets.is_empty() {
                is_changed |= known.remove(&group.source).is_some();
            } else if known.get(&group.source) != Some(&group) {
                known.insert(group.source.clone(), group);
                is_changed = true;
            }
        }
        drop(known);
        if is_changed {
            (self.changed)();
        }
    }
}
