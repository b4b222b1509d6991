//! Instances of Amazon Lightsail.

use super::{Account, Session};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::{Value, json};
use yaml::Section;

const SEPARATOR: &str = ",";

struct Lightsail {
    account: Account,
    port: i64,
}

impl Lightsail {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let account = Account::new(context, section, "lightsail")?;
        Ok(Self { account, port: section.int("port") })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let lightsail = Lightsail::new(context, section)?;
    Ok(refresh::every(context, "lightsail", section, lightsail))
}

impl Mechanism for Lightsail {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let session = self.account.session().await?;
        let found = self.find(&session).await;
        let targets = self.account.checked(found)?;
        Ok(vec![group(session.region(), targets)])
    }
}

/// Labels of instances, and the fields they come from.
const FIELDS: [(&str, &str); 6] = [
    ("private_ip", "/privateIpAddress"),
    ("availability_zone", "/location/availabilityZone"),
    ("blueprint_id", "/blueprintId"),
    ("bundle_id", "/bundleId"),
    ("instance_name", "/name"),
    ("instance_state", "/state/name"),
];

impl Lightsail {
    async fn find(&self, session: &Session) -> Result<Vec<Labels>, Error> {
        let mut targets = Vec::new();
        let mut input = json!({});
        loop {
            let operation = "Lightsail_20161128.GetInstances";
            let mut answer = session.operation("lightsail", operation, &input).await?;
            let instances = items(&answer["instances"]).iter();
            targets.extend(instances.filter_map(|one| self.target(session.region(), one)));
            let page = answer["nextPageToken"].take();
            if text(&page).is_empty() {
                return Ok(targets);
            }
            input = json!({"pageToken": page});
        }
    }

    /// An instance without private address is no target.
    fn target(&self, region: &str, instance: &Value) -> Option<Labels> {
        let address = instance["privateIpAddress"].as_str()?;
        let mut target = Target::new("__meta_lightsail_");
        target.address(address, self.port);
        target.set("region", region);
        for (label, path) in FIELDS {
            target.json(label, instance.pointer(path).unwrap_or(&Value::Null));
        }
        target.json("instance_support_code", &instance["supportCode"]);
        target.json("public_ip", &instance["publicIpAddress"]);
        let addresses = texts(&instance["ipv6Addresses"]);
        if !addresses.is_empty() {
            target.set("ipv6_addresses", &surrounded(&addresses, SEPARATOR));
        }
        super::tags(&mut target, "tag_", &instance["tags"]);
        Some(target.labels())
    }
}

#[cfg(test)]
mod tests;
