//! Where targets come from, as configured: static targets and files as typed values, the others as their sections.
//! Reading them from YAML is in the children; the providers live beside this file.

mod check;
mod cloud;
mod local;
mod platform;

pub use local::{DISCOVERY_FIELDS, FILE_EXTENSIONS, check_static_targets};
pub(crate) use local::{STATIC_CONFIG, schema_of};

use model::Labels;
use std::fmt;
use std::time::Duration;
use yaml::Section;

/// Everything one job says about where its targets come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryConfigs {
    /// Targets written into the configuration.
    pub static_configs: Vec<StaticGroup>,
    /// Targets read from files.
    pub file_sd_configs: Vec<FileSdConfig>,
    /// Entries of the other kinds (`consul_sd_configs`, ...).
    pub mechanisms: Vec<MechanismConfig>,
}

/// Targets with the labels they share: an entry of `static_configs` or of a discovery file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticGroup {
    /// Addresses, `host:port`.
    pub targets: Vec<String>,
    /// Labels of all of them.
    pub labels: Labels,
}

/// An entry of `file_sd_configs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSdConfig {
    /// Patterns of paths, resolved against the directory of the configuration.
    pub files: Vec<String>,
    /// How often the files are read again when no change is noticed.
    pub refresh_interval: Duration,
}

/// An entry of a kind of discovery that reads its section itself. `Debug` shows the kind only: there are secrets inside.
#[derive(Clone, PartialEq)]
pub struct MechanismConfig(pub(crate) Section);

// Sections of discovery hold no floating point numbers.
impl Eq for MechanismConfig {}

impl fmt::Debug for MechanismConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MechanismConfig").field(&self.0.schema().name).finish()
    }
}
