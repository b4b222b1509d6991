//! What the fuzz targets have in common: the functions that `cargo test` calls with recorded and changed bytes, and a
//! way to call them that is a fuzzer or an ordinary program. Nothing is decoded here.
#![forbid(unsafe_code)]

#[path = "../../tests/it/fuzz_seeds/replies.rs"]
mod replies;
#[path = "../../tests/it/fuzz_seeds/targets.rs"]
mod targets;

use std::path::PathBuf;

#[cfg(fuzzing)]
pub use libfuzzer_sys::fuzz_target;

macro_rules! targets {
    ($($home:ident: $($name:ident)*;)*) => {
        $($(
            /// Takes any bytes and must not panic.
            pub fn $name(bytes: &[u8]) {
                $home::$name(bytes);
            }
        )*)*
    };
}

targets! {
    replies: discovery;
    targets: answer chunk config exposition head_chunks image index meta openmetrics
        otlp promql_text protobuf record regex remote_read remote_write replay
        scrape_config script segment targets_file template texts tombstones web_config;
}

/// The program of one target: a fuzzer where `cargo fuzz` builds it, else one that tries the files it is given, such as
/// those that a fuzzer found.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        $crate::fuzz_target!(|bytes: &[u8]| $crate::$name(bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::try_files($crate::$name)
        }
    };
}

/// Calls `target` with the content of each file that the command line names.
pub fn try_files(target: fn(&[u8])) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        target(&std::fs::read(path)?);
    }
    Ok(())
}
