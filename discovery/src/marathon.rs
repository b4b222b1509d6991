//! Tasks of the applications that Marathon runs, one target for each of their ports.

use crate::api::{Api, good, json};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, host_port, items, text};
use crate::{Error, TargetGroup};
use bytes::Bytes;
use model::Labels;
use serde_json::Value;
use yaml::Section;

const PREFIX: &str = "__meta_marathon_";

struct Marathon {
    api: Api,
    servers: Vec<String>,
    /// The server that is asked; the next one after a failure.
    next: usize,
    token: String,
    token_file: String,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let marathon = Marathon {
        api: Api::new(context, section, section.duration("refresh_interval"))?,
        servers: section.list("servers").to_vec(),
        next: 0,
        token: section.text("auth_token").to_owned(),
        token_file: section.text("auth_token_file").to_owned(),
    };
    Ok(refresh::every(context, "marathon", section, marathon))
}

impl Mechanism for Marathon {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let asked = self.ask().await;
        if asked.is_err() {
            self.next += 1;
        }
        asked
    }
}

impl Marathon {
    async fn ask(&self) -> Result<Vec<TargetGroup>, Error> {
        let url =
            format!("{}/v2/apps/?embed=apps.tasks", self.servers[self.next % self.servers.len()]);
        let mut token = self.token.clone();
        if !self.token_file.is_empty() {
            let read = tokio::fs::read_to_string(&self.token_file).await;
            token = read.map_err(|error| Error::config(&self.token_file, error))?.trim().to_owned();
        }
        let authorization = format!("token={token}");
        let headers: &[(&str, &str)] =
            if token.is_empty() { &[] } else { &[("Authorization", &authorization)] };
        let answer = good(&url, self.api.call("GET", &url, headers, Bytes::new()).await?)?;
        let list = json(&url, &answer.body)?;
        Ok(items(&list["apps"]).iter().map(app_group).collect())
    }
}

fn app_group(app: &Value) -> TargetGroup {
    let mut shared = Target::new(PREFIX);
    shared.json("app", &app["id"]);
    shared.json("image", &app["container"]["docker"]["image"]);
    shared.fields("app_label_", &app["labels"]);
    TargetGroup {
        source: text(&app["id"]).into(),
        labels: shared.labels(),
        targets: app_targets(app),
    }
}

/// The ports of an application, 0 where each task has its own, with the labels of each.
struct Ports<'a> {
    numbers: Vec<u64>,
    labels: Vec<&'a Value>,
    prefix: &'static str,
}

fn app_ports(app: &Value, is_container_net: bool) -> Ports<'_> {
    let container = &app["container"];
    let mappings = [&container["portMappings"], &container["docker"]["portMappings"]];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    if let Some(mappings) = mappings.into_iter().find(|list| !items(list).is_empty()) {
        let name = if is_container_net { "containerPort" } else { "hostPort" };
        return Ports {
            numbers: items(mappings).iter().map(|mapping| number(&mapping[name])).collect(),
            labels: items(mappings).iter().map(|mapping| &mapping["labels"]).collect(),
            prefix: "port_mapping_label_",
        };
    }
    let definitions = items(&app["portDefinitions"]);
    // Without this, the port of the definition is that of a load balancer.
    let is_own = app["requirePorts"] == true;
    Ports {
        numbers: definitions.iter().map(|d| if is_own { number(&d["port"]) } else { 0 }).collect(),
        labels: definitions.iter().map(|definition| &definition["labels"]).collect(),
        prefix: "port_definition_label_",
    }
}

fn app_targets(app: &Value) -> Vec<Labels> {
    let is_container_net = app["networks"][0]["mode"] == "container";
    let mut ports = app_ports(app, is_container_net);
    let mut targets = Vec::new();
    for task in items(&app["tasks"]) {
        let own: Vec<u64> = items(&task["ports"]).iter().filter_map(Value::as_u64).collect();
        if ports.numbers.is_empty() {
            ports.numbers.clone_from(&own);
        }
        let host = match &task["ipAddresses"][0]["ipAddress"] {
            Value::String(address) if is_container_net => address.as_str(),
            _ => task["host"].as_str().unwrap_or_default(),
        };
        for (index, &number) in ports.numbers.iter().enumerate() {
            let is_own = number == 0 && own.len() == ports.numbers.len();
            let number = if is_own { own[index] } else { number };
            let mut target = Target::new(PREFIX);
            target.plain("__address__", &host_port(host, number));
            target.json("task", &task["id"]);
            target.set("port_index", &index.to_string());
            if let Some(labels) = ports.labels.get(index) {
                target.fields(ports.prefix, labels);
            }
            targets.push(target.labels());
        }
    }
    targets
}
