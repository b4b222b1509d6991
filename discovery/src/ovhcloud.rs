//! Private and dedicated servers at OVHcloud. Requests are signed with the time of the server.

use crate::api::{Api, good, json};
use crate::provider::{Clock, Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::sigv4::hex;
use crate::target::{Target, group, items, text, texts};
use crate::{Error, TargetGroup};
use bytes::Bytes;
use model::Labels;
use net::config::HttpClientConfig;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use yaml::Section;

/// The interfaces by their names.
const ENDPOINTS: [(&str, &str); 7] = [
    ("ovh-eu", "https://eu.api.ovh.com/1.0"),
    ("ovh-ca", "https://ca.api.ovh.com/1.0"),
    ("ovh-us", "https://api.us.ovhcloud.com/1.0"),
    ("kimsufi-eu", "https://eu.api.kimsufi.com/1.0"),
    ("kimsufi-ca", "https://ca.api.kimsufi.com/1.0"),
    ("soyoustart-eu", "https://eu.api.soyoustart.com/1.0"),
    ("soyoustart-ca", "https://ca.api.soyoustart.com/1.0"),
];

struct OvhCloud {
    api: Api,
    clock: Clock,
    endpoint: String,
    application_secret: String,
    consumer_key: String,
    is_dedicated: bool,
    /// By how many seconds the clock of the server is ahead of ours.
    ahead_seconds: Option<i64>,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let given = section.text("endpoint");
    let known = ENDPOINTS.iter().find(|(name, _)| *name == given).map(|(_, url)| *url);
    let endpoint = known.or_else(|| given.contains('/').then_some(given));
    let endpoint =
        endpoint.ok_or_else(|| Error::config("endpoint", format!("{given:?} is unknown")))?;
    let timeout = section.duration("refresh_interval");
    let api = Api::with_config(context, &HttpClientConfig::default(), timeout, None)?
        .header("Accept", "application/json")
        .header("X-Ovh-Application", section.text("application_key"));
    let ovh_cloud = OvhCloud {
        api,
        clock: Arc::clone(context.clock),
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        application_secret: section.text("application_secret").to_owned(),
        consumer_key: section.text("consumer_key").to_owned(),
        is_dedicated: section.text("service") == "dedicated_server",
        ahead_seconds: None,
    };
    Ok(refresh::every(context, "ovhcloud", section, ovh_cloud))
}

impl Mechanism for OvhCloud {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let (path, source) = match self.is_dedicated {
            true => ("/dedicated/server", "ovhcloud_dedicated_server"),
            false => ("/vps", "ovhcloud_vps"),
        };
        let names = self.get(path).await?;
        let mut targets = Vec::new();
        for name in texts(&names) {
            let path = format!("{path}/{}", crate::api::escaped(&name));
            match self.server(&path).await {
                Ok(target) => targets.push(target),
                Err(error) => {
                    tracing::warn!(discovery = source, server = &*name, err = %error,
                        "Could not get details");
                }
            }
        }
        Ok(vec![group(source, targets)])
    }
}

impl OvhCloud {
    /// The time of the server.
    async fn now_seconds(&mut self) -> Result<i64, Error> {
        let own = (self.clock)() / 1000;
        if let Some(ahead) = self.ahead_seconds {
            return Ok(own + ahead);
        }
        let url = format!("{}/auth/time", self.endpoint);
        let told = self.api.get_json(&url).await?;
        let told = told.as_i64().ok_or_else(|| Error::answer(&url, "the time is no number"))?;
        self.ahead_seconds = Some(told - own);
        Ok(told)
    }

    async fn get(&mut self, path: &str) -> Result<Value, Error> {
        let now = self.now_seconds().await?.to_string();
        let url = format!("{}{path}", self.endpoint);
        let text = format!("{}+{}+GET+{url}++{now}", self.application_secret, self.consumer_key);
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let signature = format!("$1${}", hex(hash.as_ref()));
        let headers = [
            ("X-Ovh-Consumer", self.consumer_key.as_str()),
            ("X-Ovh-Timestamp", &now),
            ("X-Ovh-Signature", &signature),
        ];
        let answer = good(&url, self.api.call("GET", &url, &headers, Bytes::new()).await?)?;
        json(&url, &answer.body)
    }

    async fn server(&mut self, path: &str) -> Result<Labels, Error> {
        let server = self.get(path).await?;
        let addresses = self.get(&format!("{path}/ips")).await?;
        let prefix = if self.is_dedicated {
            "__meta_ovhcloud_dedicated_server_"
        } else {
            "__meta_ovhcloud_vps_"
        };
        let mut target = Target::new(prefix);
        let addresses: Vec<IpAddr> =
            texts(&addresses).iter().filter_map(|block| single_address(block)).collect();
        if addresses.is_empty() {
            return Err(Error::answer(path, "the server has no address"));
        }
        let last = |is_v6: bool| {
            let found = addresses.iter().rev().find(|address| address.is_ipv6() == is_v6);
            found.map_or_else(String::new, ToString::to_string)
        };
        let (v4, v6) = (last(false), last(true));
        target.plain("__address__", if v4.is_empty() { &v6 } else { &v4 });
        target.plain("instance", &text(&server["name"]));
        target.set("ipv4", &v4);
        target.set("ipv6", &v6);
        if self.is_dedicated {
            add_dedicated(&mut target, &server);
        } else {
            add_private(&mut target, &server);
        }
        Ok(target.labels())
    }
}

/// The address of a block; larger blocks have none, nor have those of IPv6.
fn single_address(block: &str) -> Option<IpAddr> {
    let block = block.strip_suffix("/32").unwrap_or(block);
    block.parse().ok().filter(|address: &IpAddr| !address.is_unspecified())
}

/// A number that is 0 if it is missing.
fn number(value: &Value) -> String {
    value.as_i64().unwrap_or(0).to_string()
}

fn add_dedicated(target: &mut Target, server: &Value) {
    let fields = [
        ("state", "state"),
        ("commercial_range", "commercialRange"),
        ("rack", "rack"),
        ("os", "os"),
        ("support_level", "supportLevel"),
        ("reverse", "reverse"),
        ("datacenter", "datacenter"),
        ("name", "name"),
    ];
    for (label, field) in fields {
        target.json(label, &server[field]);
    }
    target.set("link_speed", &number(&server["linkSpeed"]));
    target.set("server_id", &number(&server["serverId"]));
    let is_left_alone = server["noIntervention"] == true;
    target.set("no_intervention", if is_left_alone { "true" } else { "false" });
}

fn add_private(target: &mut Target, server: &Value) {
    let model = &server["model"];
    let fields = [
        ("offer", &model["offer"]),
        ("version", &model["version"]),
        ("model_name", &model["name"]),
        ("zone", &server["zone"]),
        ("display_name", &server["displayName"]),
        ("cluster", &server["cluster"]),
        ("state", &server["state"]),
        ("name", &server["name"]),
        ("netboot_mode", &server["netbootMode"]),
        ("offer_type", &server["offerType"]),
    ];
    for (label, value) in fields {
        target.json(label, value);
    }
    let numbers = [
        ("model_vcore", &model["vcore"]),
        ("maximum_additional_ip", &model["maximumAdditionnalIp"]),
        ("disk", &model["disk"]),
        ("memory", &model["memory"]),
        ("memory_limit", &server["memoryLimit"]),
        ("vcore", &server["vcore"]),
    ];
    for (label, value) in numbers {
        target.set(label, &number(value));
    }
    let centers: Vec<_> = items(&model["datacenter"]).iter().map(text).collect();
    target.set("datacenter", &format!("[{}]", centers.join(" ")));
}
