//! The configuration file: sections of all crates composed into one, settled, checked, printed.
//! Each section belongs to the crate that acts on it; those that nobody acts on yet are in `config::sections`.

mod environment;
mod files;
mod sections;
mod storage;
#[cfg(test)]
mod tests;
mod watched;

pub use scrape::config::Defaults;
pub use storage::StorageConfig;
/// Why a configuration cannot be used: file, line, column and the line itself for each problem.
pub use yaml::Error as ConfigError;

pub(crate) use files::glob;
pub(crate) use watched::{Checksum, checksum};

use environment::expand;
use scrape::config::{GlobalConfig, NameValidation, ScrapeConfig, check_global};
use std::time::Duration;
use yaml::relabel::rules;
use yaml::{Document, Problem, Section, Value, path};

/// What a configuration depends on besides its file.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The server runs as agent, which has no rules, alerts and queries.
    pub agent: bool,
    /// Defaults that flags change.
    pub defaults: Defaults,
    /// How long data is kept unless the file limits it; zero is no limit.
    pub retention_time: Duration,
    /// How many bytes are kept unless the file limits it; zero is no limit.
    pub retention_size_bytes: u64,
    /// Exemplars are kept, by default some.
    pub exemplar_storage: bool,
    /// Variables of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Context<'a> {
    /// A server without flags, where `environment` answers for variables.
    #[must_use]
    pub fn new(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            agent: false,
            defaults: Defaults::default(),
            retention_time: Duration::ZERO,
            retention_size_bytes: 0,
            exemplar_storage: false,
            environment,
        }
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// A configuration that was loaded.
#[derive(Clone, Debug)]
pub struct Config {
    /// Defaults of all jobs.
    pub global: GlobalConfig,
    /// What the storage is told.
    pub storage: StorageConfig,
    /// Variables that `external_labels` name and the environment lacks.
    pub empty_variables: Vec<String>,
    /// Where samples are sent.
    pub remote_write: Vec<remote::send::WriteConfig>,
    /// Servers that are asked beside the database.
    pub remote_read: Vec<remote::read_client::ReadConfig>,
    /// Jobs of the main file; see [`Config::scrape_configs`] for all.
    pub(crate) jobs: Vec<ScrapeConfig>,
    root: Section,
}

impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

/// Loads the configuration `bytes` of `file`; its directory is what relative paths start from.
pub fn load(bytes: &[u8], file: &str, context: &Context<'_>) -> Result<Config, ConfigError> {
    let document = Document::parse(file, bytes)?;
    let mut root = if document.is_empty {
        Section::defaults(&sections::ROOT)
    } else {
        yaml::load(&document.root, &sections::ROOT).map_err(|problems| document.error(problems))?
    };
    let mut empty_variables = Vec::new();
    let jobs = if document.is_empty || root.is_written() {
        settle(&mut root, file, context, &mut empty_variables)
    } else {
        // A file that says `null` has no settings, not even the defaults; nothing runs with it.
        settle_storage(&mut root, context);
        Ok(Vec::new())
    };
    let config = jobs.and_then(|jobs| {
        let global = GlobalConfig::from_section(root.one("global"))?;
        let scheme = global.metric_name_validation_scheme;
        let receivers = root.sections("remote_write").iter();
        let remote_write =
            receivers.map(|section| remote::send::WriteConfig::from_section(section, scheme));
        Ok(Config {
            remote_read: root
                .sections("remote_read")
                .iter()
                .map(remote::read_client::ReadConfig::from_section)
                .collect(),
            remote_write: remote_write.collect::<Result<_, Problem>>()?,
            global,
            storage: StorageConfig::from_section(root.one("storage")),
            empty_variables,
            jobs,
            root,
        })
    });
    config.map_err(|problem| document.error(vec![problem]))
}

/// Reads and loads the configuration `file`.
pub fn load_file(file: &str, context: &Context<'_>) -> Result<Config, ConfigError> {
    let bytes = std::fs::read(file)
        .map_err(|error| ConfigError::whole(file, format!("cannot be read: {error}")))?;
    load(&bytes, file, context)
}

/// Checks what the sections owe each other, fills in what they leave open, and answers the jobs.
fn settle(
    root: &mut Section,
    file: &str,
    context: &Context<'_>,
    empty_variables: &mut Vec<String>,
) -> Result<Vec<ScrapeConfig>, Problem> {
    for name in ["rule_files", "scrape_config_files"] {
        if let Some(pattern) = root.list(name).iter().find(|pattern| !path::is_pattern(pattern)) {
            let what = format!("{name}: {pattern:?} has a * before its last part");
            return Err(root.problem(name, what));
        }
    }
    if let Some(global) = root.section_mut("global") {
        let is_absent = !global.is_written();
        check_global(global, context.defaults, is_absent)?;
    }
    settle_runtime(root, context);
    settle_storage(root, context);
    root.resolve_paths(&path::directory(file));

    let global_section = root.one("global").clone();
    let mut jobs: Vec<ScrapeConfig> = Vec::new();
    for section in root.sections_mut("scrape_configs") {
        let job = ScrapeConfig::from_section(section, &global_section)?;
        if jobs.iter().any(|other| other.job_name == job.job_name) {
            let what = format!("there is a job {:?} already", job.job_name);
            return Err(section.problem("job_name", what));
        }
        jobs.push(job);
    }
    let scheme = GlobalConfig::from_section(&global_section)?.metric_name_validation_scheme;
    check_rest(root, scheme)?;
    if context.agent {
        check_agent(root)?;
    }
    if let Some(global) = root.section_mut("global") {
        expand_labels(global, context, empty_variables);
    }
    Ok(jobs)
}

fn expand_labels(global: &mut Section, context: &Context<'_>, empty_variables: &mut Vec<String>) {
    let mut labels = Vec::new();
    for (name, value) in global.map("external_labels") {
        let value = expand(value, |variable| {
            let value = (context.environment)(variable).filter(|value| !value.is_empty());
            value.unwrap_or_else(|| {
                empty_variables.push(variable.to_owned());
                String::new()
            })
        });
        labels.push((name.clone(), value));
    }
    global.set("external_labels", Value::Map(labels));
}

/// How eagerly Go collects garbage unless told otherwise, in percent; kept for what shows the configuration.
const DEFAULT_GOGC: i64 = 75;
/// How many exemplars are kept unless told otherwise.
const DEFAULT_MAX_EXEMPLARS: i64 = 100_000;

fn settle_runtime(root: &mut Section, context: &Context<'_>) {
    let default = match (context.environment)("GOGC") {
        Some(text) if text.eq_ignore_ascii_case("off") => -1,
        Some(text) => text.parse().unwrap_or(DEFAULT_GOGC),
        None => DEFAULT_GOGC,
    };
    if let Some(runtime) = root.section_mut("runtime") {
        let is_open = !runtime.is_given("gogc") || runtime.int("gogc") == 0;
        if is_open {
            runtime.set("gogc", Value::Int(default));
        }
    }
}

/// The storage section always has `tsdb`, and that always has `retention`, which flags decide on if the file does not.
fn settle_storage(root: &mut Section, context: &Context<'_>) {
    let Some(storage) = root.section_mut("storage") else { return };
    if storage.section("tsdb").is_none() {
        let tsdb = Section::defaults(&sections::TSDB);
        storage.set("tsdb", Value::Section(Box::new(tsdb)));
    }
    if context.exemplar_storage && storage.section("exemplars").is_none() {
        let mut exemplars = Section::defaults(&sections::EXEMPLARS);
        exemplars.set("max_exemplars", Value::Int(DEFAULT_MAX_EXEMPLARS));
        storage.set("exemplars", Value::Section(Box::new(exemplars)));
    }
    let Some(tsdb) = storage.section_mut("tsdb") else { return };
    if tsdb.section("retention").is_none() {
        let mut retention = Section::defaults(&sections::RETENTION);
        let time_ms = i64::try_from(context.retention_time.as_millis()).unwrap_or(i64::MAX);
        let size_bytes = i64::try_from(context.retention_size_bytes).unwrap_or(i64::MAX);
        retention.set("time", Value::Int(time_ms));
        retention.set("size", Value::Int(size_bytes));
        tsdb.set("retention", Value::Section(Box::new(retention)));
    }
}

fn check_rest(root: &Section, scheme: NameValidation) -> Result<(), Problem> {
    let alerting = root.one("alerting");
    drop(rules(alerting, "alert_relabel_configs", scheme)?);
    for manager in alerting.sections("alertmanagers") {
        drop(rules(manager, "alert_relabel_configs", scheme)?);
        drop(rules(manager, "relabel_configs", scheme)?);
    }
    for remote in root.sections("remote_write") {
        drop(rules(remote, "write_relabel_configs", scheme)?);
    }
    for kind in ["remote_write", "remote_read"] {
        let mut names: Vec<&str> = Vec::new();
        for section in root.sections(kind) {
            let name = section.text("name");
            if !name.is_empty() && names.contains(&name) {
                return Err(section.problem("name", format!("{kind}: there is a {name:?} already")));
            }
            names.push(name);
        }
    }
    let otlp = root.one("otlp");
    let strategy = otlp.text("translation_strategy");
    if scheme == NameValidation::Legacy
        && matches!(strategy, "NoTranslation" | "NoUTF8EscapingWithSuffixes")
    {
        let what =
            format!("translation_strategy {strategy} does not go with validation scheme legacy");
        return Err(otlp.problem("translation_strategy", what));
    }
    Ok(())
}

fn check_agent(root: &Section) -> Result<(), Problem> {
    let refuse =
        |name: &str| Err(root.problem(name, format!("field {name} is not allowed in agent mode")));
    if !root.one("alerting").is_zero() {
        return refuse("alerting");
    }
    if !root.list("rule_files").is_empty() {
        return refuse("rule_files");
    }
    if !root.sections("remote_read").is_empty() {
        return refuse("remote_read");
    }
    Ok(())
}

impl Config {
    /// The whole configuration with its defaults as YAML; secrets are hidden. The status page shows it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        self.root.to_yaml()
    }

    /// All jobs: those of the main file, then those of the files that `scrape_config_files` matches now.
    pub fn scrape_configs(&self) -> Result<Vec<ScrapeConfig>, ConfigError> {
        Ok(self.shown_scrape_configs()?.into_iter().map(|(job, _)| job).collect())
    }

    /// The same, each with its section as YAML.
    pub fn shown_scrape_configs(&self) -> Result<Vec<(ScrapeConfig, String)>, ConfigError> {
        let sections = self.root.sections("scrape_configs").iter().map(Section::to_yaml);
        let mut jobs: Vec<_> = self.jobs.iter().cloned().zip(sections).collect();
        for pattern in self.root.list("scrape_config_files") {
            for file in glob(pattern)? {
                self.jobs_of(&file, &mut jobs)?;
            }
        }
        Ok(jobs)
    }

    fn jobs_of(
        &self,
        file: &str,
        jobs: &mut Vec<(ScrapeConfig, String)>,
    ) -> Result<(), ConfigError> {
        let bytes = std::fs::read(file)
            .map_err(|error| ConfigError::whole(file, format!("cannot be read: {error}")))?;
        let document = Document::parse(file, &bytes)?;
        let mut root = yaml::load(&document.root, &scrape::config::JOBS)
            .map_err(|problems| document.error(problems))?;
        root.resolve_paths(&path::directory(file));
        for section in root.sections_mut("scrape_configs") {
            let job = ScrapeConfig::from_section(section, self.root.one("global"))
                .map_err(|problem| document.error(vec![problem]))?;
            if jobs.iter().any(|(other, _)| other.job_name == job.job_name) {
                let what = format!("there is a job {:?} already, in another place", job.job_name);
                return Err(document.error(vec![section.problem("job_name", what)]));
            }
            jobs.push((job, section.to_yaml()));
        }
        Ok(())
    }

    /// Patterns of rule files, resolved.
    #[must_use]
    pub fn rule_files(&self) -> &[String] {
        self.root.list("rule_files")
    }

    /// `runtime.gogc` as Go writes it; nothing here collects garbage by it.
    #[must_use]
    pub fn gogc(&self) -> String {
        match self.root.one("runtime").int("gogc") {
            off if off < 0 => "off".to_owned(),
            percent => percent.to_string(),
        }
    }

    /// How OTLP is translated.
    #[must_use]
    pub fn otlp(&self) -> remote::otlp::Config {
        remote::otlp::Config::from_section(self.root.one("otlp"))
    }

    /// What is configured and does nothing yet, as paths of fields: worth a warning at the start.
    #[must_use]
    pub fn inactive(&self) -> Vec<String> {
        let root = &self.root;
        let mut inactive: Vec<String> = Vec::new();
        let mut note = |is_given: bool, name: &str| {
            if is_given {
                inactive.push(name.to_owned());
            }
        };
        note(root.one("runtime").is_written(), "runtime");
        note(!root.one("alerting").is_zero(), "alerting");
        note(!root.list("rule_files").is_empty(), "rule_files");
        note(root.one("tracing").is_written(), "tracing");
        inactive
    }
}
