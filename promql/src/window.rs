//! Functions of ranges: samples of a selector or subquery, a kernel that slides over them, annotations of counters.

use crate::ast::Extended;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::functions::native::{self, Told};
use crate::functions::range::RangeKernel;
use crate::kernel::{Each, Samples, Window, Windows, slide};
use crate::operator::{LabelIndex, Sink, StepBatch, label};
use crate::plan::{self, Source, WindowCall, hints};
use crate::selection::{self, Block, Reader, RowBytes};
use crate::{absent, bitmap, select, subquery};
use chunk::SampleColumns;
use model::{LabelPair, LabelsColumn, StepGrid, Sym, TimeRange};
use std::cell::Cell;
use std::ops::Range;
use storage::SeriesBatch;

/// What is done with labels, pending name removal and samples of a series.
type EachSeries<'f> =
    &'f mut dyn FnMut(&[LabelPair], bool, &mut SampleColumns, &Windows) -> Result<(), Error>;

/// What is done with labels and the samples inside the window of a series.
type EachWindow<'f> = &'f mut dyn FnMut(&[LabelPair], &mut SampleColumns) -> Result<(), Error>;

/// Calls `each` with labels, pending name removal and samples of every series of a range; no staleness markers.
pub(crate) fn for_each_series(
    exec: &Exec<'_>,
    range: &plan::Range,
    grid: StepGrid,
    each: EachSeries<'_>,
) -> Result<(), Error> {
    match &range.source {
        Source::Stored(selector) => {
            let windows = hints::range_windows(range, selector.look, grid, exec.lookback_ms);
            selection::for_each_series(exec, selector, &windows, false, &mut |labels, columns| {
                select::drop_stale(columns);
                each(labels, false, columns, &windows)
            })
        }
        Source::Subquery { inner, step_ms, look } => {
            let windows = hints::range_windows(range, *look, grid, exec.lookback_ms);
            let points = (&**inner, range.range_ms, *step_ms, *look);
            subquery::for_each_series(exec, points, grid, &mut |labels, drop, columns| {
                each(labels, drop, columns, &windows)
            })
        }
    }
}

/// Calls `each` with the samples inside the window of every series, at the only step of `grid`.
pub(crate) fn for_each_window(
    exec: &Exec<'_>,
    range: &plan::Range,
    grid: StepGrid,
    each: EachWindow<'_>,
) -> Result<(), Error> {
    for_each_series(exec, range, grid, &mut |labels, drop, columns, windows| {
        let mut inside = if range.extended.is_some() {
            extended_window(exec, range, columns, windows)?
        } else {
            let end_ms = windows.end_ms(0);
            let first_ms = end_ms.saturating_sub(windows.range_ms).saturating_add(1);
            chunk::trim(columns, TimeRange::new(first_ms, end_ms));
            std::mem::take(columns)
        };
        let labels: Vec<_> =
            labels.iter().filter(|p| !drop || !exec.names.names_metric(p.name)).copied().collect();
        if inside.is_empty() { Ok(()) } else { each(&labels, &mut inside) }
    })
}

/// The samples of an extended range shown by itself.
fn extended_window(
    exec: &Exec<'_>,
    range: &plan::Range,
    columns: &SampleColumns,
    windows: &Windows,
) -> Result<SampleColumns, Error> {
    let extended = range.extended.expect("asked for");
    let mut found = None;
    let mut keep = Each(|_: Samples<'_>, window: &Window| {
        found = Some(*window);
        None
    });
    let reach =
        TimeRange::new(windows.span().min_ms, windows.end_ms(0).saturating_add(windows.after_ms));
    let points = columns.histograms.timestamps_ms();
    if points.iter().any(|&time| reach.contains(time)) {
        let modifier = if extended == Extended::Anchored { "anchored" } else { "smoothed" };
        let text = format!("{modifier} modifier is not supported with histograms");
        return Err(Error::Execution(text));
    }
    slide(&mut keep, (windows, exec.cancel), select::samples(columns), |_, _| {}, |_, _, _| {});
    let Some(window) = found else { return Ok(SampleColumns::default()) };
    let held = columns.timestamps_ms[window.begin..window.end].iter();
    let inside = SampleColumns {
        timestamps_ms: held.copied().collect(),
        values: columns.values[window.begin..window.end].to_vec(),
        ..SampleColumns::default()
    };
    exec.cancel.check()?;
    Ok(crate::functions::range::with_edges(extended, select::samples(&inside), &window))
}

/// Finds series that become equal once their names are gone. Nothing is looked up as long as all have the same name.
struct Unnamed<'e, 'a> {
    exec: &'e Exec<'a>,
    seen: LabelsColumn,
    name: Option<[Sym; 3]>,
    index: Option<LabelIndex>,
    scratch: Vec<LabelPair>,
}

impl Unnamed<'_, '_> {
    /// The labels without the name; an error if another series has them already.
    fn add(&mut self, labels: &[LabelPair]) -> Result<&[LabelPair], Error> {
        let names = self.exec.names;
        self.scratch.clear();
        self.scratch.extend(labels.iter().filter(|p| !names.names_metric(p.name)));
        let name = [names.metric_name, names.metric_type, names.unit].map(|n| label(labels, n));
        if self.index.is_none() && *self.name.get_or_insert(name) != name {
            let mut index = LabelIndex::default();
            self.seen.iter().for_each(|pairs| {
                index.insert(pairs);
            });
            self.index = Some(index);
        }
        match &mut self.index {
            Some(index) => {
                let next = index.len();
                if index.insert(&self.scratch) != next {
                    return Err(Error::duplicate_labels());
                }
            }
            None => self.seen.push(self.scratch.iter().copied()),
        }
        Ok(&self.scratch)
    }
}

/// What `rate` and `increase` say about names that are not those of counters.
#[derive(Default)]
struct CounterCheck {
    last: Option<[Sym; 2]>,
}

impl CounterCheck {
    fn check(&mut self, exec: &Exec<'_>, call: &WindowCall, labels: &[LabelPair]) {
        let names = exec.names;
        let key = [label(labels, names.metric_name), label(labels, names.metric_type)];
        if key[0] == Sym::EMPTY || self.last.replace(key) == Some(key) {
            return;
        }
        let [name, kind] = key.map(|sym| exec.symbols.text(sym));
        let place = call.range.span;
        if exec.type_and_unit_labels {
            if kind != "counter" && kind != "histogram" {
                let text = format!(
                    "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got \"{kind}\": \"{name}\""
                );
                exec.note(|notes| notes.info(text, place));
            }
            return;
        }
        if !["_total", "_sum", "_count", "_bucket"].iter().any(|end| name.ends_with(end)) {
            let text = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"{name}\""
            );
            exec.note(|notes| notes.info(text, place));
        }
    }
}

/// What a batch of series counts for.
struct Counts {
    /// For each series the size of its row and of its largest window.
    series: Vec<(usize, usize)>,
    /// Whether any window has floats.
    any_floats: bool,
    /// Samples looked at and samples read, for each step.
    per_step: Vec<[usize; 2]>,
}

impl Counts {
    fn new(steps: usize) -> Self {
        Self { series: Vec::new(), any_floats: false, per_step: vec![[0; 2]; steps] }
    }
}

/// Makes rows of series: one for each thread.
struct Slider<'e, 'a> {
    exec: Exec<'a>,
    call: &'e WindowCall,
    kernel: RangeKernel,
    counters: CounterCheck,
    rows: StepBatch,
    counts: Counts,
    taken: RowBytes,
}

impl<'e, 'a> Slider<'e, 'a> {
    fn new(exec: Exec<'a>, call: &'e WindowCall, params: &[Vec<f64>], steps: usize) -> Self {
        let kernel = RangeKernel::new(call, params.to_vec());
        let counts = Counts::new(steps);
        let (counters, rows) = (CounterCheck::default(), StepBatch::new(steps));
        Self { exec, call, kernel, counters, rows, counts, taken: RowBytes::default() }
    }

    /// Adds the row of a series, if it has any value.
    fn row(
        &mut self,
        labels: &[LabelPair],
        dropped: bool,
        columns: &SampleColumns,
        windows: &Windows,
    ) -> Result<(), Error> {
        let keeps_name = keeps_name(self.call);
        self.rows.push_row(labels, dropped || (!keeps_name && self.exec.delayed_name_removal));
        let (values, bits) = self.rows.row_mut(self.rows.len() - 1);
        let widest = Cell::new(0);
        let per_step = &mut self.counts.per_step;
        let mut count = |step: usize, num: usize, new: usize| {
            widest.set(widest.get().max(num));
            per_step[step][0] += num;
            per_step[step][1] += new;
        };
        let sliding = (windows, self.exec.cancel);
        let samples = select::samples(columns);
        match self.kernel.at_once(sliding, samples, (values, bits)) {
            Some(num) => widest.set(num),
            None => {
                let emit = |step: usize, value: f64| {
                    values[step] = value;
                    bitmap::set(bits, step);
                };
                self.kernel.run(sliding, samples, emit, &mut count)?;
            }
        }
        self.exec.cancel.check()?;
        let overlaps = self.kernel.take_overlaps();
        if overlaps > 0 {
            Told::of_call(&self.exec, self.call, labels).overlaps(overlaps);
        }
        let row = self.rows.len() - 1;
        self.counts.any_floats |= widest.get() > 0;
        let has_float = !bitmap::is_empty(self.rows.bits(row));
        if !columns.histograms.is_empty() {
            let told = Told::of_call(&self.exec, self.call, labels);
            native::correct(&told, windows, columns, &mut self.rows, count);
        }
        if self.rows.undo_empty_row() {
            self.counts.series.push((0, widest.get()));
            return Ok(());
        }
        let is_counter = matches!(self.call.function, FunctionId::Rate | FunctionId::Increase);
        if is_counter && has_float && !bitmap::is_empty(self.rows.bits(row)) {
            self.counters.check(&self.exec, self.call, labels);
        }
        self.counts.series.push((self.rows.num_samples_of(row), widest.get()));
        self.taken.take(&self.exec, self.rows.row_bytes(row))
    }

    /// What was made since the last call, of `num_samples` samples.
    fn block(&mut self, num_samples: usize) -> Result<Block<Counts>, Error> {
        let steps = self.rows.steps;
        let fresh = Counts::new(steps);
        let mut extra = std::mem::replace(&mut self.counts, fresh);
        self.kernel.count(&mut extra.per_step);
        // Windows take time, too, where they are many or large.
        let looked_at: usize = extra.per_step.iter().map(|[num, _]| num).sum();
        Ok(Block {
            rows: std::mem::replace(&mut self.rows, StepBatch::new(steps)),
            num_samples: num_samples + looked_at / 8 + 16 * extra.series.len(),
            extra,
            notes: self.exec.take_notes(),
            taken_bytes: self.taken.end(&self.exec)?,
        })
    }
}

pub(crate) fn keeps_name(call: &WindowCall) -> bool {
    matches!(call.function, FunctionId::LastOverTime | FunctionId::FirstOverTime)
}

/// The vector of a range function at every step.
pub(crate) fn stream(
    exec: &Exec<'_>,
    call: &WindowCall,
    grid: StepGrid,
    sink: Sink<'_>,
) -> Result<(), Error> {
    if call.function == FunctionId::AbsentOverTime {
        return sink(&mut absent::over_time(exec, call, grid)?);
    }
    let params = call.params.iter().map(|param| exec.scalar(param, grid));
    let params: Vec<Vec<f64>> = params.collect::<Result<_, _>>()?;
    let removes_name = !keeps_name(call) && !exec.delayed_name_removal;
    let (seen, scratch) = (LabelsColumn::default(), Vec::new());
    let mut unnamed = Unnamed { exec, seen, name: None, index: None, scratch };
    let mut any = false;
    let mut counts = vec![[0; 2]; grid.len];
    let mut fold = |block: &mut Block<Counts>| {
        for &(num, widest) in &block.extra.series {
            exec.hold(num, widest)?;
        }
        any |= block.extra.any_floats;
        for (sum, counts) in counts.iter_mut().zip(&block.extra.per_step) {
            sum[0] += counts[0];
            sum[1] += counts[1];
        }
        if removes_name {
            let labels = std::mem::take(&mut block.rows.labels);
            for pairs in labels.iter() {
                block.rows.labels.push(unnamed.add(pairs)?.iter().copied());
            }
        }
        if block.rows.len() > 0 { sink(&mut block.rows) } else { Ok(()) }
    };
    let slider = || Slider::new(exec.fork(), call, &params, grid.len);
    match &call.range.source {
        Source::Stored(selector) => {
            let windows = hints::range_windows(&call.range, selector.look, grid, exec.lookback_ms);
            let worker = || {
                let (mut slider, windows) = (slider(), &windows);
                move |reader: &mut Reader<'_, '_>, batch: &SeriesBatch| {
                    slider.rows = reader.fresh_rows(grid.len, batch.len());
                    reader.each(batch, &mut |labels, columns| {
                        select::drop_stale(columns);
                        slider.row(labels, false, columns, windows)
                    })?;
                    slider.block(reader.samples_read())
                }
            };
            selection::for_each_block(exec, selector, (&windows, false), &worker, &mut fold)?;
        }
        Source::Subquery { inner, step_ms, look } => {
            let windows = hints::range_windows(&call.range, *look, grid, exec.lookback_ms);
            let points = (&**inner, call.range.range_ms, *step_ms, *look);
            let worker = || {
                let (mut slider, windows) = (slider(), &windows);
                move |points: &subquery::Points, rows: Range<usize>| {
                    let mut num_samples = 0;
                    points.each(rows, &mut |labels, drop, columns| {
                        num_samples += columns.len() + columns.histograms.len();
                        slider.row(labels, drop, columns, windows)
                    })?;
                    slider.block(num_samples)
                }
            };
            subquery::for_each_block(exec, points, grid, &worker, &mut fold)?;
        }
    }
    for (step, [num, new]) in counts.into_iter().enumerate() {
        exec.count(step, num, new);
    }
    if any {
        RangeKernel::new(call, params).annotate(exec, call);
    }
    Ok(())
}
