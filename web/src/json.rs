//! Query results and lists as JSON, byte for byte as Prometheus writes them. Streams: no tree is built, and a large
//! answer leaves in pieces. Small documents of fixed shape (targets, status) go through serde under `api/` instead.

mod fault;
mod labels;
mod number;
mod text;
mod value;

pub(crate) use fault::fault;
pub use labels::LabelTexts;
pub use number::{push_fixed, push_seconds, push_timestamp, push_value};
pub use text::{push_html_text, push_text};
pub(crate) use value::Rows;
pub use value::push_result;

use std::cell::Cell;
use std::time::Duration;
use storage::Annotations;

/// How many messages of a kind an answer carries.
const MAX_MESSAGES: usize = 10;

/// The reader of the answer went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader of the answer went away")]
pub struct Gone;

/// How large an answer grows before a piece of it is handed on.
const PIECE_BYTES: usize = 64 << 10;

/// How the reader of an answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As long as it takes something now and then.
    Patient,
    /// This long at most, all pieces together: something else waits for the writer.
    Hurried(Duration),
    /// It did not take a piece in time: what comes is kept.
    Behind,
}

/// An answer in the making: a buffer that is handed on in pieces.
pub struct Out<'s> {
    /// What was not handed on yet.
    pub bytes: Vec<u8>,
    hand_on: &'s mut dyn FnMut(&mut Vec<u8>) -> Result<(), Gone>,
    pace: Option<&'s Cell<Pace>>,
}

impl std::fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out").field("buffered", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl<'s> Out<'s> {
    /// An empty answer; `hand_on` takes pieces and leaves the buffer empty.
    pub fn new(hand_on: &'s mut dyn FnMut(&mut Vec<u8>) -> Result<(), Gone>) -> Self {
        Self { bytes: Vec::with_capacity(1024), hand_on, pace: None }
    }

    /// The same; `hand_on` goes by the pace.
    pub(crate) fn paced(self, pace: &'s Cell<Pace>) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// Sets how the reader is waited for from now on.
    pub(crate) fn set_pace(&self, pace: Pace) {
        if let Some(held) = self.pace {
            held.set(pace);
        }
    }

    /// Whether the reader was too slow for the pace that was set.
    pub(crate) fn is_behind(&self) -> bool {
        self.pace.is_some_and(|pace| pace.get() == Pace::Behind)
    }

    /// Appends text as it is.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Hands a piece on if it is large enough. To be called between elements.
    #[inline]
    pub fn spill(&mut self) -> Result<(), Gone> {
        if self.bytes.len() < PIECE_BYTES {
            return Ok(());
        }
        self.flush()
    }

    /// Hands on what is there, however little: somebody waits for it.
    pub fn flush(&mut self) -> Result<(), Gone> {
        (self.hand_on)(&mut self.bytes)
    }
}

/// Appends an array of texts, escaped as in HTML.
pub fn push_texts<T: AsRef<str>>(out: &mut Out<'_>, texts: &[T]) -> Result<(), Gone> {
    out.push("[");
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(",");
        }
        push_html_text(&mut out.bytes, text.as_ref());
        out.spill()?;
    }
    out.push("]");
    Ok(())
}

/// Appends what follows the data of a successful answer: warnings and infos, each kind capped, and the closing brace.
pub fn push_end(out: &mut Out<'_>, annotations: &Annotations) -> Result<(), Gone> {
    let kinds =
        [("warning", &annotations.warnings), ("info", &annotations.infos)].map(|(kind, texts)| {
            let (shown, omitted) = texts.split_at(texts.len().min(MAX_MESSAGES));
            let mut shown = shown.to_vec();
            if !omitted.is_empty() {
                let text = format!("{} more {kind} annotations omitted", omitted.len());
                shown.push(text.into());
            }
            (kind, shown)
        });
    for (kind, texts) in kinds.iter().filter(|(_, texts)| !texts.is_empty()) {
        for part in [",\"", kind, "s\":"] {
            out.push(part);
        }
        push_texts(out, texts)?;
    }
    out.push("}");
    Ok(())
}

#[cfg(test)]
mod tests;
