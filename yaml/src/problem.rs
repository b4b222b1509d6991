//! What is wrong with a document and where: one line a reader can act on, the offending line of the file, a caret.

#[cfg(test)]
mod tests;

use crate::Mark;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub mark: Mark,
    /// What, with what was expected.
    pub message: String,
}

impl Problem {
    /// `message` at `mark`.
    #[must_use]
    pub fn new(mark: Mark, message: impl Into<String>) -> Self {
        Self { mark, message: message.into() }
    }
}

/// Everything that is wrong with a file. Prints each problem with its line of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.render())]
pub struct Error {
    /// The file as named by the caller.
    pub file: String,
    /// At least one problem, in the order they were found.
    pub problems: Vec<Problem>,
    /// The offending lines, one for each problem; empty where there is none.
    lines: Vec<String>,
}

/// More problems than this are counted, not shown.
const SHOWN: usize = 10;
/// Longer lines of the file are cut.
const LINE_CHARS: usize = 160;

impl Error {
    /// The problems of `file`, whose text is `text`.
    #[must_use]
    pub fn new(file: &str, text: &str, problems: Vec<Problem>) -> Self {
        let lines = problems
            .iter()
            .map(|problem| {
                let index = (problem.mark.line as usize).checked_sub(1);
                let line = index.and_then(|index| text.lines().nth(index)).unwrap_or_default();
                line.chars().take(LINE_CHARS).collect()
            })
            .collect();
        Self { file: file.to_owned(), problems, lines }
    }

    /// A problem with a file as a whole: it cannot be read.
    #[must_use]
    pub fn whole(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, "", vec![Problem::new(Mark::NONE, message)])
    }

    fn render(&self) -> String {
        let mut out = String::new();
        let written = self.write(&mut out);
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        out
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for (index, (problem, line)) in self.problems.iter().zip(&self.lines).enumerate() {
            if index > 0 {
                out.write_char('\n')?;
            }
            if index == SHOWN {
                return write!(out, "... and {} more", self.problems.len() - SHOWN);
            }
            let Mark { line: number, column, length } = problem.mark;
            if number == 0 {
                write!(out, "{}: {}", self.file, problem.message)?;
                continue;
            }
            write!(out, "{}:{number}:{column}: {}", self.file, problem.message)?;
            if !line.trim().is_empty() {
                let digits = number.to_string().len();
                let before: String = line
                    .chars()
                    .take(column.saturating_sub(1) as usize)
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                let room = line.chars().count().saturating_sub(before.chars().count());
                let carets = "^".repeat((length as usize).clamp(1, room.max(1)));
                write!(out, "\n  {number} | {line}\n  {:digits$} | {before}{carets}", "")?;
            }
        }
        Ok(())
    }
}

/// The word of `known` that `word` was probably meant to be.
#[must_use]
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Number of insertions, removals, replacements and swaps of neighbours that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = above;
        above = row;
    }
    above[b.len()]
}
