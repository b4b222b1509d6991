//! Which names are legal, and how a name is written for readers that know less: the escaping schemes.

use std::fmt::Write as _;

/// Which names are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameValidation {
    /// Any text that is not empty.
    #[default]
    Utf8,
    /// ASCII letters, digits, `_`, in metric names also `:`; no digit in front.
    Legacy,
}

impl NameValidation {
    /// Whether `name` may name a metric.
    #[must_use]
    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_metric_name(name),
        }
    }

    /// Whether `name` may name a label.
    #[must_use]
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_label_name(name),
        }
    }
}

fn is_legacy(name: &str, allow_colon: bool) -> bool {
    let first = name.as_bytes().first();
    first.is_some_and(|byte| !byte.is_ascii_digit())
        && name.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || byte == b'_' || (allow_colon && byte == b':')
        })
}

/// Whether `name` matches `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_legacy(name, true)
}

/// Whether `name` matches `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_legacy_label_name(name: &str) -> bool {
    is_legacy(name, false)
}

/// How names that are not legacy ones are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapingScheme {
    /// As they are.
    AllowUtf8,
    /// Each offending character as `_`.
    Underscores,
    /// `.` as `_dot_`, `_` as `__`, others as `__`.
    Dots,
    /// `U__` in front, each offending character as `_HEX_`, `_` as `__`.
    Values,
}

/// A text that names no escaping scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EscapingSchemeError {
    /// Nothing there.
    #[error("got empty string instead of escaping scheme")]
    Empty,
    /// None of the four.
    #[error("unknown format scheme {0}")]
    Unknown(Box<str>),
}

impl std::str::FromStr for EscapingScheme {
    type Err = EscapingSchemeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err(EscapingSchemeError::Empty),
            "allow-utf-8" => Ok(Self::AllowUtf8),
            "underscores" => Ok(Self::Underscores),
            "dots" => Ok(Self::Dots),
            "values" => Ok(Self::Values),
            other => Err(EscapingSchemeError::Unknown(other.into())),
        }
    }
}

impl EscapingScheme {
    /// The name in `Accept` headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// The name as this scheme writes it.
    #[must_use]
    pub fn escape(self, name: &str) -> String {
        if name.is_empty() || self == Self::AllowUtf8 {
            return name.to_owned();
        }
        if is_legacy_metric_name(name) && self != Self::Dots {
            return name.to_owned();
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            out.push_str("U__");
        }
        for (index, c) in name.chars().enumerate() {
            let legal = c.is_ascii_alphabetic()
                || matches!(c, '_' | ':')
                || (c.is_ascii_digit() && index > 0);
            match self {
                Self::Dots if c == '_' => out.push_str("__"),
                Self::Dots if c == '.' => out.push_str("_dot_"),
                Self::Values if c == '_' => out.push_str("__"),
                _ if legal => out.push(c),
                Self::Dots => out.push_str("__"),
                Self::Values => {
                    write!(out, "_{:x}_", c as u32).expect("writing to a string succeeds");
                }
                Self::Underscores | Self::AllowUtf8 => out.push('_'),
            }
        }
        out
    }

    /// The name that was written as `text`, as far as the scheme can tell; `text` itself if it breaks the scheme.
    #[must_use]
    pub fn unescape(self, text: &str) -> String {
        match self {
            Self::AllowUtf8 | Self::Underscores => text.to_owned(),
            Self::Dots => text.replace("_dot_", ".").replace("__", "_"),
            Self::Values => unescape_values(text).unwrap_or_else(|| text.to_owned()),
        }
    }
}

fn unescape_values(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix("U__")?;
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find('_')?;
        let code = &rest[..end];
        rest = &rest[end + 1..];
        if code.is_empty() {
            out.push('_');
            continue;
        }
        if code.len() > 5 || !code.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests;
