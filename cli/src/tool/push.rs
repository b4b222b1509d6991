//! `push metrics`: sends the samples of expositions to a receiver of remote write, for trying one out.

use super::server::{Server, header, http_config_file};
use super::{Failure, Outcome, Streams, text};
use crate::clock;
use clap::{Arg, ArgAction, ArgMatches, Command};
use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{Entry, TextParser, unescape_help};
use model::float::{general, parse_float};
use model::metadata::{Metadata, MetricType};
use model::timestamp::parse_duration_ns;
use model::{Labels, LabelsBuilder};
use remote::receive::Message;
use remote::send::{Pushed, push_request};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn command() -> Command {
    let metrics = Command::new("metrics")
        .about("Push metrics to a prometheus remote write (for testing purpose only)")
        .args([
            http_config_file(),
            header(),
            Arg::new("label")
                .long("label")
                .action(ArgAction::Append)
                .default_value("job=promtool")
                .help("Label to attach to metrics, as name=value; can be given several times"),
            Arg::new("timeout")
                .long("timeout")
                .default_value("30s")
                .help("The time to wait for pushing metrics"),
            Arg::new("protobuf_message")
                .long("protobuf_message")
                .default_value(Message::V1.name())
                .value_parser([Message::V1, Message::V2].map(Message::name))
                .help("Protobuf message to use when writing"),
            Arg::new("remote-write.path")
                .long("remote-write.path")
                .default_value("/api/v1/write")
                .help("Override the default remote write API path"),
            Arg::new("remote-write-url").required(true).help("The server to push to"),
            Arg::new("metric-files")
                .num_args(0..)
                .help("The metric files to push, default is read from standard input"),
        ]);
    Command::new("push")
        .about("Push to a Prometheus server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(metrics)
}

/// What a body comes to.
#[derive(Default)]
struct Exposed {
    samples: Vec<Pushed>,
    families: BTreeMap<String, Metadata>,
}

/// The labels to attach.
fn attached(args: &ArgMatches) -> Result<Vec<(&str, &str)>, Failure> {
    let wrong = |label: &'_ str| -> Failure {
        Failure::Input(format!("--label: expected name=value, got {label:?}"))
    };
    let labels = args.get_many::<String>("label").into_iter().flatten();
    labels.map(|label| label.split_once('=').ok_or_else(|| wrong(label))).collect()
}

/// The stored labels of a line: what is attached gives way to what is exposed, but for the job.
fn labels(exposed: &LabelBuffer, attached: &[(&str, &str)], of_histogram: bool) -> Labels {
    let mut builder = LabelsBuilder::new();
    for (name, value) in attached {
        builder.set(name, value);
    }
    for (name, value) in exposed.iter() {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        match &*name {
            "job" => builder.set("exported_job", &value),
            "le" | "quantile" if of_histogram => match parse_float(&value) {
                Ok(bound) => builder.set(&name, &general(bound)),
                Err(_) => builder.set(&name, &value),
            },
            _ => builder.set(&name, &value),
        }
    }
    builder.labels()
}

/// Reads a body; samples without a time are of now.
fn read(body: &[u8], attached: &[(&str, &str)], now_ms: i64) -> Result<Exposed, String> {
    let mut exposed = Exposed::default();
    let mut parser = TextParser::new(body);
    let mut buffer = LabelBuffer::default();
    let mut metric_type = MetricType::Unknown;
    let family_of = |metric: &[u8]| String::from_utf8_lossy(metric).into_owned();
    while let Some(entry) = parser.next_entry().map_err(|error| error.to_string())? {
        match entry {
            Entry::Type { metric, metric_type: declared } => {
                metric_type = declared;
                exposed.families.entry(family_of(metric)).or_default().metric_type = declared;
            }
            Entry::Help { metric, help, escapes } => {
                let help = unescape_help(help, escapes).into();
                exposed.families.entry(family_of(metric)).or_default().help = help;
            }
            Entry::Sample(sample) => {
                split_series(sample.series, &Declared::default(), &mut buffer);
                let has_bounds = matches!(metric_type, MetricType::Histogram | MetricType::Summary);
                exposed.samples.push(Pushed {
                    labels: labels(&buffer, attached, has_bounds),
                    timestamp_ms: sample.point.timestamp_ms.unwrap_or(now_ms),
                    value: sample.point.value,
                    metadata: None,
                });
            }
            _ => {}
        }
    }
    Ok(exposed)
}

/// Gives each sample what its family is, where a family has its name or what comes before the ending.
fn describe(exposed: &mut Exposed) {
    let families: BTreeMap<&str, Arc<Metadata>> = exposed
        .families
        .iter()
        .map(|(name, metadata)| (name.as_str(), Arc::new(metadata.clone())))
        .collect();
    for sample in &mut exposed.samples {
        let name = sample.labels.get(model::METRIC_NAME).unwrap_or_default();
        let endings = ["", "_bucket", "_sum", "_count"];
        let mut bases = endings.iter().filter_map(|ending| name.strip_suffix(ending));
        sample.metadata = bases.find_map(|base| families.get(base)).cloned();
    }
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let message = Message::from_name(text(args, "protobuf_message")).unwrap_or(Message::V1);
    let nanos = parse_duration_ns(text(args, "timeout"))
        .map_err(|error| Failure::Input(format!("--timeout: {error}")))?;
    let timeout = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
    let server = Server::new(text(args, "remote-write-url"), args)?;
    let attached = attached(args)?;
    let push = |body: &[u8]| -> Result<(), String> {
        let mut exposed = read(body, &attached, clock::now_ms())?;
        describe(&mut exposed);
        let families: Vec<_> = exposed.families.into_iter().collect();
        let request = push_request(message, exposed.samples, &families);
        let path = text(args, "remote-write.path");
        let posted = server.push(path, &request, timeout).map_err(|error| error.to_string())?;
        if (200..300).contains(&posted.status) {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&posted.body);
        Err(format!("server returned HTTP status {}: {}", posted.status, body.trim()))
    };
    let files: Vec<&String> = args.get_many("metric-files").into_iter().flatten().collect();
    if files.is_empty() {
        let mut body = Vec::new();
        streams.input.read_to_end(&mut body)?;
        writeln!(streams.output, "Parsing standard input")?;
        return match push(&body) {
            Ok(()) => {
                writeln!(streams.output, "  SUCCESS: metrics pushed to remote write.")?;
                Ok(0)
            }
            Err(what) => {
                writeln!(streams.error, "  FAILED: {what}")?;
                Ok(1)
            }
        };
    }
    let mut code = 0;
    for file in files {
        let pushed = match std::fs::read(file) {
            Ok(body) => {
                writeln!(streams.output, "Parsing metrics file {file}")?;
                push(&body)
            }
            Err(error) => Err(format!("{file}: {error}")),
        };
        match pushed {
            Ok(()) => {
                writeln!(streams.output, "  SUCCESS: metrics file {file} pushed to remote write.")?;
            }
            Err(what) => {
                writeln!(streams.error, "  FAILED: {what}")?;
                code = 1;
            }
        }
    }
    Ok(code)
}
