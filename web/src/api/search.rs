//! `/api/v1/search/*`: metric names, label names and label values by parts of them, as lines of JSON in batches.

pub(crate) mod score;

use super::{Object, push_value_text};
use crate::call::{Done, done};
use crate::error::{ApiError, Kind, Result};
use crate::json::{Gone, Out};
use crate::params::{Params, parse_int};
use crate::{Api, TargetsSource};
use model::metadata::Metadata;
use model::quote::Quoted;
use model::{Matcher, TimeRange};
use score::{Algorithm, Terms};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use storage::{Cancel, Querier};

/// The most terms of a search.
const MAX_TERMS: usize = 32;

/// Results of a request, and of a line, unless it says otherwise.
const DEFAULT_COUNT: usize = 100;

/// How far back a search looks unless it says otherwise.
const DEFAULT_SPAN_MS: i64 = 3_600_000;

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    MetricNames,
    LabelNames,
    LabelValues,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::MetricNames => "metric_names",
            Self::LabelNames => "label_names",
            Self::LabelValues => "label_values",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
    Score,
}

/// Score and text.
type Found = (f64, Box<str>);

struct Search {
    range: TimeRange,
    selectors: Vec<Vec<Matcher>>,
    terms: Terms,
    shows_score: bool,
    shows_metadata: bool,
    order: Order,
    limit: usize,
    batch: usize,
    label: String,
}

fn boolean(params: &Params, name: &str, default: bool) -> Result<bool> {
    match params.get(name) {
        "" => Ok(default),
        text => super::parse_bool(text).ok_or_else(|| {
            ApiError::bad_data(format!("invalid {name} {}: must be boolean", Quoted(text)))
        }),
    }
}

fn order(params: &Params, what: What, has_terms: bool) -> Result<Order> {
    let refuse = |text: String| Err(ApiError::bad_data(text));
    let (by, direction) = (params.get("sort_by"), params.get("sort_dir"));
    match (by, direction) {
        ("", "") => return Ok(Order::Ascending),
        ("", _) => return refuse("sort_dir is only valid when sort_by is set".to_owned()),
        ("score", "") if !has_terms => {
            return refuse("sort_by=score requires search[] to be set".to_owned());
        }
        ("score", "") => return Ok(Order::Score),
        ("score", _) => {
            return refuse("sort_dir is not supported for sort_by=score".to_owned());
        }
        _ => {}
    }
    let order = match direction {
        "" | "asc" => Order::Ascending,
        "dsc" => Order::Descending,
        other => {
            let other = Quoted(other);
            return refuse(format!("invalid sort_dir {other}: must be \"asc\" or \"dsc\""));
        }
    };
    if by != "alpha" {
        let (by, what) = (Quoted(by), what.as_str());
        return refuse(format!("invalid sort_by {by} for {what}: must be \"alpha\" or \"score\""));
    }
    Ok(order)
}

fn positive(params: &Params, name: &str, default: usize) -> Result<usize> {
    let text = params.get(name);
    if text.is_empty() {
        return Ok(default);
    }
    let number = parse_int(text).ok().and_then(|number| usize::try_from(number).ok());
    number.filter(|&number| number > 0).ok_or_else(|| {
        ApiError::bad_data(format!("invalid {name} {}: must be a positive integer", Quoted(text)))
    })
}

impl Search {
    fn read(params: &Params, what: What, now_ms: i64, max_limit: usize) -> Result<Self> {
        params.insist()?;
        let time = |name: &str, default| {
            let prefix = format!("invalid parameter \"{name}\": ");
            params.time_or(name, default).map_err(|error| {
                ApiError::bad_data(error.text.strip_prefix(&prefix).unwrap_or(&error.text))
            })
        };
        let range = TimeRange::new(time("start", now_ms - DEFAULT_SPAN_MS)?, time("end", now_ms)?);
        if range.max_ms < range.min_ms {
            return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
        }
        let selectors = super::series::selectors(params)?;
        let terms: Vec<&str> = params.all("search[]").collect();
        if terms.len() > MAX_TERMS {
            let got = terms.len();
            return Err(ApiError::bad_data(format!(
                "too many search[] terms: got {got}, maximum is {MAX_TERMS}"
            )));
        }
        let threshold = match params.get("fuzz_threshold") {
            "" => 0,
            text => parse_int(text).ok().filter(|n| (0..=100).contains(n)).ok_or_else(|| {
                let text = Quoted(text);
                ApiError::bad_data(format!("invalid fuzz_threshold {text}: must be 0-100"))
            })?,
        };
        let algorithm = Algorithm::from_name(params.get("fuzz_alg")).ok_or_else(|| {
            let text = Quoted(params.get("fuzz_alg"));
            let known = "[subsequence jarowinkler]";
            ApiError::bad_data(format!("unsupported fuzz_alg {text}: must be one of {known}"))
        })?;
        let case_sensitive = boolean(params, "case_sensitive", true)?;
        let shows_score = boolean(params, "include_score", false)?;
        let order = order(params, what, !terms.is_empty())?;
        let default_limit =
            if max_limit == 0 { DEFAULT_COUNT } else { DEFAULT_COUNT.min(max_limit) };
        let limit = positive(params, "limit", default_limit)?;
        if max_limit > 0 && limit > max_limit {
            return Err(ApiError::bad_data(format!(
                "limit {limit} exceeds the configured maximum ({max_limit}, see --web.search.max-limit)"
            )));
        }
        let batch = positive(params, "batch_size", DEFAULT_COUNT)?;
        let label = params.get("label").to_owned();
        if what == What::LabelValues && label.is_empty() {
            return Err(ApiError::bad_data("missing required parameter \"label\""));
        }
        let shows_metadata =
            what == What::MetricNames && boolean(params, "include_metadata", false)?;
        let terms = Terms::new(&terms, algorithm, threshold as f64 / 100.0, case_sensitive);
        Ok(Self {
            range,
            selectors,
            terms,
            shows_score,
            shows_metadata,
            order,
            limit,
            batch,
            label,
        })
    }

    fn list(&self, what: What, querier: &dyn Querier) -> Result<Vec<Box<str>>> {
        let list = |matchers: &[Matcher]| match what {
            What::MetricNames => querier.label_values("__name__", matchers, 0),
            What::LabelNames => querier.label_names(matchers, 0),
            What::LabelValues => querier.label_values(&self.label, matchers, 0),
        };
        if self.selectors.is_empty() {
            return Ok(list(&[])?);
        }
        let mut all = Vec::new();
        for matchers in &self.selectors {
            all.extend(list(matchers)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// What is found, in order, and whether there is more.
    fn find(
        &self,
        what: What,
        querier: &dyn Querier,
        cancel: &Cancel,
    ) -> Result<(Vec<Found>, bool)> {
        let mut found = Vec::new();
        let mut scorer = self.terms.scorer();
        for (index, text) in self.list(what, querier)?.into_iter().enumerate() {
            if index % 1024 == 0 {
                cancel.check()?;
            }
            if let Some(score) = scorer.score(&text) {
                found.push((score, text));
            }
        }
        match self.order {
            Order::Ascending => {}
            Order::Descending => found.reverse(),
            Order::Score => found.sort_by(|a, b| match b.0.total_cmp(&a.0) {
                Ordering::Equal => a.1.cmp(&b.1),
                unequal => unequal,
            }),
        }
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        Ok((found, has_more))
    }

    fn write(
        &self,
        (what, has_more): (What, bool),
        found: &[Found],
        metadata: &BTreeMap<Box<str>, Metadata>,
        out: &mut Out<'_>,
    ) -> std::result::Result<(), Gone> {
        let name = if what == What::LabelValues { "value" } else { "name" };
        let mut batches = found.chunks(self.batch);
        let mut batch = batches.next().unwrap_or_default();
        loop {
            Object::write(&mut out.bytes, |line| {
                line.list("results", batch, |out, (score, text)| {
                    Object::write(out, |result| {
                        result.text(name, text);
                        if self.shows_score {
                            push_value_text(result.key("score"), *score);
                        }
                        if let Some(metadata) = metadata.get(text) {
                            result.text("type", metadata.metric_type.as_str());
                            result.text("help", &metadata.help);
                            result.text("unit", &metadata.unit);
                        }
                    });
                });
            });
            out.push("\n");
            out.spill()?;
            match batches.next() {
                Some(next) => batch = next,
                None => break,
            }
        }
        Object::write(&mut out.bytes, |line| {
            line.text("status", "success");
            line.plain("has_more", has_more);
        });
        out.push("\n");
        Ok(())
    }
}

fn metadata(targets: &dyn TargetsSource) -> BTreeMap<Box<str>, Metadata> {
    let mut known = BTreeMap::new();
    for target in targets.metadata() {
        for (name, metadata) in target.entries {
            known.entry(name).or_insert(metadata);
        }
    }
    known
}

/// Any of the three.
pub(crate) fn search(
    api: &Api,
    what: What,
    params: &Params,
    cancel: &Cancel,
    out: &mut Out<'_>,
) -> Result<Done> {
    let Some(max_limit) = api.options.search_max_limit else {
        return Err(ApiError::new(Kind::Unavailable, "search API disabled"));
    };
    let search = Search::read(params, what, (api.now_ms)(), max_limit)?;
    let querier = api.queryable.querier(search.range)?;
    let (found, has_more) = search.find(what, &*querier, cancel)?;
    let metadata =
        if search.shows_metadata { metadata(&*api.targets) } else { BTreeMap::default() };
    done(search.write((what, has_more), &found, &metadata, out))
}
