//! Warnings and infos of one query: worded and positioned as Prometheus words them, each text once, the last position.

use crate::ast::Span;
use crate::error::line_column;

/// How many annotations of a kind an answer shows.
const SHOWN: usize = 10;

/// Collects what the user should know about a query.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    warnings: Vec<(String, Option<Span>)>,
    infos: Vec<(String, Option<Span>)>,
    /// What storage said; complete texts.
    pub(crate) storage: storage::Annotations,
}

fn add(notes: &mut Vec<(String, Option<Span>)>, text: String, place: Option<Span>) {
    match notes.iter_mut().find(|(known, _)| *known == text) {
        Some(known) => known.1 = place,
        None => notes.push((text, place)),
    }
}

impl Notes {
    /// Something may be wrong with the answer. A range that was a subquery has no place and counts as the beginning.
    pub(crate) fn warn(&mut self, text: impl Into<String>, place: Option<Span>) {
        add(&mut self.warnings, format!("PromQL warning: {}", text.into()), place);
    }

    /// Something may be wrong with the question.
    pub(crate) fn info(&mut self, text: impl Into<String>, place: Option<Span>) {
        add(&mut self.infos, format!("PromQL info: {}", text.into()), place);
    }

    /// Takes in what was said elsewhere, later.
    pub(crate) fn merge(&mut self, later: Self) {
        later.warnings.into_iter().for_each(|(text, place)| add(&mut self.warnings, text, place));
        later.infos.into_iter().for_each(|(text, place)| add(&mut self.infos, text, place));
        self.storage.merge(later.storage);
    }

    /// The texts as the API shows them.
    pub(crate) fn finish(self, query: &str) -> storage::Annotations {
        let place = |notes: Vec<(String, Option<Span>)>| {
            notes.into_iter().map(|(text, span)| {
                let start = span.map_or(0, |span| span.start as usize);
                let (line, column) = line_column(query.as_bytes(), start);
                format!("{text} ({line}:{column})").into()
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
