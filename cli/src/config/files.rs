//! Files that a pattern matches: `*`, `?` and `[...]` in any part of the path, as Go's `filepath.Glob`.

use super::ConfigError;

/// The files that `pattern` matches, sorted; nothing is no error, a malformed pattern is.
pub(crate) fn glob(pattern: &str) -> Result<Vec<String>, ConfigError> {
    if matches(pattern, "").is_none() {
        return Err(ConfigError::whole(
            pattern,
            "the pattern is malformed: a [ is not closed or a \\ ends it",
        ));
    }
    let (mut found, rest) = match pattern.strip_prefix('/') {
        Some(rest) => (vec![String::from("/")], rest),
        None => (vec![String::new()], pattern),
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let mut next = Vec::new();
        for directory in &found {
            extend(directory, part, last, &mut next);
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

/// Appends the entries of `directory` that `part` matches.
fn extend(directory: &str, part: &str, last: bool, out: &mut Vec<String>) {
    let join = |name: &str| match directory {
        "" | "/" => format!("{directory}{name}"),
        _ => format!("{directory}/{name}"),
    };
    if !part.contains(['*', '?', '[', '\\']) {
        let path = join(part);
        if !last || std::fs::symlink_metadata(&path).is_ok() {
            out.push(path);
        }
        return;
    }
    let directory = if directory.is_empty() { "." } else { directory };
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if let Some(name) = entry.file_name().to_str()
            && matches(part, name) == Some(true)
        {
            out.push(join(name));
        }
    }
}

/// Whether `pattern` matches the whole of `text`; `None` if it is malformed.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    check(&pattern)?;
    let (mut p, mut t) = (0, 0);
    // Where to go on after the last star: behind it, with one more character swallowed.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), text.get(t)) {
            (None, None) => return Some(true),
            (Some('*'), _) => {
                star = Some((p + 1, t));
                Some((p + 1, t))
            }
            (Some(_), Some(&c)) => one(&pattern, p, c).map(|next| (next, t + 1)),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => (p, t) = next,
            (None, Some((after, swallowed))) if swallowed < text.len() => {
                star = Some((after, swallowed + 1));
                (p, t) = (after, swallowed + 1);
            }
            _ => return Some(false),
        }
    }
}

/// The place behind the element at `p` if that matches `c`. The pattern is well formed.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern[p] {
        '?' => Some(p + 1),
        '\\' => (pattern[p + 1] == c).then_some(p + 2),
        '[' => {
            let (end, inside) = class(pattern, p, c)?;
            inside.then_some(end)
        }
        other => (other == c).then_some(p + 1),
    }
}

/// The place behind the class at `p` and whether `c` is in it; `None` if it is malformed.
fn class(pattern: &[char], p: usize, c: char) -> Option<(usize, bool)> {
    let mut at = p + 1;
    let negated = pattern.get(at) == Some(&'^');
    at += usize::from(negated);
    let mut inside = false;
    let mut first = true;
    loop {
        if !first && pattern.get(at) == Some(&']') {
            return Some((at + 1, inside != negated));
        }
        first = false;
        let (low, next) = class_char(pattern, at)?;
        let (high, next) = match pattern.get(next) {
            Some('-') => class_char(pattern, next + 1)?,
            _ => (low, next),
        };
        inside |= (low..=high).contains(&c);
        at = next;
    }
}

fn class_char(pattern: &[char], at: usize) -> Option<(char, usize)> {
    match pattern.get(at)? {
        '-' | ']' => None,
        '\\' => Some((*pattern.get(at + 1)?, at + 2)),
        &c => Some((c, at + 1)),
    }
}

/// `None` if `pattern` is malformed.
fn check(pattern: &[char]) -> Option<()> {
    let mut at = 0;
    while let Some(c) = pattern.get(at) {
        at = match c {
            '\\' => pattern.get(at + 1).map(|_| at + 2)?,
            '[' => class(pattern, at, ' ')?.0,
            _ => at + 1,
        };
    }
    Some(())
}
