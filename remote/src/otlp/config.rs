//! The section `otlp`, as the translation sees it. Its fields are declared where the file is composed.

use yaml::Section;

/// How names become Prometheus' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Characters that the legacy rules do not allow become underscores.
    pub escapes: bool,
    /// Units and types are told in metric names.
    pub adds_suffixes: bool,
}

/// What the section says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How names are translated.
    pub strategy: Strategy,
    /// Resource attributes that become labels of every series.
    pub promoted: Vec<String>,
    /// All resource attributes become labels but these.
    pub promoted_all_but: Option<Vec<String>>,
    /// `target_info` keeps the attributes that `job` and `instance` are made of.
    pub keeps_identifying: bool,
    /// Histograms with explicit bounds become native ones with custom buckets.
    pub custom_buckets: bool,
    /// What is known of the scope becomes labels.
    pub promotes_scope: bool,
    /// Label names that begin with one underscore get `key` in front.
    pub sanitizes_underscore: bool,
    /// Several underscores in a row stay.
    pub keeps_underscores: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            strategy: Strategy { escapes: true, adds_suffixes: true },
            promoted: Vec::new(),
            promoted_all_but: None,
            keeps_identifying: false,
            custom_buckets: false,
            promotes_scope: false,
            sanitizes_underscore: true,
            keeps_underscores: true,
        }
    }
}

impl Config {
    /// Reads a section that was loaded and checked.
    #[must_use]
    pub fn from_section(section: &Section) -> Self {
        let (escapes, adds_suffixes) = match section.text("translation_strategy") {
            "NoTranslation" => (false, false),
            "NoUTF8EscapingWithSuffixes" => (false, true),
            "UnderscoreEscapingWithoutSuffixes" => (true, false),
            _ => (true, true),
        };
        let promotes_all = section.bool("promote_all_resource_attributes");
        Self {
            strategy: Strategy { escapes, adds_suffixes },
            promoted: section.list("promote_resource_attributes").to_vec(),
            promoted_all_but: promotes_all
                .then(|| section.list("ignore_resource_attributes").to_vec()),
            keeps_identifying: section.bool("keep_identifying_resource_attributes"),
            custom_buckets: section.bool("convert_histograms_to_nhcb"),
            promotes_scope: section.bool("promote_scope_metadata"),
            sanitizes_underscore: section.bool("label_name_underscore_sanitization"),
            keeps_underscores: section.bool("label_name_preserve_multiple_underscores"),
        }
    }
}
