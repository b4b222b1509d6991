//! Byte classes of the text format and the search for a closing quote. No state.

/// Whether `byte` separates tokens.
#[inline]
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether a metric name may begin with `byte`.
#[inline]
pub(crate) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':')
}

/// Whether `byte` may stand inside an unquoted metric name.
#[inline]
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')
}

/// Whether an unquoted label name may begin with `byte`.
#[inline]
pub(crate) fn is_label_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
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
