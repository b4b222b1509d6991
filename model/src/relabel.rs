//! Relabelling: rules that rewrite or drop label sets, checked and compiled once. The fields as written are in `config`.

mod config;

pub use config::{Action, RuleConfig, ValidationScheme};

/// One rule, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    config: RuleConfig,
}

impl Rule {
    /// The rule as written.
    #[must_use]
    pub fn config(&self) -> &RuleConfig {
        &self.config
    }
}
