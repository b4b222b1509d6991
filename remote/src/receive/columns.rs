//! A request as columns: what both protocol versions are walked into and what the transaction appends.

use super::cache::Key;
use super::labels::Pairs;
use crate::proto::histogram::Point;
use model::SeriesRef;
use model::histogram::Histogram;
use model::metadata::Metadata;
use std::ops::Range;

pub(super) const PLACEHOLDER: SeriesRef = SeriesRef(std::num::NonZeroU64::MIN);

/// Samples of one kind.
#[derive(Debug)]
pub(crate) struct Rows<V> {
    /// Series of each row; a placeholder until the misses are resolved.
    pub(crate) refs: Vec<SeriesRef>,
    pub(crate) timestamps_ms: Vec<i64>,
    pub(crate) values: Vec<V>,
    /// Since when each row counts, zero where it is not told; empty while no row tells it.
    pub(crate) start_timestamps_ms: Vec<i64>,
}

impl<V> Default for Rows<V> {
    fn default() -> Self {
        Self {
            refs: Vec::new(),
            timestamps_ms: Vec::new(),
            values: Vec::new(),
            start_timestamps_ms: Vec::new(),
        }
    }
}

impl<V> Rows<V> {
    pub(crate) fn len(&self) -> usize {
        self.timestamps_ms.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, timestamp_ms: i64, value: V) {
        self.timestamps_ms.push(timestamp_ms);
        self.values.push(value);
    }

    /// Notes since when the row pushed last counts.
    pub(crate) fn set_start(&mut self, start_timestamp_ms: i64) {
        if start_timestamp_ms != 0 || !self.start_timestamps_ms.is_empty() {
            self.start_timestamps_ms.resize(self.len() - 1, 0);
            self.start_timestamps_ms.push(start_timestamp_ms);
        }
    }

    fn truncate(&mut self, len: usize) {
        self.timestamps_ms.truncate(len);
        self.values.truncate(len);
        self.start_timestamps_ms.truncate(len);
    }

    fn clear(&mut self) {
        self.refs.clear();
        self.truncate(0);
    }

    /// Keeps these rows, ascending, and no others.
    pub(crate) fn keep(&mut self, rows: &[u32]) {
        fn keep<T>(column: &mut Vec<T>, rows: &[u32]) {
            if column.is_empty() {
                return;
            }
            for (to, &from) in rows.iter().enumerate() {
                column.swap(to, from as usize);
            }
            column.truncate(rows.len());
        }
        keep(&mut self.refs, rows);
        keep(&mut self.timestamps_ms, rows);
        keep(&mut self.values, rows);
        keep(&mut self.start_timestamps_ms, rows);
    }

    /// Makes the optional column as long as the others, if there is one.
    fn settle(&mut self) {
        if !self.start_timestamps_ms.is_empty() {
            self.start_timestamps_ms.resize(self.timestamps_ms.len(), 0);
        }
    }
}

/// A series of the request, and where its rows end.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeriesRow {
    /// What the cache knows it by, if its labels lie in one piece.
    pub(super) key: Option<Key>,
    /// Its reference, once known.
    pub(super) series: Option<SeriesRef>,
    pub(super) floats_end: u32,
    pub(super) histograms_end: u32,
    pub(super) exemplars_end: u32,
    /// Where its message lies in the body.
    pub(super) message: (u32, u32),
}

/// What a fault is about; also the order in which the faults of a series are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Labels,
    Floats,
    Histograms,
    Exemplars,
}

/// Something of a request that cannot be stored. `row` is the row of its kind that it stands before.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) series: u32,
    pub(super) part: Part,
    pub(super) row: u32,
    pub(super) kind: Kind,
    pub(super) text: Box<str>,
}

/// Kinds of refusals, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Labels,
    NoSamples,
    TooFarAhead,
    OutOfOrder,
    OutOfBounds,
    TooOld,
    Duplicate,
    Histogram,
    Exemplar,
    Unsupported,
    NoRoom,
}

/// A request as columns, reused from request to request.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) floats: Rows<f64>,
    pub(super) histograms: Rows<Histogram>,
    /// Where the messages of exemplars lie in the body.
    pub(super) exemplars: Vec<(u32, u32)>,
    /// Metadata of the series, if it is asked for: parallel to `series`.
    pub(super) metadata: Vec<Metadata>,
    pub(super) series: Vec<SeriesRow>,
    pub(super) faults: Vec<Fault>,
    /// What was left out because of invalid labels: series in 1.0, samples in 2.0, as Prometheus counts.
    pub(super) num_invalid: u64,
}

/// Where the rows of a series begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    pub(super) floats: usize,
    pub(super) histograms: usize,
    pub(super) exemplars: usize,
    pub(super) faults: usize,
}

impl Columns {
    /// Forgets the request and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.floats.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata.clear();
        self.series.clear();
        self.faults.clear();
        self.num_invalid = 0;
    }

    pub(super) fn begin(&self) -> Begin {
        Begin {
            floats: self.floats.len(),
            histograms: self.histograms.len(),
            exemplars: self.exemplars.len(),
            faults: self.faults.len(),
        }
    }

    /// Drops the rows of the series at hand.
    pub(super) fn drop_from(&mut self, begin: Begin) {
        self.floats.truncate(begin.floats);
        self.histograms.truncate(begin.histograms);
        self.exemplars.truncate(begin.exemplars);
        self.faults.truncate(begin.faults);
    }

    /// Ends a series whose reference may be known.
    pub(super) fn end_series(
        &mut self,
        key: Option<Key>,
        series: Option<SeriesRef>,
        message: (u32, u32),
    ) {
        let reference = series.unwrap_or(PLACEHOLDER);
        self.floats.refs.resize(self.floats.len(), reference);
        self.histograms.refs.resize(self.histograms.len(), reference);
        self.series.push(SeriesRow {
            key,
            series,
            floats_end: self.floats.len() as u32,
            histograms_end: self.histograms.len() as u32,
            exemplars_end: self.exemplars.len() as u32,
            message,
        });
    }

    /// Takes in a known series of one float.
    #[inline]
    pub(super) fn push_plain(
        &mut self,
        (key, series): (Key, SeriesRef),
        (timestamp_ms, value): (i64, f64),
        message: (u32, u32),
    ) {
        self.floats.push(timestamp_ms, value);
        self.floats.refs.push(series);
        self.series.push(SeriesRow {
            key: Some(key),
            series: Some(series),
            floats_end: self.floats.len() as u32,
            histograms_end: self.histograms.len() as u32,
            exemplars_end: self.exemplars.len() as u32,
            message,
        });
    }

    /// Ends the walk.
    pub(super) fn settle(&mut self) {
        self.floats.settle();
        self.histograms.settle();
    }

    /// Notes a fault of the series at hand.
    pub(super) fn fault(&mut self, part: Part, kind: Kind, text: impl Into<Box<str>>) {
        let row = match part {
            Part::Labels => 0,
            Part::Floats => self.floats.len(),
            Part::Histograms => self.histograms.len(),
            Part::Exemplars => self.exemplars.len(),
        } as u32;
        let series = self.series.len() as u32;
        self.faults.push(Fault { series, part, row, kind, text: text.into() });
    }

    /// Takes a histogram in, brought down to a resolution that is stored; its refusal if it is invalid or too far ahead.
    pub(super) fn push_histogram(
        &mut self,
        point: Point,
        max_ms: i64,
    ) -> Result<(), (Kind, String)> {
        let Point { timestamp_ms, start_timestamp_ms, mut histogram } = point;
        if timestamp_ms > max_ms {
            return Err((Kind::TooFarAhead, TOO_FAR_AHEAD.to_owned()));
        }
        histogram.fit_schema();
        histogram.validate().map_err(|error| (Kind::Histogram, error.to_string()))?;
        self.histograms.push(timestamp_ms, histogram);
        self.histograms.set_start(start_timestamp_ms);
        Ok(())
    }

    /// Drops the rows of these series, ascending, for which there is no room.
    pub(super) fn drop_series(&mut self, refused: &[u32]) {
        let is_kept = |series: usize| refused.binary_search(&(series as u32)).is_err();
        let (mut floats, mut histograms, mut exemplars) = (Vec::new(), Vec::new(), Vec::new());
        let mut begin = (0, 0, 0);
        for (index, series) in self.series.iter_mut().enumerate() {
            let end = (series.floats_end, series.histograms_end, series.exemplars_end);
            if is_kept(index) {
                floats.extend(begin.0..end.0);
                histograms.extend(begin.1..end.1);
                exemplars.extend((begin.2..end.2).map(|at| self.exemplars[at as usize]));
            }
            series.floats_end = floats.len() as u32;
            series.histograms_end = histograms.len() as u32;
            series.exemplars_end = exemplars.len() as u32;
            begin = end;
        }
        self.floats.keep(&floats);
        self.histograms.keep(&histograms);
        self.exemplars = exemplars;
    }

    /// The float rows of a series.
    pub(super) fn float_rows(&self, series: usize) -> Range<usize> {
        let begin = series.checked_sub(1).map_or(0, |before| self.series[before].floats_end);
        begin as usize..self.series[series].floats_end as usize
    }

    /// The histogram rows of a series.
    pub(super) fn histogram_rows(&self, series: usize) -> Range<usize> {
        let begin = series.checked_sub(1).map_or(0, |before| self.series[before].histograms_end);
        begin as usize..self.series[series].histograms_end as usize
    }

    /// Gives a series its reference.
    pub(super) fn resolve(&mut self, index: usize, series: SeriesRef) {
        let (floats, histograms) = (self.float_rows(index), self.histogram_rows(index));
        self.floats.refs[floats].fill(series);
        self.histograms.refs[histograms].fill(series);
        self.series[index].series = Some(series);
    }

    /// The series that a float row belongs to.
    pub(super) fn series_of_float(&self, row: usize) -> usize {
        self.series.partition_point(|series| series.floats_end as usize <= row)
    }

    /// The series that a histogram row belongs to.
    pub(super) fn series_of_histogram(&self, row: usize) -> usize {
        self.series.partition_point(|series| series.histograms_end as usize <= row)
    }
}

/// The words for a sample that is too far ahead of the wall clock.
pub(crate) const TOO_FAR_AHEAD: &str = "out of bounds: timestamp is too far in the future";

/// The series that have to be resolved, with their labels: valid, sorted, without empty values.
#[derive(Debug, Default)]
pub(super) struct Misses<'b> {
    /// Which series of the columns they are.
    pub(super) series: Vec<u32>,
    pub(super) pairs: Pairs<'b>,
    pub(super) ends: Vec<u32>,
}

/// Where `part`, a piece of `whole`, lies in it.
pub(super) fn place_of(part: &[u8], whole: &[u8]) -> (u32, u32) {
    let begin = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    (begin as u32, part.len() as u32)
}

/// The piece of `whole` at a place.
pub(super) fn at(place: (u32, u32), whole: &[u8]) -> &[u8] {
    let (begin, len) = (place.0 as usize, place.1 as usize);
    whole.get(begin..begin + len).expect("places are those of pieces of the body")
}
