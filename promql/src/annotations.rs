//! Warnings and infos of one query: worded and positioned as Prometheus words them, each text once, the last position.

use crate::ast::Span;
use crate::error::line_column;

/// How many annotations of a kind an answer shows.
const SHOWN: usize = 10;

/// Collects what the user should know about a query.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    warnings: Vec<Note>,
    infos: Vec<Note>,
    /// What storage said; complete texts.
    pub(crate) storage: storage::Annotations,
}

#[derive(Debug)]
struct Note {
    text: String,
    place: Option<Span>,
    /// How often it was said; zero if nobody counts.
    times: usize,
}

fn add(notes: &mut Vec<Note>, note: Note) {
    match notes.iter_mut().find(|known| known.text == note.text) {
        Some(known) => {
            known.place = note.place;
            known.times += note.times;
        }
        None => notes.push(note),
    }
}

impl Notes {
    /// Something may be wrong with the answer. A range that was a subquery has no place and counts as the beginning.
    pub(crate) fn warn(&mut self, text: impl Into<String>, place: Option<Span>) {
        self.warn_times(text, place, 0);
    }

    /// The same, shown with how often it was said.
    pub(crate) fn warn_times(
        &mut self,
        text: impl Into<String>,
        place: Option<Span>,
        times: usize,
    ) {
        let text = format!("PromQL warning: {}", text.into());
        add(&mut self.warnings, Note { text, place, times });
    }

    /// Something may be wrong with the question.
    pub(crate) fn info(&mut self, text: impl Into<String>, place: Option<Span>) {
        let text = format!("PromQL info: {}", text.into());
        add(&mut self.infos, Note { text, place, times: 0 });
    }

    /// Whether nothing was said about the query itself.
    pub(crate) fn is_silent(&self) -> bool {
        self.warnings.is_empty() && self.infos.is_empty()
    }

    /// Takes in what was said elsewhere, later.
    pub(crate) fn merge(&mut self, later: Self) {
        later.warnings.into_iter().for_each(|note| add(&mut self.warnings, note));
        later.infos.into_iter().for_each(|note| add(&mut self.infos, note));
        self.storage.merge(later.storage);
    }

    /// The texts as the API shows them.
    pub(crate) fn finish(self, query: &str) -> storage::Annotations {
        let place = |notes: Vec<Note>| {
            notes.into_iter().map(|Note { text, place, times }| {
                let start = place.map_or(0, |span| span.start as usize);
                let (line, column) = line_column(query.as_bytes(), start);
                let times =
                    if times > 1 { format!(" ({times} occurrences)") } else { String::new() };
                format!("{text}{times} ({line}:{column})").into()
            })
        };
        let storage::Annotations { warnings, infos } = self.storage;
        storage::Annotations {
            warnings: shown(warnings.into_iter().chain(place(self.warnings)), "warning"),
            infos: shown(infos.into_iter().chain(place(self.infos)), "info"),
        }
    }
}

fn shown(texts: impl Iterator<Item = Box<str>>, kind: &str) -> Vec<Box<str>> {
    let mut texts: Vec<_> = texts.collect();
    if texts.len() > SHOWN {
        let omitted = texts.len() - SHOWN;
        texts.truncate(SHOWN);
        texts.push(format!("{omitted} more {kind} annotations omitted").into());
    }
    texts
}
