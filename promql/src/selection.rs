//! How the series of a selector are read: batch by batch, on several threads where there is much to read, results in the
//! order of the selection. What is done with a series lives with the operators.

use crate::annotations::Notes;
use crate::crew;
use crate::engine::Error;
use crate::exec::Exec;
use crate::kernel::Windows;
use crate::operator::StepBatch;
use crate::plan::{Select, hints};
use chunk::SampleColumns;
use model::{LabelPair, TimeRange};
use storage::{SeriesBatch, SeriesSet};

/// What is done with the labels and samples of a series.
pub(crate) type EachSeries<'f> =
    &'f mut dyn FnMut(&[LabelPair], &mut SampleColumns) -> Result<(), Error>;

/// How many series are counted beyond those that memory was enough for.
const MAX_COUNTED_SERIES: usize = 200_000;

/// The chunks of a series are asked for while those of so many before it are read.
const ASKED_AHEAD: usize = 2;

/// Reads the series of batches one after the other; keeps its memory from series to series.
pub(crate) struct Reader<'s, 'a> {
    exec: Exec<'a>,
    select: &'s Select,
    range: TimeRange,
    columns: SampleColumns,
    /// Samples read so far.
    num_samples: usize,
    taken_bytes: usize,
}

impl<'s, 'a> Reader<'s, 'a> {
    fn new(exec: &Exec<'a>, select: &'s Select, range: TimeRange) -> Self {
        let columns = SampleColumns::default();
        Self { exec: exec.fork(), select, range, columns, num_samples: 0, taken_bytes: 0 }
    }

    /// No rows, with room for `num`.
    pub(crate) fn fresh_rows(&self, steps: usize, num: usize) -> StepBatch {
        self.exec.spares.rows(steps, num)
    }

    /// Calls `each` with the labels and samples of every series of a batch, staleness markers included.
    pub(crate) fn each(&mut self, batch: &SeriesBatch, each: EachSeries<'_>) -> Result<(), Error> {
        for row in 0..batch.len() {
            self.exec.cancel.check()?;
            batch.ask(row + ASKED_AHEAD);
            let columns = &mut self.columns;
            let has_totals =
                self.select.totals_only && batch.read_totals(row, self.range, columns)?;
            if !has_totals {
                batch.read(row, self.range, columns)?;
            }
            if !self.exec.use_start_timestamps {
                columns.forget_starts();
            }
            self.num_samples += columns.len() + columns.histograms.len();
            let bytes = columns.size_bytes();
            if bytes > self.taken_bytes {
                self.exec.take(bytes - self.taken_bytes)?;
                self.taken_bytes = bytes;
            }
            if self.select.totals_only && !has_totals && !columns.histograms.is_empty() {
                columns.histograms.keep_totals();
            }
            if !columns.is_empty() {
                each(batch.labels().get(row), columns)?;
            }
        }
        Ok(())
    }

    /// How many samples were read since the last call.
    pub(crate) fn samples_read(&mut self) -> usize {
        std::mem::take(&mut self.num_samples)
    }
}

impl Drop for Reader<'_, '_> {
    fn drop(&mut self) {
        self.exec.memory.give(self.taken_bytes);
    }
}

/// Memory for the rows of a block. The query hears of it in pieces: all its threads count in one place.
#[derive(Debug, Default)]
pub(crate) struct RowBytes {
    untold: usize,
    told: usize,
}

impl RowBytes {
    const PIECE_BYTES: usize = 32 << 10;

    /// Takes memory for one more row.
    #[inline]
    pub(crate) fn take(&mut self, exec: &Exec<'_>, bytes: usize) -> Result<(), Error> {
        self.untold += bytes;
        if self.untold < Self::PIECE_BYTES { Ok(()) } else { self.tell(exec) }
    }

    fn tell(&mut self, exec: &Exec<'_>) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.untold);
        self.told += bytes;
        exec.take(bytes)
    }

    /// Ends a block: what was taken for it.
    pub(crate) fn end(&mut self, exec: &Exec<'_>) -> Result<usize, Error> {
        self.tell(exec)?;
        Ok(std::mem::take(&mut self.told))
    }
}

/// What an operator made of a batch of series.
pub(crate) struct Block<T> {
    /// A row for each series that yields something.
    pub(crate) rows: StepBatch,
    /// What else there is to tell.
    pub(crate) extra: T,
    /// What was noted on the way.
    pub(crate) notes: Notes,
    /// Memory taken for the rows.
    pub(crate) taken_bytes: usize,
    /// How much work it was, in samples.
    pub(crate) num_samples: usize,
}

/// A selection on its way.
struct Selection<'e, 'a> {
    exec: &'e Exec<'a>,
    select: &'e Select,
    set: Box<dyn SeriesSet + 'e>,
    /// Series so far.
    seen: usize,
    /// Memory held before.
    before: u64,
}

impl<'e, 'a> Selection<'e, 'a> {
    fn open(
        exec: &'e Exec<'a>,
        select: &'e Select,
        windows: &Windows,
        instant: bool,
    ) -> Result<Self, Error> {
        let mut hints = hints::select_hints(select, windows, instant);
        hints.any_order = !exec.in_order;
        let set = exec.querier.select(&select.matchers, &hints, &exec.symbols, exec.cancel)?;
        Ok(Self { exec, select, set, seen: 0, before: exec.memory.used() })
    }

    fn next(&mut self, batch: &mut SeriesBatch) -> Result<bool, Error> {
        self.exec.cancel.check()?;
        let any = self.set.next_batch(batch)?;
        self.seen += batch.len();
        self.exec.take_symbols()?;
        Ok(any)
    }

    /// Ends it: what storage has to tell, or of how many series memory was not enough for.
    fn end(mut self, result: Result<(), Error>) -> Result<(), Error> {
        match result {
            Ok(()) => {
                self.exec.note(|notes| notes.storage.merge(self.set.annotations()));
                Ok(())
            }
            Err(Error::TooMuchMemory(refusal)) => {
                let mut series = self.seen;
                let mut rest = SeriesBatch::default();
                while series < self.seen + MAX_COUNTED_SERIES
                    && matches!(self.set.next_batch(&mut rest), Ok(true))
                {
                    series += rest.len();
                }
                let text = self.select.to_string();
                let refusal = refusal.of_selector(text, series, (self.before, self.seen));
                Err(Error::TooMuchMemory(Box::new(refusal)))
            }
            other => other,
        }
    }
}

/// Calls `each` with the labels and samples of every selected series, staleness markers included.
pub(crate) fn for_each_series(
    exec: &Exec<'_>,
    select: &Select,
    windows: &Windows,
    instant: bool,
    each: EachSeries<'_>,
) -> Result<(), Error> {
    let mut selection = Selection::open(exec, select, windows, instant)?;
    let mut reader = Reader::new(exec, select, windows.span());
    let mut batch = exec.spares.batch();
    let mut all = || {
        while selection.next(&mut batch)? {
            reader.each(&batch, each)?;
        }
        Ok(())
    };
    let result = all();
    drop(reader);
    exec.spares.give_batch(batch);
    selection.end(result)
}

/// Has workers made by `worker` turn every batch of selected series into a block, and `fold` take the blocks in order.
/// The memory of the rows that `fold` leaves in a block is used again.
pub(crate) fn for_each_block<T: Send, W>(
    exec: &Exec<'_>,
    select: &Select,
    (windows, instant): (&Windows, bool),
    worker: &dyn Fn() -> W,
    fold: &mut dyn FnMut(&mut Block<T>) -> Result<(), Error>,
) -> Result<(), Error>
where
    W: FnMut(&mut Reader<'_, '_>, &SeriesBatch) -> Result<Block<T>, Error> + Send,
{
    let mut selection = Selection::open(exec, select, windows, instant)?;
    let make = || {
        let (mut reader, mut worker) = (Reader::new(exec, select, windows.span()), worker());
        let spares = exec.spares.clone();
        move |batch: SeriesBatch| {
            let block = worker(&mut reader, &batch);
            spares.give_batch(batch);
            block
        }
    };
    let mut next = || {
        let mut batch = exec.spares.batch();
        if selection.next(&mut batch)? {
            return Ok(Some(batch));
        }
        exec.spares.give_batch(batch);
        Ok(None)
    };
    let mut fold = |block: &mut Block<T>| {
        fold(block)?;
        exec.spares.give_rows(std::mem::take(&mut block.rows));
        Ok(())
    };
    let result = blocks(exec, &make, &mut next, &mut fold);
    selection.end(result)
}

/// Has workers turn jobs into blocks, at first on this thread alone, and `fold` take the blocks in order.
pub(crate) fn blocks<J: Send, T: Send, W>(
    exec: &Exec<'_>,
    make: &dyn Fn() -> W,
    next: &mut dyn FnMut() -> Result<Option<J>, Error>,
    fold: &mut dyn FnMut(&mut Block<T>) -> Result<(), Error>,
) -> Result<(), Error>
where
    W: FnMut(J) -> Result<Block<T>, Error> + Send,
{
    let mut own = make();
    let mut num_samples = 0;
    let mut take_in = |block: Result<Block<T>, Error>, num_samples: &mut usize| {
        let mut block = block?;
        *num_samples += block.num_samples;
        let taken_bytes = block.taken_bytes;
        exec.note(|notes| notes.merge(std::mem::take(&mut block.notes)));
        fold(&mut block)?;
        exec.memory.give(taken_bytes);
        Ok(())
    };
    while num_samples < exec.min_shared_samples {
        let Some(job) = next()? else { return Ok(()) };
        take_in(own(job), &mut num_samples)?;
    }
    let helpers = exec.borrow_helpers();
    let helping = (0..helpers.num).map(|_| make()).collect();
    let mut fold = |block| take_in(block, &mut num_samples);
    crew::in_order(&mut own, helping, next, &mut fold)
}
