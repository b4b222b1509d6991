//! The table of mechanisms that are built: the name of each, its field in the configuration, what builds it.

use crate::provider::{Context, Provider};
use crate::{
    Error, aws, azure, consul, digitalocean, dns, docker, dockerswarm, ec2, eureka, file, gce,
    hetzner, http, ionos, kubernetes, kuma, linode, marathon, nomad, oci, openstack, outscale,
    ovhcloud, puppetdb, scaleway, stackit, triton, uyuni, vultr, zookeeper,
};
use metrics::Registry;
use yaml::Section;

type Build = fn(&Context<'_>, &Section) -> Result<Box<dyn Provider>, Error>;

/// One mechanism.
struct Row {
    name: &'static str,
    field: &'static str,
    build: Build,
}

const fn row(name: &'static str, field: &'static str, build: Build) -> Row {
    Row { name, field, build }
}

/// The mechanism that is one of others, by its role.
const AWS: &str = "aws";

const ROWS: &[Row] = &[
    row(AWS, "aws_sd_configs", aws::role::build),
    row("azure", "azure_sd_configs", azure::build),
    row("consul", "consul_sd_configs", consul::build),
    row("digitalocean", "digitalocean_sd_configs", digitalocean::build),
    row("dns", "dns_sd_configs", dns::build),
    row("docker", "docker_sd_configs", docker::build),
    row("dockerswarm", "dockerswarm_sd_configs", dockerswarm::build),
    row("ec2", "ec2_sd_configs", ec2::build),
    row("ecs", "ecs_sd_configs", aws::ecs::build),
    row("elasticache", "elasticache_sd_configs", aws::elasticache::build),
    row("eureka", "eureka_sd_configs", eureka::build),
    row("gce", "gce_sd_configs", gce::build),
    row("hetzner", "hetzner_sd_configs", hetzner::build),
    row("http", "http_sd_configs", http::build),
    row("ionos", "ionos_sd_configs", ionos::build),
    row("kubernetes", "kubernetes_sd_configs", kubernetes::build),
    row("kuma", "kuma_sd_configs", kuma::build),
    row("lightsail", "lightsail_sd_configs", aws::lightsail::build),
    row("linode", "linode_sd_configs", linode::build),
    row("marathon", "marathon_sd_configs", marathon::build),
    row("msk", "msk_sd_configs", aws::msk::build),
    row("nerve", "nerve_sd_configs", zookeeper::build_nerve),
    row("nomad", "nomad_sd_configs", nomad::build),
    row("oci", "oci_sd_configs", oci::build),
    row("openstack", "openstack_sd_configs", openstack::build),
    row("outscale", "outscale_sd_configs", outscale::build),
    row("ovhcloud", "ovhcloud_sd_configs", ovhcloud::build),
    row("puppetdb", "puppetdb_sd_configs", puppetdb::build),
    row("rds", "rds_sd_configs", aws::rds::build),
    row("scaleway", "scaleway_sd_configs", scaleway::build),
    row("serverset", "serverset_sd_configs", zookeeper::build_serverset),
    row("stackit", "stackit_sd_configs", stackit::build),
    row("triton", "triton_sd_configs", triton::build),
    row("uyuni", "uyuni_sd_configs", uyuni::build),
    row("vultr", "vultr_sd_configs", vultr::build),
];

/// The mechanisms that are built, by the names under which the features page lists them.
pub fn built() -> impl Iterator<Item = &'static str> {
    ["file", "static"].into_iter().chain(ROWS.iter().map(|row| row.name))
}

/// The name of the mechanism that serves `section`.
pub(crate) fn name_of(section: &Section) -> &'static str {
    match find(section) {
        Some(row) if row.name == AWS => aws::role::name(section).unwrap_or(AWS),
        Some(row) => row.name,
        None => section.schema().name,
    }
}

/// The mechanism that `section` configures.
pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    match find(section) {
        Some(row) => (row.build)(context, section),
        None => Err(Error::config(section.schema().name, "not built into this release")),
    }
}

fn find(section: &Section) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.field == section.schema().name)
}

/// Shows the counters of mechanisms at 0 before they are used.
pub(crate) fn register(registry: &Registry) {
    file::register(registry);
    azure::register(registry);
    zookeeper::register(registry);
    http::register(registry);
    dns::register(registry);
    consul::register(registry);
    kubernetes::register(registry);
    kuma::register(registry);
    linode::register(registry);
    nomad::register(registry);
}
