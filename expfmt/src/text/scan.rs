//! Byte classes of the text format and the search for a closing quote. No state.

const NAME: u8 = 1;
const NAME_START: u8 = 2;
const LABEL_START: u8 = 4;

/// What each byte may be; looking it up is faster than asking for ranges.
#[expect(clippy::indexing_slicing, reason = "checked when it is built")]
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => NAME | NAME_START | LABEL_START,
            b':' => NAME | NAME_START,
            b'0'..=b'9' => NAME,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether `byte` separates tokens.
#[inline]
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether a metric name may begin with `byte`.
#[inline]
pub(crate) fn is_name_start(byte: u8) -> bool {
    is(byte, NAME_START)
}

/// Whether `byte` may stand inside an unquoted metric name.
#[inline]
pub(crate) fn is_name_byte(byte: u8) -> bool {
    is(byte, NAME)
}

/// Whether an unquoted label name may begin with `byte`.
#[inline]
pub(crate) fn is_label_start(byte: u8) -> bool {
    is(byte, LABEL_START)
}

/// The position of the quote that ends the text beginning at `begin`, or none: a backslash takes the next byte along,
/// which cannot be a newline. Newlines themselves are allowed, and NULs between a backslash and its byte are passed.
#[inline]
pub(crate) fn closing_quote(bytes: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin;
    loop {
        let rest = bytes.get(at..)?;
        // Label values are short: a plain loop beats the set-up of a vector search.
        let found = rest.iter().position(|&b| b == b'"' || b == b'\\')?;
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 1;
        while bytes.get(at) == Some(&0) {
            at += 1;
        }
        if bytes.get(at).is_none_or(|&b| b == b'\n') {
            return None;
        }
        at += 1;
    }
}
