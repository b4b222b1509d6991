//! What discovery hands out: groups of targets. Not how they were found.

use model::Labels;

/// Targets that come and go together, with the labels they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Identity of the group within its provider: a later group of the same source replaces it.
    pub source: Box<str>,
    /// Labels of every target of the group; labels of a target win over them.
    pub labels: Labels,
    /// The targets; each has at least `__address__`.
    pub targets: Vec<Labels>,
}

/// The groups of each job, by its name.
pub type TargetGroups = std::collections::BTreeMap<String, Vec<TargetGroup>>;
