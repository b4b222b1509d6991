//! Runs scripts against any storage. Each instant query is also run pinned to its time and as a step of a range query.

use super::{
    Command, Eval, Expected, Found, Item, Load, Reply, Script, ScriptError, SeriesLine, When,
    compare, nhcb, pin,
};
use crate::ast::Features;
use crate::engine::EngineOptions;
use crate::parser::parse;
use model::hash::HashMap;
use model::histogram::Histogram;
use model::{Labels, SeriesRef};
use storage::{Appendable, Appender, FloatBatch, HistogramBatch, LabelBatch, Rejected};

/// A storage that scripts run against, and whoever answers queries over it.
pub trait Database {
    /// Drops all series.
    fn clear(&mut self) -> storage::Result<()>;
    /// Where samples go.
    fn appendable(&self) -> &dyn Appendable;
    /// Called after samples were written and before the next query.
    fn settle(&mut self) -> storage::Result<()> {
        Ok(())
    }
    /// Answers a query as an engine with [`engine_options`] does; the error in its words.
    fn ask(&self, query: &str, when: When) -> Result<Reply, String>;
}

/// What the engine of the public scripts is made with.
#[must_use]
pub fn engine_options() -> EngineOptions {
    EngineOptions {
        max_samples: 10_000,
        lookback_ms: 300_000,
        default_eval_interval_ms: 60_000,
        features: Features::ALL,
        delayed_name_removal: true,
        use_start_timestamps: true,
        ..EngineOptions::default()
    }
}

/// How an evaluation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed(String),
}

/// One evaluation of a script.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its query.
    pub query: String,
    /// How it went.
    pub outcome: Outcome,
}

/// Runs all commands; evaluations that fail do not stop it.
pub fn run(script: &Script, database: &mut dyn Database) -> Result<Vec<Case>, ScriptError> {
    let mut cases = Vec::new();
    for (line, command) in &script.commands {
        let failed = |source| ScriptError::Storage { line: *line, source };
        match command {
            Command::Clear => database.clear().map_err(failed)?,
            Command::Load(load) => {
                write(load, database.appendable()).map_err(failed)?;
                database.settle().map_err(failed)?;
            }
            Command::Eval(eval) => {
                let outcome = match evaluate(eval, database) {
                    Ok(()) => Outcome::Passed,
                    Err(what) => Outcome::Failed(what),
                };
                cases.push(Case { line: *line, query: eval.query.clone(), outcome });
            }
        }
    }
    Ok(cases)
}

/// Writes the samples.
fn write(load: &Load, storage: &dyn Appendable) -> storage::Result<()> {
    let mut rejected = Vec::new();
    let mut appender = storage.appender(0);
    // Of two lines with the same labels the later one counts, samples and starts apart.
    let mut last: HashMap<&Labels, usize> = HashMap::default();
    let mut starts: HashMap<&Labels, &[Option<i64>]> = HashMap::default();
    for (index, series) in load.series.iter().enumerate() {
        if series.starts_ms.is_empty() {
            last.insert(&series.labels, index);
        } else {
            starts.insert(&series.labels, &series.starts_ms);
        }
    }
    for (index, series) in load.series.iter().enumerate() {
        if last.get(&series.labels) != Some(&index) {
            continue;
        }
        let starts_ms = starts.get(&series.labels).copied().unwrap_or_default();
        let series_ref = resolve(appender.as_mut(), series, &mut rejected)?;
        let samples = (&series.items[..], starts_ms);
        append(appender.as_mut(), series_ref, samples, load.gap_ms, &mut rejected)?;
    }
    if load.with_nhcb {
        let converted = nhcb::converted(load).map_err(|what| storage::Error::Corrupt {
            place: "load_with_nhcb".into(),
            what: what.into(),
        })?;
        for series in &converted {
            let refs = resolve(appender.as_mut(), series, &mut rejected)?;
            append(appender.as_mut(), refs, (&series.items, &[]), load.gap_ms, &mut rejected)?;
        }
    }
    appender.commit()
}

/// The reference of a series; none if the storage refuses its labels.
fn resolve(
    appender: &mut dyn Appender,
    series: &SeriesLine,
    rejected: &mut Vec<Rejected>,
) -> storage::Result<Option<SeriesRef>> {
    let pairs: Vec<(&str, &str)> = series.labels.iter().collect();
    let ends = [u32::try_from(pairs.len()).expect("few labels")];
    let mut refs = Vec::new();
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, rejected)?;
    Ok(refs.first().copied().flatten())
}

/// Appends the samples of one series. Kinds may change from sample to sample: each run of one kind is a batch.
fn append(
    appender: &mut dyn Appender,
    series: Option<SeriesRef>,
    (items, starts_ms): (&[Item], &[Option<i64>]),
    gap_ms: i64,
    rejected: &mut Vec<Rejected>,
) -> storage::Result<()> {
    let Some(series) = series else { return Ok(()) };
    let is_histogram = |item: &Item| matches!(item, Item::Histogram(_));
    let samples = items.iter().enumerate().filter(|(_, item)| item.is_sample());
    let samples: Vec<(i64, &Item)> =
        samples.map(|(place, item)| (gap_ms * place as i64, item)).collect();
    for run in samples.chunk_by(|a, b| is_histogram(a.1) == is_histogram(b.1)) {
        let times: Vec<i64> = run.iter().map(|(time, _)| *time).collect();
        let starts: Vec<i64> = if starts_ms.is_empty() {
            Vec::new()
        } else {
            let offset = |time: i64| starts_ms.get((time / gap_ms) as usize).copied().flatten();
            times.iter().map(|&time| offset(time).map_or(0, |offset| time + offset)).collect()
        };
        let refs = vec![series; run.len()];
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for (_, item) in run {
            match item {
                Item::Omitted => {}
                Item::Value(value) => floats.push(*value),
                Item::Histogram(item) => histograms.push(Histogram::Float((*item.value).clone())),
            }
        }
        if histograms.is_empty() {
            let batch = FloatBatch::new(&refs, &times, &floats);
            let batch =
                if starts.is_empty() { batch } else { batch.with_start_timestamps(&starts) };
            appender.append_floats(batch, rejected)?;
        } else {
            let batch = HistogramBatch::new(&refs, &times, &histograms);
            let batch =
                if starts.is_empty() { batch } else { batch.with_start_timestamps(&starts) };
            appender.append_histograms(batch, rejected)?;
        }
    }
    Ok(())
}

fn evaluate(eval: &Eval, database: &dyn Database) -> Result<(), String> {
    match eval.when {
        When::Range { .. } => check(eval, database.ask(&eval.query, eval.when)),
        When::Instant { at_ms } => {
            instant(eval, &eval.query, at_ms, database)?;
            for (query, at_ms) in pinned(eval, at_ms) {
                instant(eval, &query, at_ms, database)
                    .map_err(|what| format!("as {query} at {at_ms} ms: {what}"))?;
            }
            Ok(())
        }
    }
}

/// The query pinned to its time, with the times it is also evaluated at.
fn pinned(eval: &Eval, at_ms: i64) -> Vec<(String, i64)> {
    let Ok(mut expr) = parse(&eval.query, &Features::ALL) else { return Vec::new() };
    if !pin::pin(&mut expr, at_ms) {
        return Vec::new();
    }
    let query = expr.to_string();
    let times = if at_ms == 0 {
        vec![-1000, 0, 1000]
    } else {
        vec![-10 * at_ms, 0, at_ms / 5, at_ms, 10 * at_ms]
    };
    times.into_iter().map(|at_ms| (query.clone(), at_ms)).collect()
}

/// Runs an instant query, and the same as the middle step of a range query.
fn instant(eval: &Eval, query: &str, at_ms: i64, database: &dyn Database) -> Result<(), String> {
    const MINUTE_MS: i64 = 60_000;
    check(eval, database.ask(query, When::Instant { at_ms }))?;
    let unlike_range = ["range()", "step()", "start()", "end()"];
    let comparable = matches!(eval.expected, Expected::Series(_) | Expected::Scalar(_))
        && !unlike_range.iter().any(|call| query.contains(call));
    if eval.fail.is_some() || eval.ordered || !comparable {
        return Ok(());
    }
    let (start_ms, end_ms) = (at_ms - MINUTE_MS, at_ms + MINUTE_MS);
    let reply = database.ask(query, When::Range { start_ms, end_ms, step_ms: MINUTE_MS });
    let compared = match reply.map(|reply| reply.found) {
        Ok(Found::Matrix(matrix)) => compare::step(eval, &matrix, at_ms),
        Ok(other) => Err(format!("the answer is {other:?}")),
        Err(error) => Err(error),
    };
    compared.map_err(|what| format!("as a range query: {what}"))
}

fn check(eval: &Eval, reply: Result<Reply, String>) -> Result<(), String> {
    let reply = match (reply, &eval.fail) {
        (Err(_), Some(None)) => return Ok(()),
        (Err(text), Some(Some(pattern))) => {
            if pattern.matches(&text) {
                return Ok(());
            }
            return Err(format!("failed with another text: {text}"));
        }
        (Err(text), None) => return Err(text),
        (Ok(_), Some(_)) => return Err("expected to fail".into()),
        (Ok(reply), None) => reply,
    };
    annotations(eval, &reply)?;
    compare::answer(eval, &reply.found)
}

fn annotations(eval: &Eval, reply: &Reply) -> Result<(), String> {
    for (info, found) in [(false, &reply.annotations.warnings), (true, &reply.annotations.infos)] {
        let kind = if info { "info" } else { "warning" };
        let about = || eval.annotations.iter().filter(move |annotation| annotation.info == info);
        if about().any(|annotation| annotation.none) && !found.is_empty() {
            return Err(format!("expected no {kind}, got {found:?}"));
        }
        let fits = |text: &str, annotation: &super::Annotation| {
            annotation.pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
        };
        let expected = || about().filter(|annotation| !annotation.none);
        for annotation in expected() {
            if !found.iter().any(|text| fits(text, annotation)) {
                return Err(format!("expected {kind} {:?}, got {found:?}", annotation.pattern));
            }
        }
        if expected().next().is_some()
            && let Some(text) = found.iter().find(|text| !expected().any(|a| fits(text, a)))
        {
            return Err(format!("unexpected {kind} {text:?}"));
        }
    }
    Ok(())
}
