//! Virtual machines at Outscale.

use crate::api::{Api, good, json};
use crate::provider::{Clock, Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::sigv4::{Credentials, Signed, sign};
use crate::target::{Target, group, items, text};
use crate::{Error, TargetGroup};
use model::Labels;
use serde_json::{Value, json as object};
use std::sync::Arc;
use url::Url;
use yaml::Section;

struct Outscale {
    api: Api,
    clock: Clock,
    url: Url,
    region: String,
    access_key: String,
    secret_key: String,
    secret_key_file: String,
    port: i64,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let endpoint = section.text("endpoint").trim_end_matches('/');
    let url = Url::parse(&format!("{endpoint}/ReadVms"))
        .map_err(|error| Error::config("endpoint", error))?;
    let own = |name: &str| section.text(name).to_owned();
    let outscale = Outscale {
        api: Api::new(context, section, section.duration("refresh_interval"))?
            .header("Accept", "application/json")
            .header("Content-Type", "application/json"),
        clock: Arc::clone(context.clock),
        url,
        region: own("region"),
        access_key: own("access_key"),
        secret_key: own("secret_key"),
        secret_key_file: own("secret_key_file"),
        port: section.int("port"),
    };
    Ok(refresh::every(context, "outscale", section, outscale))
}

impl Mechanism for Outscale {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let mut secret_key = self.secret_key.clone();
        if !self.secret_key_file.is_empty() {
            let read = tokio::fs::read_to_string(&self.secret_key_file).await;
            let read = read.map_err(|error| Error::config(&self.secret_key_file, error))?;
            secret_key = read.trim().to_owned();
        }
        let credentials = Credentials {
            access_key: self.access_key.clone(),
            secret_key,
            session_token: String::new(),
        };
        let mut targets = Vec::new();
        let mut page = Value::Null;
        loop {
            let mut question = object!({});
            if !page.is_null() {
                question["NextPageToken"] = page;
            }
            let mut answer = self.ask(&credentials, &question.to_string()).await?;
            targets.extend(items(&answer["Vms"]).iter().filter_map(|vm| self.target(vm)));
            page = answer["NextPageToken"].take();
            if text(&page).is_empty() {
                return Ok(vec![group(&self.region, targets)]);
            }
        }
    }
}

impl Outscale {
    async fn ask(&self, credentials: &Credentials, body: &str) -> Result<Value, Error> {
        let host = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let signed = sign(
            credentials,
            &Signed {
                method: "POST",
                host,
                path: self.url.path(),
                query: "",
                headers: &[("accept", "application/json"), ("content-type", "application/json")],
                body: body.as_bytes(),
                region: &self.region,
                service: "oapi",
                now_ms: (self.clock)(),
            },
        );
        let headers: Vec<(&str, &str)> = signed.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let url = self.url.as_str();
        let answer = good(url, self.api.call("POST", url, &headers, body.to_owned()).await?)?;
        json(url, &answer.body)
    }

    /// A machine without address is no target.
    fn target(&self, vm: &Value) -> Option<Labels> {
        let addresses = [text(&vm["PrivateIp"]), text(&vm["PublicIp"])];
        let address = addresses.iter().find(|address| !address.is_empty())?;
        let mut target = Target::new("__meta_outscale_vm_");
        target.address(address, self.port);
        target.json("instance_id", &vm["VmId"]);
        target.set("region", &self.region);
        target.json("state", &vm["State"]);
        target.json("subregion", &vm["Placement"]["SubregionName"]);
        target.json("private_ip", &vm["PrivateIp"]);
        target.json("public_ip", &vm["PublicIp"]);
        for tag in items(&vm["Tags"]).iter().filter(|tag| !text(&tag["Key"]).is_empty()) {
            target.keyed("tag_", &text(&tag["Key"]), &text(&tag["Value"]));
        }
        Some(target.labels())
    }
}
