//! Sections as tables: the fields in the order they are printed, what each takes, its default, when it is shown.

use crate::{Problem, Section};

/// What a field takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// A text that the function accepts; it answers what was expected otherwise. Asked only for texts in the file.
    Word(fn(&str) -> Result<(), String>),
    /// A text that is shown as `<secret>`.
    Secret,
    /// A path, resolved against the directory of the file.
    Path,
    /// A URL; passwords in it are not shown.
    Url,
    /// A truth value.
    Bool,
    /// A truth value that may be left open.
    MaybeBool,
    /// An integer.
    Int,
    /// An integer from 0.
    Uint,
    /// A number.
    Float,
    /// A duration such as `1h30m`, in milliseconds.
    Duration,
    /// A size such as `10MB`, in bytes.
    Size,
    /// A list of texts.
    List,
    /// A list of texts, shown on one line.
    FlowList,
    /// A list of texts that are shown as `<secret>`.
    Secrets,
    /// A list of paths.
    Paths,
    /// Texts by name.
    Map,
    /// Lists of texts by name.
    Lists,
    /// Lists of texts by name, shown as `<secret>`.
    SecretLists,
    /// A section that is always there; nothing written means all its fields are zero, not their defaults.
    One(&'static Schema),
    /// A section that may be absent.
    Maybe(&'static Schema),
    /// A list of sections.
    Many(&'static Schema),
    /// Sections by name.
    Named(&'static Schema),
    /// Anything; kept as it is.
    Any,
}

/// A field of a section.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds where the key is absent, as it would be written; empty for zero.
    pub default: &'static str,
    /// Shown even if it is zero.
    pub always: bool,
}

impl Field {
    /// A field that is shown where it is not zero.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, default: "", always: false }
    }

    /// The same with a default.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// The same, shown always.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.always = true;
        self
    }
}

/// A section: its fields in groups, so that several sections share a group, and what must hold among them.
#[derive(Debug)]
pub struct Schema {
    /// What the section is called in error texts.
    pub name: &'static str,
    /// Groups of fields, in the order they are printed.
    pub parts: &'static [&'static [Field]],
    /// Checks a section whose fields are good one by one; may settle values that depend on others.
    pub check: fn(&mut Section) -> Result<(), Problem>,
}

impl Schema {
    /// The fields in the order they are printed.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.parts.iter().flat_map(|part| part.iter())
    }
}

/// The check of sections whose fields do not depend on each other.
pub fn no_check(_section: &mut Section) -> Result<(), Problem> {
    Ok(())
}
