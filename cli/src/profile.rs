//! Profiles of this process: stacks of its threads by a timer of the system, memory by what the kernel tells of it.

use crate::clock;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use storage::Cancel;
use web::profile::{Place, Profile, Profiler, Sample};

/// How often stacks are taken, a second of processor time.
const FREQUENCY: i32 = 100;
/// How often it is looked whether somebody still waits.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Makes profiles, one of the processors at a time.
#[derive(Debug, Default)]
pub(crate) struct ProcessProfiler {
    one: Mutex<()>,
}

impl Profiler for ProcessProfiler {
    fn processors(&self, length: Duration, cancel: &Cancel) -> Result<Profile, String> {
        let _alone = self.one.try_lock().ok_or("another profile of the processors is under way")?;
        let begin_ms = clock::now_ms();
        // Stacks are not unwound inside of what may hold the lock that unwinding takes.
        let guard = pprof::ProfilerGuardBuilder::default()
            .frequency(FREQUENCY)
            .blocklist(&["libc", "libgcc", "pthread", "vdso"])
            .build()
            .map_err(|error| format!("watching the processors: {error}"))?;
        let watch = metrics::Stopwatch::start();
        while watch.elapsed() < length {
            cancel.check().map_err(|error| error.to_string())?;
            std::thread::sleep(LOOK_EVERY.min(length.saturating_sub(watch.elapsed())));
        }
        let took = watch.elapsed();
        let report =
            guard.report().build().map_err(|error| format!("gathering stacks: {error}"))?;
        drop(guard);
        let period_ns = 1_000_000_000 / i64::from(FREQUENCY);
        let sample = |(frames, count): (&pprof::Frames, &isize)| {
            let symbols = frames.frames.iter().flatten();
            let place = |symbol: &pprof::Symbol| Place {
                function: symbol.name(),
                file: symbol.filename().into_owned(),
                line: symbol.lineno(),
            };
            let count = *count as i64;
            Sample {
                stack: symbols.map(place).collect(),
                values: vec![count, count * period_ns],
                labels: vec![("thread", frames.thread_name.clone())],
            }
        };
        Ok(Profile {
            kinds: vec![("samples", "count"), ("cpu", "nanoseconds")],
            samples: report.data.iter().map(sample).collect(),
            period: Some(("cpu", "nanoseconds", period_ns)),
            begin_ms,
            length: took,
            comments: Vec::new(),
        })
    }

    fn memory(&self) -> Result<Profile, String> {
        let path = "/proc/self/smaps";
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("reading {path}: {error}"))?;
        let place = |function: &str| Place { function: function.to_owned(), ..Place::default() };
        let sample = |((kind, name), bytes): ((&'static str, String), i64)| Sample {
            stack: vec![place(&name), place(kind)],
            values: vec![bytes],
            labels: Vec::new(),
        };
        Ok(Profile {
            kinds: vec![("inuse_space", "bytes")],
            samples: mappings(&text).into_iter().map(sample).collect(),
            period: Some(("space", "bytes", 1)),
            begin_ms: clock::now_ms(),
            length: Duration::ZERO,
            comments: vec![
                "resident bytes by mapping; stacks of allocations are not recorded".to_owned(),
            ],
        })
    }

    fn command_line(&self) -> Vec<String> {
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
    }
}

/// Resident bytes by kind and name of the mapping.
fn mappings(smaps: &str) -> BTreeMap<(&'static str, String), i64> {
    let mut found = BTreeMap::new();
    let mut current = ("anonymous memory", String::new());
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if first == "Rss:" {
            let kibibytes: i64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            if kibibytes > 0 {
                *found.entry(current.clone()).or_default() += kibibytes * 1024;
            }
        } else if !first.ends_with(':') {
            // Addresses, permissions, offset, device, inode, then the name, which may have spaces.
            let name = words.skip(4).collect::<Vec<_>>().join(" ");
            current = match name.as_str() {
                "" => ("anonymous memory", "allocator".to_owned()),
                special if special.starts_with('[') => ("anonymous memory", name),
                _ => ("mapped files", name),
            };
        }
    }
    found
}

#[cfg(test)]
mod tests;
