//! An image back to memory. Its bytes are foreign: whoever wrote them, the outcome is series or a refusal. Sections are
//! read by several threads; the records of one section stay in order.

use super::cursor::Cursor;
use super::series::{Labels, Part, Taken};
use super::{END, EXPIRED, LABELS, SERIES};
use crate::head::replay::FoundChunks;
use crate::head::{Replay, Shared};
use crossbeam::channel::{Sender, bounded};
use std::sync::Arc;

/// Takes records with their sections.
type RecordSender = Sender<(u16, Vec<u8>)>;

/// Records that wait for a thread.
const QUEUE: usize = 8;

/// Reads an image; `false` if it is not whole, or if chunk files that it relies on are not there.
pub(in crate::head) fn load(replay: &mut Replay, image: &mut wal::Reader) -> bool {
    let head = Arc::clone(&replay.head);
    let (part, is_whole) = load_series(&head, &replay.found, image);
    replay.take_part(part);
    if !is_whole {
        return false;
    }
    loop {
        let record = image.record();
        match record.split_first() {
            Some((&EXPIRED, body)) => {
                let mut expired = head.expired.lock();
                for entry in body.as_chunks::<16>().0 {
                    let (number, last_ms) = entry.split_at(8);
                    let number = u64::from_le_bytes(number.try_into().expect("eight bytes"));
                    let last_ms = i64::from_le_bytes(last_ms.try_into().expect("eight bytes"));
                    expired.insert(number, last_ms);
                }
            }
            Some((&END, body)) => {
                let mut cursor = Cursor(body);
                let (Some(count), Some(last_ref)) = (cursor.u64(), cursor.u64()) else {
                    return false;
                };
                replay.max_ref = replay.max_ref.max(last_ref);
                return count == part.num_series;
            }
            _ if replay.apply(record).is_err() => return false,
            _ => {}
        }
        if !image.advance().unwrap_or(false) {
            return false;
        }
    }
}

/// Reads the series and stops at the first record behind them. What was read counts also where something is wrong.
fn load_series(head: &Shared, found: &FoundChunks, image: &mut wal::Reader) -> (Part, bool) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let mut lanes = Vec::new();
        for _ in 0..cores.min(head.shards.len()) {
            let (sender, records) = bounded::<(u16, Vec<u8>)>(QUEUE);
            let work = move || {
                let mut lane = Lane { head, found, labels: None, part: Part::default() };
                // A lane that gives up closes its channel.
                let mut records = records.into_iter();
                let is_whole =
                    records.all(|(section, record)| lane.take(section, &record).is_some());
                (lane.part, is_whole)
            };
            let thread = std::thread::Builder::new().name("image".into());
            let Ok(thread) = thread.spawn_scoped(scope, work) else { break };
            lanes.push((sender, thread));
        }
        let mut is_whole = !lanes.is_empty() && send_series(image, &lanes);
        // All channels close before the first thread is waited for.
        let threads: Vec<_> = lanes.into_iter().map(|(_, thread)| thread).collect();
        let mut all = Part::default();
        for thread in threads {
            let (part, is_part_whole) = match thread.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            all = all.with(part);
            is_whole &= is_part_whole;
        }
        (all, is_whole)
    })
}

/// Hands out the records of series; `false` if they have no end, or somebody gave up.
fn send_series<T>(image: &mut wal::Reader, lanes: &[(RecordSender, T)]) -> bool {
    while image.advance().unwrap_or(false) {
        let record = image.record();
        let &[LABELS | SERIES, s0, s1, ..] = record else { return true };
        let section = u16::from_le_bytes([s0, s1]);
        let (sender, _) = &lanes[usize::from(section) % lanes.len()];
        if sender.send((section, record.to_vec())).is_err() {
            return false;
        }
    }
    false
}

/// What one thread has read.
struct Lane<'h> {
    head: &'h Shared,
    found: &'h FoundChunks,
    /// The section at hand with its labels.
    labels: Option<(u16, Labels)>,
    part: Part,
}

impl Lane<'_> {
    fn take(&mut self, section: u16, record: &[u8]) -> Option<()> {
        let labels = match &mut self.labels {
            Some((of, labels)) if *of == section => labels,
            labels => &mut labels.insert((section, Labels::default())).1,
        };
        let (kind, mut cursor) = (record[0], Cursor(record.get(3..)?));
        if kind == LABELS {
            while !cursor.0.is_empty() {
                labels.add(self.head, &mut cursor)?;
            }
            return Some(());
        }
        let mut taken = Taken::new(self.head, self.found, labels, &mut self.part);
        let mut outcome = Some(());
        while outcome.is_some() && !cursor.0.is_empty() {
            outcome = taken.series(&mut cursor);
        }
        taken.publish();
        outcome
    }
}
