//! A binary min-heap of source numbers whose order among equals is part of the contract: which of two samples at one
//! time survives a merge depends on it, and Prometheus users have data that was settled that way.

/// Sources by a comparison that is handed in with each call. Equal ones sift exactly as in Prometheus: a new one goes
/// up only while smaller than its parent; of two equal children the left one goes up.
#[derive(Clone, Debug, Default)]
pub struct SourceHeap(Vec<usize>);

impl SourceHeap {
    /// The smallest source.
    #[must_use]
    pub fn top(&self) -> Option<usize> {
        self.0.first().copied()
    }

    /// Adds a source.
    pub fn push(&mut self, source: usize, less: impl Fn(usize, usize) -> bool) {
        self.0.push(source);
        let mut child = self.0.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !less(self.0[child], self.0[parent]) {
                break;
            }
            self.0.swap(parent, child);
            child = parent;
        }
    }

    /// Removes the smallest source.
    pub fn pop(&mut self, less: impl Fn(usize, usize) -> bool) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let popped = self.0.swap_remove(0);
        let mut parent = 0;
        loop {
            let left = 2 * parent + 1;
            let right = left + 1;
            if left >= self.0.len() {
                break;
            }
            let smaller_right = right < self.0.len() && less(self.0[right], self.0[left]);
            let child = if smaller_right { right } else { left };
            if !less(self.0[child], self.0[parent]) {
                break;
            }
            self.0.swap(parent, child);
            parent = child;
        }
        Some(popped)
    }
}
