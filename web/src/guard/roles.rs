//! What users may do: read, write, administer. A list of words for each user; without any list everyone may do all.

use yaml::suggest;

/// The words for roles.
const NAMES: [&str; 3] = ["read", "write", "admin"];

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing but to be let in.
    Nothing,
    /// To see data, or the state of the server.
    Read,
    /// To store samples.
    Write,
    /// To change or end what is not one's own.
    Admin,
}

impl Needs {
    /// The role that grants it.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Nothing => "any",
            Self::Read => NAMES[0],
            Self::Write => NAMES[1],
            Self::Admin => NAMES[2],
        }
    }
}

/// The roles of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    read: bool,
    write: bool,
    admin: bool,
}

impl Roles {
    /// Everything.
    pub(crate) const ALL: Self = Self { read: true, write: true, admin: true };

    /// Reads words with commas between them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut roles = Self::default();
        for word in text.split(',').map(str::trim) {
            match word {
                "read" => roles.read = true,
                "write" => roles.write = true,
                // An administrator may do everything.
                "admin" => roles = Self::ALL,
                _ => {
                    let what = format!("there is no role {word:?}");
                    return Err(match suggest(word, NAMES) {
                        Some(meant) => format!("{what}; did you mean {meant:?}?"),
                        None => format!("{what}; there are {}", NAMES.join(", ")),
                    });
                }
            }
        }
        Ok(roles)
    }

    /// Whether it is granted.
    pub(crate) fn grant(self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Read => self.read,
            Needs::Write => self.write,
            Needs::Admin => self.admin,
        }
    }
}

#[cfg(test)]
mod tests;
