//! Scenarios as recorded, and the fetcher that answers from their scripts.

use discovery::TargetGroup;
use discovery::config::StaticGroup;
use model::{Labels, LabelsBuilder};
use scrape::config::ScrapeConfig;
use scrape::{Clock, Fetch, FetchError, FetchRequest, Fetching};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// When replays begin.
pub(super) const START_MS: i64 = 1_700_000_000_000;

/// A recorded scenario.
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) config: String,
    pub(super) files: BTreeMap<String, String>,
    pub(super) duration: Duration,
    /// The answers of each address, repeated ones written out.
    answers: BTreeMap<String, Vec<Value>>,
    actions: Vec<Value>,
    first_address: String,
    /// How long after `T` the first target is scraped first.
    lead_ms: i64,
    /// The features that flags switched on.
    pub(super) features: Vec<String>,
    has_window: bool,
}

impl Scenario {
    pub(super) fn new(line: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let mut answers = BTreeMap::new();
        for target in line["targets"].as_array().expect("targets") {
            let mut script = Vec::new();
            for answer in target["script"].as_array().expect("a script") {
                let times = answer["times"].as_u64().unwrap_or(1);
                script.extend(std::iter::repeat_n(answer.clone(), times as usize));
            }
            answers.insert(text(&target["address"]), script);
        }
        let interval_s = if text(&line["config"]).contains("scrape_interval: 2s") { 4 } else { 2 };
        let longest = answers.values().map(Vec::len).max().unwrap_or(0) as u64;
        let files = line["files"].as_object();
        Self {
            name: text(&line["name"]),
            config: text(&line["config"]),
            files: files
                .into_iter()
                .flatten()
                .map(|(name, body)| (name.clone(), text(body)))
                .collect(),
            duration: Duration::from_secs((longest + 8) * interval_s),
            first_address: line["targets"].get(0).map_or_else(String::new, |t| text(&t["address"])),
            answers,
            actions: line["actions"].as_array().cloned().unwrap_or_default(),
            lead_ms: line["t0_minus_T_ms"].as_i64().unwrap_or(0),
            features: line["flags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|flag| flag.as_str()?.strip_prefix("--enable-feature="))
                .flat_map(|list| list.split(',').map(str::to_owned))
                .collect(),
            has_window: text(&line["config"]).contains("out_of_order_time_window"),
        }
    }

    /// Whether a feature is on.
    pub(super) fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|name| name == feature)
    }

    /// Whether it is about samples that are stored out of order, which the storage of this test does not do.
    pub(super) fn needs_other_storage(&self) -> bool {
        self.has_window
    }
}

/// The group of a discovery file or of `static_configs`.
pub(super) fn group(source: &str, group: &StaticGroup, file: Option<&str>) -> TargetGroup {
    let mut builder = LabelsBuilder::new();
    builder.reset(&group.labels);
    if let Some(file) = file {
        builder.set("__meta_filepath", file);
    }
    let targets =
        group.targets.iter().map(|address| Labels::from_pairs([("__address__", address)]));
    TargetGroup { source: source.into(), labels: builder.labels(), targets: targets.collect() }
}

/// Whether a discovery pattern, with at most one star, names this file.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, end)) => name.starts_with(begin) && name.ends_with(end),
    }
}

/// Applies the file part of an action.
pub(super) fn change_files(action: &Value, files: &mut BTreeMap<String, String>) {
    for (name, text) in action["write"].as_object().into_iter().flatten() {
        files.insert(name.clone(), text.as_str().expect("a text").to_owned());
    }
    for name in action["remove"].as_array().into_iter().flatten() {
        files.remove(name.as_str().expect("a name"));
    }
}

#[derive(Default)]
struct Progress {
    base_ms: Option<i64>,
    /// Answers used up and scrapes begun, by address.
    used: BTreeMap<String, (usize, usize)>,
    /// Addresses that were asked more often than they have answers.
    over: BTreeSet<String>,
    /// Addresses with a connection that is kept alive.
    alive: BTreeMap<String, bool>,
}

/// The scripts of all targets of a scenario.
pub(super) struct Script {
    answers: BTreeMap<String, Vec<Value>>,
    actions: Vec<Value>,
    first_address: String,
    lead_ms: i64,
    clock: Clock,
    progress: Mutex<Progress>,
    act: mpsc::UnboundedSender<Value>,
}

impl Script {
    pub(super) fn new(
        scenario: &Scenario,
        clock: Clock,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Value>) {
        let (act, actions) = mpsc::unbounded_channel();
        let script = Self {
            answers: scenario.answers.clone(),
            actions: scenario.actions.clone(),
            first_address: scenario.first_address.clone(),
            lead_ms: scenario.lead_ms,
            clock,
            progress: Mutex::default(),
            act,
        };
        (Arc::new(script), actions)
    }

    /// The time `T`.
    pub(super) fn base_ms(&self) -> i64 {
        self.progress.lock().expect("no panic").base_ms.unwrap_or(START_MS)
    }

    /// The next answer of `address`, or why there is none.
    fn next(&self, address: &str) -> Option<Value> {
        let mut progress = self.progress.lock().expect("no panic");
        if progress.base_ms.is_none() && address == self.first_address {
            progress.base_ms = Some((self.clock)() - self.lead_ms);
        }
        let alive = progress.alive.get(address).copied().unwrap_or(false);
        let used = progress.used.entry(address.to_owned()).or_default();
        let scrape = used.1;
        used.1 += 1;
        let script = self.answers.get(address)?;
        let Some(mut answer) = script.get(used.0).cloned() else {
            progress.over.insert(address.to_owned());
            return None;
        };
        used.0 += 1;
        let dies = |answer: &Value| answer["drop"] == true || answer["rst"] == true;
        if dies(&answer) && alive {
            // A kept connection that dies without an answer: the request is sent again.
            answer = script.get(used.0)?.clone();
            used.0 += 1;
        }
        let stays = !dies(&answer)
            && answer["close"] != true
            && answer["missing_bytes"].is_null()
            && answer["cut_bytes"].is_null();
        progress.alive.insert(address.to_owned(), stays);
        for action in &self.actions {
            if action["after"]["target"] == address && action["after"]["k"] == scrape {
                self.act.send(action.clone()).expect("the replay listens");
            }
        }
        Some(answer)
    }

    /// `{T+5}` and `{S+5}` as numbers.
    fn fill(&self, body: &str) -> String {
        let base_ms = {
            let progress = self.progress.lock().expect("no panic");
            progress.base_ms.unwrap_or_else(|| (self.clock)())
        };
        let mut out = String::new();
        let mut rest = body;
        while let Some(at) = rest.find("{T").into_iter().chain(rest.find("{S")).min() {
            let Some(length) = rest[at..].find('}') else { break };
            let inner = &rest[at + 2..at + length];
            let Ok(offset_ms) = (if inner.is_empty() { Ok(0) } else { inner.parse::<i64>() })
            else {
                out.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
                continue;
            };
            out.push_str(&rest[..at]);
            let time_ms = base_ms + offset_ms;
            if rest.as_bytes()[at + 1] == b'T' {
                out.push_str(&time_ms.to_string());
            } else {
                out.push_str(&(time_ms as f64 / 1000.0).to_string());
            }
            rest = &rest[at + length + 1..];
        }
        out + rest
    }
}

/// Answers from the script, within the limits of a job.
pub(super) struct ScriptFetch {
    script: Arc<Script>,
    body_size_limit: u64,
}

impl ScriptFetch {
    pub(super) fn new(script: Arc<Script>, config: &ScrapeConfig) -> Self {
        Self { script, body_size_limit: config.limits.body_size_limit }
    }

    async fn answer(&self, url: &str, body: &mut Vec<u8>) -> Result<Box<str>, FetchError> {
        let address = url
            .split("://")
            .nth(1)
            .unwrap_or_default()
            .split(['/', '?'])
            .next()
            .unwrap_or_default();
        if !self.script.answers.contains_key(address) {
            return Err(FetchError::Transport("connection refused".into()));
        }
        if !url.starts_with("http://") {
            return Err(FetchError::Transport("no such server".into()));
        }
        let Some(answer) = self.script.next(address) else { return std::future::pending().await };
        if let Some(delay_ms) = answer["delay_ms"].as_u64() {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        if answer["drop"] == true || answer["rst"] == true {
            return Err(FetchError::Transport("connection closed before an answer".into()));
        }
        let status = answer["status"].as_u64().unwrap_or(200);
        if status != 200 {
            return Err(FetchError::Status(format!("{status} X").into()));
        }
        if !answer["missing_bytes"].is_null() || !answer["cut_bytes"].is_null() {
            return Err(FetchError::Transport("the body broke off".into()));
        }
        body.clear();
        match (answer["body"].as_str(), answer["body_base64"].as_str()) {
            (Some(text), _) => body.extend_from_slice(self.script.fill(text).as_bytes()),
            (None, Some(text)) => {
                use base64::Engine as _;
                *body = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
            }
            (None, None) => {}
        }
        if self.body_size_limit > 0 && body.len() as u64 >= self.body_size_limit {
            return Err(FetchError::BodySizeLimit);
        }
        Ok(answer["content_type"].as_str().unwrap_or_default().into())
    }
}

impl Fetch for ScriptFetch {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>, body: &'a mut Vec<u8>) -> Fetching<'a> {
        Box::pin(async move {
            // Beyond the script nothing is recorded: such a scrape never ends.
            let asked = self.answer(request.url, body);
            let address_done = async {
                tokio::time::sleep(request.timeout).await;
            };
            tokio::select! {
                biased;
                answer = asked => answer,
                () = address_done => {
                    if self.script.is_over(request.url) {
                        return std::future::pending().await;
                    }
                    Err(FetchError::Transport("context deadline exceeded".into()))
                }
            }
        })
    }
}

impl Script {
    /// Whether this URL was asked more often than it has answers.
    fn is_over(&self, url: &str) -> bool {
        let progress = self.progress.lock().expect("no panic");
        progress.over.iter().any(|address| url.contains(address.as_str()))
    }
}
