//! Discovery by files: patterns, watched and read again at intervals. A file that cannot be read or parsed keeps the
//! targets it last gave; a file that is gone takes them along. What is in a file is parsed by `file_format`.

use crate::TargetGroup;
use crate::config::{FileSdConfig, StaticGroup};
use crate::file_format;
use crate::manager::address_label;
use crate::provider::{Provider, Publisher, Running};
use metrics::{Counter, GaugeVec, Registry, Stopwatch, Summary};
use model::{Labels, LabelsBuilder};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

const FILE_PATH_LABEL: &str = "__meta_filepath";
/// Editors and deployments touch a file several times in a row: wait until they are done.
const SETTLE: Duration = Duration::from_millis(50);

/// Watches the files of one configuration.
#[derive(Debug)]
pub(crate) struct FileProvider {
    config: FileSdConfig,
    read_errors: Counter,
    watcher_errors: Counter,
    scan_seconds: Summary,
    modified_seconds: GaugeVec,
    /// Number of groups that each file gave.
    num_groups: BTreeMap<PathBuf, usize>,
}

/// Shows the counters at 0 before a job uses files.
pub(crate) fn register(registry: &Registry) {
    drop(FileProvider::new(FileSdConfig::default(), registry));
}

impl FileProvider {
    pub(crate) fn new(config: FileSdConfig, registry: &Registry) -> Self {
        Self {
            config,
            read_errors: registry.counter(
                "prometheus_sd_file_read_errors_total",
                "The number of File-SD read errors.",
            ),
            watcher_errors: registry.counter(
                "prometheus_sd_file_watcher_errors_total",
                "The number of File-SD errors caused by filesystem watch failures.",
            ),
            scan_seconds: registry.summary(
                "prometheus_sd_file_scan_duration_seconds",
                "The duration of the File-SD scan in seconds.",
                &[0.5, 0.9, 0.99],
            ),
            modified_seconds: registry.gauge_vec(
                "prometheus_sd_file_mtime_seconds",
                "Timestamp (mtime) of files read by FileSD. Timestamp is set at read time.",
                &["filename"],
            ),
            num_groups: BTreeMap::new(),
        }
    }

    /// Watches the directories of all patterns; without a watcher the interval still does its work.
    fn watch(&self, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
        let (told, errors) = (Arc::clone(changed), self.watcher_errors.clone());
        let created =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
                Ok(event) if event.kind.is_access() => {}
                Ok(_) => told.notify_one(),
                Err(_) => errors.inc(),
            });
        let mut watcher = match created {
            Ok(watcher) => watcher,
            Err(error) => {
                self.watcher_errors.inc();
                tracing::error!(%error, "Error adding file watcher");
                return None;
            }
        };
        let directories: BTreeSet<&Path> =
            self.config.files.iter().map(|pattern| directory(pattern)).collect();
        for path in directories {
            if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
                self.watcher_errors.inc();
                tracing::error!(path = %path.display(), %error, "Error watching the directory of discovery files");
            }
        }
        Some(watcher)
    }

    /// Reads all files and publishes what changed.
    async fn refresh(&mut self, publisher: &Publisher) {
        let stopwatch = Stopwatch::start();
        let mut seen = BTreeSet::new();
        for pattern in &self.config.files {
            seen.extend(matching_files(pattern).await);
        }
        let mut groups = Vec::new();
        for path in &seen {
            match self.read(path).await {
                Ok(found) => {
                    let number = found.len();
                    groups.extend(
                        found.into_iter().enumerate().map(|(i, g)| file_group(path, i, &g)),
                    );
                    let before = self.num_groups.insert(path.clone(), number).unwrap_or(0);
                    groups.extend((number..before).map(|index| empty_group(path, index)));
                }
                Err(error) => {
                    self.read_errors.inc();
                    tracing::error!(path = %path.display(), %error, "Error reading file");
                }
            }
        }
        let gone: Vec<PathBuf> =
            self.num_groups.keys().filter(|path| !seen.contains(*path)).cloned().collect();
        for path in gone {
            let before = self.num_groups.remove(&path).unwrap_or(0);
            groups.extend((0..before).map(|index| empty_group(&path, index)));
            self.modified_seconds.remove(&[&path.to_string_lossy()]);
        }
        publisher.publish(groups);
        self.scan_seconds.observe(stopwatch.elapsed_seconds());
    }

    async fn read(&self, path: &Path) -> Result<Vec<StaticGroup>, Box<str>> {
        let text = tokio::fs::read_to_string(path).await.map_err(|e| e.to_string())?;
        if let Ok(metadata) = tokio::fs::metadata(path).await
            && let Ok(modified) = metadata.modified()
            && let Ok(since) = modified.duration_since(UNIX_EPOCH)
        {
            self.modified_seconds.with(&[&path.to_string_lossy()]).set(since.as_secs_f64());
        }
        parse(path, &text)
    }

    async fn watch_and_refresh(mut self, publisher: Publisher) {
        let changed = Arc::new(Notify::new());
        let watcher = self.watch(&changed);
        let mut ticks = interval(self.config.refresh_interval.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = changed.notified() => tokio::time::sleep(SETTLE).await,
            }
            self.refresh(&publisher).await;
            // The watcher lives as long as the loop.
            let _: &Option<RecommendedWatcher> = &watcher;
        }
    }
}

impl Provider for FileProvider {
    fn run(self: Box<Self>, publisher: Publisher) -> Running {
        Box::pin(self.watch_and_refresh(publisher))
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<StaticGroup>, Box<str>> {
    file_format::parse(path, text).map_err(|error| error.to_string().into())
}

fn file_group(path: &Path, index: usize, group: &StaticGroup) -> TargetGroup {
    let mut builder = LabelsBuilder::new();
    builder.reset(&group.labels);
    builder.set(FILE_PATH_LABEL, &path.to_string_lossy());
    let targets = group.targets.iter().map(|address| address_label(address)).collect();
    TargetGroup { source: source(path, index), labels: builder.labels(), targets }
}

fn empty_group(path: &Path, index: usize) -> TargetGroup {
    TargetGroup { source: source(path, index), labels: Labels::empty(), targets: Vec::new() }
}

fn source(path: &Path, index: usize) -> Box<str> {
    format!("{}:{index}", path.display()).into()
}

/// The directory that a pattern looks into.
fn directory(pattern: &str) -> &Path {
    match Path::new(pattern).parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The files that match a pattern, which has wildcards in its last element only.
async fn matching_files(pattern: &str) -> Vec<PathBuf> {
    let path = Path::new(pattern);
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    let parent = path.parent().unwrap_or(Path::new(""));
    if !name.contains(['*', '?', '[', '\\']) {
        let exists = tokio::fs::metadata(path).await.is_ok();
        return if exists { vec![path.to_owned()] } else { Vec::new() };
    }
    let Ok(mut entries) = tokio::fs::read_dir(directory(pattern)).await else { return Vec::new() };
    let mut found = Vec::new();
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.file_name().to_str().is_some_and(|have| glob(name, have)) {
            found.push(parent.join(entry.file_name()));
        }
    }
    found
}

/// Whether `name` matches `pattern`: `*`, `?`, `[a-z]`, `[^a]`, and `\` for the character itself.
fn glob(pattern: &str, name: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            let mut starts = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            starts.any(|at| glob(rest, &name[at..]))
        }
        Some(first) => {
            let mut have = name.chars();
            let Some(c) = have.next() else { return false };
            let matches = match first {
                '?' => true,
                '[' => match class(&mut chars, c) {
                    Some(matches) => matches,
                    None => return false,
                },
                '\\' => chars.next() == Some(c),
                literal => literal == c,
            };
            matches && glob(chars.as_str(), have.as_str())
        }
    }
}

/// Reads a character class up to its bracket; whether `c` is in it, `None` if it is not closed.
fn class(pattern: &mut std::str::Chars<'_>, c: char) -> Option<bool> {
    let negated = pattern.as_str().starts_with('^');
    if negated {
        pattern.next();
    }
    let mut found = false;
    let mut is_first = true;
    loop {
        let mut low = pattern.next()?;
        if low == ']' && !is_first {
            return Some(found != negated);
        }
        is_first = false;
        if low == '\\' {
            low = pattern.next()?;
        }
        let mut high = low;
        if pattern.as_str().starts_with('-') {
            pattern.next();
            high = pattern.next()?;
            if high == '\\' {
                high = pattern.next()?;
            }
        }
        found |= (low..=high).contains(&c);
    }
}

#[cfg(test)]
mod tests;
