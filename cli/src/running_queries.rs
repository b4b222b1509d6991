//! `queries.active` in the data directory: the queries that run, each in a slot of its own, so that the start after a
//! crash can tell what the server was at. The bytes are those of Prometheus: `[`, then slots of 1000 bytes that hold
//! nothing but zeros or an object, a comma at their end.

#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use web::RunningQueries;
use web::json::push_html_text;

/// The name of the file.
const NAME: &str = "queries.active";

/// Bytes for each query.
const SLOT_BYTES: usize = 1000;

/// Notes the queries that run. It does nothing until it is opened.
#[derive(Debug)]
pub(crate) struct RunningFile {
    slots: usize,
    now_ms: fn() -> i64,
    file: OnceLock<File>,
    /// Slots that are free, the one that is free for the longest time first.
    free: Mutex<VecDeque<usize>>,
}

impl RunningFile {
    /// A file for so many queries at one time.
    pub(crate) fn new(slots: usize, now_ms: fn() -> i64) -> Self {
        Self { slots, now_ms, file: OnceLock::new(), free: Mutex::default() }
    }

    /// Starts a new file in `dir`, which nobody else may use. Returns what was left in the old one, as JSON: the queries
    /// that did not finish.
    pub(crate) fn open(&self, dir: &Path) -> io::Result<Option<String>> {
        let path = dir.join(NAME);
        let bytes = 1 + self.slots * SLOT_BYTES;
        let mut left = Vec::new();
        match File::options().read(true).open(&path) {
            Ok(old) => drop(old.take(bytes as u64).read_to_end(&mut left)?),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = File::create(&path)?;
        // Zeros that are written, not a hole: a full disk is to be noticed now.
        let mut content = vec![0; bytes];
        content[0] = b'[';
        file.write_all_at(&content, 0)?;
        file.sync_all()?;
        *self.free.lock() = (0..self.slots).collect();
        self.file.set(file).expect("it is opened once");
        Ok(unfinished(&left))
    }
}

/// The list of what stands in the slots; `None` if nothing does.
fn unfinished(content: &[u8]) -> Option<String> {
    let mut list: Vec<u8> = content.iter().copied().filter(|&byte| byte != 0).collect();
    if list.len() < 2 {
        return None;
    }
    if list.last() == Some(&b',') {
        list.pop();
    }
    list.push(b']');
    Some(String::from_utf8_lossy(&list).into_owned())
}

/// The content of a slot. Of a query that is too long only the beginning stands there.
fn slot(query: &str, timestamp_s: i64) -> Vec<u8> {
    let rest = format!(",\"timestamp_sec\":{timestamp_s}}}");
    let room = SLOT_BYTES - 1 - "{\"query\":\"\"".len() - rest.len();
    let mut len = query.floor_char_boundary(query.len().min(room));
    let mut out = Vec::with_capacity(SLOT_BYTES);
    loop {
        out.clear();
        out.extend_from_slice(b"{\"query\":");
        push_html_text(&mut out, &query[..len]);
        out.extend_from_slice(rest.as_bytes());
        let Some(excess) = out.len().checked_sub(SLOT_BYTES) else { break };
        // Some characters take several bytes in JSON, six at most: this many fewer is never too few for long.
        len = query.floor_char_boundary(len.saturating_sub(excess / 6 + 1));
    }
    out.resize(SLOT_BYTES - 1, 0);
    out.push(b',');
    out
}

impl RunningQueries for RunningFile {
    fn begin(&self, query: &str) -> Option<usize> {
        let file = self.file.get()?;
        let place = self.free.lock().pop_front()?;
        let slot = slot(query, (self.now_ms)().div_euclid(1000));
        if file.write_all_at(&slot, (1 + place * SLOT_BYTES) as u64).is_err() {
            // A query is worth more than the note of it.
            self.free.lock().push_back(place);
            return None;
        }
        Some(place)
    }

    fn end(&self, place: usize) {
        let Some(file) = self.file.get() else { return };
        // What fails here tells of a query too many after a crash.
        drop(file.write_all_at(&[0; SLOT_BYTES], (1 + place * SLOT_BYTES) as u64));
        self.free.lock().push_back(place);
    }
}
