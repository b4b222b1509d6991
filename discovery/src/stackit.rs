//! Servers of a project at STACKIT.

use crate::api::Api;
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, text};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::Value;
use yaml::Section;

struct Stackit {
    api: Api,
    url: String,
    project: String,
    port: i64,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let keys = ["service_account_key", "service_account_key_path"];
    if let Some(name) = keys.into_iter().find(|name| section.has(name)) {
        let what = "keys of service accounts are not built in; give a token in authorization";
        return Err(Error::config(name, what));
    }
    let endpoint = match section.text("endpoint") {
        "" => format!("https://iaas.api.{}.stackit.cloud", section.text("region")),
        given => given.trim_end_matches('/').to_owned(),
    };
    let project = section.text("project").to_owned();
    let api = Api::new(context, section, section.duration("refresh_interval"))?;
    let stackit = Stackit {
        api: api.header("Accept", "application/json"),
        url: format!("{endpoint}/v1/projects/{project}/servers?details=true"),
        project,
        port: section.int("port"),
    };
    Ok(refresh::every(context, "stackit", section, stackit))
}

impl Mechanism for Stackit {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let answer = self.api.get_json(&self.url).await?;
        let targets = items(&answer["items"]).iter().filter_map(|server| self.target(server));
        Ok(vec![group("stackit", targets.collect())])
    }
}

/// Labels of servers, and the fields they come from.
const FIELDS: [(&str, &str); 6] = [
    ("id", "id"),
    ("name", "name"),
    ("availability_zone", "availabilityZone"),
    ("status", "status"),
    ("power_status", "powerStatus"),
    ("type", "machineType"),
];

impl Stackit {
    /// A server without address is no target.
    fn target(&self, server: &Value) -> Option<Labels> {
        let mut target = Target::new("__meta_stackit_");
        let interfaces = items(&server["nics"]);
        let first = |name: &str| {
            interfaces.iter().map(|nic| text(&nic[name])).find(|address| !address.is_empty())
        };
        let public = first("publicIp");
        target.address(&public.clone().or_else(|| first("ipv4"))?, self.port);
        target.set("public_ipv4", &public.unwrap_or_default());
        for interface in interfaces {
            let network = text(&interface["networkName"]);
            target.keyed("private_ipv4_", &network, &text(&interface["ipv4"]));
        }
        target.set("project", &self.project);
        for (label, field) in FIELDS {
            target.json(label, &server[field]);
        }
        let labels = server["labels"].as_object().into_iter().flatten();
        for (name, value) in labels.filter(|(_, value)| value.is_string()) {
            target.keyed("labelpresent_", name, "true");
            target.keyed("label_", name, &text(value));
        }
        Some(target.labels())
    }
}
