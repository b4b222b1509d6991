//! Caches of Amazon ElastiCache: those without servers, and the nodes of cache clusters. `tables` names their labels.

mod tables;

use super::{Account, Session, form, set_all, tag_elements};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group};
use crate::xml::Element;
use crate::{Error, TargetGroup, concurrent};
use model::Labels;
use yaml::Section;

const VERSION: &str = "2015-02-02";
const SERVICE: &str = "elasticache";

struct Elasticache {
    account: Account,
    /// Names of caches; if none is given, of either kind, all are wanted of that kind.
    serverless: Vec<String>,
    clusters: Vec<String>,
    concurrency: usize,
}

impl Elasticache {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let named = |kind: &str| -> Vec<String> {
            let parts = section.list("clusters").iter().map(|arn| arn.split(':'));
            let names = parts.filter_map(|mut parts| {
                (parts.nth(5)? == kind).then(|| parts.next().map(str::to_owned)).flatten()
            });
            names.collect()
        };
        Ok(Self {
            account: Account::new(context, section, SERVICE)?,
            serverless: named("serverlesscache"),
            clusters: named("replicationgroup"),
            concurrency: super::concurrency(section),
        })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let elasticache = Elasticache::new(context, section)?;
    Ok(refresh::every(context, SERVICE, section, elasticache))
}

impl Mechanism for Elasticache {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let session = self.account.session().await?;
        let found = self.find(&session).await;
        let targets = self.account.checked(found)?;
        Ok(vec![group(session.region(), targets)])
    }
}

/// A question of which every page is wanted.
struct Listing {
    action: &'static str,
    /// Where the entries are in an answer.
    list: &'static str,
    /// The element of an answer that leads to the next page, and its name in a question.
    page: &'static str,
}

const SERVERLESS: Listing =
    Listing { action: "DescribeServerlessCaches", list: "ServerlessCaches", page: "NextToken" };
const CLUSTERS: Listing =
    Listing { action: "DescribeCacheClusters", list: "CacheClusters", page: "Marker" };

async fn pages(
    session: Session,
    listing: &'static Listing,
    pairs: Vec<(&'static str, String)>,
) -> Result<Vec<Element>, Error> {
    let mut all = Vec::new();
    let mut page = String::new();
    loop {
        let mut form = form(listing.action, VERSION, &[]);
        form.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        if !page.is_empty() {
            form.push((listing.page.to_owned(), page));
        }
        let answer = session.query(SERVICE, &form).await?;
        let result = answer.at(&format!("{}Result", listing.action));
        all.extend(result.at(listing.list).children.iter().cloned());
        page = result.at(listing.page).text().to_owned();
        if page.is_empty() {
            return Ok(all);
        }
    }
}

/// The tags of a cache; one without name has none.
async fn tags(session: Session, arn: String) -> Result<Element, Error> {
    if arn.is_empty() {
        return Ok(Element::default());
    }
    let form = form("ListTagsForResource", VERSION, &[("ResourceName", &arn)]);
    let answer = session.query(SERVICE, &form).await?;
    Ok(answer.at("ListTagsForResourceResult").at("TagList").clone())
}

impl Elasticache {
    async fn find(&self, session: &Session) -> Result<Vec<Labels>, Error> {
        let serverless: Vec<Vec<(&str, String)>> = match self.serverless.as_slice() {
            [] => vec![vec![("MaxResults", "50".to_owned())]],
            names => names
                .iter()
                .map(|name| {
                    vec![("MaxResults", "50".to_owned()), ("ServerlessCacheName", name.clone())]
                })
                .collect(),
        };
        let mut clusters: Vec<Vec<(&str, String)>> = Vec::new();
        for is_alone in ["false", "true"] {
            let pairs = [
                ("MaxRecords", "100".to_owned()),
                ("ShowCacheClustersNotInReplicationGroups", is_alone.to_owned()),
                ("ShowCacheNodeInfo", "true".to_owned()),
            ];
            match self.clusters.as_slice() {
                [] => clusters.push(pairs.to_vec()),
                names => clusters.extend(names.iter().map(|name| {
                    let mut pairs = pairs.to_vec();
                    pairs.push(("CacheClusterId", name.clone()));
                    pairs
                })),
            }
        }
        let jobs = serverless.into_iter().map(|pairs| (&SERVERLESS, pairs));
        let jobs = jobs.chain(clusters.into_iter().map(|pairs| (&CLUSTERS, pairs)));
        let jobs = jobs.map(|(listing, pairs)| {
            let asked = pages(session.clone(), listing, pairs);
            async move { Ok((listing.list == SERVERLESS.list, asked.await?)) }
        });
        let found = concurrent::all(self.concurrency, jobs.collect()).await?;
        let caches: Vec<(bool, Element)> = found
            .into_iter()
            .flat_map(|(kind, caches)| caches.into_iter().map(move |cache| (kind, cache)))
            .collect();
        let jobs = caches
            .iter()
            .map(|(_, cache)| tags(session.clone(), cache.at("ARN").text().to_owned()));
        let tags = concurrent::all(self.concurrency, jobs.collect()).await?;
        let mut targets = Vec::new();
        for ((is_serverless, cache), tags) in caches.iter().zip(&tags) {
            match is_serverless {
                true => targets.extend(serverless_target(cache, tags)),
                false => push_nodes(cache, tags, &mut targets),
            }
        }
        Ok(targets)
    }
}

/// Sets `__address__`, if the element has an endpoint.
fn set_address(target: &mut Target, element: &Element) -> Option<()> {
    let endpoint = element.at("Endpoint");
    let (address, port) = (endpoint.at("Address").text(), endpoint.at("Port").text());
    let is_there = !address.is_empty() && !port.is_empty();
    is_there.then(|| target.address(address, port))
}

/// A cache without endpoint is no target.
fn serverless_target(cache: &Element, tags: &Element) -> Option<Labels> {
    let mut target = Target::new("__meta_elasticache_");
    target.set("deployment_option", "serverless");
    set_all(&mut target, tables::SERVERLESS, cache);
    for (label, list) in [("security_group_id", "SecurityGroupIds"), ("subnet_id", "SubnetIds")] {
        for (index, entry) in cache.at(list).children.iter().enumerate() {
            target.set(&format!("serverless_cache_{label}_{index}"), entry.text());
        }
    }
    tag_elements(&mut target, "serverless_cache_tag_", tags);
    set_address(&mut target, cache)?;
    Some(target.labels())
}

/// A target for each node of a cluster; one without endpoint is none.
fn push_nodes(cluster: &Element, tags: &Element, targets: &mut Vec<Labels>) {
    let mut shared = Target::new("__meta_elasticache_");
    shared.set("deployment_option", "node");
    set_all(&mut shared, tables::CLUSTER, cluster);
    for (list, table) in [
        ("LogDeliveryConfigurations", tables::LOG_DELIVERY),
        ("SecurityGroups", tables::SECURITY_GROUP),
    ] {
        for (index, entry) in cluster.at(list).children.iter().enumerate() {
            for (label, path) in table {
                let text = path.split('.').fold(entry, |element, name| element.at(name)).text();
                shared.set(&format!("{label}_{index}"), text);
            }
        }
    }
    let removed = cluster.at("PendingModifiedValues").at("CacheNodeIdsToRemove");
    let removed: Vec<&str> = removed.children.iter().map(Element::text).collect();
    let label = "cache_cluster_pending_modified_values_cache_node_ids_to_remove";
    shared.set(label, &removed.join(","));
    tag_elements(&mut shared, "cache_cluster_tag_", tags);
    for node in &cluster.at("CacheNodes").children {
        let mut target = shared.clone();
        set_all(&mut target, tables::NODE, node);
        if set_address(&mut target, node).is_some() {
            targets.push(target.labels());
        }
    }
}

#[cfg(test)]
mod tests;
