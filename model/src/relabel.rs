//! Relabelling: rules that rewrite or drop label sets, checked and compiled once. The fields as written are in `config`.

mod config;
#[cfg(test)]
mod tests;

pub use config::{Action, RuleConfig};

use crate::LabelsBuilder;
use crate::regex::Regex;
use crate::validate::NameValidation;
use md5::{Digest, Md5};

/// Why a rule cannot be used, and which field is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// One rule, checked and compiled.
#[derive(Clone, Debug)]
pub struct Rule {
    config: RuleConfig,
    scheme: NameValidation,
    /// `(.*)` unless given.
    regex: Regex,
    /// The value is the joined sources as they are: the default pattern with the default replacement.
    is_copy: bool,
    /// The rule sets a constant whatever the sources hold, as long as the default pattern stands.
    is_constant: bool,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config && self.scheme == other.scheme
    }
}

impl Eq for Rule {}

/// Memory that rules reuse from one label set to the next.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    joined: String,
    name: String,
    value: String,
    pairs: Vec<(String, String)>,
}

/// Runs `rules` over `labels`; false if one of them drops the set, whose labels are then of no use.
pub fn process(rules: &[Rule], labels: &mut LabelsBuilder, scratch: &mut Scratch) -> bool {
    rules.iter().all(|rule| rule.apply(labels, scratch))
}

impl Rule {
    /// Checks and compiles a rule; names must fit `scheme`.
    pub fn new(config: RuleConfig, scheme: NameValidation) -> Result<Self, RuleError> {
        check(&config, scheme)?;
        let regex = Regex::anchored(config.regex.as_deref().unwrap_or("(.*)"))
            .map_err(|e| RuleError { field: "regex", message: e.to_string() })?;
        let is_default = config.regex.is_none();
        let is_copy = is_default && config.replacement == "$1";
        let is_constant =
            is_default && !config.target_label.contains('$') && !config.replacement.contains('$');
        Ok(Self { config, scheme, regex, is_copy, is_constant })
    }

    /// The rule as written.
    #[must_use]
    pub fn config(&self) -> &RuleConfig {
        &self.config
    }

    fn apply(&self, labels: &mut LabelsBuilder, scratch: &mut Scratch) -> bool {
        let Scratch { joined, name, value, pairs } = scratch;
        let config = &self.config;
        joined.clear();
        for (index, source) in config.source_labels.iter().flatten().enumerate() {
            if index > 0 {
                joined.push_str(&config.separator);
            }
            joined.push_str(labels.get(source));
        }
        match config.action {
            Action::Keep => return self.regex.is_match(joined),
            Action::Drop => return !self.regex.is_match(joined),
            Action::KeepEqual => return labels.get(&config.target_label) == joined,
            Action::DropEqual => return labels.get(&config.target_label) != joined,
            Action::Replace => self.replace(joined, labels, name, value),
            Action::Lowercase => {
                value.clear();
                value.extend(joined.chars().map(lower));
                labels.set(&config.target_label, value);
            }
            Action::Uppercase => {
                value.clear();
                value.extend(joined.chars().map(upper));
                labels.set(&config.target_label, value);
            }
            Action::HashMod => {
                let remainder = hash(joined) % config.modulus;
                labels.set(&config.target_label, itoa::Buffer::new().format(remainder));
            }
            Action::LabelMap => {
                pairs.clear();
                for (label, text) in labels.iter() {
                    name.clear();
                    if self.regex.captures_expand(label, &config.replacement, name) {
                        pairs.push((name.clone(), text.to_owned()));
                    }
                }
                for (label, text) in pairs.iter() {
                    labels.set(label, text);
                }
            }
            Action::LabelDrop => labels.retain(|label, _| !self.regex.is_match(label)),
            Action::LabelKeep => labels.retain(|label, _| self.regex.is_match(label)),
        }
        true
    }

    fn replace(
        &self,
        joined: &str,
        labels: &mut LabelsBuilder,
        name: &mut String,
        value: &mut String,
    ) {
        let config = &self.config;
        if self.is_constant && joined.is_empty() {
            labels.set(&config.target_label, &config.replacement);
            return;
        }
        value.clear();
        if self.is_copy {
            value.push_str(joined);
        } else if !self.regex.captures_expand(joined, &config.replacement, value) {
            return;
        }
        if config.target_label.contains('$') {
            name.clear();
            self.regex.captures_expand(joined, &config.target_label, name);
            if self.scheme.is_label_name(name) {
                labels.set(name, value);
            }
        } else if self.scheme.is_label_name(&config.target_label) {
            labels.set(&config.target_label, value);
        }
    }
}

/// The last eight bytes of the MD5 sum, big-endian.
fn hash(text: &str) -> u64 {
    let sum = Md5::digest(text.as_bytes());
    sum[8..].iter().fold(0, |hash, &byte| hash << 8 | u64::from(byte))
}

/// The lower case of one character as Go maps it: one character for one.
fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(lower), None) => lower,
        // Only the capital I with a dot maps to two; its simple form is a bare i.
        _ => 'i',
    }
}

/// The upper case of one character as Go maps it: one character for one.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        // Greek letters with a subscript iota have a simple form, the other ones that grow have none.
        _ => match c {
            '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
                char::from_u32(u32::from(c) + 8).unwrap_or(c)
            }
            '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => char::from_u32(u32::from(c) + 9).unwrap_or(c),
            _ => c,
        },
    }
}

fn check(config: &RuleConfig, scheme: NameValidation) -> Result<(), RuleError> {
    let action = config.action;
    let name = action.as_str();
    let wrong = |field, message: String| Err(RuleError { field, message });
    let defaults = RuleConfig::default();
    if action == Action::HashMod && config.modulus == 0 {
        return wrong("modulus", format!("action {name} needs a modulus above 0"));
    }
    let sets_target = matches!(
        action,
        Action::Replace
            | Action::HashMod
            | Action::Lowercase
            | Action::Uppercase
            | Action::KeepEqual
            | Action::DropEqual
    );
    let target = &config.target_label;
    if sets_target && target.is_empty() {
        return wrong("target_label", format!("action {name} needs a target_label"));
    }
    let target_is_good = match action {
        Action::Replace if target.contains('$') => is_template(target, scheme),
        _ => !sets_target || scheme.is_label_name(target),
    };
    if !target_is_good {
        return wrong(
            "target_label",
            format!("{target:?} cannot be the target_label of action {name}"),
        );
    }
    let keeps_replacement = sets_target && !matches!(action, Action::Replace | Action::HashMod);
    if keeps_replacement && config.replacement != defaults.replacement {
        return wrong("replacement", format!("action {name} takes no replacement"));
    }
    if action == Action::LabelMap && !is_template(&config.replacement, scheme) {
        let text = &config.replacement;
        return wrong(
            "replacement",
            format!("{text:?} cannot be the replacement of action {name}"),
        );
    }
    let foreign =
        |fields: &[(&'static str, bool)]| fields.iter().find(|(_, set)| *set).map(|f| f.0);
    let separator = ("separator", config.separator != defaults.separator);
    let modulus = ("modulus", config.modulus != 0);
    let replacement = ("replacement", config.replacement != defaults.replacement);
    let (field, taken) = match action {
        Action::KeepEqual | Action::DropEqual => {
            let regex = ("regex", config.regex.is_some());
            (foreign(&[regex, modulus, separator]), "source_labels and target_label")
        }
        Action::LabelDrop | Action::LabelKeep => {
            let sources = ("source_labels", config.source_labels.is_some());
            let target = ("target_label", !target.is_empty());
            (foreign(&[sources, target, modulus, separator, replacement]), "regex")
        }
        _ => return Ok(()),
    };
    match field {
        Some(field) => {
            wrong(field, format!("action {name} takes {taken} and nothing else, not {field}"))
        }
        None => Ok(()),
    }
}

/// Whether `text` can become a label name once its variables are filled in.
fn is_template(text: &str, scheme: NameValidation) -> bool {
    if scheme == NameValidation::Utf8 {
        return scheme.is_label_name(text);
    }
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let mut rest = text;
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = if c == '$' {
            let (word, end) = match after.strip_prefix('{') {
                Some(inside) => match inside.split_once('}') {
                    Some(parts) => parts,
                    None => return false,
                },
                None => after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len())),
            };
            if word.is_empty() || !word.chars().all(is_word) {
                return false;
            }
            end
        } else if is_word(c) && !(first && c.is_ascii_digit()) {
            after
        } else {
            return false;
        };
        first = false;
    }
    !first
}
