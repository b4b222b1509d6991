//! What is asked of the allocator while the server runs. Which one it is stands in `main`, how it is set in
//! `.cargo/config.toml`.

use tikv_jemalloc_ctl::{Access, AsName, Result};

/// How long free pages are kept, as in `.cargo/config.toml`.
const KEPT_MS: isize = 1000;

/// Gives the pages that are free back to the system now, instead of within a second. Takes some milliseconds for a
/// hundred megabytes. With another allocator nothing happens.
pub(crate) fn give_back() {
    for arena in 0.. {
        let name = format!("arena.{arena}.dirty_decay_ms\0");
        // The first arena that does not exist ends this.
        if set_decay(name.as_bytes()).is_err() {
            break;
        }
    }
}

fn set_decay(name: &[u8]) -> Result<()> {
    // Pages that may not be kept at all go at once.
    name.name().write(0_isize)?;
    name.name().write(KEPT_MS)
}
