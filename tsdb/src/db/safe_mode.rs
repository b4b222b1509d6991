//! A server that dies again and again soon after its start: the log brings back what killed it, and more of the same
//! comes in at once. After several such starts new series are refused, so that there is something to look at; when the
//! server has lived for long enough, they are taken again.

use super::{Db, Parts};
use crate::Result;
use disk::Disk;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

/// Times of starts without an end in good order, in milliseconds, one a line. Prometheus does not look at it.
const STARTS_FILE: &str = "unclean_starts";
const UNFINISHED_FILE: &str = "unclean_starts.tmp";
/// Earlier ones are of no interest, however many there are.
const MAX_STARTS: usize = 100;
/// Nobody else's file is read to its end.
const MAX_BYTES: usize = 4096;

/// When the database opens in safe mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeModeRule {
    /// After how many starts that did not end in good order.
    pub crashes: usize,
    /// Within so many milliseconds; the mode lasts as long.
    pub within_ms: i64,
    /// The wall clock as the database opens.
    pub now_ms: i64,
}

/// No safe mode.
const NEVER: i64 = i64::MIN;

/// Until when new series are refused.
#[derive(Debug)]
pub(super) struct SafeMode(AtomicI64);

impl Default for SafeMode {
    fn default() -> Self {
        Self(AtomicI64::new(NEVER))
    }
}

impl SafeMode {
    pub(super) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed) != NEVER
    }
}

/// The starts that a file tells. Its bytes are foreign: lines that are no times are none.
fn read_starts(disk: &dyn Disk, path: &Path) -> std::io::Result<Vec<i64>> {
    if !disk.exists(path) {
        return Ok(Vec::new());
    }
    let bytes = disk.read_at(path, 0, MAX_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

fn write_starts(disk: &dyn Disk, dir: &Path, starts: &[i64]) -> std::io::Result<()> {
    let aside = dir.join(UNFINISHED_FILE);
    if disk.exists(&aside) {
        disk.remove(&aside)?;
    }
    let lines: String = starts.iter().map(|start| format!("{start}\n")).collect();
    let mut file = disk.create(&aside)?;
    file.append(lines.as_bytes())?;
    file.sync()?;
    drop(file);
    disk.rename(&aside, &dir.join(STARTS_FILE))?;
    disk.sync_dir(dir)
}

impl Parts {
    /// Enters this start among those that have not ended, and looks at how many there are. A start does not fail for
    /// that.
    pub(super) fn enter_start(&self) -> SafeMode {
        let Some(rule) = self.options.safe_mode else { return SafeMode::default() };
        let entered = self.try_enter_start(&rule).unwrap_or_else(|error| {
            self.log.warn(
                "How often the server died is not known; it starts as usual",
                &[("err", &error)],
            );
            0
        });
        if rule.crashes == 0 || entered < rule.crashes {
            return SafeMode::default();
        }
        self.log.warn(
            "The server died several times soon after its start: safe mode, new series are refused",
            &[("crashes", &entered), ("minutes", &(rule.within_ms / 60_000))],
        );
        SafeMode(AtomicI64::new(rule.now_ms.saturating_add(rule.within_ms)))
    }

    /// Answers how many starts just before this one did not end in good order.
    fn try_enter_start(&self, rule: &SafeModeRule) -> std::io::Result<usize> {
        let mut starts = read_starts(&*self.disk, &self.dir.join(STARTS_FILE))?;
        let since_ms = rule.now_ms.saturating_sub(rule.within_ms);
        // A clock that was set back has no part in this.
        starts.retain(|start| (since_ms..=rule.now_ms).contains(start));
        let num_crashes = starts.len();
        starts.push(rule.now_ms);
        let first = starts.len().saturating_sub(MAX_STARTS);
        write_starts(&*self.disk, &self.dir, &starts[first..])?;
        Ok(num_crashes)
    }
}

impl Db {
    /// Whether new series are refused since the server died several times soon after its start.
    #[must_use]
    pub fn is_in_safe_mode(&self) -> bool {
        self.safe_mode.is_on()
    }

    /// Ends the safe mode when it is time.
    pub(super) fn watch_safe_mode(&self, now_ms: i64) {
        let until_ms = self.safe_mode.0.load(Ordering::Relaxed);
        if until_ms == NEVER || now_ms < until_ms {
            return;
        }
        self.safe_mode.0.store(NEVER, Ordering::Relaxed);
        self.update_series_room();
        self.log.info("Safe mode ends: new series are taken again", &[]);
    }

    /// Measures out room for new series, by memory and by mode.
    pub(super) fn update_series_room(&self) {
        let room = self.options.memory.as_ref().map(|budget| {
            let reckoned = self.pressure.lock().peak_bytes(budget.used_bytes());
            budget.room(reckoned)
        });
        let room = match room {
            _ if self.is_in_safe_mode() => Some(0),
            room => room,
        };
        self.metrics.safe_mode.set(f64::from(self.is_in_safe_mode()));
        self.head.set_series_room(room);
    }

    /// This start has ended in good order, and so what was before it is forgotten.
    pub(super) fn leave_start(&self) -> Result<()> {
        let path = self.dir.join(STARTS_FILE);
        if self.options.safe_mode.is_some() && self.disk.exists(&path) {
            self.disk.remove(&path)?;
        }
        Ok(())
    }
}
