//! Series whose samples were taken at the same times: all of one target, all of one writer. What their windows hold and
//! how far they are extrapolated is found once and used again. What is computed with it lives in `counter`.

use super::counter::{Alike, Counting};
use super::{Window, Windows, slide};
use crate::kernel::{Each, Samples};
use storage::Cancel;

/// How many lists of times are remembered.
const SLOTS: usize = 64;
/// Longer lists and grids are not worth the memory.
const MAX_TIMES: usize = 4096;
const MAX_STEPS: usize = 512;

/// A window that yields a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) begin: u32,
    pub(crate) last: u32,
    pub(crate) step: u32,
    pub(crate) alike: Alike,
}

/// The windows over one list of times.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    times: Vec<i64>,
    /// Windows of two samples and more, by step.
    pub(crate) rows: Vec<Planned>,
    /// For each step how many samples its window holds, and how many of them no window before held.
    counts: Vec<[usize; 2]>,
    /// Samples of the largest window.
    pub(crate) widest: usize,
    /// Series since the counts were asked for.
    uses: usize,
}

/// Plans by the times they are for.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    slots: Vec<Plan>,
}

fn slot(times: &[i64]) -> usize {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let ends = (times[0] as u64).wrapping_mul(3) ^ times[times.len() - 1] as u64;
    ((ends ^ times.len() as u64).wrapping_mul(FACTOR) >> 58) as usize
}

impl Plans {
    /// The plan for samples at these times; `None` where it is not worth one.
    pub(crate) fn of(
        &mut self,
        counting: Counting,
        (windows, cancel): (&Windows, &Cancel),
        samples: Samples<'_>,
    ) -> Option<&Plan> {
        let times = samples.times;
        let is_short = (1..=MAX_TIMES).contains(&times.len()) && windows.grid.len <= MAX_STEPS;
        if !is_short || !samples.starts_ms.is_empty() {
            return None;
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Plan::default);
        }
        let plan = &mut self.slots[slot(times)];
        if plan.times != times {
            if plan.uses > 0 {
                // Its counts were not asked for yet.
                return None;
            }
            plan.make(counting, (windows, cancel), samples);
        }
        plan.uses += 1;
        Some(plan)
    }

    /// Adds what the windows of all series since the last call hold, for each step.
    pub(crate) fn count(&mut self, per_step: &mut [[usize; 2]]) {
        for plan in self.slots.iter_mut().filter(|plan| plan.uses > 0) {
            let uses = std::mem::take(&mut plan.uses);
            for (sum, counts) in per_step.iter_mut().zip(&plan.counts) {
                sum[0] += counts[0] * uses;
                sum[1] += counts[1] * uses;
            }
        }
    }
}

impl Plan {
    fn make(
        &mut self,
        counting: Counting,
        (windows, cancel): (&Windows, &Cancel),
        samples: Samples<'_>,
    ) {
        self.times.clear();
        self.times.extend_from_slice(samples.times);
        self.rows.clear();
        self.counts.clear();
        self.counts.resize(windows.grid.len, [0; 2]);
        self.widest = 0;
        let (rows, counts, widest) = (&mut self.rows, &mut self.counts, &mut self.widest);
        let mut alike = Alike::default();
        let mut add = |samples: Samples<'_>, window: &Window| {
            if window.len() >= 2 {
                alike.fit(counting, samples.times, window);
                rows.push(Planned {
                    begin: window.begin as u32,
                    last: window.end as u32 - 1,
                    step: window.step as u32,
                    alike,
                });
            }
            None
        };
        let count = |step: usize, num: usize, new: usize| {
            *widest = num.max(*widest);
            counts[step] = [num, new];
        };
        slide(&mut Each(&mut add), (windows, cancel), samples, |_, _| {}, count);
    }
}
