//! Virtual machines at Azure, those of scale sets too. `identity` says who asks.

mod certificate;
mod identity;
mod machine;

use crate::api::{Api, escaped, good, json};
use crate::provider::{Clock, Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, items, text};
use crate::{Error, TargetGroup, concurrent};
pub(crate) use identity::Identity;
use machine::{Machine, resource_group};
use metrics::{Counter, Registry};
use model::Labels;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use yaml::Section;

const OF_COMPUTE: &str = "2024-07-01";
const OF_NETWORK: &str = "2023-09-01";
/// The last version that knows the network interfaces of scale sets.
const OF_SCALE_SETS: &str = "2018-10-01";
/// Network interfaces are asked for this many at a time.
const CONCURRENCY: usize = 16;
/// Network interfaces that are remembered, and for how many intervals, so that they are not all asked for at once.
const MAX_REMEMBERED: usize = 5000;
const REMEMBERED_INTERVALS: i64 = 10;
const SPREAD_INTERVALS: i64 = 3;

/// The counters of all Azure mechanisms.
fn counters(registry: &Registry) -> (Counter, Counter) {
    (
        registry.counter(
            "prometheus_sd_azure_failures_total",
            "Number of Azure service discovery refresh failures.",
        ),
        registry
            .counter("prometheus_sd_azure_cache_hit_total", "Number of cache hit during refresh."),
    )
}

pub(crate) fn register(registry: &Registry) {
    counters(registry);
}

/// What is known of a cloud.
#[derive(Clone, Debug)]
struct Cloud {
    /// Where machines are asked for.
    resources: String,
    /// Where tokens are asked for.
    login: String,
}

/// The cloud of a name, in any case.
fn cloud(name: &str) -> Result<Cloud, Error> {
    let (resources, login) = match name.to_ascii_uppercase().as_str() {
        "AZURECHINACLOUD" => {
            ("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn")
        }
        "AZUREUSGOVERNMENT" | "AZUREUSGOVERNMENTCLOUD" => {
            ("https://management.usgovcloudapi.net", "https://login.microsoftonline.us")
        }
        "AZURECLOUD" | "AZUREPUBLICCLOUD" | "AZUREGERMANCLOUD" => {
            ("https://management.azure.com", "https://login.microsoftonline.com")
        }
        _ => return Err(Error::config("environment", format!("there is no cloud {name:?}"))),
    };
    Ok(Cloud { resources: resources.to_owned(), login: login.to_owned() })
}

struct Azure {
    api: Arc<Api>,
    clock: Clock,
    identity: Identity,
    resources: String,
    subscription: String,
    tenant: String,
    resource_group: String,
    port: i64,
    interval_ms: i64,
    /// Network interfaces by their identities, and until when they are taken from here.
    remembered: BTreeMap<String, (Value, i64)>,
    failures: Counter,
    hits: Counter,
}

impl Azure {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let own = |name: &str| section.text(name).to_owned();
        let interval = section.duration("refresh_interval");
        let cloud = cloud(section.text("environment"))?;
        let (failures, hits) = counters(context.registry);
        Ok(Self {
            api: Arc::new(Api::new(context, section, interval)?),
            clock: Arc::clone(context.clock),
            identity: Identity::new(context, section, &cloud)?,
            resources: cloud.resources,
            subscription: own("subscription_id"),
            tenant: own("tenant_id"),
            resource_group: own("resource_group"),
            port: section.int("port"),
            interval_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX),
            remembered: BTreeMap::new(),
            failures,
            hits,
        })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    Ok(refresh::every(context, "azure", section, Azure::new(context, section)?))
}

impl Mechanism for Azure {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let found = self.find().await;
        if found.is_err() {
            self.failures.inc();
        }
        Ok(vec![group("azure", found?)])
    }
}

/// The JSON under a URL.
async fn get(api: &Api, token: &str, url: &str) -> Result<Value, Error> {
    let headers = [("Authorization", token)];
    json(url, &good(url, api.call("GET", url, &headers, "").await?)?.body)
}

/// All entries of the list under a URL, page after page.
async fn pages(api: &Api, token: &str, url: String) -> Result<Vec<Value>, Error> {
    let (mut all, mut url) = (Vec::new(), url);
    loop {
        let mut answer = get(api, token, &url).await?;
        if let Value::Array(entries) = answer["value"].take() {
            all.extend(entries);
        }
        match answer["nextLink"].as_str().filter(|next| !next.is_empty()) {
            Some(next) => next.clone_into(&mut url),
            None => return Ok(all),
        }
    }
}

impl Azure {
    /// The URL of a kind of resource, in the configured group or in all.
    fn url(&self, resource_group: &str, kind: &str) -> String {
        let group = match resource_group {
            "" => String::new(),
            name => format!("/resourceGroups/{}", escaped(name)),
        };
        format!(
            "{}/subscriptions/{}{group}/providers/Microsoft.Compute/{kind}?api-version={OF_COMPUTE}",
            self.resources,
            escaped(&self.subscription)
        )
    }

    async fn find(&mut self) -> Result<Vec<Labels>, Error> {
        let token = self.identity.header(&self.api).await?;
        let found = self.machines(&token).await;
        if matches!(found, Err(Error::Status { status: 401, .. })) {
            self.identity.forget();
        }
        let machines = found?;
        let interfaces = self.interfaces(&token, &machines).await?;
        let mut targets = Vec::new();
        for machine in &machines {
            targets.extend(self.target(machine, &interfaces)?);
        }
        Ok(targets)
    }

    async fn machines(&self, token: &str) -> Result<Vec<Machine>, Error> {
        let url = self.url(&self.resource_group, "virtualMachines");
        let found = pages(&self.api, token, url).await?;
        let mut machines: Vec<Machine> =
            found.iter().map(|machine| Machine::new(machine, None)).collect();
        let url = self.url(&self.resource_group, "virtualMachineScaleSets");
        for set in pages(&self.api, token, url).await? {
            let (id, name) = (text(&set["id"]), text(&set["name"]));
            let group = resource_group(&id)?;
            let kind = format!("virtualMachineScaleSets/{}/virtualMachines", escaped(&name));
            let found = pages(&self.api, token, self.url(group, &kind)).await?;
            machines.extend(found.iter().map(|machine| Machine::new(machine, Some(&name))));
        }
        Ok(machines)
    }

    /// The network interfaces of all machines; null for those that are not there.
    async fn interfaces(
        &mut self,
        token: &str,
        machines: &[Machine],
    ) -> Result<BTreeMap<String, Value>, Error> {
        let now_ms = (self.clock)();
        self.remembered.retain(|_, (_, end_ms)| now_ms < *end_ms);
        let mut known = BTreeMap::new();
        let mut jobs = Vec::new();
        for (machine, id) in machines
            .iter()
            .flat_map(|machine| machine.interfaces.iter().map(move |id| (machine, id)))
        {
            if let Some((interface, _)) = self.remembered.get(id) {
                self.hits.inc();
                known.insert(id.clone(), interface.clone());
                continue;
            }
            let url = self.interface_url(machine, id)?;
            let (api, token, id) = (Arc::clone(&self.api), token.to_owned(), id.clone());
            jobs.push(async move {
                match get(&api, &token, &url).await {
                    Err(Error::Status { status: 404, .. }) => Ok((id, Value::Null)),
                    found => Ok((id, found?)),
                }
            });
        }
        for (id, interface) in concurrent::all(CONCURRENCY, jobs).await? {
            if !interface.is_null() && self.remembered.len() < MAX_REMEMBERED {
                let end_ms = now_ms.saturating_add(self.lifetime_ms(&id));
                self.remembered.insert(id.clone(), (interface.clone(), end_ms));
            }
            known.insert(id, interface);
        }
        Ok(known)
    }

    /// How long a network interface is remembered: not all of them equally long.
    fn lifetime_ms(&self, id: &str) -> i64 {
        let sum = id.bytes().fold(0_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 1000);
        let spread = self.interval_ms.saturating_mul(SPREAD_INTERVALS) / 1000 * sum;
        self.interval_ms.saturating_mul(REMEMBERED_INTERVALS).saturating_add(spread)
    }

    fn interface_url(&self, machine: &Machine, id: &str) -> Result<String, Error> {
        let group = escaped(resource_group(id)?);
        let name = escaped(id.rsplit('/').next().unwrap_or_default());
        let base = format!(
            "{}/subscriptions/{}/resourceGroups/{group}/providers",
            self.resources,
            escaped(&self.subscription)
        );
        let expand = "$expand=IPConfigurations%2FPublicIPAddress";
        Ok(match &machine.scale_set {
            None => format!(
                "{base}/Microsoft.Network/networkInterfaces/{name}\
                 ?{expand}&api-version={OF_NETWORK}"
            ),
            Some(set) => format!(
                "{base}/microsoft.Compute/virtualMachineScaleSets/{}/virtualMachines/{}\
                 /networkInterfaces/{name}?{expand}&api-version={OF_SCALE_SETS}",
                escaped(set),
                escaped(&machine.instance)
            ),
        })
    }

    /// A machine that does not run, or has no primary network interface, is no target.
    fn target(
        &self,
        machine: &Machine,
        interfaces: &BTreeMap<String, Value>,
    ) -> Result<Option<Labels>, Error> {
        for id in &machine.interfaces {
            let properties = match interfaces.get(id) {
                None | Some(Value::Null) => return Ok(None),
                Some(interface) => &interface["properties"],
            };
            if properties.is_null() {
                continue;
            }
            // An interface of a machine that is not allocated says nothing of this.
            let Some(is_primary) = properties["primary"].as_bool() else { return Ok(None) };
            let configurations = items(&properties["ipConfigurations"]);
            let Some(first) = configurations.first().filter(|_| is_primary) else { continue };
            let address = text(&first["properties"]["privateIPAddress"]);
            if address.is_empty() {
                return Err(Error::answer(&machine.id, "a machine without private address"));
            }
            let mut target = Target::new("__meta_azure_");
            target.address(&address, self.port);
            target.set("machine_private_ip", &address);
            let public = &first["properties"]["publicIPAddress"]["properties"]["ipAddress"];
            target.json("machine_public_ip", public);
            target.set("subscription_id", &self.subscription);
            target.set("tenant_id", &self.tenant);
            machine.set_labels(&mut target)?;
            return Ok(Some(target.labels()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
