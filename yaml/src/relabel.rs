//! The section of a relabelling rule, which scraping, remote write and alerting share.

use crate::{Field, Kind, Problem, Schema, Section, Value};
use model::relabel::{Action, Rule, RuleConfig};
use model::validate::NameValidation;

/// A relabelling rule.
pub static RULE: Schema = Schema {
    name: "a relabelling rule",
    parts: &[&[
        Field::new("source_labels", Kind::FlowList),
        Field::new("separator", Kind::Text).or(";").always(),
        Field::new("regex", Kind::Text),
        Field::new("modulus", Kind::Uint),
        Field::new("target_label", Kind::Text),
        Field::new("replacement", Kind::Text).or("$1").always(),
        Field::new("action", Kind::Word(check_action)).or("replace"),
    ]],
    check: settle,
};

fn check_action(text: &str) -> Result<(), String> {
    if Action::from_name(text).is_some() {
        return Ok(());
    }
    let names = Action::ALL.map(Action::as_str);
    Err(match crate::suggest(&text.to_lowercase(), names) {
        Some(meant) => format!("there is no action {text:?}; did you mean {meant:?}?"),
        None => format!("there is no action {text:?}; there are {}", names.join(", ")),
    })
}

fn settle(rule: &mut Section) -> Result<(), Problem> {
    if let Some(name) = rule.list("source_labels").iter().find(|name| name.is_empty()) {
        return Err(rule.problem("source_labels", format!("{name:?} cannot be a label name")));
    }
    let action = rule.text("action").to_lowercase();
    rule.set("action", Value::Text(action));
    // An empty pattern that is written out matches the empty text only; it is not the default, and it is shown.
    if let (true, Value::Text(regex)) = (rule.is_given("regex"), rule.value("regex")) {
        let shown = Value::Any(crate::Node {
            mark: rule.mark("regex"),
            content: crate::node::Content::Scalar { text: regex.clone(), plain: false },
        });
        rule.set("regex", shown);
    }
    Ok(())
}

/// The rule that `section` describes, checked for names of `scheme` and compiled.
pub fn rule(section: &Section, scheme: NameValidation) -> Result<Rule, Problem> {
    let source_labels = match section.value("source_labels") {
        Value::List(list) => Some(list.clone()),
        _ => None,
    };
    let regex = match section.value("regex") {
        Value::Any(node) => match &node.content {
            crate::node::Content::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    let action = Action::from_name(section.text("action"))
        .ok_or_else(|| section.problem("action", "the action of a relabelling rule is empty"))?;
    let config = RuleConfig {
        source_labels,
        separator: section.text("separator").to_owned(),
        regex,
        modulus: section.uint("modulus"),
        target_label: section.text("target_label").to_owned(),
        replacement: section.text("replacement").to_owned(),
        action,
    };
    Rule::new(config, scheme).map_err(|error| section.problem(error.field, error.message))
}

/// The rules of the list `name` of `section`.
pub fn rules(section: &Section, name: &str, scheme: NameValidation) -> Result<Vec<Rule>, Problem> {
    section.sections(name).iter().map(|section| rule(section, scheme)).collect()
}
