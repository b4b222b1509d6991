//! Getting the body of a target: the trait, so that tests can script answers, and its HTTP form with the headers of a
//! scrape. Knows nothing of samples.

use crate::config::{EscapingScheme, ScrapeConfig, ScrapeProtocol};
use expfmt::Format;
use net::client::{Client, ClientOptions, Repeated, Request};
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What one scrape asks for.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// The whole URL.
    pub url: &'a str,
    /// The path of a socket to connect to, instead of the host of the URL.
    pub unix_socket: Option<&'a str>,
    /// Time limit of everything, the body included.
    pub timeout: Duration,
    /// What was kept of this request the time before.
    pub repeated: &'a Repeated,
}

/// Why a fetch failed; its text is the `lastError` of the target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The body reached the limit of the job.
    #[error("body size limit exceeded")]
    BodySizeLimit,
    /// An answer that is not 200.
    #[error("server returned HTTP status {0}")]
    Status(Box<str>),
    /// No answer, or one that breaks off or breaks the protocol.
    #[error("{0}")]
    Transport(Box<str>),
}

/// The future of a fetch: the content type, empty if the target sent none.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Box<str>, FetchError>> + Send + 'a>>;

/// Gets the body of a target.
pub trait Fetch: Send + Sync {
    /// Replaces `body` with what the target serves. The time limit is kept by the implementation.
    fn fetch<'a>(&'a self, request: FetchRequest<'a>, body: &'a mut Vec<u8>) -> Fetching<'a>;
}

/// The parser of a protocol.
pub(crate) fn format_of(protocol: ScrapeProtocol) -> Format {
    match protocol {
        ScrapeProtocol::PrometheusProto => Format::Protobuf,
        ScrapeProtocol::PrometheusText0_0_4 | ScrapeProtocol::PrometheusText1_0_0 => Format::Text,
        ScrapeProtocol::OpenMetricsText0_0_1 | ScrapeProtocol::OpenMetricsText1_0_0 => {
            Format::OpenMetrics
        }
    }
}

/// The `Accept` header: protocols in the order of preference.
fn accept(protocols: &[ScrapeProtocol], escaping: EscapingScheme) -> String {
    let escaping = escaping.as_str();
    let mut header = String::new();
    for (index, protocol) in protocols.iter().enumerate() {
        let (media_type, escapes) = match protocol {
            ScrapeProtocol::PrometheusProto => (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
                false,
            ),
            ScrapeProtocol::PrometheusText0_0_4 => ("text/plain;version=0.0.4", false),
            ScrapeProtocol::PrometheusText1_0_0 => ("text/plain;version=1.0.0", true),
            ScrapeProtocol::OpenMetricsText0_0_1 => {
                ("application/openmetrics-text;version=0.0.1", false)
            }
            ScrapeProtocol::OpenMetricsText1_0_0 => {
                ("application/openmetrics-text;version=1.0.0", true)
            }
        };
        header.push_str(media_type);
        if escapes {
            header.extend([";escaping=", escaping]);
        }
        // Five protocols begin at 0.6; fewer begin as high, each a tenth below the one before.
        let quality = 6_usize.saturating_sub(index);
        header.extend([";q=0.", &quality.to_string(), ","]);
    }
    let quality = 6_usize.saturating_sub(protocols.len());
    header.extend(["*/*;q=0.", &quality.to_string()]);
    header
}

fn seconds(timeout: Duration) -> String {
    timeout.as_secs_f64().to_string()
}

/// Fetches over HTTP, as one job is configured.
#[derive(Debug)]
pub struct HttpFetch {
    client: Client,
    config: Arc<ScrapeConfig>,
    options: ClientOptions,
    accept: String,
    /// The time limit of the job, which few targets change.
    timeout_seconds: String,
    /// Clients of targets behind a socket; few.
    by_socket: Mutex<Vec<(Box<str>, Client)>>,
}

impl HttpFetch {
    /// Builds the client of a job.
    pub fn new(config: &Arc<ScrapeConfig>, options: ClientOptions) -> Result<Self, net::Error> {
        Ok(Self {
            client: Client::new(&config.http_client, options.clone())?,
            config: Arc::clone(config),
            options,
            timeout_seconds: seconds(config.scrape_timeout),
            accept: accept(&config.scrape_protocols, config.metric_name_escaping_scheme),
            by_socket: Mutex::default(),
        })
    }

    fn client(&self, unix_socket: Option<&str>) -> Result<Client, net::Error> {
        let Some(path) = unix_socket else { return Ok(self.client.clone()) };
        let mut by_socket = self.by_socket.lock();
        if let Some((_, client)) = by_socket.iter().find(|(have, _)| **have == *path) {
            return Ok(client.clone());
        }
        let options = ClientOptions { unix_socket: Some(path.into()), ..self.options.clone() };
        let client = Client::new(&self.config.http_client, options)?;
        by_socket.push((path.into(), client.clone()));
        Ok(client)
    }

    fn headers<'a>(&'a self, timeout_seconds: &'a str) -> [(&'static str, &'a str); 3] {
        let encoding = if self.config.enable_compression { "gzip" } else { "identity" };
        [
            ("accept", &self.accept),
            ("accept-encoding", encoding),
            ("x-prometheus-scrape-timeout-seconds", timeout_seconds),
        ]
    }

    async fn get(
        &self,
        request: FetchRequest<'_>,
        body: &mut Vec<u8>,
    ) -> Result<Box<str>, FetchError> {
        let transport = |error: net::Error| match error {
            net::Error::BodyTooLarge => FetchError::BodySizeLimit,
            error => FetchError::Transport(error.to_string().into()),
        };
        let client = self.client(request.unix_socket).map_err(transport)?;
        let FetchRequest { url, timeout, repeated, .. } = request;
        let limit = self.config.limits.body_size_limit;
        let body_size_limit = (limit > 0).then_some(limit);
        let other;
        let timeout_seconds = if timeout == self.config.scrape_timeout {
            &self.timeout_seconds
        } else {
            other = seconds(timeout);
            &other
        };
        let headers = self.headers(timeout_seconds);
        let request = Request { url, headers: &headers, timeout, body_size_limit };
        let response = client.get_again(&request, repeated, body).await;
        let response = response.map_err(transport)?;
        if response.status != 200 {
            let text = format!("{} {}", response.status, response.reason);
            return Err(FetchError::Status(text.into()));
        }
        Ok(response.content_type)
    }
}

impl Fetch for HttpFetch {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>, body: &'a mut Vec<u8>) -> Fetching<'a> {
        Box::pin(self.get(request, body))
    }
}

#[cfg(test)]
mod tests;
