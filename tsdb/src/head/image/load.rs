//! An image back to memory. Its bytes are foreign: whoever wrote them, the outcome is series or a refusal. Sections are
//! read by several threads; the records of one section stay in order.

use super::cursor::Cursor;
use super::series::{Labels, Part, Taken};
use super::{END, EXPIRED, LABELS, SERIES};
use crate::head::replay::FoundChunks;
use crate::head::{Replay, Shared};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// More threads would only read over what the others take.
const MAX_LANES: usize = 8;

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
                head.imaged_ref.store(last_ref, Ordering::Relaxed);
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
///
/// Each thread reads all records, and takes those of its sections: they lie one section behind the other, so that threads
/// that were handed records would work one after the other.
fn load_series(head: &Shared, found: &FoundChunks, image: &mut wal::Reader) -> (Part, bool) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let num_lanes = cores.min(head.shards.len()).min(MAX_LANES);
    let lane =
        |number| Lane { head, found, number, num_lanes, labels: None, part: Part::default() };
    std::thread::scope(|scope| {
        let (mut threads, mut is_whole) = (Vec::new(), true);
        for number in 1..num_lanes {
            let (mut lane, mut image) = (lane(number), image.fork());
            let work = move || {
                let is_whole = lane.run(&mut image);
                (lane.part, is_whole)
            };
            match std::thread::Builder::new().name("image".into()).spawn_scoped(scope, work) {
                Ok(thread) => threads.push(thread),
                // Its part is missing.
                Err(_) => is_whole = false,
            }
        }
        let mut first = lane(0);
        is_whole &= first.run(image);
        let mut all = first.part;
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

/// What one thread has read.
struct Lane<'h> {
    head: &'h Shared,
    found: &'h FoundChunks,
    /// Its sections have numbers that leave this remainder.
    number: usize,
    num_lanes: usize,
    /// The section at hand with its labels.
    labels: Option<(u16, Labels)>,
    part: Part,
}

impl Lane<'_> {
    /// Reads up to the first record behind the series; `false` if there is none, or something is wrong.
    fn run(&mut self, image: &mut wal::Reader) -> bool {
        while image.advance().unwrap_or(false) {
            let record = image.record();
            let &[LABELS | SERIES, s0, s1, ..] = record else { return true };
            let section = u16::from_le_bytes([s0, s1]);
            if usize::from(section) % self.num_lanes == self.number
                && self.take(section, record).is_none()
            {
                return false;
            }
        }
        false
    }

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
