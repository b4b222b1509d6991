//! What patterns were found to match among the values of a label: who asks again, as a dashboard does each half minute,
//! has only the values tried that are new. Whose values they are, and when what is known of them ends, the owner says.

use crate::sync::LeafMutex;
use model::Matcher;
use std::sync::Arc;

/// Fewer values are tried each time.
const MIN_VALUES: usize = 128;
/// What one owner keeps at most; what was not asked for the longest goes first.
const MAX_ROWS: usize = 32;
const MAX_BYTES: usize = 256 << 10;

/// Which of the first values of a label satisfy a matcher, by their place in the list of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    words: Vec<u64>,
    len: usize,
}

impl Answers {
    /// How many values were tried.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds the answer for the next value.
    #[inline]
    pub(crate) fn push(&mut self, is_match: bool) {
        let at = self.len;
        self.skip_to(at + 1);
        self.words[at / 64] |= u64::from(is_match) << (at % 64);
    }

    /// The values before this place do not match, as far as they have no answer yet.
    pub(crate) fn skip_to(&mut self, len: usize) {
        self.len = self.len.max(len);
        self.words.resize(self.len.div_ceil(64), 0);
    }

    /// The places of the values that match, ascending.
    pub(crate) fn matching(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let next = |rest: &u64| Some(rest & (rest - 1)).filter(|&rest| rest != 0);
            let rests = std::iter::successors(Some(word).filter(|&word| word != 0), next);
            rests.map(move |rest| index * 64 + rest.trailing_zeros() as usize)
        })
    }

    fn num_bytes(&self) -> usize {
        self.words.len() * 8
    }
}

#[derive(Debug)]
struct Row {
    matcher: Matcher,
    /// Of the list of values. What belongs to another version is no answer any more.
    version: u64,
    answers: Arc<Answers>,
}

/// The answers to the patterns that were asked for last, in the lists of one owner.
#[derive(Debug, Default)]
pub(crate) struct AnswerCache(LeafMutex<Vec<Row>>);

impl AnswerCache {
    /// What is known of `matcher` in this version of the values, which may have grown at their end since.
    pub(crate) fn get(&self, matcher: &Matcher, version: u64) -> Option<Arc<Answers>> {
        let mut rows = self.0.lock();
        let at = rows.iter().position(|row| row.version == version && row.matcher == *matcher)?;
        let row = rows.remove(at);
        let answers = Arc::clone(&row.answers);
        rows.push(row);
        Some(answers)
    }

    /// Keeps what was found, unless that is little work or much memory.
    pub(crate) fn put(&self, matcher: &Matcher, version: u64, answers: Arc<Answers>) {
        if answers.len() < MIN_VALUES || answers.num_bytes() > MAX_BYTES / 4 {
            return;
        }
        let mut rows = self.0.lock();
        rows.retain(|row| row.version == version && row.matcher != *matcher);
        rows.push(Row { matcher: matcher.clone(), version, answers });
        let is_too_much = |rows: &[Row]| {
            let num_bytes: usize = rows.iter().map(|row| row.answers.num_bytes()).sum();
            rows.len() > MAX_ROWS || num_bytes > MAX_BYTES
        };
        while is_too_much(&rows) {
            rows.remove(0);
        }
    }
}

#[cfg(test)]
mod tests;
