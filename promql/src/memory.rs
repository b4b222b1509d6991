//! Bytes that queries hold: a bound for each query and one for all of them together, checked as memory is taken. Counts
//! only; who takes what stands with the operators.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Memory is taken from the pool in pieces of this many bytes, so that queries seldom meet there.
const PIECE_BYTES: u64 = 1 << 20;

/// What queries may always hold together, however little the rest of the server leaves: most queries take less.
const ALWAYS_BYTES: u64 = 16 << 20;

/// Whether the server has so many bytes left for queries.
pub type HasLeft = Arc<dyn Fn(u64) -> bool + Send + Sync>;

/// What all queries of a server may hold together. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryPool(Arc<Pool>);

#[derive(Default)]
struct Pool {
    /// Zero is no bound.
    limit_bytes: u64,
    used_bytes: AtomicU64,
    has_left: Option<HasLeft>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit_bytes, used_bytes, .. } = self;
        f.debug_struct("Pool").field("limit", limit_bytes).field("used", used_bytes).finish()
    }
}

impl MemoryPool {
    /// A pool of so many bytes; zero is no bound. Where it is known what the server has left, queries take no more than
    /// that either, but for a little that they may always have.
    #[must_use]
    pub fn new(limit_bytes: u64, has_left: Option<HasLeft>) -> Self {
        Self(Arc::new(Pool { limit_bytes, used_bytes: AtomicU64::new(0), has_left }))
    }

    /// Bytes that queries hold right now, rounded up to pieces.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> Result<(), Bound> {
        let limit = if self.0.limit_bytes == 0 { u64::MAX } else { self.0.limit_bytes };
        let grown = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= limit);
        // Relaxed: a count that guards no data.
        let changed = self.0.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown);
        let before = changed.map_err(|_| Bound::Queries)?;
        if let Some(has_left) = &self.0.has_left
            && before.saturating_add(bytes) > ALWAYS_BYTES
            && !has_left(bytes)
        {
            self.give(bytes);
            return Err(Bound::Server);
        }
        Ok(())
    }

    fn give(&self, bytes: u64) {
        self.0.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one query holds. Shared by the threads that work for it; gives everything back when dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    pool: MemoryPool,
    /// Zero is no bound.
    limit_bytes: u64,
    used: AtomicU64,
    peak: AtomicU64,
    reserved: AtomicU64,
}

impl Memory {
    pub(crate) fn new(pool: MemoryPool, limit_bytes: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self { pool, limit_bytes, used: zero(), peak: zero(), reserved: zero() }
    }

    /// Bytes held right now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most bytes held at once.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Takes `bytes` more. What was taken stays taken even if it was too much: the query ends then.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), TooMuchMemory> {
        let used = self.used.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        self.peak.fetch_max(used, Ordering::Relaxed);
        if self.limit_bytes != 0 && used > self.limit_bytes {
            return Err(self.refuse(used, Bound::Query, self.limit_bytes));
        }
        let mut reserved = self.reserved.load(Ordering::Relaxed);
        while used > reserved {
            let more = (used - reserved).next_multiple_of(PIECE_BYTES);
            if let Err(bound) = self.pool.take(more) {
                return Err(self.refuse(used, bound, self.pool.0.limit_bytes));
            }
            reserved = self.reserved.fetch_add(more, Ordering::Relaxed) + more;
        }
        Ok(())
    }

    /// Gives `bytes` back.
    pub(crate) fn give(&self, bytes: usize) {
        let bytes = bytes as u64;
        let shrunk = |used: u64| Some(used.saturating_sub(bytes));
        let before = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shrunk);
        let used = before.unwrap_or_else(|used| used).saturating_sub(bytes);
        // Some pieces are kept: most operators give and take the same amount again and again.
        let kept = used.next_multiple_of(PIECE_BYTES) + 16 * PIECE_BYTES;
        let reserved = self.reserved.load(Ordering::Relaxed);
        if reserved > 2 * kept {
            let changed = (Ordering::Relaxed, Ordering::Relaxed);
            if self.reserved.compare_exchange(reserved, kept, changed.0, changed.1).is_ok() {
                self.pool.give(reserved - kept);
            }
        }
    }

    fn refuse(&self, used: u64, bound: Bound, limit_bytes: u64) -> TooMuchMemory {
        let others_bytes =
            self.pool.used_bytes().saturating_sub(self.reserved.load(Ordering::Relaxed));
        TooMuchMemory { limit_bytes, needed_bytes: used, bound, others_bytes, selector: None }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.pool.give(*self.reserved.get_mut());
    }
}

/// What a query met that asked for more memory than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// That of each query.
    Query,
    /// That of all queries together.
    Queries,
    /// What the server has left beside everything else.
    Server,
}

/// A query asked for more memory than it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooMuchMemory {
    /// The bound that was met.
    pub limit_bytes: u64,
    /// What the query would have to hold: at least this much, or about this much once the selector is known.
    pub needed_bytes: u64,
    /// Which bound.
    pub bound: Bound,
    /// What the others held then.
    pub others_bytes: u64,
    /// The selector whose series it was about, and how many there are.
    pub selector: Option<(String, usize)>,
}

impl TooMuchMemory {
    /// The same about a selector of `series` series, the first `seen` of which took what was held beyond `before`.
    pub(crate) fn of_selector(
        mut self,
        text: String,
        series: usize,
        (before, seen): (u64, usize),
    ) -> Self {
        if self.selector.is_none() {
            let taken = self.needed_bytes.saturating_sub(before) as f64;
            let whole = taken * series as f64 / seen.max(1) as f64;
            self.needed_bytes = self.needed_bytes.max(before + whole as u64);
            self.selector = Some((text, series));
        }
        self
    }
}

impl fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (needed, limit) = (Size(self.needed_bytes), Size(self.limit_bytes));
        match &self.selector {
            Some((selector, 0)) => {
                write!(f, "a result made of {selector} needs at least {needed} of memory")?;
            }
            Some((selector, series)) => {
                write!(
                    f,
                    "selector {selector} has {series} series, with which the query needs about {needed} of memory"
                )?;
            }
            None => write!(f, "the query needs at least {needed} of memory")?,
        }
        let others = Size(self.others_bytes);
        match self.bound {
            Bound::Query => write!(f, "; a query may take {limit} (--query.max-memory-bytes):")?,
            Bound::Queries => write!(
                f,
                "; all queries together may take {limit} (--query.max-total-memory-bytes) and others hold {others}: try again later, or"
            )?,
            Bound::Server => write!(
                f,
                ", more than the server has left (--storage.tsdb.memory-budget), and others hold {others}: try again later, or"
            )?,
        }
        f.write_str(" select fewer series, a shorter time or a larger step")
    }
}

/// Bytes as people read them: `1.5GiB`.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        if unit == 0 { write!(f, "{}B", self.0) } else { write!(f, "{value:.1}{}", UNITS[unit]) }
    }
}

#[cfg(test)]
mod tests;
