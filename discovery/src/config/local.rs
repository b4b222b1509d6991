//! Static targets, files, and the list of all kinds of discovery.

use super::{DiscoveryConfigs, FileSdConfig, MechanismConfig, StaticGroup, cloud, platform};
use model::Labels;
use yaml::{Field, Kind, Problem, Schema, Section};

/// All kinds of discovery, as fields of a section that has targets; in the order they are printed.
pub const DISCOVERY_FIELDS: &[Field] = &[
    Field::new("aws_sd_configs", Kind::Many(&cloud::AWS)),
    Field::new("azure_sd_configs", Kind::Many(&cloud::AZURE)),
    Field::new("consul_sd_configs", Kind::Many(&platform::CONSUL)),
    Field::new("digitalocean_sd_configs", Kind::Many(&cloud::DIGITALOCEAN)),
    Field::new("dns_sd_configs", Kind::Many(&platform::DNS)),
    Field::new("docker_sd_configs", Kind::Many(&platform::DOCKER)),
    Field::new("dockerswarm_sd_configs", Kind::Many(&platform::DOCKERSWARM)),
    Field::new("ec2_sd_configs", Kind::Many(&cloud::EC2)),
    Field::new("ecs_sd_configs", Kind::Many(&cloud::ECS)),
    Field::new("elasticache_sd_configs", Kind::Many(&cloud::ELASTICACHE)),
    Field::new("eureka_sd_configs", Kind::Many(&platform::EUREKA)),
    Field::new(FILE, Kind::Many(&FILE_SD)),
    Field::new("gce_sd_configs", Kind::Many(&cloud::GCE)),
    Field::new("hetzner_sd_configs", Kind::Many(&cloud::HETZNER)),
    Field::new("http_sd_configs", Kind::Many(&platform::HTTP)),
    Field::new("ionos_sd_configs", Kind::Many(&cloud::IONOS)),
    Field::new("kubernetes_sd_configs", Kind::Many(&platform::KUBERNETES)),
    Field::new("kuma_sd_configs", Kind::Many(&platform::KUMA)),
    Field::new("lightsail_sd_configs", Kind::Many(&cloud::LIGHTSAIL)),
    Field::new("linode_sd_configs", Kind::Many(&cloud::LINODE)),
    Field::new("marathon_sd_configs", Kind::Many(&platform::MARATHON)),
    Field::new("msk_sd_configs", Kind::Many(&cloud::MSK)),
    Field::new("nerve_sd_configs", Kind::Many(&platform::NERVE)),
    Field::new("nomad_sd_configs", Kind::Many(&platform::NOMAD)),
    Field::new("oci_sd_configs", Kind::Many(&cloud::OCI)),
    Field::new("openstack_sd_configs", Kind::Many(&cloud::OPENSTACK)),
    Field::new("outscale_sd_configs", Kind::Many(&cloud::OUTSCALE)),
    Field::new("ovhcloud_sd_configs", Kind::Many(&cloud::OVHCLOUD)),
    Field::new("puppetdb_sd_configs", Kind::Many(&platform::PUPPETDB)),
    Field::new("rds_sd_configs", Kind::Many(&cloud::RDS)),
    Field::new("scaleway_sd_configs", Kind::Many(&cloud::SCALEWAY)),
    Field::new("serverset_sd_configs", Kind::Many(&platform::SERVERSET)),
    Field::new("stackit_sd_configs", Kind::Many(&cloud::STACKIT)),
    Field::new(STATIC, Kind::Many(&STATIC_CONFIG)),
    Field::new("triton_sd_configs", Kind::Many(&cloud::TRITON)),
    Field::new("uyuni_sd_configs", Kind::Many(&platform::UYUNI)),
    Field::new("vultr_sd_configs", Kind::Many(&cloud::VULTR)),
];

/// The fields and checks of a kind of discovery; `None` if there is no such kind.
pub(crate) fn schema_of(kind: &str) -> Option<&'static Schema> {
    match DISCOVERY_FIELDS.iter().find(|field| field.name == kind)?.kind {
        Kind::Many(schema) => Some(schema),
        _ => None,
    }
}

const STATIC: &str = "static_configs";
const FILE: &str = "file_sd_configs";

/// How the names of discovery files may end.
pub const FILE_EXTENSIONS: [&str; 6] = [".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"];

/// An entry of `static_configs`, or of a discovery file.
pub(crate) static STATIC_CONFIG: Schema = Schema {
    name: "static_configs",
    parts: &[&[Field::new("targets", Kind::List).always(), Field::new("labels", Kind::Map)]],
    check: |section| match section.map("labels").iter().find(|(name, _)| name.is_empty()) {
        Some((name, _)) => {
            Err(section.problem("labels", format!("{name:?} cannot be a label name")))
        }
        None => Ok(()),
    },
};

static FILE_SD: Schema = Schema {
    name: FILE,
    parts: &[&[
        Field::new("files", Kind::Paths).always(),
        Field::new("refresh_interval", Kind::Duration).or("5m"),
    ]],
    check: check_file,
};

fn check_file(section: &mut Section) -> Result<(), Problem> {
    let files = section.list("files");
    if files.is_empty() {
        return Err(section.problem("files", "file_sd_configs needs at least one path in files"));
    }
    let is_good = |path: &&String| {
        FILE_EXTENSIONS.iter().any(|end| path.ends_with(end)) && yaml::path::is_pattern(path)
    };
    match files.iter().find(|path| !is_good(path)) {
        Some(path) => {
            let what = format!(
                "{path:?}: files end in .json, .yml or .yaml, and * stands in the last part only"
            );
            Err(section.problem("files", what))
        }
        None => Ok(()),
    }
}

/// Refuses static targets that are URLs.
pub fn check_static_targets(section: &Section) -> Result<(), Problem> {
    for group in section.sections(STATIC) {
        if let Some(target) = group.list("targets").iter().find(|target| target.contains('/')) {
            let what =
                format!("{target:?} is not host:port; scheme and path have their own fields");
            return Err(group.problem("targets", what));
        }
    }
    Ok(())
}

impl StaticGroup {
    /// The group that `section` describes.
    pub(crate) fn from_section(section: &Section) -> Self {
        Self {
            targets: section.list("targets").to_vec(),
            labels: Labels::from_pairs(
                section.map("labels").iter().map(|(name, value)| (name, value)),
            ),
        }
    }
}

impl DiscoveryConfigs {
    /// What the fields of `section` say about targets.
    #[must_use]
    pub fn from_section(section: &Section) -> Self {
        let kinds = DISCOVERY_FIELDS.iter().map(|field| field.name);
        let kinds = kinds.filter(|name| *name != STATIC && *name != FILE);
        let entries = kinds.flat_map(|name| section.sections(name));
        Self {
            static_configs: section
                .sections(STATIC)
                .iter()
                .map(StaticGroup::from_section)
                .collect(),
            file_sd_configs: section
                .sections(FILE)
                .iter()
                .map(|section| FileSdConfig {
                    files: section.list("files").to_vec(),
                    refresh_interval: section.duration("refresh_interval"),
                })
                .collect(),
            mechanisms: entries.cloned().map(MechanismConfig).collect(),
        }
    }
}
