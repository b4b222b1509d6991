//! Resources that a query finds in PuppetDB; their hosts are the targets.

use crate::api::{Api, good, header_of, json};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts, valid_name};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::{Value, json as object};
use yaml::Section;

const SEPARATOR: &str = ",";

struct PuppetDb {
    api: Api,
    url: String,
    query: String,
    include_parameters: bool,
    port: i64,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let api = Api::new(context, section, section.duration("refresh_interval"))?;
    let puppet_db = PuppetDb {
        api: api.header("Accept", "application/json").header("Content-Type", "application/json"),
        url: format!("{}/pdb/query/v4", section.text("url").trim_end_matches('/')),
        query: section.text("query").to_owned(),
        include_parameters: section.bool("include_parameters"),
        port: section.int("port"),
    };
    Ok(refresh::every(context, "puppetdb", section, puppet_db))
}

impl Mechanism for PuppetDb {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let body = object!({"query": self.query}).to_string();
        let answer = good(&self.url, self.api.call("POST", &self.url, &[], body).await?)?;
        let content_type = header_of(&answer, "content-type");
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let what = format!("unsupported content type {content_type:?}");
            return Err(Error::answer(&self.url, what));
        }
        let resources = json(&self.url, &answer.body)?;
        let targets = items(&resources).iter().map(|resource| self.target(resource)).collect();
        Ok(vec![group(&format!("{}?query={}", self.url, self.query), targets)])
    }
}

impl PuppetDb {
    fn target(&self, resource: &Value) -> Labels {
        let mut target = Target::new("__meta_puppetdb_");
        target.address(&text(&resource["certname"]), self.port);
        target.set("query", &self.query);
        for name in ["certname", "resource", "type", "title", "file", "environment"] {
            target.json(name, &resource[name]);
        }
        target.set("exported", if resource["exported"] == true { "true" } else { "false" });
        let tags = texts(&resource["tags"]);
        if !tags.is_empty() {
            target.set("tags", &surrounded(&tags, SEPARATOR));
        }
        if self.include_parameters {
            add_parameters(&mut target, "parameter_", &resource["parameters"]);
        }
        target.labels()
    }
}

/// Labels for parameters, sections of parameters with the name of the section before theirs.
fn add_parameters(target: &mut Target, prefix: &str, parameters: &Value) {
    for (name, value) in parameters.as_object().into_iter().flatten() {
        let label = format!("{prefix}{}", valid_name(name));
        match value {
            Value::Object(_) => add_parameters(target, &format!("{label}_"), value),
            Value::Array(_) => target.set(&label, &texts(value).join(SEPARATOR)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                target.json(&label, value);
            }
        }
    }
}
