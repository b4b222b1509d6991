//! URLs as texts: the parts that checks ask for, what Go refuses, and the form without a password.

#[cfg(test)]
mod tests;

/// The parts of a URL that checks ask for; empty where absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// `http` in `http://user@host:80/path`.
    pub scheme: &'a str,
    /// `user`, with its password.
    pub user: &'a str,
    /// `host:80`.
    pub host: &'a str,
    /// `/path` and all that follows.
    pub path: &'a str,
}

/// Takes `text` apart; the error says what is wrong with it.
pub fn parse(text: &str) -> Result<Parts<'_>, String> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err(format!("{text:?} is not a URL: it holds a control character"));
    }
    let (scheme, rest) = scheme(text)?;
    let rest_without_fragment = rest.split('#').next().unwrap_or_default();
    let (user, host, path) = match rest_without_fragment.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
            check_host(text, host)?;
            (user, host, path)
        }
        None => {
            let first = rest_without_fragment.split('/').next().unwrap_or_default();
            if scheme.is_empty() && first.contains(':') {
                return Err(format!("{text:?} is not a URL: its first path part holds a colon"));
            }
            ("", "", rest_without_fragment)
        }
    };
    check_escapes(text, path.split('?').next().unwrap_or_default())?;
    Ok(Parts { scheme, user, host, path })
}

fn scheme(text: &str) -> Result<(&str, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
    match end {
        Some(0) if text.starts_with(':') => {
            Err(format!("{text:?} is not a URL: the scheme before \":\" is missing"))
        }
        Some(end)
            if text[end..].starts_with(':')
                && text.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            Ok((&text[..end], &text[end + 1..]))
        }
        _ => Ok(("", text)),
    }
}

fn check_host(text: &str, host: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{text:?} is not a URL: {what}"));
    let port = if let Some(inside) = host.strip_prefix('[') {
        let Some((_, after)) = inside.split_once(']') else {
            return wrong("\"]\" is missing in the host");
        };
        after
    } else {
        host.rfind(':').map_or("", |index| &host[index..])
    };
    if !port.is_empty()
        && !port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
    {
        return wrong("the port is not a number");
    }
    if let Some(bad) = host
        .chars()
        .find(|c| matches!(c, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
    {
        return wrong(&format!("{bad:?} cannot stand in a host name"));
    }
    check_escapes(text, host)
}

fn check_escapes(text: &str, part: &str) -> Result<(), String> {
    let mut rest = part;
    while let Some(index) = rest.find('%') {
        let digits = rest.as_bytes().get(index + 1..index + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(format!(
                "{text:?} is not a URL: \"%\" wants two hexadecimal digits after it"
            ));
        }
        rest = &rest[index + 3..];
    }
    Ok(())
}

/// `text` with `xxxxx` for a password in it.
#[must_use]
pub fn redacted(text: &str) -> String {
    match parse(text) {
        Ok(Parts { user, .. }) if user.contains(':') => {
            let name = user.split(':').next().unwrap_or_default();
            text.replacen(&format!("//{user}@"), &format!("//{name}:xxxxx@"), 1)
        }
        _ => text.to_owned(),
    }
}
