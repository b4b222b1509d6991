//! Which samples of the log are settled: sent, or dropped for good. The position before which all are is what a restart
//! goes on from.

use super::place::Place;
use parking_lot::Mutex;
use std::collections::VecDeque;
use wal::Position;

/// What was read up to a position, and how much of it is open.
#[derive(Clone, Copy, Debug)]
struct Entry {
    end: Position,
    open: u32,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the first entry.
    first: u64,
    entries: VecDeque<Entry>,
    settled: Position,
    /// Into how many shards items are sorted; zero if nobody knows of all of them.
    shards: usize,
    /// The first entry of which that is true.
    sorted_from: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<State>);

impl Ledger {
    /// Nothing behind `settled` was sent, or, where `shards` are given, sorted into as many.
    pub(super) fn new(settled: Position, shards: Option<usize>) -> Self {
        let shards = shards.unwrap_or(0);
        Self(Mutex::new(State { settled, shards, ..State::default() }))
    }

    /// What begins from now on is sorted into so many shards; `None` if some of it may have been into others before.
    pub(super) fn sort_into(&self, shards: Option<usize>) {
        let mut state = self.0.lock();
        let shards = shards.unwrap_or(0);
        if state.shards != shards {
            state.shards = shards;
            state.sorted_from = state.first + state.entries.len() as u64;
        }
    }

    /// Takes note of `open` samples that were read up to `end`; their number in the ledger.
    pub(super) fn begin(&self, end: Position, open: u32) -> u64 {
        let mut state = self.0.lock();
        let number = state.first + state.entries.len() as u64;
        state.entries.push_back(Entry { end, open });
        state.settle();
        number
    }

    /// Settles one sample of each of these numbers.
    pub(super) fn done(&self, numbers: impl Iterator<Item = u64>) {
        let mut state = self.0.lock();
        for number in numbers {
            let index =
                number.checked_sub(state.first).and_then(|index| usize::try_from(index).ok());
            let entry = index.and_then(|index| state.entries.get_mut(index));
            let entry = entry.expect("an entry stays until all of it is settled");
            entry.open = entry.open.checked_sub(1).expect("no sample is settled twice");
        }
        state.settle();
    }

    /// Everything before this position is settled.
    pub(super) fn settled(&self) -> Position {
        self.0.lock().settled
    }

    /// From where to go on.
    pub(super) fn place(&self) -> Place {
        let state = self.0.lock();
        let is_sorted = state.first >= state.sorted_from;
        Place { position: state.settled, shards: if is_sorted { state.shards } else { 0 } }
    }
}

impl State {
    fn settle(&mut self) {
        while let Some(entry) = self.entries.front().copied().filter(|entry| entry.open == 0) {
            self.settled = entry.end;
            self.entries.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_waits_for_the_slowest() {
        let at = |offset| Position { segment: 1, offset };
        let ledger = Ledger::new(at(5), None);
        let (first, second) = (ledger.begin(at(10), 2), ledger.begin(at(20), 1));
        ledger.done([second, first].into_iter());
        assert_eq!(ledger.settled(), at(5));
        ledger.done([first].into_iter());
        assert_eq!(ledger.settled(), at(20));
        ledger.begin(at(30), 0);
        assert_eq!(ledger.settled(), at(30));
    }

    #[test]
    fn shards_are_told_once_all_that_is_open_was_sorted_into_them() {
        let at = |offset| Position { segment: 1, offset };
        let ledger = Ledger::new(at(5), Some(2));
        assert_eq!(ledger.place(), Place { position: at(5), shards: 2 });
        let first = ledger.begin(at(10), 1);
        assert_eq!(ledger.place().shards, 2);
        ledger.sort_into(Some(4));
        let second = ledger.begin(at(20), 1);
        assert_eq!(ledger.place(), Place { position: at(5), shards: 0 });
        ledger.done([first].into_iter());
        assert_eq!(ledger.place(), Place { position: at(10), shards: 4 });
        ledger.sort_into(None);
        ledger.done([second].into_iter());
        assert_eq!(ledger.place(), Place { position: at(20), shards: 0 });
    }
}
