//! Letters: titles, upper and lower case by the simple mappings of Unicode.

/// Characters that do not end a word between letters.
const INNER: [char; 9] =
    ['\'', '.', ':', '\u{b7}', '\u{2018}', '\u{2019}', '\u{2024}', '\u{2027}', '\u{fe52}'];

/// Each word with a capital in front; the other letters stay.
pub(super) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_cased = c.is_uppercase() || c.is_lowercase();
        if is_cased && !inside {
            push_capital(c, &mut out);
            inside = true;
            continue;
        }
        out.push(c);
        let goes_on = c.is_alphanumeric() || c == '_' || is_mark(c);
        let is_inner =
            INNER.contains(&c) && chars.peek().is_some_and(|next| next.is_alphanumeric());
        inside &= goes_on || is_inner;
    }
    out
}

/// Marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200d}')
}

fn push_capital(c: char, out: &mut String) {
    let digraph = match c {
        '\u{1c4}'..='\u{1c6}' => Some('\u{1c5}'),
        '\u{1c7}'..='\u{1c9}' => Some('\u{1c8}'),
        '\u{1ca}'..='\u{1cc}' => Some('\u{1cb}'),
        '\u{1f1}'..='\u{1f3}' => Some('\u{1f2}'),
        // Georgian has no capitals in titles.
        '\u{10d0}'..='\u{10ff}' => Some(c),
        _ => None,
    };
    if let Some(c) = digraph {
        return out.push(c);
    }
    if c == '\u{149}' {
        return out.push_str("\u{2bc}N");
    }
    let mut upper = c.to_uppercase();
    out.extend(upper.next());
    out.extend(upper.flat_map(char::to_lowercase));
}

pub(super) fn upper(text: &str) -> String {
    text.chars().map(simple_upper).collect()
}

fn simple_upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next(), c) {
        (Some(upper), None, _) => upper,
        (_, _, '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}') => {
            char::from_u32(c as u32 + 8).unwrap_or(c)
        }
        (_, _, '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}') => char::from_u32(c as u32 + 9).unwrap_or(c),
        // What would become several letters stays.
        _ => c,
    }
}

pub(super) fn lower(text: &str) -> String {
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}
