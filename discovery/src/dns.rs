//! Targets from DNS records: SRV with their ports, A, AAAA, MX and NS with a given one. The servers and the search list
//! of the system are read again for every look. Messages on the wire are in `message`.

mod message;
#[cfg(test)]
mod tests;

use crate::config::MechanismConfig;
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::Target;
use crate::{Error, TargetGroup, target};
use message::{Data, Question, Reply};
use metrics::{Counter, Registry};
use model::Labels;
use std::net::{IpAddr, SocketAddr};
use yaml::Section;

pub use message::RecordType;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;

/// Who is asked, and what is appended to names, as in resolv.conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The servers, asked in this order until one knows.
    pub servers: Vec<SocketAddr>,
    /// Domains to look in for names with few dots.
    pub search: Vec<String>,
    /// Names with fewer dots are looked for in the search domains first.
    pub min_dots: usize,
}

/// What one section asks for.
#[derive(Clone, Debug)]
pub struct Lookup {
    names: Vec<String>,
    record_type: RecordType,
    port: i64,
}

struct Dns {
    lookup: Lookup,
    job: Box<str>,
    /// The latest answer for each name: one that fails keeps what it had.
    latest: Vec<Option<TargetGroup>>,
    lookups: Counter,
    failures: Counter,
}

pub(crate) fn register(registry: &Registry) -> (Counter, Counter) {
    (
        registry.counter("prometheus_sd_dns_lookups_total", "The number of DNS-SD lookups."),
        registry.counter(
            "prometheus_sd_dns_lookup_failures_total",
            "The number of DNS-SD lookup failures.",
        ),
    )
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let lookup = Lookup::from_section(section)?;
    let (lookups, failures) = register(context.registry);
    let latest = vec![None; lookup.names.len()];
    let dns = Dns { lookup, job: context.job.into(), latest, lookups, failures };
    Ok(refresh::every(context, "dns", section, dns))
}

impl Mechanism for Dns {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let loaded = Resolver::load().await;
        let found = match &loaded {
            Ok(resolver) => self.lookup.groups(resolver).await,
            Err(_) => Vec::new(),
        };
        self.lookups.inc_by(self.latest.len() as u64);
        if let Err(error) = loaded {
            self.failures.inc_by(self.latest.len() as u64);
            return Err(error);
        }
        for (latest, found) in self.latest.iter_mut().zip(found) {
            match found {
                Ok(group) => *latest = Some(group),
                Err(error) => {
                    self.failures.inc();
                    tracing::error!(discovery = "dns", config = &*self.job, err = %error,
                        "Error refreshing DNS targets");
                }
            }
        }
        Ok(self.latest.iter().flatten().cloned().collect())
    }
}

impl Lookup {
    fn from_section(section: &Section) -> Result<Self, Error> {
        let kind = section.text("type");
        let record_type = RecordType::from_name(kind)
            .ok_or_else(|| Error::config("dns_sd_configs", format!("no record type {kind:?}")))?;
        let names = section.list("names").to_vec();
        Ok(Self { names, record_type, port: section.int("port") })
    }

    /// What an entry of `dns_sd_configs` asks for; `None` if `config` is of another kind.
    #[must_use]
    pub fn from_config(config: &MechanismConfig) -> Option<Self> {
        let is_dns = config.0.schema().name == "dns_sd_configs";
        is_dns.then(|| Self::from_section(&config.0).ok()).flatten()
    }

    /// Asks for all names at once; an answer for each, in their order.
    pub async fn groups(&self, resolver: &Resolver) -> Vec<Result<TargetGroup, Error>> {
        let mut tasks = tokio::task::JoinSet::new();
        for (index, name) in self.names.iter().cloned().enumerate() {
            let (resolver, record_type) = (resolver.clone(), self.record_type);
            tasks.spawn(async move { (index, resolver.resolve(&name, record_type).await) });
        }
        let mut answers = tasks.join_all().await;
        answers.sort_by_key(|(index, _)| *index);
        answers
            .into_iter()
            .map(|(index, records)| {
                let name = &self.names[index];
                let targets = records?.iter().filter_map(|data| self.target(name, data)).collect();
                Ok(target::group(name, targets))
            })
            .collect()
    }

    fn target(&self, name: &str, data: &Data) -> Option<Labels> {
        let mut target = Target::new("__meta_dns_");
        match data {
            Data::Srv { host, port } => {
                target.address(host.trim_end_matches('.'), port);
                target.set("srv_record_target", host);
                target.set("srv_record_port", &port.to_string());
            }
            Data::Mx(host) => {
                target.address(host.trim_end_matches('.'), self.port);
                target.set("mx_record_target", host);
            }
            Data::Ns(host) => {
                target.address(host.trim_end_matches('.'), self.port);
                target.set("ns_record_target", host);
            }
            Data::Address(address) => target.address(&address.to_string(), self.port),
            Data::Other => return None,
        }
        target.set("name", name);
        Some(target.labels())
    }
}

impl Resolver {
    /// The resolver of the system.
    async fn load() -> Result<Self, Error> {
        let text = tokio::fs::read_to_string(RESOLV_CONF)
            .await
            .map_err(|error| Error::config(RESOLV_CONF, error))?;
        Ok(Self::parse(&text))
    }

    /// The resolver that the text of a resolv.conf describes.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut resolver = Self { servers: Vec::new(), search: Vec::new(), min_dots: 1 };
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    resolver.servers.extend(address.map(|ip| SocketAddr::new(ip, DNS_PORT)));
                }
                Some("domain") => resolver.search = words.take(1).map(str::to_owned).collect(),
                Some("search") => resolver.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    for number in words.filter_map(|word| word.strip_prefix("ndots:")) {
                        let dots = number.parse().unwrap_or(0_usize);
                        resolver.min_dots = dots.min(15);
                    }
                }
                _ => {}
            }
        }
        resolver
    }

    /// The names to ask for, one after the other, for a name as it was given.
    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let rooted = format!("{name}.");
        let searched = self.search.iter().map(|domain| {
            let domain = domain.trim_end_matches('.');
            if domain.is_empty() { rooted.clone() } else { format!("{name}.{domain}.") }
        });
        if name.split('.').count() > self.min_dots {
            std::iter::once(rooted.clone()).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(rooted.clone())).collect()
        }
    }

    /// The records of the first of the candidates that exists. No records if all servers agree that there is no such
    /// name; an error if one of the candidates got no usable answer, because then nobody knows.
    async fn resolve(&self, name: &str, record_type: RecordType) -> Result<Vec<Data>, Error> {
        let mut failure = None;
        for candidate in self.candidates(name) {
            match self.ask_servers(&candidate, record_type).await {
                Ok(reply) if !reply.is_unknown_name() => return Ok(reply.records),
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => {
                let what = format!("could not resolve in all search domains; last error: {error}");
                Err(Error::answer(name, what))
            }
            None => Ok(Vec::new()),
        }
    }

    async fn ask_servers(&self, name: &str, record_type: RecordType) -> Result<Reply, Error> {
        let question = Question::new(name, record_type)?;
        let mut failure = Error::answer(name, "resolv.conf names no server");
        for &server in &self.servers {
            match question.ask(server).await {
                Ok(reply) if reply.is_success() || reply.is_unknown_name() => return Ok(reply),
                Ok(reply) => {
                    let what = format!("{server} answers with code {}", reply.code);
                    failure = Error::answer(name, what);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}
