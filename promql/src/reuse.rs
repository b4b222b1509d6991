//! Vectors that a query needs more than once: kept after the first evaluation, together with what it counted for, so
//! that limits and statistics see every use. What has something to say to the user is evaluated each time: the place it
//! speaks of differs.

use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::StepBatch;
use crate::plan::Node;
use crate::plan::repeats::Groups;
use model::StepGrid;
use model::hash::HashMap;
use std::cell::{Cell, RefCell};

/// What an evaluation counted for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    /// Samples looked at and read, for each step.
    pub(crate) per_step: Vec<[u64; 2]>,
    /// Samples held at the end.
    pub(crate) held: usize,
    /// The most samples held on the way.
    pub(crate) peak: usize,
    /// Whether it had something to say.
    pub(crate) speaks: bool,
}

struct Kept {
    grid: StepGrid,
    batch: StepBatch,
    counted: Counted,
    size_bytes: usize,
    /// How often it is still needed.
    left: usize,
}

/// What is kept, by groups of equal nodes.
#[derive(Default)]
pub(crate) struct Reuse {
    groups: Groups,
    kept: RefCell<HashMap<usize, Kept>>,
    /// Memory of all that is kept.
    size_bytes: Cell<u64>,
}

impl Reuse {
    pub(crate) fn new(groups: Groups) -> Self {
        Self { groups, ..Self::default() }
    }

    /// Memory of all that is kept.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes.get()
    }

    /// The group of a node and its size, if it is needed more than once.
    #[inline]
    pub(crate) fn group(&self, node: &Node) -> Option<(usize, usize)> {
        self.groups.of(node)
    }

    /// The vector of a group, if it is kept.
    fn take(
        &self,
        exec: &Exec<'_>,
        group: usize,
        grid: StepGrid,
    ) -> Result<Option<StepBatch>, Error> {
        let mut all = self.kept.borrow_mut();
        let Some(kept) = all.get_mut(&group).filter(|kept| kept.grid == grid) else {
            return Ok(None);
        };
        exec.count_again(&kept.counted)?;
        kept.left -= 1;
        if kept.left > 0 {
            exec.take(kept.size_bytes)?;
            return Ok(Some(kept.batch.clone()));
        }
        // The memory of what was kept is that of a result from now on.
        self.size_bytes.set(self.size_bytes.get() - kept.size_bytes as u64);
        Ok(all.remove(&group).map(|kept| kept.batch))
    }

    /// Keeps a vector for as many uses as there are left, unless there is no memory for it.
    fn keep(
        &self,
        exec: &Exec<'_>,
        (group, left): (usize, usize),
        grid: StepGrid,
        of: (&StepBatch, Counted),
    ) {
        let (batch, counted) = of;
        let size_bytes = batch.size_bytes();
        if exec.take(size_bytes).is_err() {
            exec.memory.give(size_bytes);
            return;
        }
        self.size_bytes.set(self.size_bytes.get() + size_bytes as u64);
        let kept = Kept { grid, batch: batch.clone(), counted, size_bytes, left };
        self.kept.borrow_mut().insert(group, kept);
    }
}

/// The vector of a node whose group is needed more than once.
pub(crate) fn vector(
    exec: &Exec<'_>,
    (group, size): (usize, usize),
    grid: StepGrid,
    evaluate: &dyn Fn() -> Result<StepBatch, Error>,
) -> Result<StepBatch, Error> {
    if let Some(batch) = exec.reuse.take(exec, group, grid)? {
        return Ok(batch);
    }
    let (batch, counted) = exec.counted(evaluate)?;
    if !counted.speaks {
        exec.reuse.keep(exec, (group, size - 1), grid, (&batch, counted));
    }
    Ok(batch)
}
