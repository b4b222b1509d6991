//! Instances of the applications that a Eureka server knows.

use crate::api::Api;
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group};
use crate::xml::{self, Element};
use crate::{Error, TargetGroup};
use model::Labels;
use yaml::Section;

struct Eureka {
    api: Api,
    url: String,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let api = Api::new(context, section, section.duration("refresh_interval"))?;
    let eureka = Eureka { api, url: format!("{}/apps", section.text("server")) };
    Ok(refresh::every(context, "eureka", section, eureka))
}

impl Mechanism for Eureka {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let answer = self.api.get(&self.url).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let root = xml::parse(&text).map_err(|what| Error::answer(&self.url, what))?;
        let mut targets = Vec::new();
        for application in root.all("application") {
            let name = application.at("name").text();
            let instances = application.all("instance");
            targets.extend(instances.map(|instance| target(name, instance)));
        }
        Ok(vec![group("eureka", targets)])
    }
}

/// Labels of instances, and the elements they come from.
const TEXTS: [(&str, &str); 9] = [
    ("hostname", "hostName"),
    ("homepage_url", "homePageUrl"),
    ("statuspage_url", "statusPageUrl"),
    ("healthcheck_url", "healthCheckUrl"),
    ("ip_addr", "ipAddr"),
    ("vip_address", "vipAddress"),
    ("secure_vip_address", "secureVipAddress"),
    ("status", "status"),
    ("id", "instanceId"),
];

fn target(application: &str, instance: &Element) -> Labels {
    let mut target = Target::new("__meta_eureka_app_");
    target.set("name", application);
    for (label, element) in TEXTS {
        target.set(&format!("instance_{label}"), instance.at(element).text());
    }
    target.plain("instance", instance.at("instanceId").text());
    let country = instance.at("countryId").text().parse::<i64>().unwrap_or(0);
    target.set("instance_country_id", &country.to_string());
    let port = instance.find("port").map(Element::text).unwrap_or("80");
    target.address(instance.at("hostName").text(), port);
    for (label, element) in [("port", "port"), ("secure_port", "securePort")] {
        if let Some(port) = instance.find(element) {
            let is_enabled = port.attribute("enabled").eq_ignore_ascii_case("true");
            target.set(&format!("instance_{label}"), port.text());
            let enabled = if is_enabled { "true" } else { "false" };
            target.set(&format!("instance_{label}_enabled"), enabled);
        }
    }
    let center = instance.at("dataCenterInfo");
    target.set("instance_datacenterinfo_name", center.at("name").text());
    for entry in &center.at("metadata").children {
        target.keyed("instance_datacenterinfo_metadata_", &entry.name, entry.text());
    }
    for entry in &instance.at("metadata").children {
        target.keyed("instance_metadata_", &entry.name, entry.text());
    }
    target.labels()
}
