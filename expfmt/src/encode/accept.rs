//! Which notation a client gets: its `Accept` header against what is offered, as Prometheus' own libraries decide.

use model::validate::EscapingScheme;

/// A way to write families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Text 0.0.4.
    Text,
    /// Protobuf, each family behind its length.
    ProtoDelimited,
    /// Protobuf as text, a field a line.
    ProtoText,
    /// Protobuf as text, a family a line.
    ProtoCompact,
}

/// A notation and how names are written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The notation.
    pub notation: Notation,
    /// How names beyond letters, digits, `_` and `:` are written.
    pub escaping: EscapingScheme,
}

/// The message of a family.
const FAMILY: &str = "io.prometheus.client.MetricFamily";

/// One entry of an `Accept` header.
struct Range<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f64,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| media.contains('/'))?;
        let mut range = Self { media, parameters: Vec::new(), quality: 1.0 };
        for part in parts {
            let (name, value) = part.split_once('=')?;
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name == "q" {
                range.quality = value.parse().unwrap_or(1.0);
            } else {
                range.parameters.push((name, value));
            }
        }
        Some(range)
    }

    fn parameter(&self, name: &str) -> &'a str {
        let found = self.parameters.iter().find(|(n, _)| *n == name);
        found.map_or("", |(_, value)| value)
    }
}

impl Wanted {
    /// What `accept` asks for; text where nothing in it is offered. OpenMetrics is not.
    #[must_use]
    pub fn negotiate(accept: &str) -> Self {
        let mut ranges: Vec<Range<'_>> = accept.split(',').filter_map(Range::parse).collect();
        ranges.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        let mut escaping = EscapingScheme::Underscores;
        for range in ranges {
            if let Ok(asked) = range.parameter("escaping").parse() {
                escaping = asked;
            }
            let version = range.parameter("version");
            let notation = match range.media {
                "application/vnd.google.protobuf" if range.parameter("proto") == FAMILY => {
                    match range.parameter("encoding") {
                        "delimited" => Notation::ProtoDelimited,
                        "text" => Notation::ProtoText,
                        "compact-text" => Notation::ProtoCompact,
                        _ => continue,
                    }
                }
                "text/plain" if matches!(version, "" | "0.0.4" | "1.0.0") => Notation::Text,
                _ => continue,
            };
            return Self { notation, escaping };
        }
        Self { notation: Notation::Text, escaping }
    }

    /// The `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(self) -> String {
        let encoding = match self.notation {
            Notation::Text => {
                let escaping = self.escaping.as_str();
                return format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}");
            }
            Notation::ProtoDelimited => "delimited",
            Notation::ProtoText => "text",
            Notation::ProtoCompact => "compact-text",
        };
        let escaping = self.escaping.as_str();
        format!(
            "application/vnd.google.protobuf; proto={FAMILY}; encoding={encoding}; escaping={escaping}"
        )
    }
}
