//! The shape of meta.json, field by field as Prometheus writes it. A wire type: its shape is a promise.

use crate::block::Ulid;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is known of a block without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockMeta {
    /// Its name.
    pub ulid: Ulid,
    /// First millisecond of its range.
    #[serde(default)]
    pub min_time: i64,
    /// First millisecond after its range.
    #[serde(default)]
    pub max_time: i64,
    /// How much it holds.
    #[serde(default)]
    pub stats: BlockStats,
    /// How it came to be.
    #[serde(default)]
    pub compaction: Compaction,
    /// Version of the format: 1.
    #[serde(default)]
    pub version: u32,
}

/// How much a block holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlockStats {
    /// Samples of all kinds.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_samples: u64,
    /// Float samples.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_float_samples: u64,
    /// Native histograms.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_histogram_samples: u64,
    /// Series.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_series: u64,
    /// Chunks.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_chunks: u64,
    /// Deleted ranges.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_tombstones: u64,
}

/// How a block came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Compaction {
    /// One for a block cut from the head, else one above the highest level it was made of.
    pub level: u32,
    /// The blocks of level one it goes back to, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Ulid>,
    /// Nothing is left of it; remove it.
    #[serde(skip_serializing_if = "is_false")]
    pub deletable: bool,
    /// The blocks it was made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// A compaction of it failed; leave it alone.
    #[serde(skip_serializing_if = "is_false")]
    pub failed: bool,
    /// What is special about it, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
}

/// A block that another one was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parent {
    /// Its name.
    pub ulid: Ulid,
    /// First millisecond of its range.
    #[serde(default)]
    pub min_time: i64,
    /// First millisecond after its range.
    #[serde(default)]
    pub max_time: i64,
}

/// What is special about a block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// Its samples came out of order.
    FromOutOfOrder,
    /// Its series were selected by hand.
    FromSelectedSeries,
    /// Its series had gone stale.
    FromStaleSeries,
    /// A hint of a later version, kept as it is.
    Other(Box<str>),
}

impl Hint {
    fn as_str(&self) -> &str {
        match self {
            Self::FromOutOfOrder => "from-out-of-order",
            Self::FromSelectedSeries => "from-selected-series",
            Self::FromStaleSeries => "from-stale-series",
            Self::Other(text) => text,
        }
    }

    /// The hint of this name.
    #[must_use]
    pub fn from_name(text: &str) -> Self {
        match text {
            "from-out-of-order" => Self::FromOutOfOrder,
            "from-selected-series" => Self::FromSelectedSeries,
            "from-stale-series" => Self::FromStaleSeries,
            _ => Self::Other(text.into()),
        }
    }
}

impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_name(&String::deserialize(deserializer)?))
    }
}

impl Serialize for Ulid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ulid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
