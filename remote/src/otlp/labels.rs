//! Labels of points: attributes translated, resource and scope promoted, `job` and `instance` derived.

use super::config::Config;
use super::message::{Attribute, Resource, Scope};
use super::{names, values};
use std::cell::Cell;

const NAMESPACE: &str = "service.namespace";
const NAME: &str = "service.name";
const INSTANCE: &str = "service.instance.id";
/// The attributes that `job` and `instance` are made of.
const IDENTIFYING: [&str; 3] = [NAMESPACE, NAME, INSTANCE];

/// Labels that do not repeat, in no order.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSet(pub(super) Vec<(String, String)>);

impl LabelSet {
    fn get_mut(&mut self, name: &str) -> Option<&mut String> {
        self.0.iter_mut().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        match self.get_mut(name) {
            Some(old) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn set_if_absent(&mut self, name: String, value: String) {
        if self.get_mut(&name).is_none() {
            self.0.push((name, value));
        }
    }
}

/// What is the same for all points of a scope of a resource.
#[derive(Debug)]
pub(super) struct Origin<'c> {
    config: &'c Config,
    promoted: Vec<(String, String)>,
    scope: Vec<(String, String)>,
    identity: Vec<(&'static str, String)>,
    /// How often attributes of one point fell on one label.
    pub(super) collisions: Cell<u64>,
}

fn find<'a>(attributes: &'a [Attribute<'_>], key: &str) -> Option<&'a Attribute<'a>> {
    attributes.iter().find(|attribute| attribute.key == key)
}

/// `job` and `instance` of a resource.
fn identity(resource: &Resource<'_>) -> Vec<(&'static str, String)> {
    let value =
        |key| find(&resource.attributes, key).map(|attribute| values::text(&attribute.value));
    let mut identity = Vec::new();
    if let Some(name) = value(NAME) {
        let job = match value(NAMESPACE) {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name,
        };
        identity.push(("job", job));
    }
    identity.extend(value(INSTANCE).map(|instance| ("instance", instance)));
    identity
}

impl<'c> Origin<'c> {
    pub(super) fn new(
        resource: &Resource<'_>,
        scope: &Scope<'_>,
        config: &'c Config,
    ) -> Result<Self, String> {
        let is_promoted = |key: &str| match &config.promoted_all_but {
            Some(ignored) => !ignored.iter().any(|ignored| ignored == key),
            None => config.promoted.iter().any(|promoted| promoted == key),
        };
        let mut sorted: Vec<&Attribute<'_>> =
            resource.attributes.iter().filter(|attribute| is_promoted(&attribute.key)).collect();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        let translate = |attribute: &&Attribute<'_>| {
            Ok((names::label(&attribute.key, config)?, values::text(&attribute.value)))
        };
        let promoted = sorted.iter().map(translate).collect::<Result<_, String>>()?;
        let mut of_scope = Vec::new();
        if config.promotes_scope && !scope.name.is_empty() {
            let fixed = [
                ("otel_scope_name", &scope.name),
                ("otel_scope_version", &scope.version),
                ("otel_scope_schema_url", &scope.schema_url),
            ];
            of_scope
                .extend(fixed.map(|(name, value)| (name.to_owned(), value.clone().into_owned())));
            for attribute in &scope.attributes {
                let name = names::label(&format!("otel_scope_{}", attribute.key), config)?;
                of_scope.push((name, values::text(&attribute.value)));
            }
        }
        let identity = identity(resource);
        Ok(Self { config, promoted, scope: of_scope, identity, collisions: Cell::new(0) })
    }

    /// The labels of a point with these attributes, the name of its metric apart.
    pub(super) fn labels(&self, attributes: &[Attribute<'_>]) -> Result<LabelSet, String> {
        let mut labels = translated(attributes.iter().collect(), self.config, &self.collisions)?;
        for (name, value) in &self.promoted {
            labels.set_if_absent(name.clone(), value.clone());
        }
        for (name, value) in &self.scope {
            labels.set(name, value.clone());
        }
        for (name, value) in &self.identity {
            labels.set(name, value.clone());
        }
        Ok(labels)
    }
}

/// Attributes as labels; those that fall on one label are joined in the order of their keys.
fn translated(
    mut attributes: Vec<&Attribute<'_>>,
    config: &Config,
    collisions: &Cell<u64>,
) -> Result<LabelSet, String> {
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    let mut labels = LabelSet::default();
    for attribute in attributes {
        let name = names::label(&attribute.key, config)?;
        let value = values::text(&attribute.value);
        match labels.get_mut(&name) {
            Some(old) => {
                collisions.set(collisions.get() + 1);
                old.push(';');
                old.push_str(&value);
            }
            None => labels.0.push((name, value)),
        }
    }
    Ok(labels)
}

fn is_identifying(key: &str) -> bool {
    IDENTIFYING.contains(&key)
}

/// Whether a resource with these attributes has an identity and says something beyond it.
pub(super) fn has_target_info(attributes: &[Attribute<'_>]) -> bool {
    attributes.iter().any(|attribute| attribute.key == NAME || attribute.key == INSTANCE)
        && !attributes.iter().all(|attribute| is_identifying(&attribute.key))
}

/// The labels of `target_info`; `None` if a resource says nothing beyond its identity, or has none.
pub(super) fn target_info(
    resource: &Resource<'_>,
    config: &Config,
) -> Result<Option<LabelSet>, String> {
    if !has_target_info(&resource.attributes) {
        return Ok(None);
    }
    let identity = identity(resource);
    let kept = resource.attributes.iter();
    let kept = kept.filter(|a| config.keeps_identifying || !is_identifying(&a.key)).collect();
    let mut labels = translated(kept, config, &Cell::new(0))?;
    for (name, value) in identity {
        labels.set(name, value);
    }
    Ok(Some(labels))
}
