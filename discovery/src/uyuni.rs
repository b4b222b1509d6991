//! Endpoints of the systems that a Uyuni server monitors, asked for by XML-RPC.

use crate::api::{Api, good};
use crate::provider::{Clock, Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group};
use crate::xml::{self, Element, escaped};
use crate::{Error, TargetGroup};
use model::Labels;
use std::collections::BTreeMap;
use std::sync::Arc;
use yaml::Section;

/// How long a session lasts; it is renewed after half of that.
const SESSION_SECONDS: i64 = 600;

struct Uyuni {
    api: Api,
    clock: Clock,
    url: String,
    username: String,
    password: String,
    entitlement: String,
    separator: String,
    /// The session and when to renew it.
    session: Option<(String, i64)>,
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let api = Api::new(context, section, section.duration("refresh_interval"))?;
    let own = |name: &str| section.text(name).to_owned();
    let uyuni = Uyuni {
        api: api.header("Content-Type", "text/xml"),
        clock: Arc::clone(context.clock),
        url: format!("{}/rpc/api", section.text("server").trim_end_matches('/')),
        username: own("username"),
        password: own("password"),
        entitlement: own("entitlement"),
        separator: own("separator"),
        session: None,
    };
    Ok(refresh::every(context, "uyuni", section, uyuni))
}

impl Mechanism for Uyuni {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let asked = self.ask().await;
        if asked.is_err() {
            self.session = None;
        }
        asked
    }
}

fn string(text: &str) -> String {
    format!("<string>{}</string>", escaped(text))
}

/// The members of a structure, by their names.
fn members(value: &Element) -> BTreeMap<&str, &Element> {
    let all = value.at("struct").all("member");
    all.map(|member| (member.at("name").text(), member.at("value"))).collect()
}

/// The values of a list.
fn values(value: &Element) -> impl Iterator<Item = &Element> {
    value.at("array").at("data").all("value")
}

/// A simple value, whatever its type.
fn plain(value: &Element) -> &str {
    value.children.first().map_or(value.text(), Element::text)
}

impl Uyuni {
    async fn call(&self, method: &str, parameters: &[String]) -> Result<Element, Error> {
        let parameters: String =
            parameters.iter().map(|p| format!("<param><value>{p}</value></param>")).collect();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><methodCall><methodName>{method}</methodName><params>{parameters}</params></methodCall>"
        );
        let answer = good(&self.url, self.api.call("POST", &self.url, &[], body).await?)?;
        let wrong = |what: String| Error::answer(&self.url, format!("{method}: {what}"));
        let root = xml::parse(&String::from_utf8_lossy(&answer.body)).map_err(wrong)?;
        if let Some(fault) = root.find("fault") {
            let fault = members(fault.at("value"));
            let what = fault.get("faultString").map_or("a fault", |value| plain(value));
            return Err(wrong(what.to_owned()));
        }
        Ok(root.at("params").at("param").at("value").clone())
    }

    async fn token(&mut self) -> Result<String, Error> {
        let now_ms = (self.clock)();
        if let Some((token, renew_ms)) = &self.session
            && now_ms <= *renew_ms
        {
            return Ok(token.clone());
        }
        let parameters = [
            string(&self.username),
            string(&self.password),
            format!("<int>{SESSION_SECONDS}</int>"),
        ];
        let token = plain(&self.call("auth.login", &parameters).await?).to_owned();
        self.session = Some((token.clone(), now_ms + SESSION_SECONDS * 1000 / 2));
        Ok(token)
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let token = self.token().await?;
        let entitled = [string(&token), string(&self.entitlement)];
        let systems =
            self.call("system.listSystemGroupsForSystemsWithEntitlement", &entitled).await?;
        let systems: Vec<BTreeMap<&str, &Element>> = values(&systems).map(members).collect();
        let id_of = |system: &BTreeMap<&str, &Element>, name: &str| {
            system.get(name).map_or("", |value| plain(value)).to_owned()
        };
        let ids: String = systems
            .iter()
            .map(|system| format!("<value><int>{}</int></value>", id_of(system, "id")))
            .collect();
        let of_systems = [string(&token), format!("<array><data>{ids}</data></array>")];
        let endpoints = self.call("system.monitoring.listEndpoints", &of_systems).await?;
        let networks = self.call("system.getNetworkForSystems", &of_systems).await?;
        let networks: BTreeMap<String, _> = values(&networks)
            .map(members)
            .map(|network| (id_of(&network, "system_id"), network))
            .collect();
        let groups: BTreeMap<String, String> =
            systems.iter().map(|system| (id_of(system, "id"), self.group_names(system))).collect();
        let nothing = BTreeMap::new();
        let targets = values(&endpoints).map(members).map(|endpoint| {
            let id = id_of(&endpoint, "system_id");
            let groups = groups.get(&id).map_or("", String::as_str);
            target(&endpoint, networks.get(&id).unwrap_or(&nothing), groups)
        });
        Ok(vec![group(&self.url, targets.collect())])
    }

    fn group_names(&self, system: &BTreeMap<&str, &Element>) -> String {
        let groups = system.get("system_groups").into_iter().flat_map(|list| values(list));
        let names: Vec<String> = groups
            .filter_map(|group| Some(plain(members(group).get("name")?).to_owned()))
            .collect();
        names.join(&self.separator)
    }
}

fn target(
    endpoint: &BTreeMap<&str, &Element>,
    network: &BTreeMap<&str, &Element>,
    groups: &str,
) -> Labels {
    let of = |members: &BTreeMap<&str, &Element>, name: &str| {
        members.get(name).map_or("", |value| plain(value)).to_owned()
    };
    let host = of(network, "hostname");
    let mut target = Target::new("__meta_uyuni_");
    target.plain("__address__", &format!("{host}:{}", of(endpoint, "port")));
    target.set("minion_hostname", &host);
    target.set("primary_fqdn", &of(network, "primary_fqdn"));
    target.set("system_id", &of(endpoint, "system_id"));
    target.set("groups", groups);
    target.set("endpoint_name", &of(endpoint, "endpoint_name"));
    target.set("exporter", &of(endpoint, "exporter_name"));
    target.set("proxy_module", &of(endpoint, "module"));
    target.set("metrics_path", &of(endpoint, "path"));
    let is_tls = of(endpoint, "tls_enabled") == "1";
    target.set("scheme", if is_tls { "https" } else { "http" });
    target.labels()
}
