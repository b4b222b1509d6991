//! Functions of ranges: samples of a selector or subquery, a kernel that slides over them, annotations of counters.

use crate::ast::Extended;
use crate::engine::Error;
use crate::exec::Exec;
use crate::functions::FunctionId;
use crate::functions::native::{self, Told};
use crate::functions::range::RangeKernel;
use crate::kernel::{Each, Samples, Window, Windows, slide};
use crate::operator::{LabelIndex, Sink, StepBatch, label};
use crate::plan::{Range, Source, WindowCall, hints};
use crate::{absent, bitmap, select, subquery};
use chunk::SampleColumns;
use model::{LabelPair, LabelsColumn, StepGrid, Sym, TimeRange};

/// What is done with labels, pending name removal and samples of a series.
type EachSeries<'f> =
    &'f mut dyn FnMut(&[LabelPair], bool, &mut SampleColumns, &Windows) -> Result<(), Error>;

/// What is done with labels and the samples inside the window of a series.
type EachWindow<'f> = &'f mut dyn FnMut(&[LabelPair], &mut SampleColumns) -> Result<(), Error>;

/// Calls `each` with labels, pending name removal and samples of every series of a range; no staleness markers.
pub(crate) fn for_each_series(
    exec: &Exec<'_>,
    range: &Range,
    grid: StepGrid,
    each: EachSeries<'_>,
) -> Result<(), Error> {
    match &range.source {
        Source::Stored(selector) => {
            let windows = hints::range_windows(range, selector.look, grid, exec.lookback_ms);
            select::for_each_series(exec, selector, &windows, false, &mut |labels, columns| {
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
    range: &Range,
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
    range: &Range,
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
    slide(&mut keep, windows, select::samples(columns), |_, _| {}, |_, _, _| {});
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
struct CounterCheck<'e, 'a> {
    exec: &'e Exec<'a>,
    call: &'e WindowCall,
    last: Option<[Sym; 2]>,
}

impl CounterCheck<'_, '_> {
    fn check(&mut self, labels: &[LabelPair]) {
        let (exec, names) = (self.exec, self.exec.names);
        let key = [label(labels, names.metric_name), label(labels, names.metric_type)];
        if key[0] == Sym::EMPTY || self.last.replace(key) == Some(key) {
            return;
        }
        let [name, kind] = key.map(|sym| exec.symbols.text(sym));
        let place = self.call.range.span;
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
    let mut kernel = RangeKernel::new(call, params);
    let keeps_name = matches!(call.function, FunctionId::LastOverTime | FunctionId::FirstOverTime);
    let is_counter = matches!(call.function, FunctionId::Rate | FunctionId::Increase);
    let (seen, scratch) = (LabelsColumn::default(), Vec::new());
    let mut unnamed = Unnamed { exec, seen, name: None, index: None, scratch };
    let mut counters = CounterCheck { exec, call, last: None };
    let mut out = StepBatch::new(grid.len);
    let mut any = false;
    let mut counts = vec![[0; 2]; grid.len];
    for_each_series(exec, &call.range, grid, &mut |labels, dropped, columns, windows| {
        let drop_name = dropped || (!keeps_name && exec.delayed_name_removal);
        out.push_row(labels, drop_name);
        let (values, bits) = out.row_mut(out.len() - 1);
        let mut widest = 0;
        let emit = |step: usize, value: f64| {
            values[step] = value;
            bitmap::set(bits, step);
        };
        kernel.run(windows, select::samples(columns), emit, |step, num, new| {
            widest = widest.max(num);
            counts[step][0] += num;
            counts[step][1] += new;
        })?;
        any |= widest > 0;
        let has_float = !bitmap::is_empty(out.bits(out.len() - 1));
        if !columns.histograms.is_empty() {
            let told = Told::of_call(exec, call, labels);
            native::correct(&told, windows, columns, &mut out, |step, num, new| {
                widest = widest.max(num);
                counts[step][0] += num;
                counts[step][1] += new;
            });
        }
        if out.undo_empty_row() {
            return exec.hold(0, widest);
        }
        if is_counter && has_float && !bitmap::is_empty(out.bits(out.len() - 1)) {
            counters.check(labels);
        }
        if !keeps_name && !exec.delayed_name_removal {
            out.labels.truncate(out.len() - 1);
            let kept = unnamed.add(labels)?;
            out.labels.push(kept.iter().copied());
        }
        exec.hold(out.num_samples_of(out.len() - 1), widest)?;
        if out.len() == select::BATCH_ROWS {
            sink(&mut out)?;
            out = StepBatch::new(grid.len);
        }
        Ok(())
    })?;
    for (step, [num, new]) in counts.into_iter().enumerate() {
        exec.count(step, num, new);
    }
    if any {
        kernel.annotate(exec, call);
    }
    if out.len() > 0 { sink(&mut out) } else { Ok(()) }
}
