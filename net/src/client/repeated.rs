//! What is kept of a request from one time to the next. Sends nothing.

use crate::direct::Letter;
use std::sync::OnceLock;

/// A request that is made again and again: once it was answered, its bytes, if they are the same each time. Those of a
/// request with credentials out of files or tokens are not; nor is anything kept of one that goes by a proxy or over TLS.
#[derive(Debug, Default)]
pub struct Repeated(OnceLock<Letter>);

impl Repeated {
    pub(crate) fn letter(&self) -> Option<&Letter> {
        self.0.get()
    }

    pub(super) fn keep(&self, letter: Letter) {
        // Whoever was first had the same.
        drop(self.0.set(letter));
    }
}
