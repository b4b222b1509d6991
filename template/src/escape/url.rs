//! Addresses in pages.

use super::REFUSED;
use std::fmt::Write;

/// What an address becomes that must not be followed.
fn refused() -> String {
    format!("#{REFUSED}")
}

/// Whether following an address runs no script: it has a harmless scheme, or none.
fn is_safe(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
        }
        _ => true,
    }
}

/// An address, if it is harmless.
pub(super) fn checked(text: &str) -> String {
    if is_safe(text) { text.to_owned() } else { refused() }
}

/// A text as a piece of an address; a `whole` one keeps what separates its parts, and escapes that are there.
pub(super) fn escape(text: &str, whole: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let stays = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?'
            | b'@' | b'[' | b']' => whole,
            b'%' => {
                let digits = bytes.get(at + 1..at + 3);
                whole && digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
            }
            _ => false,
        };
        if stays {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02x}").expect("writing to memory cannot fail");
        }
    }
    out
}

/// A list of pictures: each is an address and, behind a space, letters and digits.
pub(super) fn srcset(text: &str) -> String {
    let pictures: Vec<String> = text.split(',').map(picture).collect();
    pictures.join(",")
}

fn picture(text: &str) -> String {
    let is_space = |c: char| matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' ');
    let begin = text.len() - text.trim_start_matches(is_space).len();
    let end = text[begin..].find(is_space).map_or(text.len(), |at| begin + at);
    let (address, about) = (&text[begin..end], &text[end..]);
    let is_plain = about.chars().all(|c| is_space(c) || c.is_ascii_alphanumeric());
    if !is_safe(address) || !is_plain {
        return refused();
    }
    let address = escape(address, true).replace(',', "%2c");
    format!("{}{address}{about}", &text[..begin])
}
