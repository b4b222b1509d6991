//! `/api/v1/query` and `/api/v1/query_range`.

use super::{Object, answer_object, begin};
use crate::call::{Done, done};
use crate::error::{ApiError, Kind, Result};
use crate::json::{Gone, Out, Pace, Rows, push_end, push_result, push_seconds};
use crate::params::Params;
use metrics::Stopwatch;
use model::timestamp;
use promql::{Answer, Clock, Engine, Error, Matrix, PlanNode, Request, Stats, Value};
use std::sync::Arc;
use std::time::Duration;
use storage::{Cancel, Queryable};

/// The most steps of a range query but one.
const MAX_STEPS: i64 = 11_000;

/// How long a query that holds a place, threads and a snapshot waits for the reader of its answer.
const MAX_HURRIED_WAIT: Duration = Duration::from_secs(1);

/// Said when a limit cut something off.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";

/// A query that was asked for; checked as far as it can be without evaluating it.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    text: String,
    times: Times,
    limit: usize,
    lookback_ms: Option<i64>,
    stats: Option<String>,
    explain: Explain,
    /// Whether the statistics list the samples of each step, where they are asked for.
    per_step: bool,
    /// How long it may take, if the request says so.
    pub(crate) timeout: Option<Duration>,
}

/// What is told of the plan: nothing in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Explain {
    No,
    /// `explain=true`: the plan instead of the answer.
    Only,
    /// `explain=analyze`: what each operator took, beside the answer.
    Analyze,
}

impl Explain {
    fn read(params: &Params) -> Result<Self> {
        match params.get("explain") {
            "" | "false" => Ok(Self::No),
            "true" => Ok(Self::Only),
            "analyze" => Ok(Self::Analyze),
            _ => Err(ApiError::parameter("explain", "must be \"true\" or \"analyze\"")),
        }
    }
}

/// Writes an operator and its operands.
fn push_plan(out: &mut Vec<u8>, node: &PlanNode) {
    Object::write(out, |object| {
        object.text("operator", &node.operator);
        if !node.detail.is_empty() {
            object.text("detail", &node.detail);
        }
        if let Some(took) = &node.took {
            object.plain("runs", took.runs);
            object.plain("series", took.series);
            object.plain("samples", took.samples);
            object.plain("samplesRead", took.samples_read);
            object.plain("bytes", took.bytes);
            object.plain("seconds", took.time.as_secs_f64());
        }
        if !node.children.is_empty() {
            object.list("children", &node.children, push_plan);
        }
    });
}

#[derive(Clone, Copy, Debug)]
enum Times {
    At(i64),
    /// First, last, step.
    Range(i64, i64, i64),
}

impl Query {
    /// Reads the parameters of an instant query.
    pub(crate) fn instant(params: &Params, now_ms: i64) -> Result<Self> {
        let limit = params.limit()?;
        let at_ms = params.time_or("time", now_ms)?;
        Self::rest(params, limit, Times::At(at_ms))
    }

    /// Reads the parameters of a range query.
    pub(crate) fn range(params: &Params) -> Result<Self> {
        let limit = params.limit()?;
        let start_ms = params.time("start")?;
        let end_ms = params.time("end")?;
        if end_ms < start_ms {
            return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
        }
        let step_ns = timestamp::parse_duration_ns(params.get("step"))
            .map_err(|error| ApiError::parameter("step", error))?;
        if step_ns <= 0 {
            return Err(ApiError::parameter(
                "step",
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ));
        }
        // Counted in 128 bits: the span of all time in nanoseconds does not fit into 64.
        let span_ns = (i128::from(end_ms) - i128::from(start_ms)) * 1_000_000;
        if span_ns / i128::from(step_ns) > i128::from(MAX_STEPS) {
            return Err(ApiError::bad_data(
                "exceeded maximum resolution of 11,000 points per timeseries. \
                 Try decreasing the query resolution (?step=XX)",
            ));
        }
        Self::rest(params, limit, Times::Range(start_ms, end_ms, step_ns / 1_000_000))
    }

    fn rest(params: &Params, limit: usize, times: Times) -> Result<Self> {
        let duration_ns = |name: &str| match params.get(name) {
            "" => Ok(None),
            text => timestamp::parse_duration_ns(text).map(Some),
        };
        let timeout = duration_ns("timeout").map_err(|e| ApiError::parameter("timeout", e))?;
        let lookback = duration_ns("lookback_delta").map_err(|error| {
            ApiError::bad_data(format!("error parsing lookback delta duration: {error}"))
        })?;
        let stats = params.get("stats");
        Ok(Self {
            text: params.get("query").to_owned(),
            times,
            limit,
            lookback_ms: lookback.filter(|&ns| ns > 0).map(|ns| ns / 1_000_000),
            stats: (!stats.is_empty()).then(|| stats.to_owned()),
            explain: Explain::read(params)?,
            per_step: false,
            timeout: timeout.map(|ns| Duration::from_nanos(u64::try_from(ns).unwrap_or(0))),
        })
    }

    /// The same with statistics by step, if the request asks for all of them.
    pub(crate) fn with_steps(mut self, enabled: bool) -> Self {
        self.per_step = enabled && self.stats.as_deref() == Some("all");
        self
    }

    /// Whether only the plan is wanted.
    pub(crate) fn wants_plan_only(&self) -> bool {
        self.explain == Explain::Only
    }

    /// Writes what would be done, without doing it.
    pub(crate) fn push_plan_only(&self, engine: &Engine, out: &mut Out<'_>) -> Result<Done> {
        let plan = match self.times {
            Times::At(at_ms) => engine.explain_instant(&self.text, at_ms),
            Times::Range(start_ms, end_ms, step_ms) => {
                engine.explain_range(&self.text, start_ms, end_ms, step_ms)
            }
        };
        let plan = plan.map_err(query_error)?;
        answer_object(out, |object| push_plan(object.key("plan"), &plan))
    }

    /// What was asked.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// First and last time and the step, which is zero for an instant query.
    pub(crate) fn times(&self) -> (i64, i64, i64) {
        match self.times {
            Times::At(at_ms) => (at_ms, at_ms, 0),
            Times::Range(start_ms, end_ms, step_ms) => (start_ms, end_ms, step_ms),
        }
    }

    /// From the first time to the last.
    pub(crate) fn span_ms(&self) -> i64 {
        let (start_ms, end_ms, _) = self.times();
        end_ms.saturating_sub(start_ms)
    }

    /// Writes what each step took: time and count.
    fn push_steps(&self, out: &mut Vec<u8>, counts: &[u64]) {
        let (begin_ms, end_ms, step_ms) = self.times();
        let steps = if step_ms > 0 { end_ms.saturating_sub(begin_ms) / step_ms + 1 } else { 1 };
        out.push(b'[');
        // Steps that nothing was read for are told, too.
        let counts = counts.iter().chain(std::iter::repeat(&0)).take(steps as usize);
        for (index, count) in counts.enumerate() {
            out.extend_from_slice(if index == 0 { b"[" } else { b",[" });
            push_seconds(out, begin_ms + step_ms * index as i64);
            out.push(b',');
            out.extend_from_slice(itoa::Buffer::new().format(*count).as_bytes());
            out.push(b']');
        }
        out.push(b']');
    }

    /// Writes what it took.
    pub(crate) fn push_stats(&self, out: &mut Vec<u8>, stats: &Stats, queued: f64, evaluated: f64) {
        Object::write(out, |object| {
            object.object("timings", |timings| {
                timings.plain("evalTotalTime", evaluated);
                timings.plain("resultSortTime", 0);
                timings.plain("queryPreparationTime", 0);
                timings.plain("innerEvalTime", evaluated);
                timings.plain("execQueueTime", queued);
                timings.plain("execTotalTime", queued + evaluated);
            });
            object.object("samples", |samples| {
                if self.per_step {
                    let counts = &stats.samples_per_step;
                    self.push_steps(samples.key("totalQueryableSamplesPerStep"), counts);
                }
                samples.plain("totalQueryableSamples", stats.total_queryable_samples);
                if self.per_step {
                    self.push_steps(
                        samples.key("samplesReadPerStep"),
                        &stats.samples_read_per_step,
                    );
                }
                samples.plain("samplesRead", stats.samples_read);
                samples.plain("peakSamples", stats.peak_samples);
            });
        });
    }

    /// What it has in common with queries of the same answer; `None` if it wants one of its own.
    pub(crate) fn key(&self, engine: &Arc<Engine>) -> Option<Key> {
        let engine = Arc::as_ptr(engine).addr();
        (self.explain == Explain::No)
            .then(|| (self.text.clone(), self.times(), self.lookback_ms, engine))
    }

    /// Evaluates it, within `left`. The first rows of a large answer may be written on the way, if the reader is quick
    /// enough.
    pub(crate) fn evaluate(
        &self,
        engine: &Engine,
        storage: &dyn Queryable,
        (left, cancel): (Duration, &Cancel),
        out: &mut Out<'_>,
    ) -> Result<(Evaluated, Rows)> {
        let clock = Stopwatch::start();
        let watch = || clock.elapsed();
        let measured = (self.explain == Explain::Analyze).then_some(Clock(&watch));
        let request = Request { lookback_ms: self.lookback_ms, cancel, clock: measured };
        let mut rows = Rows::new(if self.limit == 0 { usize::MAX } else { self.limit });
        let mut take = |part: &Matrix| {
            if clock.elapsed() > left {
                return Err(Error::TimedOut("expression evaluation"));
            }
            if !rows.has_begun() {
                out.set_pace(Pace::Hurried(MAX_HURRIED_WAIT));
                begin(out);
                out.push("{");
            }
            let written = rows.push(out, part);
            written.map_err(|Gone| Error::Cancelled("expression evaluation"))?;
            Ok(!out.is_behind())
        };
        let answer = match self.times {
            Times::At(at_ms) => engine.instant(storage, &self.text, at_ms, &request),
            Times::Range(start_ms, end_ms, step_ms) => {
                let times = (start_ms, end_ms, step_ms);
                engine.range_in_parts(storage, &self.text, times, &request, &mut take)
            }
        };
        out.set_pace(Pace::Patient);
        let answer = answer.map_err(query_error)?;
        let took = clock.elapsed();
        if took > left {
            // The timer was late: what took longer than it may has timed out nevertheless.
            return Err(query_error(Error::TimedOut("expression evaluation")));
        }
        Ok((Evaluated { answer, took }, rows))
    }

    /// Writes the answer, all of it or what comes after the `rows` that were written; `queued` is how long the query
    /// waited.
    pub(crate) fn push(
        &self,
        Evaluated { answer, took }: &Evaluated,
        (queued, rows): (Duration, Option<Rows>),
        out: &mut Out<'_>,
    ) -> Result<Done> {
        let mut annotations = answer.annotations.clone();
        let write = || -> Result<(), Gone> {
            let is_cut = match (rows, &answer.value) {
                (Some(mut rows), Value::Matrix(rest)) => {
                    rows.push(out, rest)?;
                    rows.end(out)
                }
                (_, value) => {
                    begin(out);
                    out.push("{");
                    push_result(out, value, self.limit)?
                }
            };
            if is_cut {
                annotations.warnings.push(TRUNCATED.into());
            }
            if let Some(asked) = &self.stats {
                out.push(",\"stats\":");
                let (queued, took) = (queued.as_secs_f64(), took.as_secs_f64());
                self.push_stats(&mut out.bytes, &answer.stats, queued, took);
                if !matches!(asked.as_str(), "true" | "all") {
                    let quoted = model::quote::Quoted(asked);
                    let text = format!(
                        "value {quoted} for parameter \"stats\" is deprecated and will be rejected in the next \
                         major release, use \"true\" or \"all\""
                    );
                    annotations.warnings.push(text.into());
                }
            }
            if let Some(plan) = &answer.plan {
                out.push(",\"plan\":");
                push_plan(&mut out.bytes, plan);
            }
            out.push("}");
            push_end(out, &annotations)
        };
        done(write())
    }
}

/// What makes two queries the same: text, times, look-back, engine.
pub(crate) type Key = (String, (i64, i64, i64), Option<i64>, usize);

/// An answer and how long it took.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) answer: Answer,
    pub(crate) took: Duration,
}

/// What a failed query is in the API.
fn query_error(error: Error) -> ApiError {
    let kind = match &error {
        Error::Parse(_) | Error::WrongType(_) => return ApiError::parameter("query", error),
        Error::TimedOut(_) => Kind::Timeout,
        Error::Cancelled(_) => Kind::Canceled,
        Error::Storage(_) => Kind::Internal,
        _ => Kind::Execution,
    };
    ApiError::new(kind, error.to_string())
}
