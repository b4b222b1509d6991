//! Instances of the AWS Elastic Compute Cloud.

use crate::aws::{self, Account, Form, Session};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, surrounded};
use crate::xml::Element;
use crate::{Error, TargetGroup};
use model::Labels;
use std::collections::BTreeMap;
use yaml::Section;

const VERSION: &str = "2016-11-15";
const SEPARATOR: &str = ",";

struct Ec2 {
    account: Account,
    filters: Form,
    port: i64,
    /// Identities of availability zones by their names, once they are known.
    zones: Option<BTreeMap<String, String>>,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let mut filters = Form::new();
    for (index, filter) in (1..).zip(section.sections("filters")) {
        filters.push((format!("Filter.{index}.Name"), filter.text("name").to_owned()));
        for (number, value) in (1..).zip(filter.list("values")) {
            filters.push((format!("Filter.{index}.Value.{number}"), value.clone()));
        }
    }
    let account = Account::new(context, section, "ec2")?;
    let ec2 = Ec2 { account, filters, port: section.int("port"), zones: None };
    Ok(refresh::every(context, "ec2", section, ec2))
}

impl Mechanism for Ec2 {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let session = self.account.session().await?;
        let found = self.find(&session).await;
        let targets = self.account.checked(found)?;
        Ok(vec![group(session.region(), targets)])
    }
}

impl Ec2 {
    async fn find(&mut self, session: &Session) -> Result<Vec<Labels>, Error> {
        if self.zones.is_none() {
            let form = aws::form("DescribeAvailabilityZones", VERSION, &[]);
            match session.query("ec2", &form).await {
                Ok(answer) => self.zones = Some(zones(&answer)),
                Err(error) => {
                    tracing::debug!(err = %error, "Unable to describe availability zones");
                }
            }
        }
        let mut targets = Vec::new();
        let mut page = String::new();
        loop {
            let mut form = aws::form("DescribeInstances", VERSION, &[]);
            form.extend(self.filters.iter().cloned());
            if !page.is_empty() {
                form.push(("NextToken".to_owned(), page));
            }
            let answer = session.query("ec2", &form).await?;
            for reservation in answer.at("reservationSet").all("item") {
                let owner = reservation.at("ownerId").text();
                let instances = reservation.at("instancesSet").all("item");
                let target = |instance| self.target(session.region(), owner, instance);
                targets.extend(instances.filter_map(target));
            }
            page = answer.at("nextToken").text().to_owned();
            if page.is_empty() {
                return Ok(targets);
            }
        }
    }
}

fn zones(answer: &Element) -> BTreeMap<String, String> {
    let zones = answer.at("availabilityZoneInfo").all("item");
    let names = |zone: &Element| {
        (zone.at("zoneName").text().to_owned(), zone.at("zoneId").text().to_owned())
    };
    zones.map(names).filter(|(name, id)| !name.is_empty() && !id.is_empty()).collect()
}

/// Labels of instances, and the elements they come from.
const TEXTS: [(&str, &str); 11] = [
    ("instance_id", "instanceId"),
    ("private_ip", "privateIpAddress"),
    ("private_dns_name", "privateDnsName"),
    ("platform", "platform"),
    ("public_ip", "ipAddress"),
    ("ami", "imageId"),
    ("instance_type", "instanceType"),
    ("instance_lifecycle", "instanceLifecycle"),
    ("architecture", "architecture"),
    ("vpc_id", "vpcId"),
    ("primary_subnet_id", "subnetId"),
];

impl Ec2 {
    /// An instance without address is no target.
    fn target(&self, region: &str, owner: &str, instance: &Element) -> Option<Labels> {
        let own = |name: &str| instance.at(name).text();
        let has_network = !own("vpcId").is_empty();
        let (primary, all) = match has_network {
            true => ipv6_addresses(instance),
            false => (Vec::new(), Vec::new()),
        };
        let default = primary.iter().chain(&all).find(|address| !address.is_empty());
        let address = Some(own("privateIpAddress")).filter(|address| !address.is_empty());
        let mut target = Target::new("__meta_ec2_");
        target.address(address.or(default.copied())?, self.port);
        for (label, element) in TEXTS {
            target.set(label, own(element));
        }
        if !has_network {
            target.set("primary_subnet_id", "");
        }
        target.set("region", region);
        target.set("owner_id", owner);
        target.set("default_ipv6_address", default.copied().unwrap_or_default());
        if !own("ipAddress").is_empty() {
            target.set("public_dns_name", own("dnsName"));
        }
        for (label, addresses) in [("primary_ipv6_addresses", primary), ("ipv6_addresses", all)] {
            if !addresses.is_empty() {
                target.set(label, &surrounded(&addresses, SEPARATOR));
            }
        }
        let zone = instance.at("placement").at("availabilityZone").text();
        target.set("availability_zone", zone);
        let zone_id = self.zones.as_ref().and_then(|zones| zones.get(zone));
        target.set("availability_zone_id", zone_id.map_or("", String::as_str));
        target.set("instance_state", instance.at("instanceState").at("name").text());
        if has_network {
            let mut subnets: Vec<&str> = Vec::new();
            for subnet in interfaces(instance).map(|interface| interface.at("subnetId").text()) {
                if !subnets.contains(&subnet) {
                    subnets.push(subnet);
                }
            }
            target.set("subnet_id", &surrounded(&subnets, SEPARATOR));
        }
        for tag in instance.at("tagSet").all("item") {
            target.keyed("tag_", tag.at("key").text(), tag.at("value").text());
        }
        Some(target.labels())
    }
}

/// The network interfaces in a subnet.
fn interfaces(instance: &Element) -> impl Iterator<Item = &Element> {
    let all = instance.at("networkInterfaceSet").all("item");
    all.filter(|interface| !interface.at("subnetId").text().is_empty())
}

/// The primary addresses, each at the place of its interface, and all addresses.
fn ipv6_addresses(instance: &Element) -> (Vec<&str>, Vec<&str>) {
    /// More interfaces than any instance has.
    const MAX_INTERFACES: usize = 1024;
    let (mut primary, mut all) = (Vec::new(), Vec::new());
    for interface in interfaces(instance) {
        for address in interface.at("ipv6AddressesSet").all("item") {
            let text = address.at("ipv6Address").text();
            all.push(text);
            let index = interface.at("attachment").at("deviceIndex").text().parse::<usize>();
            let index = index.unwrap_or(0).min(MAX_INTERFACES);
            if address.at("isPrimaryIpv6").text() == "true" {
                let length = primary.len().max(index + 1);
                primary.resize(length, "");
                primary[index] = text;
            }
        }
    }
    (primary, all)
}
