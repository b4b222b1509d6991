//! `/api/v1/scrape_pools/config` and `/api/v1/targets/relabel_steps`: how a job is set up, and what its rules make of
//! a target, rule by rule.

use super::{Object, answer_object, push_labels};
use crate::call::Done;
use crate::error::{ApiError, Result};
use crate::json::{Out, fault, push_html_text};
use crate::params::Params;
use crate::{PoolConfig, Status};
use model::LabelsBuilder;
use model::relabel::{Rule, Scratch};

fn pool(status: &dyn Status, params: &Params) -> Result<PoolConfig> {
    let name = params.get("scrapePool");
    if name.is_empty() {
        return Err(ApiError::bad_data("no scrapePool parameter provided"));
    }
    status.scrape_pool(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> ApiError {
    ApiError::bad_data(format!(
        "error retrieving scrape config: scrape pool {} not found",
        model::quote::Quoted(name)
    ))
}

/// `/api/v1/scrape_pools/config`.
pub(crate) fn config(status: &dyn Status, params: &Params, out: &mut Out<'_>) -> Result<Done> {
    let pool = pool(status, params)?;
    answer_object(out, |data| data.text("yaml", &pool.yaml))
}

/// Label names and values as a JSON object of texts, or null.
fn labels(text: &str) -> Result<LabelsBuilder> {
    let wrong =
        |what: &dyn std::fmt::Display| ApiError::bad_data(format!("error parsing labels: {what}"));
    if let Some(fault) = fault(text.as_bytes()) {
        return Err(wrong(&fault));
    }
    let parsed: serde_json::Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
    let mut labels = LabelsBuilder::new();
    match parsed {
        serde_json::Value::Null => {}
        serde_json::Value::Object(pairs) => {
            for (name, value) in &pairs {
                match value {
                    serde_json::Value::String(value) => labels.set(name, value),
                    serde_json::Value::Null => labels.remove(name),
                    other => return Err(wrong(&misfit(other, "string"))),
                }
            }
        }
        other => return Err(wrong(&misfit(&other, "map[string]string"))),
    }
    Ok(labels)
}

/// That a value is of another kind than wanted, as Go tells it.
fn misfit(value: &serde_json::Value, wanted: &str) -> String {
    let kind = match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {kind} into Go value of type {wanted}")
}

fn push_rule(out: &mut Vec<u8>, rule: &Rule) {
    let config = rule.config();
    Object::write(out, |object| {
        if let Some(names) = config.source_labels.as_ref().filter(|names| !names.is_empty()) {
            object.list("source_labels", names, |out, name| push_html_text(out, name));
        }
        object.text("separator", &config.separator);
        object.text("regex", config.regex.as_deref().unwrap_or("(.*)"));
        if config.modulus != 0 {
            object.plain("modulus", config.modulus);
        }
        if !config.target_label.is_empty() {
            object.text("target_label", &config.target_label);
        }
        object.text("replacement", &config.replacement);
        object.text("action", config.action.as_str());
    });
}

/// `/api/v1/targets/relabel_steps`.
pub(crate) fn steps(status: &dyn Status, params: &Params, out: &mut Out<'_>) -> Result<Done> {
    if params.get("scrapePool").is_empty() {
        return Err(ApiError::bad_data("no scrapePool parameter provided"));
    }
    let text = params.get("labels");
    if text.is_empty() {
        return Err(ApiError::bad_data("no labels parameter provided"));
    }
    let mut labels = labels(text)?;
    let pool = pool(status, params)?;
    let mut scratch = Scratch::default();
    let mut keep = true;
    answer_object(out, |data| {
        data.list("steps", pool.relabel_rules.iter(), |out, rule| {
            keep = keep
                && model::relabel::process(std::slice::from_ref(rule), &mut labels, &mut scratch);
            if !keep {
                labels.clear();
            }
            Object::write(out, |step| {
                push_rule(step.key("rule"), rule);
                push_labels(step.key("output"), &labels.labels());
                step.plain("keep", keep);
            });
        });
    })
}
