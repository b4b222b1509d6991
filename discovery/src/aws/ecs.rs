//! Tasks of the Amazon Elastic Container Service: what is asked. `labels` makes targets of the answers.

mod labels;

use super::{Account, Form, Session};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{group, items, text};
use crate::xml::Element;
use crate::{Error, TargetGroup, concurrent};
use labels::{Cluster, Machine};
use model::Labels;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use yaml::Section;

const VERSION_OF_EC2: &str = "2016-11-15";
/// How many entries a question of each kind may name.
const MAX_DESCRIBED: usize = 100;
const MAX_SERVICES: usize = 10;
const MAX_FROM_EC2: usize = 200;

struct Ecs {
    account: Account,
    clusters: Vec<String>,
    concurrency: usize,
    port: i64,
}

impl Ecs {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        Ok(Self {
            account: Account::new(context, section, "ecs")?,
            clusters: section.list("clusters").to_vec(),
            concurrency: super::concurrency(section),
            port: section.int("port"),
        })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let ecs = Ecs::new(context, section)?;
    Ok(refresh::every(context, "ecs", section, ecs))
}

impl Mechanism for Ecs {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let session = self.account.session().await?;
        let found = self.find(&session).await;
        let targets = self.account.checked(found)?;
        Ok(vec![group(session.region(), targets)])
    }
}

async fn ask(session: &Session, operation: &str, input: &Value) -> Result<Value, Error> {
    let operation = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    session.operation("ecs", &operation, input).await
}

/// The names in the list `field`, page after page; `input` says of what.
async fn names(
    session: &Session,
    operation: &str,
    mut input: Value,
    field: &str,
) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    input["maxResults"] = json!(MAX_DESCRIBED);
    loop {
        let mut answer = ask(session, operation, &input).await?;
        all.extend(items(&answer[field]).iter().map(|name| text(name).into_owned()));
        let page = answer["nextToken"].take();
        if text(&page).is_empty() {
            return Ok(all);
        }
        input["nextToken"] = page;
    }
}

/// What is described of each batch, in one list; `input` says how a batch is asked for.
async fn described(
    (session, concurrency): (&Session, usize),
    operation: &'static str,
    field: &'static str,
    inputs: Vec<Value>,
) -> Result<Vec<Value>, Error> {
    let jobs = inputs.into_iter().map(|input| {
        let session = session.clone();
        async move { Ok(ask(&session, operation, &input).await?[field].take()) }
    });
    let lists = concurrent::all(concurrency, jobs.collect()).await?;
    let entries = lists.into_iter().filter_map(|list| match list {
        Value::Array(entries) => Some(entries),
        _ => None,
    });
    Ok(entries.flatten().collect())
}

impl Ecs {
    async fn find(&self, session: &Session) -> Result<Vec<Labels>, Error> {
        let wanted = match self.clusters.as_slice() {
            [] => names(session, "ListClusters", json!({}), "clusterArns").await?,
            given => given.to_vec(),
        };
        let inputs = wanted.chunks(MAX_DESCRIBED);
        let inputs = inputs.map(|batch| json!({"clusters": batch, "include": ["TAGS"]}));
        let clusters = described(
            (session, self.concurrency),
            "DescribeClusters",
            "clusters",
            inputs.collect(),
        );
        let clusters = clusters.await?;
        let services = self.names_of(session, &wanted, "ListServices", "serviceArns").await?;
        let tasks = self.names_of(session, &wanted, "ListTasks", "taskArns").await?;
        let mut targets = Vec::new();
        for ((name, services), tasks) in wanted.iter().zip(&services).zip(&tasks) {
            let own = clusters.iter().find(|cluster| {
                cluster["clusterArn"] == **name || cluster["clusterName"] == **name
            });
            let own = own.unwrap_or(&Value::Null);
            let found = self.cluster(session, (name, own), services, tasks).await?;
            targets.extend(found.targets(session.region(), self.port));
        }
        Ok(targets)
    }

    /// What `operation` lists of each cluster.
    async fn names_of(
        &self,
        session: &Session,
        clusters: &[String],
        operation: &'static str,
        field: &'static str,
    ) -> Result<Vec<Vec<String>>, Error> {
        let jobs = clusters.iter().map(|cluster| {
            let (session, input) = (session.clone(), json!({"cluster": cluster}));
            async move { names(&session, operation, input, field).await }
        });
        concurrent::all(self.concurrency, jobs.collect()).await
    }

    async fn cluster(
        &self,
        session: &Session,
        (name, own): (&str, &Value),
        services: &[String],
        tasks: &[String],
    ) -> Result<Cluster, Error> {
        let asking = (session, self.concurrency);
        if tasks.is_empty() {
            return Ok(Cluster::default());
        }
        let of_batch = |field: &str, batch: &[String], has_tags: bool| {
            let mut input = json!({"cluster": name});
            input[field] = json!(batch);
            if has_tags {
                input["include"] = json!(["TAGS"]);
            }
            input
        };
        let inputs = services.chunks(MAX_SERVICES).map(|batch| of_batch("services", batch, true));
        let services = described(asking, "DescribeServices", "services", inputs.collect()).await?;
        let inputs = tasks.chunks(MAX_DESCRIBED).map(|batch| of_batch("tasks", batch, true));
        let tasks = described(asking, "DescribeTasks", "tasks", inputs.collect()).await?;
        let hosts: BTreeSet<String> =
            tasks.iter().map(|task| text(&task["containerInstanceArn"]).into_owned()).collect();
        let hosts: Vec<String> = hosts.into_iter().filter(|arn| !arn.is_empty()).collect();
        let inputs = hosts.chunks(MAX_DESCRIBED);
        let inputs = inputs.map(|batch| of_batch("containerInstances", batch, false)).collect();
        let hosts =
            described(asking, "DescribeContainerInstances", "containerInstances", inputs).await?;
        let hosts: BTreeMap<String, String> = hosts
            .iter()
            .map(|host| {
                let own = |name: &str| text(&host[name]).into_owned();
                (own("containerInstanceArn"), own("ec2InstanceId"))
            })
            .filter(|(_, instance)| !instance.is_empty())
            .collect();
        let interfaces = tasks.iter().filter_map(labels::interface_of).collect();
        let machines = hosts.values().cloned().collect();
        Ok(Cluster {
            own: own.clone(),
            services,
            public_addresses: public_addresses(session, interfaces).await?,
            machines: machines_of(session, machines).await?,
            hosts,
            tasks,
        })
    }
}

/// The answers of an action of EC2 about entries that are named in `field`, batch by batch and page by page.
async fn from_ec2(
    session: &Session,
    action: &str,
    field: &str,
    names: BTreeSet<String>,
) -> Result<Vec<Element>, Error> {
    let names: Vec<String> = names.into_iter().collect();
    let mut answers = Vec::new();
    for batch in names.chunks(MAX_FROM_EC2) {
        let mut page = String::new();
        loop {
            let mut form: Form = super::form(action, VERSION_OF_EC2, &[]);
            let named = (1..).zip(batch);
            form.extend(named.map(|(index, name)| (format!("{field}.{index}"), name.clone())));
            if !page.is_empty() {
                form.push(("NextToken".to_owned(), page));
            }
            let answer = session.query("ec2", &form).await?;
            page = answer.at("nextToken").text().to_owned();
            answers.push(answer);
            if page.is_empty() {
                break;
            }
        }
    }
    Ok(answers)
}

/// The public addresses of network interfaces that have one.
async fn public_addresses(
    session: &Session,
    interfaces: BTreeSet<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let field = "NetworkInterfaceId";
    let answers = from_ec2(session, "DescribeNetworkInterfaces", field, interfaces).await?;
    let all = answers.iter().flat_map(|answer| answer.at("networkInterfaceSet").all("item"));
    let pairs = all.map(|interface| {
        let address = interface.at("association").at("publicIp").text();
        (interface.at("networkInterfaceId").text().to_owned(), address.to_owned())
    });
    Ok(pairs.filter(|(_, address)| !address.is_empty()).collect())
}

/// The machines that containers run on; those without private address are left out.
async fn machines_of(
    session: &Session,
    names: BTreeSet<String>,
) -> Result<BTreeMap<String, Machine>, Error> {
    let answers = from_ec2(session, "DescribeInstances", "InstanceId", names).await?;
    let reservations = answers.iter().flat_map(|answer| answer.at("reservationSet").all("item"));
    let instances = reservations.flat_map(|one| one.at("instancesSet").all("item"));
    let pairs = instances.map(|instance| {
        let own = |name: &str| instance.at(name).text().to_owned();
        let tags = instance.at("tagSet").all("item");
        let tag =
            |tag: &Element| (tag.at("key").text().to_owned(), tag.at("value").text().to_owned());
        let machine = Machine {
            private_address: own("privateIpAddress"),
            public_address: own("ipAddress"),
            subnet: own("subnetId"),
            kind: own("instanceType"),
            tags: tags.map(tag).collect(),
        };
        (own("instanceId"), machine)
    });
    Ok(pairs.filter(|(_, machine)| !machine.private_address.is_empty()).collect())
}

#[cfg(test)]
mod tests;
