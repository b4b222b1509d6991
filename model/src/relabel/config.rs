//! A relabelling rule as written: plain fields with their defaults, before it is checked and compiled.

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sets `target_label` to the expanded `replacement` where `regex` matches.
    #[default]
    Replace,
    /// Drops label sets that do not match.
    Keep,
    /// Drops label sets that match.
    Drop,
    /// Drops label sets whose `target_label` differs from the joined sources.
    KeepEqual,
    /// Drops label sets whose `target_label` equals the joined sources.
    DropEqual,
    /// Sets `target_label` to a hash of the joined sources modulo `modulus`.
    HashMod,
    /// Copies labels whose names match to the expanded `replacement`.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Sets `target_label` to the joined sources in lower case.
    Lowercase,
    /// Sets `target_label` to the joined sources in upper case.
    Uppercase,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }

    /// The action of this name; upper and lower case are the same.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(name))
    }
}

/// The fields of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleConfig {
    /// Labels whose values are joined; `None` where the field is absent, which is not the same as an empty list.
    pub source_labels: Option<Vec<String>>,
    /// What stands between joined values.
    pub separator: String,
    /// The pattern, anchored at both ends; `None` is `(.*)`.
    pub regex: Option<String>,
    /// The divisor of `hashmod`.
    pub modulus: u64,
    /// The label that is set.
    pub target_label: String,
    /// What it is set to, with `$1` and `${name}` for groups.
    pub replacement: String,
    /// What to do.
    pub action: Action,
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self {
            source_labels: None,
            separator: String::from(";"),
            regex: None,
            modulus: 0,
            target_label: String::new(),
            replacement: String::from("$1"),
            action: Action::Replace,
        }
    }
}
