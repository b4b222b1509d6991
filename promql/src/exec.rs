//! Runs a plan: dispatch, accounting of samples and memory. What operators compute lives with them, the shape of the
//! answer in `answer`.

use crate::annotations::Notes;
use crate::crew::{Borrowed, Helpers};
use crate::engine::{EngineOptions, Error, Stats};
use crate::explain::Profile;
use crate::memory::Memory;
use crate::operator::{ReservedNames, Sink, StepBatch};
use crate::plan::{Argument, Node, Times, hints};
use crate::reuse::{self, Counted, Reuse};
use crate::spares::Spares;
use crate::{aggregate, binary, bitmap, functions, scalar, select, window};
use model::{StepGrid, Symbols};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use storage::{Cancel, Querier};

/// Counts samples the way the limit and the statistics want them.
#[derive(Debug, Default)]
struct Accounts {
    held: usize,
    peak: usize,
    /// Samples looked at and samples read, for each step.
    per_step: Vec<[u64; 2]>,
}

impl Accounts {
    fn add_steps(&mut self, per_step: &[[u64; 2]]) {
        if self.per_step.len() < per_step.len() {
            self.per_step.resize(per_step.len(), [0; 2]);
        }
        for (sum, counts) in self.per_step.iter_mut().zip(per_step) {
            sum[0] += counts[0];
            sum[1] += counts[1];
        }
    }
}

/// A query at work.
pub(crate) struct Exec<'a> {
    pub(crate) querier: &'a dyn Querier,
    pub(crate) cancel: &'a Cancel,
    pub(crate) symbols: Arc<Symbols>,
    pub(crate) names: ReservedNames,
    pub(crate) lookback_ms: i64,
    pub(crate) delayed_name_removal: bool,
    pub(crate) type_and_unit_labels: bool,
    pub(crate) use_start_timestamps: bool,
    pub(crate) times: Times,
    pub(crate) memory: Arc<Memory>,
    /// What of the memory is the table of labels: it stays until the end.
    symbol_bytes: Cell<u64>,
    /// From how many samples on helpers are worth their start.
    pub(crate) min_shared_samples: usize,
    helpers: Helpers,
    /// Buffers that no query has.
    pub(crate) spares: Spares,
    /// What is needed more than once.
    pub(crate) reuse: Reuse,
    /// Measures operators, if someone wants to know.
    pub(crate) profile: Option<Profile<'a>>,
    /// Series are wanted in label order.
    pub(crate) in_order: bool,
    max_samples: usize,
    notes: RefCell<Notes>,
    accounts: RefCell<Accounts>,
}

impl<'a> Exec<'a> {
    pub(crate) fn new(
        (querier, cancel): (&'a dyn Querier, &'a Cancel),
        options: &EngineOptions,
        (memory, helpers): (Memory, Helpers),
        lookback_ms: i64,
        times: Times,
    ) -> Self {
        let symbols = Arc::new(Symbols::new());
        Self {
            querier,
            cancel,
            names: ReservedNames::new(&symbols),
            symbols,
            lookback_ms,
            delayed_name_removal: options.delayed_name_removal,
            type_and_unit_labels: options.type_and_unit_labels,
            use_start_timestamps: options.use_start_timestamps,
            times,
            memory: Arc::new(memory),
            symbol_bytes: Cell::new(0),
            min_shared_samples: options.min_shared_samples,
            helpers,
            spares: Spares::default(),
            reuse: Reuse::default(),
            profile: None,
            in_order: false,
            max_samples: options.max_samples,
            notes: RefCell::default(),
            accounts: RefCell::default(),
        }
    }

    /// The same query on another thread, with notes and accounts of its own.
    pub(crate) fn fork(&self) -> Self {
        Self {
            querier: self.querier,
            cancel: self.cancel,
            symbols: Arc::clone(&self.symbols),
            memory: Arc::clone(&self.memory),
            symbol_bytes: Cell::new(0),
            helpers: self.helpers.clone(),
            spares: self.spares.clone(),
            reuse: Reuse::default(),
            profile: None,
            notes: RefCell::default(),
            accounts: RefCell::default(),
            ..*self
        }
    }

    /// The threads that are free to help.
    pub(crate) fn borrow_helpers(&self) -> Borrowed {
        self.helpers.borrow()
    }

    /// What was noted since the last call.
    pub(crate) fn take_notes(&self) -> Notes {
        self.notes.take()
    }

    /// Takes memory for what the query holds.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), Error> {
        self.memory.take(bytes).map_err(|refusal| Error::TooMuchMemory(Box::new(refusal)))
    }

    /// Takes memory for the labels that are new in the table of the query.
    pub(crate) fn take_symbols(&self) -> Result<(), Error> {
        let size = self.symbols.size_bytes() as u64;
        let new = size.saturating_sub(self.symbol_bytes.replace(size));
        if new == 0 { Ok(()) } else { self.take(new as usize) }
    }

    /// Memory held right now, without the labels and what is kept for later.
    pub(crate) fn taken(&self) -> u64 {
        let kept = self.symbol_bytes.get() + self.reuse.size_bytes();
        self.memory.used().saturating_sub(kept)
    }

    /// All memory taken since `before` is free again but `bytes`.
    pub(crate) fn settle_memory(&self, before: u64, bytes: usize) -> Result<(), Error> {
        let since = self.taken().saturating_sub(before) as usize;
        if since >= bytes {
            self.memory.give(since - bytes);
            return Ok(());
        }
        self.take(bytes - since)
    }

    pub(crate) fn finish(self) -> (Notes, Stats) {
        let accounts = self.accounts.into_inner();
        let [samples_per_step, samples_read_per_step] =
            [0, 1].map(|kind| accounts.per_step.iter().map(|step| step[kind]).collect::<Vec<_>>());
        let stats = Stats {
            total_queryable_samples: samples_per_step.iter().sum(),
            samples_per_step,
            samples_read: samples_read_per_step.iter().sum(),
            samples_read_per_step,
            peak_samples: accounts.peak,
            peak_bytes: self.memory.peak(),
        };
        (self.notes.into_inner(), stats)
    }

    /// Adds to the annotations of the query.
    pub(crate) fn note(&self, add: impl FnOnce(&mut Notes)) {
        add(&mut self.notes.borrow_mut());
    }

    /// Samples held right now.
    pub(crate) fn held(&self) -> usize {
        self.accounts.borrow().held
    }

    /// Whether so many samples may be held at once.
    pub(crate) fn may_hold(&self, num: usize) -> bool {
        num <= self.max_samples
    }

    /// Holds `num` samples more, and `passing` for a moment.
    pub(crate) fn hold(&self, num: usize, passing: usize) -> Result<(), Error> {
        let mut accounts = self.accounts.borrow_mut();
        accounts.held += num;
        let now = accounts.held + passing;
        accounts.peak = accounts.peak.max(now);
        if now > self.max_samples { Err(Error::TooManySamples) } else { Ok(()) }
    }

    /// Operands are gone, `num` samples of the result stay: `before` were held before the operands were made.
    pub(crate) fn settle(&self, before: usize, num: usize) -> Result<(), Error> {
        self.accounts.borrow_mut().held = before;
        self.hold(num, 0)
    }

    /// Samples that one step looked at, and how many of them no step before did.
    pub(crate) fn count(&self, step: usize, num: usize, new: usize) {
        let per_step = &mut self.accounts.borrow_mut().per_step;
        if per_step.len() <= step {
            per_step.resize(step + 1, [0; 2]);
        }
        per_step[step][0] += num as u64;
        per_step[step][1] += new as u64;
    }

    /// Runs `work` with counters of its own and gives back how many samples it looked at.
    pub(crate) fn apart<T>(
        &self,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(T, [usize; 2]), Error> {
        let outer = std::mem::take(&mut self.accounts.borrow_mut().per_step);
        let result = work();
        let inner = std::mem::replace(&mut self.accounts.borrow_mut().per_step, outer);
        let total = |kind: usize| inner.iter().map(|step| step[kind] as usize).sum();
        Ok((result?, [total(0), total(1)]))
    }

    /// Runs `work` and tells what it counted for.
    pub(crate) fn counted<T>(
        &self,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(T, Counted), Error> {
        let notes = self.notes.take();
        let before = self.held();
        let outer = {
            let mut accounts = self.accounts.borrow_mut();
            (std::mem::take(&mut accounts.per_step), std::mem::take(&mut accounts.peak))
        };
        let result = work();
        let said = self.notes.replace(notes);
        let speaks = !said.is_silent();
        self.note(|notes| notes.merge(said));
        let mut accounts = self.accounts.borrow_mut();
        let per_step = std::mem::replace(&mut accounts.per_step, outer.0);
        let peak = accounts.peak.saturating_sub(before);
        accounts.peak = accounts.peak.max(outer.1);
        let held = accounts.held.saturating_sub(before);
        accounts.add_steps(&per_step);
        Ok((result?, Counted { per_step, held, peak, speaks }))
    }

    /// Counts for what some work counted for.
    pub(crate) fn count_again(&self, counted: &Counted) -> Result<(), Error> {
        self.accounts.borrow_mut().add_steps(&counted.per_step);
        self.hold(0, counted.peak)?;
        self.hold(counted.held, 0)
    }

    /// The vector of `node` at every step of `grid`, batch by batch in series order.
    pub(crate) fn stream(&self, node: &Node, grid: StepGrid, sink: Sink<'_>) -> Result<(), Error> {
        self.cancel.check()?;
        let Some(profile) = &self.profile else { return self.flow(node, grid, sink) };
        if !matches!(node, Node::Select { .. } | Node::Window(_)) {
            return self.flow(node, grid, sink);
        }
        let (clock, read_before) = (profile.clock.0, self.samples_read());
        let (begin, mut elsewhere) = (clock(), Duration::ZERO);
        self.flow(node, grid, &mut |batch| {
            profile.yielded(node, batch);
            let begin = clock();
            let result = sink(batch);
            elsewhere += clock().saturating_sub(begin);
            result
        })?;
        let time = clock().saturating_sub(begin).saturating_sub(elsewhere);
        profile.ran(node, time, self.samples_read() - read_before);
        Ok(())
    }

    fn flow(&self, node: &Node, grid: StepGrid, sink: Sink<'_>) -> Result<(), Error> {
        match node {
            Node::Select { select, shown } => select::stream(self, select, *shown, grid, sink),
            Node::Window(call) => window::stream(self, call, grid, sink),
            other => sink(&mut self.vector(other, grid)?),
        }
    }

    /// Samples read so far, by what is not apart.
    fn samples_read(&self) -> u64 {
        self.accounts.borrow().per_step.iter().map(|step| step[1]).sum()
    }

    /// Whether [`Self::stream`] yields the vector of `node` piece by piece.
    pub(crate) fn streams(&self, node: &Node) -> bool {
        matches!(node, Node::Select { .. } | Node::Window(_)) && self.reuse.group(node).is_none()
    }

    /// The vector of `node` at every step of `grid`; rows without values are left out.
    pub(crate) fn vector(&self, node: &Node, grid: StepGrid) -> Result<StepBatch, Error> {
        match self.reuse.group(node) {
            None => self.evaluate(node, grid),
            Some(group) => reuse::vector(self, group, grid, &|| self.evaluate(node, grid)),
        }
    }

    /// The same with the names gone that go at the end, in the batches in which it came: a large answer is nowhere copied
    /// together.
    pub(crate) fn batches(&self, node: &Node, grid: StepGrid) -> Result<Vec<StepBatch>, Error> {
        if !self.streams(node) || self.delayed_name_removal {
            let out = self.vector(node, grid)?;
            return Ok(vec![self.drop_names_finally(out)?]);
        }
        let before = self.taken();
        let (mut batches, mut size_bytes) = (Vec::new(), 0);
        let streamed = self.stream(node, grid, &mut |batch| {
            let mut batch = std::mem::replace(batch, StepBatch::new(grid.len));
            batch.settle_natives();
            let more_bytes = batch.size_bytes();
            size_bytes += more_bytes;
            batches.push(batch);
            self.take(more_bytes)
        });
        let settled = streamed.and_then(|()| self.settle_memory(before, size_bytes));
        settled.map_err(|error| error.about(node))?;
        Ok(batches)
    }

    fn evaluate(&self, node: &Node, grid: StepGrid) -> Result<StepBatch, Error> {
        self.cancel.check()?;
        let before = self.taken();
        let begin = self.profile.as_ref().map(|profile| (profile.clock.0)());
        let out = self.compute(node, grid);
        let settle = |out: StepBatch| self.settle_memory(before, out.size_bytes()).map(|()| out);
        let out = out.and_then(settle).map_err(|error| error.about(node))?;
        if let (Some(profile), Some(begin)) = (&self.profile, begin)
            && !matches!(node, Node::Select { .. } | Node::Window(_))
        {
            profile.yielded(node, &out);
            profile.ran(node, (profile.clock.0)().saturating_sub(begin), 0);
        }
        Ok(out)
    }

    fn compute(&self, node: &Node, grid: StepGrid) -> Result<StepBatch, Error> {
        let before = self.held();
        let out = match node {
            Node::Select { .. } | Node::Window(_) => {
                let mut out = StepBatch::new(grid.len);
                self.stream(node, grid, &mut |batch| {
                    batch.settle_natives();
                    self.take(batch.size_bytes())?;
                    if out.len() == 0 {
                        std::mem::swap(&mut out, batch);
                    } else {
                        out.append(batch);
                    }
                    Ok(())
                })?;
                return Ok(out);
            }
            Node::Invariant(inner) => return self.invariant(inner, grid),
            Node::Call(call) => functions::call::vector(self, call, grid)?,
            Node::Negate(inner) => {
                let mut out = self.vector(inner, grid)?;
                out.values.iter_mut().for_each(|v| *v = -*v);
                out.map_histograms(|histogram| {
                    let mut negative = histogram.clone();
                    negative.scale(-1.0);
                    Some(negative)
                });
                self.drop_names(out)?
            }
            Node::Binary(node) => binary::vector(self, node, grid)?,
            Node::Aggregate(node) => aggregate::vector(self, node, grid)?,
            Node::Number(_) => unreachable!("scalars are not vectors"),
        };
        let out = out.without_empty_rows();
        let num = out.num_samples();
        if matches!(node, Node::Call(_) | Node::Binary(_)) {
            // The reference copies the operands of a step before it computes the step.
            let operands = self.held().saturating_sub(before) / grid.len.max(1);
            self.hold(0, operands + num)?;
        }
        self.settle(before, num)?;
        Ok(out)
    }

    /// Evaluates once and repeats the value at every step.
    fn invariant(&self, inner: &Node, grid: StepGrid) -> Result<StepBatch, Error> {
        let first = hints::first_step(grid);
        let before = self.held();
        let (once, [num, new]) = self.apart(|| self.vector(inner, first))?;
        (0..grid.len).for_each(|step| self.count(step, num, new));
        if grid.len <= 1 {
            return Ok(once);
        }
        let mut out = StepBatch::new(grid.len);
        for row in (0..once.len()).filter(|&row| !once.is_empty_row(row)) {
            self.take(grid.len * once.row_bytes(row))?;
            out.push_row(once.labels.get(row), once.drop_name[row]);
            let into = out.len() - 1;
            if let Some(histogram) = once.histogram(row, 0) {
                out.cells_mut(into).fill(Some(Arc::clone(histogram)));
                continue;
            }
            let (values, bits) = out.row_mut(into);
            values.fill(once.row(row)[0]);
            bitmap::fill(bits, grid.len);
        }
        self.settle(before, out.num_samples())?;
        Ok(out)
    }

    /// The number of `node` at every step of `grid`.
    pub(crate) fn scalar(&self, node: &Node, grid: StepGrid) -> Result<Vec<f64>, Error> {
        match node {
            Node::Number(value) => Ok(vec![*value; grid.len]),
            Node::Invariant(inner) => {
                let first = hints::first_step(grid);
                let (once, [num, new]) = self.apart(|| self.scalar(inner, first))?;
                (0..grid.len).for_each(|step| self.count(step, num, new));
                Ok(vec![once.first().copied().unwrap_or(f64::NAN); grid.len])
            }
            Node::Negate(inner) => {
                let mut out = self.scalar(inner, grid)?;
                out.iter_mut().for_each(|v| *v = -*v);
                Ok(out)
            }
            Node::Binary(node) => {
                let (lhs, rhs) = (self.scalar(&node.lhs, grid)?, self.scalar(&node.rhs, grid)?);
                lhs.iter().zip(&rhs).map(|(&a, &b)| binary::scalars(node.op, a, b)).collect()
            }
            Node::Call(call) => scalar::column(self, call, grid),
            other => unreachable!("vectors are not scalars: {other:?}"),
        }
    }

    /// The scalar argument `index` of a call at every step.
    pub(crate) fn scalar_arg(
        &self,
        args: &[Argument],
        index: usize,
        grid: StepGrid,
    ) -> Result<Vec<f64>, Error> {
        match &args[index] {
            Argument::Node { node, .. } => self.scalar(node, grid),
            Argument::Text(_) => unreachable!("checked to be a scalar"),
        }
    }

    /// The vector argument `index` of a call.
    pub(crate) fn vector_arg(
        &self,
        args: &[Argument],
        index: usize,
        grid: StepGrid,
    ) -> Result<StepBatch, Error> {
        match &args[index] {
            Argument::Node { node, .. } => self.vector(node, grid),
            Argument::Text(_) => unreachable!("checked to be a vector"),
        }
    }

    /// The series stop being the metrics they were: their names go, now or at the end of the query.
    pub(crate) fn drop_names(&self, mut batch: StepBatch) -> Result<StepBatch, Error> {
        if self.delayed_name_removal {
            batch.drop_name.fill(true);
            return Ok(batch);
        }
        self.without_names(&mut batch);
        batch.merge_equal()
    }

    /// Removes the labels that name the metric from the rows that still have them.
    fn without_names(&self, batch: &mut StepBatch) {
        let labels = std::mem::take(&mut batch.labels);
        for pairs in labels.iter() {
            batch.labels.push(pairs.iter().copied().filter(|p| !self.names.names_metric(p.name)));
        }
    }

    /// Removes the names that were to go at the end.
    pub(crate) fn drop_names_finally(&self, mut batch: StepBatch) -> Result<StepBatch, Error> {
        if !batch.drop_name.contains(&true) {
            return Ok(batch);
        }
        let labels = std::mem::take(&mut batch.labels);
        for (pairs, drop) in labels.iter().zip(&batch.drop_name) {
            let kept = pairs.iter().filter(|p| !drop || !self.names.names_metric(p.name));
            batch.labels.push(kept.copied());
        }
        batch.merge_equal()
    }
}
