//! Any bytes as an OTLP body in every form: an error or samples in the in-memory storage, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remote::otlp::{Options, Receiver};
use std::sync::Arc;
use storage::MemoryStorage;

fuzz_target!(|bytes: &[u8]| {
    let storage = Arc::new(MemoryStorage::new());
    let receiver =
        Receiver::new(storage, Options::default(), Arc::default(), &metrics::Registry::new());
    for content_type in ["application/json", "application/x-protobuf"] {
        for encoding in ["", "gzip"] {
            let _stored = receiver.write(content_type, encoding, bytes, 0);
        }
    }
});
