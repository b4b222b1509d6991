//! What integration tests share: golden data and scratch directories. No assertions about behaviour live here.

pub mod http;
pub mod mutate;
pub mod random;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The root of the checkout.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout")
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
/// The folder of shared material that is never committed here; `None` (said aloud) where it is absent.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("FIRESTEEL_SHARED")
        .map_or_else(|| root().join("../shared"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: no shared material at {} (set FIRESTEEL_SHARED)", path.display());
    None
}

/// A file of `testdata/golden`, stored there with `.gz` behind its name, or in parts with `.1.gz`, `.2.gz`, ... where it
/// would be too large. Panics if it is missing.
#[must_use]
pub fn golden_bytes(name: &str) -> Vec<u8> {
    let folder = root().join("testdata/golden");
    let whole = folder.join(format!("{name}.gz"));
    let parts = (1..).map(|part| folder.join(format!("{name}.{part}.gz")));
    let parts: Vec<PathBuf> =
        if whole.exists() { vec![whole] } else { parts.take_while(|path| path.exists()).collect() };
    assert!(!parts.is_empty(), "{} has no {name}.gz", folder.display());
    let mut bytes = Vec::new();
    for path in parts {
        let packed = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("gzip");
    }
    bytes
}

/// The lines of a golden JSON-lines file.
#[must_use]
pub fn golden(name: &str) -> Vec<serde_json::Value> {
    json_lines(&golden_bytes(name))
}

/// The lines of a JSON-lines text.
#[must_use]
pub fn json_lines(bytes: &[u8]) -> Vec<serde_json::Value> {
    bytes
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a JSON object a line"))
        .collect()
}

/// A directory that vanishes with the value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A fresh empty directory.
    #[must_use]
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = format!("firesteel-{name}-{}-{unique}", std::process::id());
        let path = std::env::temp_dir().join(dir);
        std::fs::create_dir_all(&path).expect("scratch directory");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.0);
        drop(removed);
    }
}
