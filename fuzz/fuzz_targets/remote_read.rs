//! Any bytes as a remote-read request, packed or not: an error or an answer from an empty storage, no panic.
#![no_main]

use arc_swap::ArcSwap;
use libfuzzer_sys::fuzz_target;
use remote::read::{Limits, Server};
use std::sync::Arc;
use storage::{Cancel, MemoryStorage};

fuzz_target!(|bytes: &[u8]| {
    let labels = Arc::new(ArcSwap::from_pointee(model::Labels::empty()));
    let storage = Arc::new(MemoryStorage::new());
    let server = Server::new(storage, Limits::default(), labels, &metrics::Registry::new());
    let packed = snap::raw::Encoder::new().compress_vec(bytes).unwrap_or_default();
    for body in [bytes, &packed] {
        if let Ok(request) = server.parse(body) {
            let _samples = server.samples(&request, &Cancel::new());
            let _chunks = server.chunks(&request, &Cancel::new(), &mut Vec::new(), &mut |_| Ok(()));
        }
    }
});
