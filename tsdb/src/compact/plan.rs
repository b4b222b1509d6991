//! What to merge next: pure arithmetic over the metas of the blocks.

use crate::block::{BlockMeta, Hint};

/// Share of deleted ranges per series from which a large block is rewritten.
const TOMBSTONE_RATIO: f64 = 0.05;

/// How far blocks grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Lengths of blocks, ascending, each a multiple of the one before.
    pub ranges_ms: Vec<i64>,
    /// Whether overlapping blocks are merged before anything else.
    pub merge_overlapping: bool,
}

impl Policy {
    /// Lengths from `min_block_ms` on, each three times the one before, up to `max_block_ms`; ten at most.
    #[must_use]
    pub fn new(min_block_ms: i64, max_block_ms: i64, merge_overlapping: bool) -> Self {
        let ranges = std::iter::successors(Some(min_block_ms), |range| range.checked_mul(3));
        let mut ranges_ms: Vec<i64> =
            ranges.take(10).take_while(|&range| range <= max_block_ms).collect();
        if ranges_ms.is_empty() {
            ranges_ms.push(min_block_ms);
        }
        Self { ranges_ms, merge_overlapping }
    }
}

/// Which blocks never merge with others.
fn class(meta: &BlockMeta) -> usize {
    let has = |hint| meta.compaction.hints.contains(&hint);
    if has(Hint::FromStaleSeries) {
        1
    } else if has(Hint::FromSelectedSeries) {
        2
    } else {
        0
    }
}

/// The blocks to merge into one, or to rewrite if it is only one, as indices into `blocks`; empty if there is nothing
/// to do.
#[must_use]
pub fn plan(blocks: &[&BlockMeta], policy: &Policy) -> Vec<usize> {
    for wanted in 0..3 {
        let mut sorted: Vec<usize> =
            (0..blocks.len()).filter(|&index| class(blocks[index]) == wanted).collect();
        sorted.sort_by_key(|&index| blocks[index].min_time);
        let planned = plan_class(blocks, &sorted, policy);
        if !planned.is_empty() {
            return planned;
        }
    }
    Vec::new()
}

fn plan_class(blocks: &[&BlockMeta], sorted: &[usize], policy: &Policy) -> Vec<usize> {
    if policy.merge_overlapping {
        let overlapping = first_overlap(blocks, sorted);
        if !overlapping.is_empty() {
            return overlapping;
        }
    }
    // The newest block stays alone: others of its length may still come beside it.
    let Some((_, older)) = sorted.split_last() else { return Vec::new() };
    let group = full_group(blocks, older, policy);
    if !group.is_empty() {
        return group;
    }
    deleted_much(blocks, older, policy).map(|index| vec![index]).unwrap_or_default()
}

/// The first run of blocks each of which begins before an earlier one ends.
fn first_overlap(blocks: &[&BlockMeta], sorted: &[usize]) -> Vec<usize> {
    let mut run: Vec<usize> = Vec::new();
    let mut end_ms = i64::MIN;
    let mut previous = None;
    for &index in sorted {
        let meta = blocks[index];
        if meta.min_time < end_ms {
            if run.is_empty() {
                run.extend(previous);
            }
            run.push(index);
        } else if !run.is_empty() {
            break;
        }
        end_ms = end_ms.max(meta.max_time);
        previous = Some(index);
    }
    run
}

/// The blocks inside windows of `range_ms` that are aligned to it; those that fit none are left out.
fn by_window(blocks: &[&BlockMeta], sorted: &[usize], range_ms: i64) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    let mut rest = sorted;
    while let Some((&first, behind)) = rest.split_first() {
        let begin = blocks[first].min_time.div_euclid(range_ms).saturating_mul(range_ms);
        let end = begin.saturating_add(range_ms);
        let fits = rest.iter().take_while(|&&index| blocks[index].max_time <= end).count();
        if fits == 0 {
            rest = behind;
        } else {
            groups.push(rest[..fits].to_vec());
            rest = &rest[fits..];
        }
    }
    groups
}

/// Blocks that together fill a longer range, or whose range nothing more can come into.
fn full_group(blocks: &[&BlockMeta], sorted: &[usize], policy: &Policy) -> Vec<usize> {
    let Some(&newest) = sorted.last() else { return Vec::new() };
    let newest_begin = blocks[newest].min_time;
    for &range_ms in policy.ranges_ms.iter().skip(1) {
        for group in by_window(blocks, sorted, range_ms) {
            let begin = blocks[group[0]].min_time;
            let end = blocks[group[group.len() - 1]].max_time;
            let has_failed = group.iter().any(|&index| blocks[index].compaction.failed);
            let is_complete = end.saturating_sub(begin) == range_ms || end <= newest_begin;
            if group.len() > 1 && !has_failed && is_complete {
                return group;
            }
        }
    }
    Vec::new()
}

/// The newest block of which enough is deleted that rewriting it pays.
fn deleted_much(blocks: &[&BlockMeta], sorted: &[usize], policy: &Policy) -> Option<usize> {
    let long_ms = policy.ranges_ms.get(policy.ranges_ms.len() / 2).copied().unwrap_or(i64::MAX);
    for &index in sorted.iter().rev() {
        let meta = blocks[index];
        let stats = &meta.stats;
        if meta.max_time.saturating_sub(meta.min_time) < long_ms {
            let all = stats.num_tombstones > 0 && stats.num_tombstones >= stats.num_series;
            return all.then_some(index);
        }
        let ratio = stats.num_tombstones as f64 / (stats.num_series as f64 + 1.0);
        if ratio > TOMBSTONE_RATIO {
            return Some(index);
        }
    }
    None
}
