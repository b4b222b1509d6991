//! Matchers to series of one index, cheapest first: sizes of lists are known before any is read, patterns are tried
//! once per distinct value and not again as long as they are remembered, and where few candidates are left their labels are looked at instead of the values.

use super::{Answers, intersect, intersects, subtract, union};
use crate::index::{IndexReader, PostingsList};
use model::hash::HashMap;
use model::{MatchOp, Matcher};
use std::sync::Arc;
use storage::{Cancel, Result};

/// Reading the labels of a candidate costs about as much as trying this many values.
const VALUES_PER_CANDIDATE: usize = 2;
/// How often cancellation is polled.
const POLL: usize = 1024;

/// What is left of the matchers after those that constrain nothing.
#[derive(Default)]
struct Plan<'a> {
    /// Series in the union of these lists, per matcher.
    within: Vec<Vec<PostingsList<'a>>>,
    /// Series in none of these lists.
    without: Vec<PostingsList<'a>>,
    /// To be tried against values or candidates.
    patterns: Vec<Pattern<'a>>,
}

#[derive(Clone, Copy)]
struct Pattern<'a> {
    matcher: &'a Matcher,
    /// Whether series without the label match.
    matches_empty: bool,
    num_values: usize,
}

/// The ids of the series that satisfy all matchers, ascending, which is label order.
pub(crate) fn select(
    index: &IndexReader,
    matchers: &[Matcher],
    cancel: &Cancel,
) -> Result<Vec<u32>> {
    let mut plan = Plan::default();
    for matcher in matchers {
        if !classify(index, matcher, &mut plan)? {
            return Ok(Vec::new());
        }
    }
    plan.run(index, cancel)
}

/// Adds a matcher to the plan; `false` if no series can match.
fn classify<'a>(index: &'a IndexReader, matcher: &'a Matcher, plan: &mut Plan<'a>) -> Result<bool> {
    let matches_empty = matcher.matches_empty();
    let num_values = index.num_values(matcher.name()) as usize;
    if matcher.name().is_empty() || num_values == 0 {
        return Ok(matches_empty);
    }
    let is_negated = matches!(matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex);
    if matcher.value() == ".*" && matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex) {
        return Ok(!is_negated);
    }
    match matcher.set_matches() {
        // Sorted by contract, so that no list is taken twice.
        Some(values) if is_negated == matches_empty => {
            let mut lists = Vec::with_capacity(values.len());
            for value in values {
                let list = index.list(matcher.name(), value)?;
                if !list.is_empty() {
                    lists.push(list);
                }
            }
            if is_negated {
                plan.without.append(&mut lists);
                return Ok(true);
            }
            let found = !lists.is_empty();
            plan.within.push(lists);
            Ok(found)
        }
        _ => {
            plan.patterns.push(Pattern { matcher, matches_empty, num_values });
            Ok(true)
        }
    }
}

fn total(lists: &[PostingsList<'_>]) -> usize {
    lists.iter().map(|list| list.len()).sum()
}

impl Plan<'_> {
    fn run(mut self, index: &IndexReader, cancel: &Cancel) -> Result<Vec<u32>> {
        let bound = index.series_bound();
        self.within.sort_by_key(|lists| total(lists));
        // Patterns that demand the label come before those that may only take series away.
        self.patterns.sort_by_key(|pattern| (pattern.matches_empty, pattern.num_values));
        let mut within = self.within.iter();
        let mut patterns = &self.patterns[..];
        let mut ids = if let Some(lists) = within.next() {
            union(lists, bound)
        } else if let Some((first, rest)) = patterns.split_first().filter(|(p, _)| !p.matches_empty)
        {
            patterns = rest;
            union(&first.lists(index, cancel)?, bound)
        } else {
            index.all()?.iter().collect()
        };
        for lists in within {
            cancel.check()?;
            match &lists[..] {
                [list] => intersect(&mut ids, *list),
                lists => intersect(&mut ids, &union(lists, bound)[..]),
            }
        }
        for list in &self.without {
            subtract(&mut ids, *list);
        }
        for pattern in patterns {
            if ids.is_empty() {
                break;
            }
            pattern.narrow(index, &mut ids, cancel)?;
        }
        Ok(ids)
    }
}

impl Pattern<'_> {
    /// The lists of the values for which the answer differs from that for an absent label.
    fn lists<'i>(&self, index: &'i IndexReader, cancel: &Cancel) -> Result<Vec<PostingsList<'i>>> {
        let name = self.matcher.name();
        if let Some(known) = index.answers().get(self.matcher, 0) {
            return index.lists_at_places(name, known.matching()).collect();
        }
        let is_negated = matches!(self.matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex);
        // All values with a prefix stand together; those without any answer as an absent label does.
        let prefixes =
            if is_negated == self.matches_empty { self.matcher.prefixes() } else { vec![""] };
        let (mut lists, mut answers) = (Vec::new(), Answers::default());
        for prefix in prefixes {
            for (number, entry) in index.placed_values(name, prefix).enumerate() {
                if number % POLL == 0 {
                    cancel.check()?;
                }
                let (place, value, offset) = entry?;
                if !value.starts_with(prefix) {
                    break;
                }
                if self.matcher.matches(value) != self.matches_empty {
                    answers.skip_to(place);
                    answers.push(true);
                    lists.push(index.list_at(offset)?);
                }
            }
        }
        answers.skip_to(self.num_values);
        index.answers().put(self.matcher, 0, Arc::new(answers));
        Ok(lists)
    }

    /// Keeps the candidates that match.
    fn narrow(&self, index: &IndexReader, ids: &mut Vec<u32>, cancel: &Cancel) -> Result<()> {
        if ids.len().saturating_mul(VALUES_PER_CANDIDATE) < self.num_values {
            return self.verify(index, ids, cancel);
        }
        let lists = self.lists(index, cancel)?;
        if let [list] = &lists[..] {
            if self.matches_empty {
                subtract(ids, *list);
            } else {
                intersect(ids, *list);
            }
            return Ok(());
        }
        let union = union(&lists, index.series_bound());
        if self.matches_empty {
            subtract(ids, &union[..]);
        } else {
            intersect(ids, &union[..]);
        }
        Ok(())
    }

    /// Reads the label of each candidate and tries each distinct value once.
    fn verify(&self, index: &IndexReader, ids: &mut Vec<u32>, cancel: &Cancel) -> Result<()> {
        let name = index.find_symbol(self.matcher.name());
        let mut answers: HashMap<u32, bool> = HashMap::default();
        let mut kept = 0;
        for at in 0..ids.len() {
            if at % POLL == 0 {
                cancel.check()?;
            }
            let value = match name {
                Some(name) => index.label_value(ids[at], name)?,
                None => None,
            };
            let matches = match value {
                None => self.matches_empty,
                Some(symbol) => match answers.get(&symbol) {
                    Some(&known) => known,
                    None => {
                        let answer = self.matcher.matches(index.symbol(symbol)?);
                        answers.insert(symbol, answer);
                        answer
                    }
                },
            };
            if matches {
                ids[kept] = ids[at];
                kept += 1;
            }
        }
        ids.truncate(kept);
        Ok(())
    }
}

/// The values of label `name` among the series `ids`, in order; at most `limit`, zero means all.
pub(crate) fn candidates_with(
    index: &IndexReader,
    name: &str,
    ids: &[u32],
    limit: usize,
) -> Result<Vec<Box<str>>> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let mut values: Vec<Box<str>> = Vec::new();
    if ids.len().saturating_mul(VALUES_PER_CANDIDATE) >= index.num_values(name) as usize {
        for entry in index.values(name, "") {
            if values.len() >= limit {
                break;
            }
            let (value, offset) = entry?;
            if intersects(ids, index.list_at(offset)?) {
                values.push(value.into());
            }
        }
        return Ok(values);
    }
    let Some(name) = index.find_symbol(name) else { return Ok(values) };
    let mut symbols = Vec::with_capacity(ids.len());
    for &id in ids {
        symbols.extend(index.label_value(id, name)?);
    }
    symbols.sort_unstable();
    symbols.dedup();
    for symbol in symbols {
        values.push(index.symbol(symbol)?.into());
    }
    values.sort_unstable();
    values.truncate(limit);
    Ok(values)
}
