//! Nodes of Amazon Managed Streaming for Apache Kafka: brokers and controllers of provisioned clusters.

use super::{Account, Session};
use crate::api::escaped;
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group, text, texts};
use crate::{Error, TargetGroup, concurrent};
use model::Labels;
use serde_json::Value;
use yaml::Section;

const SERVICE: &str = "kafka";
const PROVISIONED: &str = "PROVISIONED";

struct Msk {
    account: Account,
    clusters: Vec<String>,
    concurrency: usize,
    port: i64,
}

impl Msk {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        Ok(Self {
            account: Account::new(context, section, SERVICE)?,
            clusters: section.list("clusters").to_vec(),
            concurrency: super::concurrency(section),
            port: section.int("port"),
        })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let msk = Msk::new(context, section)?;
    Ok(refresh::every(context, "msk", section, msk))
}

impl Mechanism for Msk {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let session = self.account.session().await?;
        let found = self.find(&session).await;
        let targets = self.account.checked(found)?;
        Ok(vec![group(session.region(), targets)])
    }
}

/// All entries of the list `field` under a path, page after page.
async fn pages(session: &Session, path: &str, field: &str) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    let mut target = path.to_owned();
    loop {
        let mut answer = session.get(SERVICE, &target).await?;
        if let Value::Array(entries) = answer[field].take() {
            all.extend(entries);
        }
        match text(&answer["nextToken"]) {
            page if page.is_empty() => return Ok(all),
            page => target = format!("{path}&nextToken={}", escaped(&page)),
        }
    }
}

impl Msk {
    async fn find(&self, session: &Session) -> Result<Vec<Labels>, Error> {
        let clusters = if self.clusters.is_empty() {
            let path = format!("/api/v2/clusters?clusterTypeFilter={PROVISIONED}&maxResults=100");
            pages(session, &path, "clusterInfoList").await?
        } else {
            self.described(session).await?
        };
        let nodes = clusters.iter().map(|cluster| {
            let session = session.clone();
            let arn = text(&cluster["clusterArn"]).into_owned();
            let path = format!("/v1/clusters/{}/nodes?maxResults=100", escaped(&arn));
            async move { pages(&session, &path, "nodeInfoList").await }
        });
        let nodes = concurrent::all(self.concurrency, nodes.collect()).await?;
        let mut targets = Vec::new();
        for (cluster, nodes) in clusters.iter().zip(&nodes) {
            for node in nodes {
                self.push_targets(cluster, node, &mut targets);
            }
        }
        Ok(targets)
    }

    /// The clusters that are configured; those without nodes are left out.
    async fn described(&self, session: &Session) -> Result<Vec<Value>, Error> {
        let answers = self.clusters.iter().map(|arn| {
            let session = session.clone();
            let path = format!("/api/v2/clusters/{}", escaped(arn));
            async move { session.get(SERVICE, &path).await }
        });
        let answers = concurrent::all(self.concurrency, answers.collect()).await?;
        let mut clusters: Vec<Value> =
            answers.into_iter().map(|mut answer| answer["clusterInfo"].take()).collect();
        clusters.retain(|cluster| {
            let is_provisioned = cluster["clusterType"] == PROVISIONED;
            if !is_provisioned {
                tracing::warn!(cluster = %cluster["clusterArn"], kind = %cluster["clusterType"],
                    "Only provisioned MSK clusters have nodes to find");
            }
            is_provisioned
        });
        Ok(clusters)
    }

    /// A target for each endpoint of a node.
    fn push_targets(&self, cluster: &Value, node: &Value, targets: &mut Vec<Labels>) {
        let (broker, controller) = (&node["brokerNodeInfo"], &node["controllerNodeInfo"]);
        let mut target = Target::new("__meta_msk_");
        set_cluster(&mut target, cluster);
        target.json("node_arn", &node["nodeARN"]);
        target.json("node_added_time", &node["addedToClusterTime"]);
        target.json("node_instance_type", &node["instanceType"]);
        let (endpoints, index_label) = if broker.is_object() {
            target.set("node_type", "BROKER");
            target.json("node_attached_eni", &broker["attachedENIId"]);
            let id = broker["brokerId"].as_f64().unwrap_or(0.0);
            target.set("broker_id", &format!("{id:.0}"));
            target.json("broker_client_subnet", &broker["clientSubnet"]);
            target.json("broker_client_vpc_ip", &broker["clientVpcIpAddress"]);
            set_exporter(&mut target, "broker_node_exporter_enabled", cluster, "nodeExporter");
            (texts(&broker["endpoints"]), "broker_endpoint_index")
        } else if controller.is_object() {
            target.set("node_type", "CONTROLLER");
            (texts(&controller["endpoints"]), "controller_endpoint_index")
        } else {
            return;
        };
        for (index, endpoint) in endpoints.iter().enumerate() {
            let mut target = target.clone();
            target.set(index_label, &index.to_string());
            target.address(endpoint, self.port);
            targets.push(target.labels());
        }
    }
}

fn set_cluster(target: &mut Target, cluster: &Value) {
    for (label, field) in [
        ("cluster_name", "clusterName"),
        ("cluster_arn", "clusterArn"),
        ("cluster_state", "state"),
        ("cluster_type", "clusterType"),
        ("cluster_version", "currentVersion"),
    ] {
        target.json(label, &cluster[field]);
    }
    let software = &cluster["provisioned"]["currentBrokerSoftwareInfo"];
    target.json("cluster_kafka_version", &software["kafkaVersion"]);
    target.json("cluster_configuration_arn", &software["configurationArn"]);
    target.json("cluster_configuration_revision", &software["configurationRevision"]);
    set_exporter(target, "cluster_jmx_exporter_enabled", cluster, "jmxExporter");
    target.fields("cluster_tag_", &cluster["tags"]);
}

/// Whether an exporter runs, where the cluster says anything of it.
fn set_exporter(target: &mut Target, label: &str, cluster: &Value, exporter: &str) {
    let exporter = &cluster["provisioned"]["openMonitoring"]["prometheus"][exporter];
    if exporter.is_object() {
        let is_on = exporter["enabledInBroker"].as_bool().unwrap_or(false);
        target.set(label, if is_on { "true" } else { "false" });
    }
}

#[cfg(test)]
mod tests;
