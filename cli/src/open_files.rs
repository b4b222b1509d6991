//! How many files and connections the process may hold: as many as its hard limit lets it. Nobody waits on descriptors
//! with `select` here, which is what the soft limit protects.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one; answers the limit that holds, `None` for no limit.
pub(crate) fn raise() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    if before.current == before.maximum {
        return before.current;
    }
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => before.maximum,
        Err(error) => {
            tracing::warn!(err = %error, limit = before.current,
                "The limit of open files cannot be raised: many targets may need more");
            before.current
        }
    }
}

#[cfg(test)]
mod tests;
