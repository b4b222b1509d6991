//! An entry of `remote_write` as the sender uses it.

use crate::receive::Message;
use model::relabel::Rule;
use model::validate::NameValidation;
use net::config::{HttpClientConfig, HttpHeader};
use std::time::Duration;
use yaml::relabel::rules;
use yaml::{Problem, Section};

/// How samples queue up and are sent.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Samples that wait in each shard.
    pub capacity: usize,
    /// The fewest shards.
    pub min_shards: usize,
    /// The most shards.
    pub max_shards: usize,
    /// The most samples of a request.
    pub max_samples_per_send: usize,
    /// How long a sample waits for others.
    pub batch_send_deadline: Duration,
    /// The first pause after a failure.
    pub min_backoff: Duration,
    /// The longest pause.
    pub max_backoff: Duration,
    /// A 429 is a reason to try again.
    pub retries_429: bool,
    /// Older samples are dropped; zero means none are.
    pub sample_age_limit: Duration,
}

/// How metadata is sent in 1.0.
#[derive(Clone, Debug)]
pub struct MetadataConfig {
    /// Whether it is.
    pub send: bool,
    /// How often.
    pub send_interval: Duration,
    /// The most entries of a request.
    pub max_samples_per_send: usize,
}

/// One receiver.
#[derive(Clone, Debug)]
pub struct WriteConfig {
    /// Its name; empty if it has none of its own.
    pub name: String,
    /// What it is called in metrics: its name, or the begin of its hash.
    pub queue_name: String,
    /// How many entries of the same name and URL stand before it.
    pub occurrence: usize,
    /// Where requests go.
    pub url: String,
    /// How long a request may take.
    pub timeout: Duration,
    /// How labels change on the way.
    pub rules: Vec<Rule>,
    /// Exemplars are sent too.
    pub send_exemplars: bool,
    /// What was in requests that are refused is logged.
    pub logs_failed_requests: bool,
    /// Each connection goes to any of the addresses of the host, not to the first that answers.
    pub round_robin_dns: bool,
    /// Native histograms are sent too; 2.0 always sends them.
    pub send_native_histograms: bool,
    /// The protocol version.
    pub message: Message,
    /// How to talk to it, further headers included.
    pub http: HttpClientConfig,
    /// The queue.
    pub queue: QueueConfig,
    /// Metadata.
    pub metadata: MetadataConfig,
    /// The entry as it was loaded: two that are equal need no new queue.
    pub section: Section,
}

impl WriteConfig {
    /// Reads an entry that was loaded and checked.
    pub fn from_section(section: &Section, scheme: NameValidation) -> Result<Self, Problem> {
        let (queue, metadata) = (section.one("queue_config"), section.one("metadata_config"));
        let count = |section: &Section, name: &str| usize::try_from(section.int(name)).unwrap_or(1);
        let mut http = HttpClientConfig::from_section(section);
        http.http_headers.extend(section.map("headers").iter().map(|(name, value)| HttpHeader {
            name: name.to_owned(),
            values: vec![value.to_owned()],
            ..HttpHeader::default()
        }));
        Ok(Self {
            name: section.text("name").to_owned(),
            queue_name: crate::config::name(section),
            occurrence: 0,
            url: section.text("url").to_owned(),
            timeout: section.duration("remote_timeout"),
            rules: rules(section, "write_relabel_configs", scheme)?,
            send_exemplars: section.bool("send_exemplars"),
            send_native_histograms: section.bool("send_native_histograms"),
            logs_failed_requests: section.bool("failed_request_logging"),
            round_robin_dns: section.bool("round_robin_dns"),
            message: Message::from_name(section.text("protobuf_message")).unwrap_or(Message::V1),
            http,
            queue: QueueConfig {
                capacity: count(queue, "capacity").max(1),
                min_shards: count(queue, "min_shards").max(1),
                max_shards: count(queue, "max_shards").max(1),
                max_samples_per_send: count(queue, "max_samples_per_send").max(1),
                batch_send_deadline: queue.duration("batch_send_deadline"),
                min_backoff: queue.duration("min_backoff").max(Duration::from_millis(1)),
                max_backoff: queue.duration("max_backoff").max(Duration::from_millis(1)),
                retries_429: queue.bool("retry_on_http_429"),
                sample_age_limit: queue.duration("sample_age_limit"),
            },
            metadata: MetadataConfig {
                send: metadata.bool("send"),
                send_interval: metadata.duration("send_interval").max(Duration::from_secs(1)),
                max_samples_per_send: count(metadata, "max_samples_per_send").max(1),
            },
            section: section.clone(),
        })
    }

    /// What the queue is called in metrics.
    #[must_use]
    pub fn queue_name(&self) -> String {
        self.queue_name.clone()
    }

    /// What its position is kept under: it survives changes of everything but name and URL.
    #[must_use]
    pub fn key(&self) -> String {
        let occurrence = self.occurrence.to_string();
        let pairs = [
            ("name", self.name.as_str()),
            ("url", self.url.as_str()),
            ("occurrence", occurrence.as_str()),
        ];
        let num = if self.occurrence == 0 { 2 } else { 3 };
        format!("{:016x}", model::stable_hash(pairs.into_iter().take(num)))
    }
}
