//! `/api/v1/series`, `/api/v1/labels` and `/api/v1/label/<name>/values`.

use super::begin;
use super::query::TRUNCATED;
use crate::call::{Done, done};
use crate::error::{ApiError, Result};
use crate::json::{LabelTexts, Out, push_end, push_texts};
use crate::params::Params;
use model::quote::QuotedBytes;
use model::validate::EscapingScheme;
use model::{LabelsColumn, Matcher, Symbols, TimeRange};
use storage::{Annotations, Cancel, Querier, Queryable, SelectHints, SeriesBatch};

/// The selectors of a request; an answer may match any of them.
pub(super) fn selectors(params: &Params) -> Result<Vec<Vec<Matcher>>> {
    let read = params.all("match[]").map(promql::parse_selector);
    let read = read.collect::<std::result::Result<Vec<_>, _>>();
    let read = read.map_err(|error| ApiError::bad_data(error.to_string()))?;
    // Looked at once all of them are read: what cannot be read is told first.
    if read.iter().any(|matchers| matchers.iter().all(|matcher| matcher.matches(""))) {
        return Err(ApiError::bad_data("match[] must contain at least one non-empty matcher"));
    }
    Ok(read)
}

fn range(params: &Params) -> Result<TimeRange> {
    let min_ms = params.time_or("start", i64::MIN)?;
    Ok(TimeRange::new(min_ms, params.time_or("end", i64::MAX)?))
}

/// What to ask a storage for, so that one more than the limit tells that something was cut off.
fn ask(limit: usize) -> usize {
    if limit == 0 { 0 } else { limit.saturating_add(1) }
}

/// `/api/v1/labels`.
pub(crate) fn names(storage: &dyn Queryable, params: &Params, out: &mut Out<'_>) -> Result<Done> {
    let limit = params.limit()?;
    let range = range(params)?;
    texts(storage, range, &selectors(params)?, limit, out, |querier, matchers, limit| {
        querier.label_names(matchers, limit)
    })
}

/// `/api/v1/label/<name>/values`; `name` is as in the path, unescaped.
pub(crate) fn values(
    storage: &dyn Queryable,
    name: &[u8],
    params: &Params,
    out: &mut Out<'_>,
) -> Result<Done> {
    let invalid =
        |name: &[u8]| ApiError::bad_data(format!("invalid label name: {}", QuotedBytes(name)));
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(invalid(name.strip_prefix(b"U__").unwrap_or(name)));
    };
    let name = if text.starts_with("U__") {
        EscapingScheme::Values.unescape(text)
    } else {
        text.to_owned()
    };
    if name.is_empty() {
        return Err(invalid(b""));
    }
    let limit = params.limit()?;
    let range = range(params)?;
    texts(storage, range, &selectors(params)?, limit, out, |querier, matchers, limit| {
        querier.label_values(&name, matchers, limit)
    })
}

/// Writes the sorted union of what `list` answers for each selector.
fn texts(
    storage: &dyn Queryable,
    range: TimeRange,
    selectors: &[Vec<Matcher>],
    limit: usize,
    out: &mut Out<'_>,
    list: impl Fn(&dyn Querier, &[Matcher], usize) -> storage::Result<Vec<Box<str>>>,
) -> Result<Done> {
    let querier = storage.querier(range)?;
    let mut all = Vec::new();
    if selectors.is_empty() {
        all = list(&*querier, &[], ask(limit))?;
    }
    for matchers in selectors {
        all.extend(list(&*querier, matchers, ask(limit))?);
    }
    if selectors.len() > 1 {
        all.sort_unstable();
        all.dedup();
    }
    let mut annotations = Annotations::default();
    if limit > 0 && all.len() > limit {
        all.truncate(limit);
        annotations.warnings.push(TRUNCATED.into());
    }
    begin(out);
    done(push_texts(out, &all).and_then(|()| push_end(out, &annotations)))
}

/// `/api/v1/series`.
pub(crate) fn series(
    storage: &dyn Queryable,
    params: &Params,
    cancel: &Cancel,
    out: &mut Out<'_>,
) -> Result<Done> {
    params.insist()?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = params.limit()?;
    let range = range(params)?;
    let selectors =
        selectors(params).map_err(|error| ApiError::parameter("match[]", error.text))?;
    if range.min_ms > range.max_ms {
        begin(out);
        out.push("[]");
        return done(push_end(out, &Annotations::default()));
    }
    let symbols = Symbols::new();
    let (found, mut annotations) =
        select(storage, range, &selectors, ask(limit), &symbols, cancel)?;
    let mut rows: Vec<usize> = (0..found.len()).collect();
    if selectors.len() > 1 {
        // Equal texts have equal ids, so that equal label sets are neighbours once sorted.
        rows.sort_by(|&a, &b| symbols.compare(found.get(a), found.get(b)));
        rows.dedup_by(|a, b| found.get(*a) == found.get(*b));
    }
    if limit > 0 && rows.len() > limit {
        rows.truncate(limit);
        annotations.warnings.push(TRUNCATED.into());
    }
    begin(out);
    let mut texts = LabelTexts::new(&symbols);
    let written = super::push_array(out, rows, |out, row| texts.push(out, found.get(row)));
    done(written.and_then(|()| push_end(out, &annotations)))
}

/// The label sets of all selections, one after the other.
fn select(
    storage: &dyn Queryable,
    range: TimeRange,
    selectors: &[Vec<Matcher>],
    limit: usize,
    symbols: &Symbols,
    cancel: &Cancel,
) -> Result<(LabelsColumn, Annotations)> {
    let querier = storage.querier(range)?;
    let hints = SelectHints { range: Some(range), labels_only: true, limit, ..Default::default() };
    let mut found = LabelsColumn::default();
    let mut annotations = Annotations::default();
    let mut batch = SeriesBatch::default();
    for matchers in selectors {
        let mut set = querier.select(matchers, &hints, symbols, cancel)?;
        let begin = found.len();
        while set.next_batch(&mut batch)? {
            for labels in batch.labels().iter() {
                found.push(labels.iter().copied());
            }
            cancel.check()?;
            if limit > 0 && found.len() - begin >= limit {
                break;
            }
        }
        annotations.merge(set.annotations());
    }
    Ok((found, annotations))
}
