//! Texts as JSON strings. Two forms, as in Prometheus: label sets are written plainly, all other texts so that they
//! may stand in HTML.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` in quotes.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    push_escaped(out, text, |byte| byte < 0x20 || byte == b'"' || byte == b'\\');
}

/// Appends `text` in quotes with `<`, `>`, `&` and the line separators of JavaScript escaped.
pub fn push_html_text(out: &mut Vec<u8>, text: &str) {
    let is_special = |byte| match byte {
        b'"' | b'\\' | b'<' | b'>' | b'&' => true,
        // The first byte of U+2028 and U+2029, and of others that are written as they are.
        0xE2 => true,
        _ => byte < 0x20,
    };
    push_escaped(out, text, is_special);
}

fn push_escaped(out: &mut Vec<u8>, text: &str, is_special: impl Fn(u8) -> bool) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if !is_special(byte) {
            continue;
        }
        let separator = match bytes[index..] {
            [0xE2, 0x80, last @ 0xA8..=0xA9, ..] => Some(last),
            [0xE2, ..] => continue,
            _ => None,
        };
        out.extend_from_slice(&bytes[written..index]);
        written = index + 1;
        match (byte, separator) {
            (_, Some(last)) => {
                out.extend_from_slice(if last == 0xA8 { b"\\u2028" } else { b"\\u2029" });
                written = index + 3;
            }
            (b'"' | b'\\', _) => out.extend_from_slice(&[b'\\', byte]),
            (b'\n', _) => out.extend_from_slice(b"\\n"),
            (b'\r', _) => out.extend_from_slice(b"\\r"),
            (b'\t', _) => out.extend_from_slice(b"\\t"),
            _ => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}
