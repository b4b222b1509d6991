//! The way in: options, requests, answers, failures. Parses, plans, runs and shapes the result; no clock: deadlines
//! arrive through [`Cancel`].

mod stream;
#[cfg(test)]
mod tests;

pub use stream::TakePart;

use crate::annotations::Notes;
use crate::answer;
use crate::ast::{Expr, Features, ValueType};
use crate::crew::Helpers;
use crate::error::ParseError;
use crate::exec::Exec;
use crate::explain::{self, Clock, PlanNode, Profile};
use crate::memory::{Memory, MemoryPool, TooMuchMemory};
use crate::parser::parse;
use crate::plan::repeats::Groups;
use crate::plan::{self, Node, Plan};
use crate::reuse::Reuse;
use crate::spares::Spares;
use crate::value::Value;
use model::StepGrid;
use std::sync::Arc;
use storage::{Annotations, Cancel, Queryable};

/// What holds for all queries of an engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// Samples a query may hold at once.
    pub max_samples: usize,
    /// Bytes of memory a query may hold; zero is no bound.
    pub max_memory_bytes: u64,
    /// From how many samples on a query uses more threads than its own.
    pub min_shared_samples: usize,
    /// How far back an instant selector looks, in milliseconds.
    pub lookback_ms: i64,
    /// The step of subqueries that give none, in milliseconds: the global evaluation interval.
    pub default_eval_interval_ms: i64,
    /// Syntax that is switched on.
    pub features: Features,
    /// `promql-delayed-name-removal`: metric names go at the end of a query only.
    pub delayed_name_removal: bool,
    /// `type-and-unit-labels`: `__type__` tells counters from gauges.
    pub type_and_unit_labels: bool,
    /// `use-start-timestamps`: counters begin, and begin again, where their samples say so.
    pub use_start_timestamps: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            max_samples: 50_000_000,
            max_memory_bytes: 0,
            min_shared_samples: 65_536,
            lookback_ms: 300_000,
            default_eval_interval_ms: 60_000,
            features: Features::default(),
            delayed_name_removal: false,
            type_and_unit_labels: false,
            use_start_timestamps: false,
        }
    }
}

/// What holds for one query.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Another look-back than that of the engine.
    pub lookback_ms: Option<i64>,
    /// Polled between batches.
    pub cancel: &'a Cancel,
    /// Measures every operator by this clock, for [`Answer::plan`].
    pub clock: Option<Clock<'a>>,
}

impl<'a> Request<'a> {
    /// A request without further wishes.
    #[must_use]
    pub fn new(cancel: &'a Cancel) -> Self {
        Self { lookback_ms: None, cancel, clock: None }
    }
}

/// What a query found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The result.
    pub value: Value,
    /// Warnings and infos with prefix and position, as the API shows them.
    pub annotations: Annotations,
    /// What it took.
    pub stats: Stats,
    /// What each operator took, if that was asked for.
    pub plan: Option<PlanNode>,
    /// The memory of the answer counts as long as someone has it.
    held: Arc<Memory>,
}

impl Answer {
    /// Bytes of memory that count as long as someone has it.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held.used()
    }
}

/// What a query took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples looked at, summed over the steps.
    pub total_queryable_samples: u64,
    /// The same for each step.
    pub samples_per_step: Vec<u64>,
    /// Samples read: those that several windows share count once.
    pub samples_read: u64,
    /// The same for each step.
    pub samples_read_per_step: Vec<u64>,
    /// The most samples held at once.
    pub peak_samples: usize,
    /// The most bytes of memory held at once.
    pub peak_bytes: u64,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no query.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// The text is a query of a type that does not fit the request.
    #[error("{0}")]
    WrongType(String),
    /// The query contradicts itself or the data.
    #[error("{0}")]
    Execution(String),
    /// More samples than allowed.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// More memory than allowed.
    #[error("{0}")]
    TooMuchMemory(Box<TooMuchMemory>),
    /// The deadline passed.
    #[error("query timed out in {0}")]
    TimedOut(&'static str),
    /// The caller gave up.
    #[error("query was canceled in {0}")]
    Cancelled(&'static str),
    /// The storage failed.
    #[error("expanding series: {0}")]
    Storage(#[source] storage::Error),
}

impl Error {
    /// Two elements of one vector have equal labels.
    pub(crate) fn duplicate_labels() -> Self {
        Self::Execution("vector cannot contain metrics with the same labelset".to_owned())
    }

    /// The same error; one about memory names the first selector of `node`, if it names none yet.
    pub(crate) fn about(self, node: &Node) -> Self {
        match (self, node.first_select()) {
            (Self::TooMuchMemory(refusal), Some(select)) if refusal.selector.is_none() => {
                let selector = Some((select.to_string(), 0));
                Self::TooMuchMemory(Box::new(TooMuchMemory { selector, ..*refusal }))
            }
            (error, _) => error,
        }
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Cancelled => Self::Cancelled("expression evaluation"),
            storage::Error::TimedOut => Self::TimedOut("expression evaluation"),
            error => Self::Storage(error),
        }
    }
}

/// What all queries of a server share, also across engines that replace each other.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Memory for all of them together; without bound by default.
    pub memory: MemoryPool,
    /// Threads for those that have much to do; none by default.
    pub helpers: Helpers,
    /// Buffers that no query has.
    pub spares: Spares,
}

/// Runs queries; shared by all of them.
#[derive(Clone, Debug)]
pub struct Engine {
    options: EngineOptions,
    shared: Shared,
}

impl Engine {
    /// An engine with these options that shares nothing.
    #[must_use]
    pub fn new(options: EngineOptions) -> Self {
        Self::sharing(options, Shared::default())
    }

    /// An engine with these options that shares memory and threads with others.
    #[must_use]
    pub fn sharing(options: EngineOptions, shared: Shared) -> Self {
        Self { options, shared }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(&self, options: EngineOptions) -> Self {
        Self::sharing(options, self.shared.clone())
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Evaluates `query` at one time.
    pub fn instant(
        &self,
        storage: &dyn Queryable,
        query: &str,
        at_ms: i64,
        request: &Request<'_>,
    ) -> Result<Answer, Error> {
        let expr = parse(query, &self.options.features)?;
        let times = plan::Times { start_ms: at_ms, end_ms: at_ms, step_ms: 0 };
        self.run(storage, (query, &expr), times, request, None)
    }

    /// Evaluates `query` at `start_ms`, `start_ms + step_ms`, ... up to `end_ms`; `step_ms` is positive.
    pub fn range(
        &self,
        storage: &dyn Queryable,
        query: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        request: &Request<'_>,
    ) -> Result<Answer, Error> {
        let (expr, times) = self.range_of(query, start_ms, end_ms, step_ms)?;
        self.run(storage, (query, &expr), times, request, None)
    }

    /// What [`Self::instant`] would do.
    pub fn explain_instant(&self, query: &str, at_ms: i64) -> Result<PlanNode, Error> {
        let expr = parse(query, &self.options.features)?;
        let times = plan::Times { start_ms: at_ms, end_ms: at_ms, step_ms: 0 };
        Ok(explain::describe(&Plan::build(&expr, times, &self.options)?.root, None))
    }

    /// What [`Self::range`] would do.
    pub fn explain_range(
        &self,
        query: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<PlanNode, Error> {
        let (expr, times) = self.range_of(query, start_ms, end_ms, step_ms)?;
        Ok(explain::describe(&Plan::build(&expr, times, &self.options)?.root, None))
    }

    fn range_of(
        &self,
        query: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<(Expr, plan::Times), Error> {
        let expr = parse(query, &self.options.features)?;
        let value_type = expr.value_type();
        if !matches!(value_type, ValueType::Scalar | ValueType::Vector) {
            let given = value_type.documented_name();
            return Err(Error::WrongType(format!(
                "invalid expression type \"{given}\" for range query, must be Scalar or instant Vector"
            )));
        }
        if step_ms <= 0 {
            return Err(plan::division_by_zero());
        }
        Ok((expr, plan::Times { start_ms, end_ms, step_ms }))
    }

    fn run(
        &self,
        storage: &dyn Queryable,
        (query, expr): (&str, &Expr),
        times: plan::Times,
        request: &Request<'_>,
        take: Option<TakePart<'_>>,
    ) -> Result<Answer, Error> {
        request.cancel.check().map_err(|error| match error {
            storage::Error::TimedOut => Error::TimedOut("query execution"),
            _ => Error::Cancelled("query execution"),
        })?;
        let grid = if times.is_instant() {
            StepGrid::instant(times.start_ms)
        } else {
            let span = times.end_ms.saturating_sub(times.start_ms);
            let len = if span < 0 { 0 } else { (span / times.step_ms) as usize + 1 };
            StepGrid { start_ms: times.start_ms, step_ms: times.step_ms, len }
        };
        let lookback_ms = request.lookback_ms.unwrap_or(self.options.lookback_ms);
        let plan = Plan::build(expr, times, &self.options)?;
        let range = plan::hints::span(&plan.root, grid, lookback_ms);
        let querier = storage.querier(range)?;
        let memory = Memory::new(self.shared.memory.clone(), self.options.max_memory_bytes);
        let resources = (memory, self.shared.helpers.clone());
        let context = (&*querier, request.cancel);
        let mut exec = Exec::new(context, &self.options, resources, lookback_ms, times);
        exec.spares = self.shared.spares.clone();
        exec.profile = request.clock.map(Profile::new);
        exec.reuse = Reuse::new(Groups::find(&plan.root));
        let value = match take.zip(stream::Rows::of(&exec, &plan, grid)) {
            Some((take, rows)) => {
                exec.in_order = true;
                rows.answer(&exec, take)?
            }
            None => answer::answer(&exec, &plan, grid)?,
        };
        let explained =
            exec.profile.as_ref().map(|_| explain::describe(&plan.root, exec.profile.as_ref()));
        exec.settle_memory(0, value.size_bytes())?;
        let held = Arc::clone(&exec.memory);
        let (notes, stats): (Notes, Stats) = exec.finish();
        Ok(Answer { value, annotations: notes.finish(query), stats, plan: explained, held })
    }
}
