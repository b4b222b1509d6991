//! Paths as texts: cleaned and joined as Go does it, so that they print the same.

#[cfg(test)]
mod tests;

/// `path` as seen from `directory`; absolute and empty paths stay.
#[must_use]
pub fn join(directory: &str, path: &str) -> String {
    if path.is_empty() || path.starts_with('/') {
        return path.to_owned();
    }
    if directory.is_empty() { clean(path) } else { clean(&format!("{directory}/{path}")) }
}

/// The directory part of `path`, cleaned; `.` where there is none.
#[must_use]
pub fn directory(path: &str) -> String {
    clean(path.rfind('/').map_or("", |index| &path[..=index]))
}

/// The last part of `path`.
#[must_use]
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// `path` without empty parts, `.` and resolvable `..`; `.` if nothing is left.
#[must_use]
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => String::from("."),
        (false, false) => joined,
    }
}

/// Whether `pattern` has its first `*` in its last part: stars in folders would make every reload walk the disk.
#[must_use]
pub fn is_pattern(pattern: &str) -> bool {
    pattern.split_once('*').is_none_or(|(_, rest)| !rest.contains('/'))
}
