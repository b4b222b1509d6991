//! Instances of database clusters of the Amazon Relational Database Service. `tables` names their labels.

mod tables;

use super::{Account, Form, Session, form, set_all, tag_elements};
use crate::provider::{Context, Provider};
use crate::refresh::{self, Mechanism};
use crate::target::{Target, group};
use crate::xml::Element;
use crate::{Error, TargetGroup, concurrent};
use model::Labels;
use yaml::Section;

const VERSION: &str = "2014-10-31";
const SERVICE: &str = "rds";

struct Rds {
    account: Account,
    clusters: Vec<String>,
    /// As they stand in a form, after that for the cluster.
    filters: Form,
    concurrency: usize,
    port: i64,
}

impl Rds {
    fn new(context: &Context<'_>, section: &Section) -> Result<Self, Error> {
        let mut filters = Form::new();
        for (index, filter) in (2..).zip(section.sections("filters")) {
            let name = format!("Filters.Filter.{index}");
            filters.push((format!("{name}.Name"), filter.text("name").to_owned()));
            for (number, value) in (1..).zip(filter.list("values")) {
                filters.push((format!("{name}.Values.Value.{number}"), value.clone()));
            }
        }
        Ok(Self {
            account: Account::new(context, section, SERVICE)?,
            clusters: section.list("clusters").to_vec(),
            filters,
            concurrency: super::concurrency(section),
            port: section.int("port"),
        })
    }
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let rds = Rds::new(context, section)?;
    Ok(refresh::every(context, SERVICE, section, rds))
}

impl Mechanism for Rds {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, Error> {
        let session = self.account.session().await?;
        let found = self.find(&session).await;
        let targets = self.account.checked(found)?;
        Ok(vec![group(session.region(), targets)])
    }
}

/// All entries of `list` that an action answers, page after page.
async fn pages(
    session: Session,
    action: &'static str,
    list: &'static str,
    further: Form,
) -> Result<Vec<Element>, Error> {
    let mut all = Vec::new();
    let mut page = String::new();
    loop {
        let mut form = form(action, VERSION, &[("MaxRecords", "100")]);
        form.extend(further.iter().cloned());
        if !page.is_empty() {
            form.push(("Marker".to_owned(), page));
        }
        let answer = session.query(SERVICE, &form).await?;
        let result = answer.at(&format!("{action}Result"));
        all.extend(result.at(list).children.iter().cloned());
        page = result.at("Marker").text().to_owned();
        if page.is_empty() {
            return Ok(all);
        }
    }
}

impl Rds {
    async fn find(&self, session: &Session) -> Result<Vec<Labels>, Error> {
        let (action, list) = ("DescribeDBClusters", "DBClusters");
        let clusters = if self.clusters.is_empty() {
            pages(session.clone(), action, list, Form::new()).await?
        } else {
            let jobs = self.clusters.iter().map(|name| {
                let further = vec![("DBClusterIdentifier".to_owned(), name.clone())];
                let (asked, name) = (pages(session.clone(), action, list, further), name.clone());
                async move {
                    let found = asked.await?.into_iter().next();
                    found.ok_or_else(|| Error::answer(&name, "there is no such database cluster"))
                }
            });
            concurrent::all(self.concurrency, jobs.collect()).await?
        };
        let jobs = clusters.iter().map(|cluster| {
            let arn = cluster.at("DBClusterArn").text().to_owned();
            let mut further = self.filters.clone();
            further.push(("Filters.Filter.1.Name".to_owned(), "db-cluster-id".to_owned()));
            further.push(("Filters.Filter.1.Values.Value.1".to_owned(), arn));
            pages(session.clone(), "DescribeDBInstances", "DBInstances", further)
        });
        let instances = concurrent::all(self.concurrency, jobs.collect()).await?;
        let pairs = clusters.iter().zip(&instances);
        let pairs = pairs.flat_map(|(cluster, all)| all.iter().map(move |one| (cluster, one)));
        Ok(pairs.filter_map(|(cluster, instance)| self.target(cluster, instance)).collect())
    }

    /// An instance without endpoint is no target.
    fn target(&self, cluster: &Element, instance: &Element) -> Option<Labels> {
        let address = instance.at("Endpoint").at("Address").text();
        if address.is_empty() {
            return None;
        }
        let mut target = Target::new("__meta_rds_");
        target.address(address, self.port);
        set_all(&mut target, tables::CLUSTER, cluster);
        tag_elements(&mut target, "cluster_tag_", cluster.at("TagList"));
        set_all(&mut target, tables::INSTANCE, instance);
        tag_elements(&mut target, "instance_tag_", instance.at("TagList"));
        let name = instance.at("DBInstanceIdentifier").text();
        let mut members = cluster.at("DBClusterMembers").children.iter();
        let own = members.find(|member| member.at("DBInstanceIdentifier").text() == name);
        let is_writer = own.map_or("", |member| member.at("IsClusterWriter").text());
        target.set("instance_is_cluster_writer", is_writer);
        Some(target.labels())
    }
}

#[cfg(test)]
mod tests;
