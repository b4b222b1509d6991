//! Any bytes as a remote-write body, packed or not: an error or samples in the in-memory storage, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remote::Receiver;
use remote::receive::{Message, Options};
use std::sync::Arc;
use storage::MemoryStorage;

fuzz_target!(|bytes: &[u8]| {
    let receiver = Receiver::new(
        Arc::new(MemoryStorage::new()),
        Options::default(),
        &metrics::Registry::new(),
    );
    let packed = snap::raw::Encoder::new().compress_vec(bytes);
    for message in [Message::V1, Message::V2] {
        let _as_it_is = receiver.write(message, bytes, 0);
        if let Ok(body) = &packed {
            let _packed = receiver.write(message, body, 0);
        }
    }
});
