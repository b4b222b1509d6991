//! The series of the log as they are sent, by their numbers. Samples mostly come in the order in which their series were
//! first seen, so the one behind the last one found is tried first: memory is read from front to back.

use super::wire::Wire;
use model::hash::HashMap;
use model::metadata::Metadata;
use std::cell::Cell;
use std::sync::Arc;

/// A series as it is sent.
#[derive(Debug)]
pub(super) struct Series {
    /// `None` if relabelling drops it.
    pub(super) labels: Option<Wire>,
    pub(super) metadata: Option<Arc<Metadata>>,
    /// The newest part of the log that names it.
    pub(super) segment: u32,
    /// What its labels were in the log: numbers may be given again after a restart.
    pub(super) source: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// In the order of first sight.
    rows: Vec<(u64, Series)>,
    places: HashMap<u64, u32>,
    /// The row behind the last one found.
    next: Cell<usize>,
}

impl Table {
    #[inline]
    fn place(&self, number: u64) -> Option<usize> {
        let next = self.next.get();
        let place = match self.rows.get(next) {
            Some((held, _)) if *held == number => next,
            _ => *self.places.get(&number)? as usize,
        };
        self.next.set(place + 1);
        Some(place)
    }

    /// The series of this number.
    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<&Series> {
        self.place(number).map(|place| &self.rows[place].1)
    }

    /// The series of this number, to be changed.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Series> {
        self.place(number).map(|place| &mut self.rows[place].1)
    }

    /// Takes in a series, in the place of an earlier one of its number.
    pub(super) fn insert(&mut self, number: u64, series: Series) {
        if let Some(held) = self.get_mut(number) {
            *held = series;
            return;
        }
        self.places.insert(number, self.rows.len() as u32);
        self.rows.push((number, series));
    }

    /// Forgets the series that nothing from `segment` on names.
    pub(super) fn forget_before(&mut self, segment: u32) {
        self.rows.retain(|(_, series)| series.segment >= segment);
        self.rows.shrink_to(self.rows.len() * 2);
        self.next.set(0);
        self.places = (0..).zip(&self.rows).map(|(place, (number, _))| (*number, place)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(segment: u32) -> Series {
        Series { labels: None, metadata: None, segment, source: u64::from(segment) }
    }

    #[test]
    fn series_are_found_in_any_order_and_forgotten() {
        let mut table = Table::default();
        for number in [5, 3, 9, 7] {
            table.insert(number, series(number as u32));
        }
        let source = |table: &Table, number| table.get(number).map(|series| series.source);
        for numbers in [[5, 3, 9, 7], [7, 9, 3, 5], [3, 3, 9, 5]] {
            for number in numbers {
                assert_eq!(source(&table, number), Some(number));
            }
        }
        assert_eq!(source(&table, 4), None);
        table.insert(3, series(8));
        table.forget_before(6);
        let found = [5, 3, 9, 7].map(|number| source(&table, number));
        assert_eq!(found, [None, Some(8), Some(9), Some(7)]);
    }
}
