//! Any bytes as a remote-write body, packed or not: an error or samples in the in-memory storage, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remote::Receiver;
use remote::receive::{Message, Options};
use std::sync::Arc;
use storage::MemoryStorage;

fuzz_target!(|bytes: &[u8]| {
    let receiver = Receiver::new(Arc::new(MemoryStorage::new()), Options::default(), &metrics::Registry::new());
    let _packed = receiver.write(Message::V1, bytes, 0);
    if let Ok(body) = snap::raw::Encoder::new().compress_vec(bytes) {
        let _plain = receiver.write(Message::V1, &body, 0);
    }
});
