//! Containers and compute nodes that the container monitor of Triton knows.

use crate::api::{Api, escaped};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, surrounded, text, texts};
use crate::{Error, TargetGroup};
use model::Labels;
use net::config::{HttpClientConfig, TlsConfig};
use serde_json::Value;
use yaml::Section;

struct Triton {
    api: Api,
    url: String,
    is_nodes: bool,
    dns_suffix: String,
    port: i64,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let config = HttpClientConfig {
        tls_config: TlsConfig::from_section(section.one("tls_config")),
        ..HttpClientConfig::default()
    };
    let timeout = section.duration("refresh_interval");
    let is_nodes = section.text("role") == "cn";
    let (endpoint, port) = (section.text("endpoint"), section.int("port"));
    let path = if is_nodes { "gz/discover" } else { "discover" };
    let mut url = format!("https://{endpoint}:{port}/v{}/{path}", section.int("version"));
    let groups = section.list("groups");
    if !groups.is_empty() {
        url.push_str("?groups=");
        url.push_str(&escaped(&groups.join(",")));
    }
    let triton = Triton {
        api: Api::with_config(context, &config, timeout, None)?,
        url,
        is_nodes,
        dns_suffix: section.text("dns_suffix").to_owned(),
        port,
    };
    Ok(refresh::every(context, "triton", section, triton))
}

impl Mechanism for Triton {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let answer = self.api.get_json(&self.url).await?;
        let list = if self.is_nodes { &answer["cns"] } else { &answer["containers"] };
        let targets = items(list).iter().map(|entry| self.target(entry)).collect();
        Ok(vec![group(&self.url, targets)])
    }
}

impl Triton {
    fn target(&self, entry: &Value) -> Labels {
        let mut target = Target::new("__meta_triton_");
        let id = if self.is_nodes { &entry["server_uuid"] } else { &entry["vm_uuid"] };
        target.address(&format!("{}.{}", text(id), self.dns_suffix), self.port);
        target.json("machine_id", id);
        if self.is_nodes {
            target.json("machine_alias", &entry["server_hostname"]);
            return target.labels();
        }
        target.json("machine_alias", &entry["vm_alias"]);
        target.json("machine_brand", &entry["vm_brand"]);
        target.json("machine_image", &entry["vm_image_uuid"]);
        target.json("server_id", &entry["server_uuid"]);
        let groups = texts(&entry["groups"]);
        if !groups.is_empty() {
            target.set("groups", &surrounded(&groups, ","));
        }
        target.labels()
    }
}
