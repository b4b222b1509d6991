//! What the checks of several kinds of discovery share.

use net::config::check_http;
use yaml::{Problem, Section};

/// Refuses a section without a text for one of `names`.
pub(super) fn needs(section: &Section, names: &[&'static str]) -> Result<(), Problem> {
    match names.iter().find(|name| section.text(name).trim().is_empty()) {
        Some(name) => {
            Err(section.problem(name, format!("{} needs a {name}", section.schema().name)))
        }
        None => Ok(()),
    }
}

/// Refuses a section that has both or, if `needed`, none of two texts.
pub(super) fn either(
    section: &Section,
    first: &'static str,
    second: &'static str,
    needed: bool,
) -> Result<(), Problem> {
    match (section.has(first), section.has(second)) {
        (true, true) => {
            let what = format!("{}: give either {first} or {second}", section.schema().name);
            Err(section.problem(second, what))
        }
        (false, false) if needed => {
            let what = format!("{} needs a {first} or a {second}", section.schema().name);
            Err(section.problem(first, what))
        }
        _ => Ok(()),
    }
}

/// Refuses a word that is none of `words`.
pub(super) fn one_of(text: &str, words: &[&str]) -> Result<(), String> {
    if words.contains(&text) {
        return Ok(());
    }
    Err(match yaml::suggest(text, words.iter().copied()) {
        Some(meant) => format!("there is no {text:?}; did you mean {meant:?}?"),
        None => format!("there is no {text:?}; there are {}", words.join(", ")),
    })
}

/// Refuses a URL without scheme and host; with `web`, the scheme must be `http` or `https`.
pub(super) fn absolute_url(
    section: &Section,
    name: &'static str,
    web: bool,
) -> Result<(), Problem> {
    needs(section, &[name])?;
    let text = section.text(name);
    let wrong = |what: String| section.problem(name, format!("{}: {what}", section.schema().name));
    let parts = yaml::url::parse(text).map_err(wrong)?;
    if web && !matches!(parts.scheme, "http" | "https") {
        return Err(wrong(format!("{text:?} does not begin with http:// or https://")));
    }
    if parts.scheme.is_empty() || parts.host.is_empty() {
        return Err(wrong(format!("{text:?} has no host")));
    }
    Ok(())
}

/// Refuses what is no URL at all.
pub(super) fn url(section: &Section, name: &'static str) -> Result<(), Problem> {
    yaml::url::parse(section.text(name)).map(drop).map_err(|what| section.problem(name, what))
}

/// The check of sections that only need a working HTTP client and a role.
pub(super) fn role_and_http(section: &mut Section) -> Result<(), Problem> {
    needs(section, &["role"])?;
    check_http(section)
}
