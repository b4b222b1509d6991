//! The read seam: snapshots, selections, streams of series.

use crate::{Cancel, Result, SeriesBatch};
use model::{Matcher, Symbols, TimeRange};
use std::sync::Arc;

/// Something that can be queried.
pub trait Queryable: Send + Sync {
    /// A snapshot restricted to `range`. It owns what it reads and pins it until dropped.
    fn querier(&self, range: TimeRange) -> Result<Box<dyn Querier>>;
}

/// A snapshot of a storage.
pub trait Querier: Send + Sync {
    /// The series that satisfy all `matchers`, in label order unless the hints allow any order.
    /// Label ids are those of `symbols`. Chunks that reach beyond the range may be handed out whole.
    fn select<'q>(
        &'q self,
        matchers: &[Matcher],
        hints: &SelectHints,
        symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Box<dyn SeriesSet + 'q>>;
    /// Sorted label names of the series that satisfy all `matchers`; at most `limit`, zero means all.
    fn label_names(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<Box<str>>>;
    /// Sorted values of label `name` among the series that satisfy all `matchers`; at most `limit`, zero means all.
    fn label_values(&self, name: &str, matchers: &[Matcher], limit: usize)
    -> Result<Vec<Box<str>>>;
}

/// A stream of series.
pub trait SeriesSet: Send {
    /// Replaces the content of `out` with the next series; `false` once there are none.
    fn next_batch(&mut self, out: &mut SeriesBatch) -> Result<bool>;
    /// Warnings and infos, complete once the stream has ended.
    fn annotations(&self) -> Annotations {
        Annotations::default()
    }
}

/// What the caller is up to. A storage may exploit it; results must not depend on it.
#[derive(Clone, Debug, Default)]
pub struct SelectHints {
    /// The samples that matter; chunks outside may be left out. `None` means the range of the querier.
    pub range: Option<TimeRange>,
    /// Distance between evaluation steps; zero if unknown.
    pub step_ms: i64,
    /// Width of the range selector; zero for an instant selector.
    pub window_ms: i64,
    /// Only the newest sample at or before the end of the range matters: an instant selector at one time.
    pub newest_only: bool,
    /// Labels only, no chunks: `/api/v1/series`.
    pub labels_only: bool,
    /// The caller does not care for label order; a single source then skips the sort.
    pub any_order: bool,
    /// The labels that somebody looks at, where it is not all: in any order others may be left out, then. Not so the name,
    /// and not of series with labels that belong to it, see [`NAME_LABELS`]: those are told apart by what is left.
    pub wanted_labels: Option<Arc<[Box<str>]>>,
    /// Stop after this many series; zero means all.
    pub limit: usize,
}

impl SelectHints {
    /// The labels that are enough, the name among them; `None` if all are needed.
    #[must_use]
    pub fn enough_labels(&self) -> Option<&Arc<[Box<str>]>> {
        self.wanted_labels.as_ref().filter(|_| self.any_order && !self.labels_only)
    }
}

/// Labels that a series loses together with its name.
pub const NAME_LABELS: [&str; 2] = ["__type__", "__unit__"];

/// Messages for the user that are not failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// Something may be wrong with the answer.
    pub warnings: Vec<Box<str>>,
    /// Something may be wrong with the question.
    pub infos: Vec<Box<str>>,
}

impl Annotations {
    /// Takes in the messages of `other`, each once.
    pub fn merge(&mut self, other: Self) {
        for (into, from) in [(&mut self.warnings, other.warnings), (&mut self.infos, other.infos)] {
            for text in from {
                if !into.contains(&text) {
                    into.push(text);
                }
            }
        }
    }
}
