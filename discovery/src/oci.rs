//! Instances of the Oracle Cloud Infrastructure, compartment by compartment. `signature` says who asks.

mod signature;

use crate::api::{Api, escaped, good, header_of, json};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, surrounded, text, texts, valid_name};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::Value;
use signature::Signer;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use yaml::Section;

const VERSION: &str = "20160918";
const SEPARATOR: &str = ",";
/// Requests that may go out at once; those after them keep a distance, which is below what the interface refuses.
const BURST: usize = 50;
const DISTANCE: Duration = Duration::from_millis(100);

struct Oci {
    api: Api,
    signer: Signer,
    /// Where instances and networks are asked for.
    core: String,
    /// Where compartments are asked for.
    identity: String,
    tenancy: String,
    compartments: Vec<String>,
    port: i64,
    /// Requests since the refresh began.
    asked: usize,
}

/// The domain that serves a region.
fn domain(region: &str) -> &'static str {
    match region {
        "us-langley-1" | "us-luke-1" => "oraclegovcloud.com",
        region if region.starts_with("us-gov-") => "oraclegovcloud.com",
        region if region.starts_with("uk-gov-") => "oraclegovcloud.uk",
        _ => "oraclecloud.com",
    }
}

impl Oci {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let region = section.text("region");
        let domain = domain(region);
        Ok(Self {
            api: Api::new(context, section, section.duration("refresh_interval"))?,
            signer: Signer::new(context, section)?,
            core: format!("https://iaas.{region}.{domain}/{VERSION}"),
            identity: format!("https://identity.{region}.oci.{domain}/{VERSION}"),
            tenancy: section.text("tenancy").to_owned(),
            compartments: section.list("compartments").to_vec(),
            port: section.int("port"),
            asked: 0,
        })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    Ok(refresh::every(context, "oci", section, Oci::new(context, section)?))
}

impl Mechanism for Oci {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        self.asked = 0;
        let compartments = match self.compartments.as_slice() {
            [] => self.all_compartments().await?,
            given => given.to_vec(),
        };
        let mut targets = Vec::new();
        for compartment in compartments {
            let url = format!(
                "{}/instances/?compartmentId={}&limit=100",
                self.core,
                escaped(&compartment)
            );
            for instance in self.pages(&url).await? {
                match self.interface(&instance).await {
                    Ok(interface) => targets.extend(self.target(&instance, &interface)),
                    // What the interface refuses for good concerns this instance alone.
                    Err(Error::Status { status, body, .. }) if !is_passing(status) => {
                        tracing::warn!(instance = %instance["id"], status, body = &*body,
                            "OCI discovery leaves out an instance whose network is not told");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(vec![group("OCI", targets)])
    }
}

/// Whether the same question may be answered later.
fn is_passing(status: u16) -> bool {
    status == 429 || status >= 500
}

impl Oci {
    /// What is under `url`, and the name of the page after it.
    async fn get(&mut self, url: &str) -> Result<(Value, String), Error> {
        if self.asked >= BURST {
            tokio::time::sleep(DISTANCE).await;
        }
        self.asked += 1;
        let signed = self.signer.headers(url).await?;
        let headers: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = good(url, self.api.call("GET", url, &headers, "").await?)?;
        let next = header_of(&answer, "opc-next-page").to_owned();
        Ok((json(url, &answer.body)?, next))
    }

    /// All entries of the list under `url`.
    async fn pages(&mut self, url: &str) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        let mut page = String::new();
        loop {
            let url = match page.as_str() {
                "" => url.to_owned(),
                page => format!("{url}&page={}", escaped(page)),
            };
            let (answer, next) = self.get(&url).await?;
            if let Value::Array(entries) = answer {
                all.extend(entries);
            }
            if next.is_empty() {
                return Ok(all);
            }
            page = next;
        }
    }

    /// The active compartments that can be reached, the tenancy itself among them. What lies below one that may not be
    /// listed is left out.
    async fn all_compartments(&mut self) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let mut known = BTreeSet::from([self.tenancy.clone()]);
        let mut waiting = VecDeque::from([self.tenancy.clone()]);
        while let Some(compartment) = waiting.pop_front() {
            let url = format!(
                "{}/compartments?compartmentId={}&limit=100&accessLevel=ACCESSIBLE\
                 &compartmentIdInSubtree=false",
                self.identity,
                escaped(&compartment)
            );
            found.push(compartment.clone());
            let children = match self.pages(&url).await {
                Ok(children) => children,
                Err(Error::Status { status, body, .. }) if !is_passing(status) => {
                    tracing::warn!(%compartment, status, body = &*body,
                        "OCI discovery cannot list what is in a compartment");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let active = children.iter().filter(|child| child["lifecycleState"] == "ACTIVE");
            for child in active.filter_map(|child| child["id"].as_str()) {
                if known.insert(child.to_owned()) {
                    waiting.push_back(child.to_owned());
                }
            }
        }
        Ok(found)
    }

    /// The primary network interface of an instance; null if it has none.
    async fn interface(&mut self, instance: &Value) -> Result<Value, Error> {
        let (Some(id), Some(compartment)) =
            (instance["id"].as_str(), instance["compartmentId"].as_str())
        else {
            return Ok(Value::Null);
        };
        let url = format!(
            "{}/vnicAttachments/?compartmentId={}&instanceId={}&limit=100",
            self.core,
            escaped(compartment),
            escaped(id)
        );
        for attachment in self.pages(&url).await? {
            let vnic = text(&attachment["vnicId"]);
            if vnic.is_empty() || attachment["lifecycleState"] != "ATTACHED" {
                continue;
            }
            let url = format!("{}/vnics/{}", self.core, escaped(&vnic));
            let (vnic, _) = self.get(&url).await?;
            if vnic["isPrimary"] == true {
                return Ok(vnic);
            }
        }
        Ok(Value::Null)
    }

    /// An instance without address is no target.
    fn target(&self, instance: &Value, interface: &Value) -> Option<Labels> {
        let mut addresses = texts(&interface["ipv6Addresses"]);
        addresses.sort_unstable();
        let (private, public) = (text(&interface["privateIp"]), text(&interface["publicIp"]));
        let all = [&private, &public].into_iter().chain(addresses.first());
        let address = all.into_iter().find(|address| !address.is_empty())?;
        let mut target = Target::new("__meta_oci_");
        target.address(address, self.port);
        for (label, field) in OF_INSTANCES {
            target.json(label, &instance[field]);
        }
        target.set("tenancy_id", &self.tenancy);
        target.json("vnic_id", &interface["id"]);
        target.set("private_ip", &private);
        target.set("public_ip", &public);
        target.json("hostname_label", &interface["hostnameLabel"]);
        if !addresses.is_empty() {
            target.set("ipv6_addresses", &surrounded(&addresses, SEPARATOR));
        }
        target.fields("tag_", &instance["freeformTags"]);
        for (namespace, tags) in instance["definedTags"].as_object().into_iter().flatten() {
            target.fields(&format!("defined_tag_{}_", valid_name(namespace)), tags);
        }
        Some(target.labels())
    }
}

/// Labels of instances, and the fields they come from.
const OF_INSTANCES: [(&str, &str); 9] = [
    ("instance_id", "id"),
    ("instance_name", "displayName"),
    ("instance_state", "lifecycleState"),
    ("instance_shape", "shape"),
    ("availability_domain", "availabilityDomain"),
    ("fault_domain", "faultDomain"),
    ("region", "region"),
    ("compartment_id", "compartmentId"),
    ("image_id", "imageId"),
];

#[cfg(test)]
mod tests;
