//! Asking an interface over HTTP and reading its JSON: one client for each mechanism, with the authentication of its
//! section. What is asked, and what the answers mean, is for the mechanisms to know.

use crate::Error;
use crate::provider::Context;
use bytes::Bytes;
use net::client::{Call, Client, ClientOptions, WholeAnswer};
use net::config::HttpClientConfig;
use net::dialer::Dialers;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use yaml::Section;

/// An answer beyond this size is refused.
const MAX_ANSWER_BYTES: usize = 1 << 30;
/// How much of an explanation ends up in an error.
const MAX_EXPLANATION_BYTES: usize = 512;

/// A client with the headers that all its requests have.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    headers: Vec<(String, String)>,
    timeout: Duration,
}

impl Api {
    /// A client as the HTTP fields of `section` describe it; an answer is complete within `timeout`.
    pub(crate) fn new(
        context: &Context<'_>,
        section: &Section,
        timeout: Duration,
    ) -> Result<Self, Error> {
        Self::with_config(context, &HttpClientConfig::from_section(section), timeout, None)
    }

    /// A client as `config` describes it, on a socket if one is given.
    pub(crate) fn with_config(
        context: &Context<'_>,
        config: &HttpClientConfig,
        timeout: Duration,
        unix_socket: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let options = ClientOptions {
            user_agent: context.user_agent.into(),
            unix_socket,
            dialer: Some(Dialers::new(context.registry).with(&dialer_name(context.mechanism))),
            ..ClientOptions::default()
        };
        Ok(Self { client: Client::new(config, options)?, headers: Vec::new(), timeout })
    }

    /// The same with a further header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The client below, for answers that never end.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and hands out whatever is answered.
    pub(crate) async fn call(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<WholeAnswer, Error> {
        let fixed = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = fixed.chain(headers.iter().copied()).collect();
        let call = Call { method, url, headers: &headers, body: body.into() };
        Ok(self.client.call(&call, self.timeout, MAX_ANSWER_BYTES).await?)
    }

    /// The answer to a `GET`; a status other than 2xx is an error.
    pub(crate) async fn get(&self, url: &str) -> Result<WholeAnswer, Error> {
        good(url, self.call("GET", url, &[], Bytes::new()).await?)
    }

    /// The JSON that a `GET` answers.
    pub(crate) async fn get_json(&self, url: &str) -> Result<Value, Error> {
        json(url, &self.get(url).await?.body)
    }
}

/// Under which name the connections of a mechanism are counted. Two go by the protocol, as in Prometheus.
fn dialer_name(mechanism: &str) -> String {
    match mechanism {
        "http" | "puppetdb" => String::from("http"),
        _ => format!("{mechanism}_sd"),
    }
}

/// Refuses an answer whose status is not 2xx.
pub(crate) fn good(url: &str, answer: WholeAnswer) -> Result<WholeAnswer, Error> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let begin = &answer.body[..answer.body.len().min(MAX_EXPLANATION_BYTES)];
    let body = String::from_utf8_lossy(begin).trim().into();
    Err(Error::Status { url: url.into(), status: answer.status, body })
}

/// The JSON in `body`.
pub(crate) fn json(url: &str, body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| Error::answer(url, format!("not JSON: {error}")))
}

/// A header of an answer; empty where it has none.
pub(crate) fn header_of<'a>(answer: &'a WholeAnswer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// `text` as a value of a query string or of a form.
pub(crate) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('*', "%2A")
}
