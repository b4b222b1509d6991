//! The URL of a target, written as Go writes it: it is shown, hashed and sent. No network here.

/// Percent-encodes `text` except for letters, digits, `-_.~` and `kept`.
fn encode(text: &str, kept: &[u8], plus_for_space: bool, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' if plus_for_space => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => out.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

/// The URL of these parts. `params` may come in any order.
pub(crate) fn target_url(
    scheme: &str,
    address: &str,
    path: &str,
    params: &[(String, Vec<String>)],
) -> String {
    let mut out = String::new();
    if !scheme.is_empty() {
        out.extend([scheme, ":"]);
    }
    out.extend(["//", address]);
    if !path.is_empty() && !path.starts_with('/') {
        out.push('/');
    }
    encode(path, b"$&+,/:;=@", false, &mut out);
    let mut params: Vec<_> = params.iter().collect();
    params.sort();
    let mut separator = '?';
    for (name, values) in params {
        for value in values {
            out.push(separator);
            encode(name, b"", true, &mut out);
            out.push('=');
            encode(value, b"", true, &mut out);
            separator = '&';
        }
    }
    out
}
