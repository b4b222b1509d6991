//! `$name` and `${name}` in texts, by the rules of Go's `os.Expand`.

/// `text` with variables replaced by what `value_of` answers; `$$` is a dollar.
pub(super) fn expand(text: &str, mut value_of: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(index) = rest.find('$') {
        let after = &rest[index + 1..];
        if after.is_empty() {
            break;
        }
        out.push_str(&rest[..index]);
        let (name, length) = variable(after);
        match (name, length) {
            ("", 0) => out.push('$'),
            // A brace that does not close, or closes at once, vanishes.
            ("", _) => {}
            ("$", _) => out.push('$'),
            (name, _) => out.push_str(&value_of(name)),
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9')
}

/// The name that `text`, which is not empty, begins with, and how many bytes it takes.
fn variable(text: &str) -> (&str, usize) {
    let bytes = text.as_bytes();
    if bytes[0] == b'{' {
        return match text.find('}') {
            Some(end) => (&text[1..end], end + 1),
            None => ("", 1),
        };
    }
    if is_special(bytes[0]) {
        return (&text[..1], 1);
    }
    let length = bytes.iter().take_while(|&&b| b == b'_' || b.is_ascii_alphanumeric()).count();
    (&text[..length], length)
}
