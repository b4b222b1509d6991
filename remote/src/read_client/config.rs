//! An entry of `remote_read` as the client uses it.

use net::config::{HttpClientConfig, HttpHeader};
use std::time::Duration;
use yaml::Section;

/// A server to read from.
#[derive(Clone, Debug)]
pub struct ReadConfig {
    /// What it is called in metrics.
    pub name: String,
    /// Where requests go.
    pub url: String,
    /// How long a request may take.
    pub timeout: Duration,
    /// The most bytes of a frame.
    pub max_frame_bytes: u64,
    /// It is asked also for what the local storage has.
    pub read_recent: bool,
    /// It is asked only if the query has these conditions.
    pub required_matchers: Vec<(String, String)>,
    /// The external labels become conditions, and are taken off again.
    pub filter_external_labels: bool,
    /// How to talk to it, further headers included.
    pub http: HttpClientConfig,
}

impl ReadConfig {
    /// Reads an entry that was loaded and checked.
    #[must_use]
    pub fn from_section(section: &Section) -> Self {
        let mut http = HttpClientConfig::from_section(section);
        http.http_headers.extend(section.map("headers").iter().map(|(name, value)| HttpHeader {
            name: name.to_owned(),
            values: vec![value.to_owned()],
            ..HttpHeader::default()
        }));
        let required = section.map("required_matchers").iter();
        Self {
            name: crate::config::name(section),
            url: section.text("url").to_owned(),
            timeout: section.duration("remote_timeout"),
            max_frame_bytes: section.uint("chunked_read_limit"),
            read_recent: section.bool("read_recent"),
            required_matchers: required.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            filter_external_labels: section.bool("filter_external_labels"),
            http,
        }
    }
}
