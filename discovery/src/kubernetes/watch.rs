//! The objects of one kind in one namespace, or in all: a list, then a stream of changes. A stream that ends is taken up
//! where it was, and after a version that the server has forgotten everything is listed again.

use super::objects::{Resource, key_of};
use crate::Error;
use crate::api::{Api, escaped, json};
use bytes::Bytes;
use metrics::Counter;
use net::client::Call;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

/// How long one page of a list, or the beginning of a watch, may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a watch lasts before it is taken up anew.
const WATCH: Duration = Duration::from_secs(400);
pub(super) const MIN_PAUSE: Duration = Duration::from_millis(800);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// After this many failures of a watch that saw nothing new everything is listed again: whatever is in its way is then
/// behind it.
const MAX_FAILURES: usize = 3;
const PAGE: usize = 500;
/// An event beyond this size is refused.
const MAX_EVENT_BYTES: usize = 64 << 20;
const GONE: u16 = 410;

/// What is watched.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) index: usize,
    pub(super) resource: Resource,
    /// Empty for all.
    pub(super) namespace: String,
    pub(super) labels: String,
    pub(super) fields: String,
}

impl Scope {
    /// Whether the object with this key is listed here if it exists.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.namespace.is_empty()
            || key.split_once('/').is_some_and(|(namespace, _)| namespace == self.namespace)
    }

    fn url(&self, server: &str, further: &str) -> String {
        let (before, name) = self.resource.path();
        let mut url = format!("{server}{before}");
        if !self.namespace.is_empty() {
            url.push_str("/namespaces/");
            url.push_str(&self.namespace);
        }
        url.push('/');
        url.push_str(name);
        url.push('?');
        for (name, selector) in [("fieldSelector", &self.fields), ("labelSelector", &self.labels)] {
            if !selector.is_empty() {
                url.push_str(name);
                url.push('=');
                url.push_str(&escaped(selector));
                url.push('&');
            }
        }
        url.push_str(further);
        url
    }
}

/// News of a cluster.
#[derive(Debug)]
pub(super) enum Change {
    /// All objects of a scope.
    Listed { scope: Scope, objects: Vec<Value> },
    /// An object that is new or different.
    Set { resource: Resource, object: Value },
    /// An object that is gone.
    Deleted { resource: Resource, key: String },
}

/// Why a watch ended.
enum End {
    /// The server closed it in time.
    Closed,
    /// The server has forgotten the version.
    Gone,
}

/// Follows one scope.
pub(super) struct Watcher {
    pub(super) scope: Scope,
    pub(super) api: Arc<Api>,
    pub(super) server: String,
    pub(super) sender: Sender<Change>,
    pub(super) failures: Counter,
    pub(super) job: Box<str>,
    /// After a failure; longer after further ones.
    pub(super) min_pause: Duration,
}

impl Watcher {
    /// Lists and watches until nobody listens any more.
    pub(super) async fn watch(self) {
        let mut pause = self.min_pause;
        while !self.sender.is_closed() {
            let mut version = match self.list().await {
                Ok(version) => version,
                Err(error) => {
                    self.failed(&error);
                    self.wait(&mut pause).await;
                    continue;
                }
            };
            let mut failures = 0;
            while failures < MAX_FAILURES && !self.sender.is_closed() {
                let before = version.clone();
                let ended = self.stream(&mut version).await;
                let has_moved = version != before;
                if has_moved {
                    pause = self.min_pause;
                    failures = 0;
                }
                match ended {
                    Ok(End::Gone) => {
                        if !has_moved {
                            self.wait(&mut pause).await;
                        }
                        break;
                    }
                    Ok(End::Closed) if has_moved => {}
                    Ok(End::Closed) => sleep(self.min_pause).await,
                    Err(error) => {
                        self.failed(&error);
                        failures += 1;
                        self.wait(&mut pause).await;
                    }
                }
            }
        }
    }

    /// Waits, longer each time.
    async fn wait(&self, pause: &mut Duration) {
        sleep(*pause).await;
        *pause = (*pause * 2).min(MAX_PAUSE);
    }

    fn failed(&self, error: &Error) {
        self.failures.inc();
        tracing::error!(discovery = "kubernetes", config = &*self.job, err = %error,
            "Failed to list or watch");
    }

    /// Lists everything, page by page; the version from which on to watch.
    async fn list(&self) -> Result<String, Error> {
        let mut objects = Vec::new();
        let mut page = String::new();
        loop {
            let mut further = format!("limit={PAGE}");
            if !page.is_empty() {
                further = format!("continue={}&{further}", escaped(&page));
            }
            let url = self.scope.url(&self.server, &further);
            let mut answer = self.api.get_json(&url).await?;
            if let Value::Array(items) = answer["items"].take() {
                objects.extend(items.into_iter().map(|item| self.scope.resource.keep(item)));
            }
            let metadata = &answer["metadata"];
            page = metadata["continue"].as_str().unwrap_or_default().to_owned();
            if page.is_empty() {
                let version = metadata["resourceVersion"].as_str().unwrap_or_default().to_owned();
                self.send(Change::Listed { scope: self.scope.clone(), objects }).await;
                return Ok(version);
            }
        }
    }

    async fn send(&self, change: Change) {
        // Nobody listens at the end only, which the loop above notices.
        drop(self.sender.send(change).await);
    }

    /// Follows the changes after `version`, which moves along.
    async fn stream(&self, version: &mut String) -> Result<End, Error> {
        let url = self.scope.url(
            &self.server,
            &format!(
                "allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}&watch=true",
                escaped(version),
                WATCH.as_secs()
            ),
        );
        let headers = [("Accept", "application/json")];
        let call = Call { method: "GET", url: &url, headers: &headers, body: Bytes::new() };
        let late = || net::Error::Timeout { url: url.as_str().into() };
        let opened = timeout(TIMEOUT, self.api.client().open(&call)).await;
        let mut answer = opened.map_err(|_| late())??;
        if answer.status == GONE {
            return Ok(End::Gone);
        }
        if answer.status != 200 {
            let status = answer.status;
            return Err(Error::Status { url: url.into(), status, body: "".into() });
        }
        // What of the buffer is known to have no end of a line is not looked at again.
        let (mut buffer, mut scanned) = (Vec::new(), 0);
        loop {
            let read = timeout(WATCH + TIMEOUT, answer.chunk()).await;
            let Some(bytes) = read.map_err(|_| late())?? else { return Ok(End::Closed) };
            buffer.extend_from_slice(&bytes);
            let mut begin = 0;
            while let Some(length) = memchr::memchr(b'\n', &buffer[scanned..]) {
                let line = &buffer[begin..scanned + length];
                begin = scanned + length + 1;
                scanned = begin;
                if !line.trim_ascii().is_empty()
                    && let Some(end) = self.event(json(&url, line)?, version).await
                {
                    return Ok(end);
                }
            }
            buffer.drain(..begin);
            scanned = buffer.len();
            if buffer.len() > MAX_EVENT_BYTES {
                return Err(Error::answer(&url, "an event is too large"));
            }
        }
    }

    async fn event(&self, mut event: Value, version: &mut String) -> Option<End> {
        let mut object = event["object"].take();
        let kind = event["type"].as_str().unwrap_or_default();
        if kind == "ERROR" {
            let code = object["code"].as_u64().unwrap_or(0);
            if code == u64::from(GONE) {
                return Some(End::Gone);
            }
            // Whatever it is, a new list puts it right.
            let message = object["message"].as_str().unwrap_or_default();
            let what = format!("the watch ended with {code}: {message}");
            self.failed(&Error::answer(&self.server, what));
            return Some(End::Gone);
        }
        if let Value::String(new) = object["metadata"]["resourceVersion"].take() {
            *version = new;
        }
        let resource = self.scope.resource;
        match kind {
            "ADDED" | "MODIFIED" => {
                self.send(Change::Set { resource, object: resource.keep(object) }).await;
            }
            "DELETED" => self.send(Change::Deleted { resource, key: key_of(&object) }).await,
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests;
