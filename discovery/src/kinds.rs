//! The table of mechanisms that are built: the name of each, its field in the configuration, what builds it.

use crate::provider::{Context, Provider};
use crate::{
    Error, consul, dns, docker, dockerswarm, eureka, http, kubernetes, marathon, nomad, puppetdb,
    triton,
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

const ROWS: &[Row] = &[
    row("consul", "consul_sd_configs", consul::build),
    row("dns", "dns_sd_configs", dns::build),
    row("docker", "docker_sd_configs", docker::build),
    row("dockerswarm", "dockerswarm_sd_configs", dockerswarm::build),
    row("eureka", "eureka_sd_configs", eureka::build),
    row("http", "http_sd_configs", http::build),
    row("kubernetes", "kubernetes_sd_configs", kubernetes::build),
    row("marathon", "marathon_sd_configs", marathon::build),
    row("nomad", "nomad_sd_configs", nomad::build),
    row("puppetdb", "puppetdb_sd_configs", puppetdb::build),
    row("triton", "triton_sd_configs", triton::build),
];

/// The mechanisms that are built, by the names under which the features page lists them.
pub fn built() -> impl Iterator<Item = &'static str> {
    ["file", "static"].into_iter().chain(ROWS.iter().map(|row| row.name))
}

/// Whether sections of this field are served.
pub(crate) fn is_built(field: &str) -> bool {
    ROWS.iter().any(|row| row.field == field)
}

/// The name of the mechanism that serves `section`.
pub(crate) fn name_of(section: &Section) -> &'static str {
    find(section).map_or(section.schema().name, |row| row.name)
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
    http::register(registry);
    dns::register(registry);
    consul::register(registry);
    kubernetes::register(registry);
    nomad::register(registry);
}
