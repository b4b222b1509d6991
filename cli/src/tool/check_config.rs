//! `check config`: whether configuration files are good, with the files they name, and what of them does nothing here.

use super::{Failure, Outcome, Streams, switch, text};
use crate::config::{Config, Context, glob, load_file};
use clap::{Arg, ArgMatches, Command};
use discovery::TargetGroup;
use discovery::config::StaticGroup;
use model::Labels;
use scrape::config::ScrapeConfig;
use std::path::Path;
use std::time::Duration;

/// The exit code for lints that count as failures.
const LINT_CODE: u8 = 3;

pub(super) fn command() -> Command {
    let lint = "Linting checks to apply: all, duplicate-rules, too-long-scrape-interval, none";
    Command::new("config")
        .about("Check if the config files are valid or not")
        .arg(switch("syntax-only", None, "Only check the syntax, not the files that are named"))
        .arg(Arg::new("lint").long("lint").default_value("duplicate-rules").help(lint))
        .arg(switch("lint-fatal", None, "Make lint errors exit with exit code 3"))
        .arg(switch("ignore-unknown-fields", None, "Ignore unknown fields in rule groups"))
        .arg(switch("agent", None, "Check config file for Prometheus in Agent mode"))
        .arg(
            Arg::new("query.lookback-delta")
                .long("query.lookback-delta")
                .default_value("5m")
                .help("The server's maximum query lookback duration"),
        )
        .arg(Arg::new("config-files").required(true).num_args(1..))
}

/// The longest scrape interval that lints let pass; `None` if they do not look.
fn longest_interval(args: &ArgMatches) -> Result<Option<Duration>, Failure> {
    let delta = model::duration::parse(text(args, "query.lookback-delta"))
        .map_err(|error| Failure::Input(format!("--query.lookback-delta: {error}")))?;
    let lints: Vec<&str> = text(args, "lint").split(',').collect();
    let is_wanted = lints.iter().any(|lint| matches!(*lint, "all" | "too-long-scrape-interval"));
    let delta = Duration::from_millis(delta.max(0) as u64);
    Ok((is_wanted && !lints.contains(&"none") && !delta.is_zero()).then_some(delta))
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let longest = longest_interval(args)?;
    let syntax_only = args.get_flag("syntax-only");
    let (mut has_errors, mut has_lints) = (false, false);
    let mut context = Context::new(streams.environment);
    context.agent = args.get_flag("agent");
    for file in args.get_many::<String>("config-files").into_iter().flatten() {
        writeln!(streams.output, "Checking {file}")?;
        let mut warnings = Vec::new();
        match check(file, &context, syntax_only, &mut warnings) {
            Ok((config, jobs)) => {
                for warning in &warnings {
                    writeln!(streams.output, "  WARNING: {warning}")?;
                }
                writeln!(
                    streams.output,
                    " SUCCESS: {file} is valid prometheus config file syntax"
                )?;
                for name in config.inactive() {
                    writeln!(streams.output, "  WARNING: does nothing yet: {name}")?;
                }
                let too_long = |job: &&ScrapeConfig| {
                    longest.is_some_and(|longest| job.scrape_interval >= longest)
                };
                if let Some(job) = jobs.iter().find(too_long).filter(|_| !syntax_only) {
                    let interval = i64::try_from(job.scrape_interval.as_millis());
                    let interval = model::duration::format(interval.unwrap_or(i64::MAX));
                    writeln!(
                        streams.error,
                        "  FAILED: too long scrape interval found, data point will be marked as stale - job: {}, interval: {interval}",
                        job.job_name
                    )?;
                    has_lints = true;
                }
            }
            Err(what) => {
                writeln!(streams.error, "  FAILED: {what}")?;
                has_errors = true;
            }
        }
        writeln!(streams.output)?;
    }
    Ok(match (has_errors, has_lints && args.get_flag("lint-fatal")) {
        (true, _) => 1,
        (false, true) => LINT_CODE,
        (false, false) => 0,
    })
}

/// Loads a file and, unless only its syntax matters, looks at the files it names.
fn check(
    file: &str,
    context: &Context<'_>,
    syntax_only: bool,
    warnings: &mut Vec<String>,
) -> Result<(Config, Vec<ScrapeConfig>), String> {
    let config = load_file(file, context).map_err(|error| error.to_string())?;
    if syntax_only {
        let jobs = config.jobs.clone();
        jobs.iter().try_for_each(check_static)?;
        return Ok((config, jobs));
    }
    for pattern in config.rule_files() {
        let found = glob(pattern).map_err(|error| error.to_string())?;
        if found.is_empty() && !pattern.contains('*') {
            return Err(format!("{pattern:?} does not point to an existing file"));
        }
    }
    let jobs = config.scrape_configs().map_err(|error| error.to_string())?;
    for job in &jobs {
        check_files(job)?;
        check_static(job)?;
        for pattern in job.discovery.file_sd_configs.iter().flat_map(|config| &config.files) {
            let files = glob(pattern).map_err(|error| error.to_string())?;
            if files.is_empty() {
                let job = &job.job_name;
                warnings.push(format!(
                    "file {pattern:?} for file_sd in scrape job {job:?} does not exist"
                ));
            }
            for file in files {
                check_discovery_file(job, &file)?;
            }
        }
    }
    Ok((config, jobs))
}

/// Whether targets could be made of what the file says itself.
fn check_static(job: &ScrapeConfig) -> Result<(), String> {
    job.discovery.static_configs.iter().try_for_each(|group| check_targets(job, group))
}

/// Whether the files with credentials and certificates of a job are there.
fn check_files(job: &ScrapeConfig) -> Result<(), String> {
    let client = &job.http_client;
    let credentials = client.authorization.as_ref().map_or("", |auth| &auth.credentials_file);
    for (what, file) in [
        ("authorization credentials or bearer token file", credentials),
        ("client cert file", &client.tls_config.cert_file),
        ("client key file", &client.tls_config.key_file),
    ] {
        if !file.is_empty()
            && let Err(error) = std::fs::metadata(file)
        {
            return Err(format!("job {:?}: error checking {what} {file:?}: {error}", job.job_name));
        }
    }
    Ok(())
}

fn check_discovery_file(job: &ScrapeConfig, file: &str) -> Result<(), String> {
    let fail = |what: String| format!("checking SD file {file:?}: {what}");
    let content = std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))?;
    let groups = discovery::file_format::parse(Path::new(file), &content)
        .map_err(|error| fail(error.to_string()))?;
    groups.iter().try_for_each(|group| check_targets(job, group)).map_err(fail)
}

/// Whether targets could be made of what a group says.
fn check_targets(job: &ScrapeConfig, group: &StaticGroup) -> Result<(), String> {
    let address = |target: &String| Labels::from_pairs([("__address__", target.as_str())]);
    let group = TargetGroup {
        source: "".into(),
        labels: group.labels.clone(),
        targets: group.targets.iter().map(address).collect(),
    };
    scrape::check_targets(job, &group).map_err(|what| format!("job {:?}: {what}", job.job_name))
}
