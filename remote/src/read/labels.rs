//! Labels of an answer: those of the series, and the external ones it lacks.

use crate::proto::write;
use model::{LabelPair, Labels, Symbols};

/// Appends `Label` messages as field 1, sorted by name; the series' own values win.
pub(super) fn push(out: &mut Vec<u8>, pairs: &[LabelPair], symbols: &Symbols, external: &Labels) {
    let mut own = pairs.iter().map(|pair| (symbols.text(pair.name), symbols.text(pair.value)));
    let mut others = external.iter();
    let (mut next_own, mut next_other) = (own.next(), others.next());
    loop {
        let (name, value) = match (next_own, next_other) {
            (Some(mine), Some(theirs)) if theirs.0 < mine.0 => {
                next_other = others.next();
                theirs
            }
            (Some(mine), theirs) => {
                next_own = own.next();
                if theirs.is_some_and(|theirs| theirs.0 == mine.0) {
                    next_other = others.next();
                }
                mine
            }
            (None, Some(theirs)) => {
                next_other = others.next();
                theirs
            }
            (None, None) => return,
        };
        write::message(out, 1, |out| {
            write::bytes(out, 1, name.as_bytes());
            write::bytes(out, 2, value.as_bytes());
        });
    }
}
