//! Servers of a project at STACKIT. Accounts with keys are in `identity`.

mod identity;

use crate::api::{Api, good, json};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, text};
use crate::{Error, TargetGroup};
use identity::Identity;
use model::Labels;
use serde_json::Value;
use yaml::Section;

struct Stackit {
    api: Api,
    /// `None` if no account signs.
    identity: Option<Identity>,
    url: String,
    project: String,
    port: i64,
}

impl Stackit {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let endpoint = match section.text("endpoint") {
            "" => format!("https://iaas.api.{}.stackit.cloud", section.text("region")),
            given => given.trim_end_matches('/').to_owned(),
        };
        let project = section.text("project").to_owned();
        let api = Api::new(context, section, section.duration("refresh_interval"))?;
        Ok(Self {
            api: api.header("Accept", "application/json"),
            identity: Identity::new(context, section)?,
            url: format!("{endpoint}/v1/projects/{project}/servers?details=true"),
            project,
            port: section.int("port"),
        })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    Ok(refresh::every(context, "stackit", section, Stackit::new(context, section)?))
}

impl Mechanism for Stackit {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let answer = match &mut self.identity {
            None => self.api.get_json(&self.url).await?,
            Some(identity) => {
                let token = identity.header(&self.api).await?;
                let headers = [("Authorization", token.as_str())];
                let answer = self.api.call("GET", &self.url, &headers, "").await?;
                if answer.status == 401 {
                    identity.forget();
                }
                json(&self.url, &good(&self.url, answer)?.body)?
            }
        };
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

#[cfg(test)]
mod tests;
