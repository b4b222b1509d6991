//! Go's `Regexp.Expand`: templates with `$1`, `${name}` and `$$`.

/// Appends `template` with its references replaced by `group`, which gives what a group caught.
pub(super) fn expand<'a>(
    template: &str,
    names: &[Option<Box<str>>],
    group: impl Fn(usize) -> Option<&'a str>,
    out: &mut String,
) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(after) else {
            out.push('$');
            rest = after;
            continue;
        };
        rest = after;
        let caught = match number(name) {
            Some(index) => group(index).filter(|_| index < names.len()),
            None => (1..names.len())
                .filter(|&index| names[index].as_deref() == Some(name))
                .find_map(&group),
        };
        out.push_str(caught.unwrap_or_default());
    }
    out.push_str(rest);
}

/// The name after a `$`, between braces or as long as it goes, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (braced, body) = match text.strip_prefix('{') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let end = body.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(body.len());
    if end == 0 {
        return None;
    }
    let (name, after) = body.split_at(end);
    if braced { Some((name, after.strip_prefix('}')?)) } else { Some((name, after)) }
}

/// A group number: digits without a leading zero.
fn number(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = name.len() > 1 && name.starts_with('0');
    if !digits || leading_zero || name.len() > 8 { None } else { name.parse().ok() }
}
