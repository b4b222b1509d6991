//! What is sent again after a crash of either end, to receivers that refuse a whole request for one sample that they have:
//! nothing is lost, nothing is stored twice, and few requests are wasted.

use super::{
    LIMIT, Manner, Peer, SERIES, Source, TWO_AS_ONE, await_others, await_rounds, await_start,
    config, runtime,
};
use crate::remote_write::stored;
use metrics::Stopwatch;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DIR: &str = "data/remote_write";

/// The file of the only queue with this ending.
fn file(source: &Source, ending: &str) -> PathBuf {
    let names = source.disk.list(Path::new(DIR)).expect("listed");
    let name = names.iter().find(|name| name.ends_with(ending));
    Path::new(DIR).join(name.expect("a file"))
}

fn read(source: &Source, path: &Path) -> Vec<u8> {
    source.disk.read_at(path, 0, 64).expect("read")
}

/// Sends everything, loses the position but for this text, and starts again; how many requests were made again.
fn send_again(rounds: i64, position: impl FnOnce(Vec<u8>) -> Vec<u8>) -> usize {
    let peer = Peer::start(|_| Manner::Take);
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    let sender = source.sending(&runtime, config(peer.address, ""));
    await_start(&source);
    let durable = file(&source, ".position");
    let early = read(&source, &durable);
    source.write(rounds);
    await_rounds(&peer, 2, 1 + rounds);
    sender.stop();
    source.disk.remove(&file(&source, ".acknowledged")).expect("removed");
    disk::write_atomic(&*source.disk, &durable, &position(early)).expect("written");
    let before = peer.requests.load(Ordering::SeqCst);
    let sender = source.sending(&runtime, config(peer.address, ""));
    source.write(50);
    await_rounds(&peer, 2, 51 + rounds);
    sender.stop();
    peer.requests.load(Ordering::SeqCst) - before
}

#[test]
fn what_is_sent_twice_after_a_crash_is_stored_once_and_costs_few_requests() {
    let requests = send_again(200, |early| early);
    // Ten series a shard, five samples of each in a request, 120 full requests at least.
    assert!(requests < 120 * 16, "{requests} requests for {} repetitions", 200 * SERIES);
}

#[test]
fn without_the_number_of_shards_order_tells_nothing() {
    let two_numbers = |early: Vec<u8>| {
        let text = String::from_utf8(early).expect("text");
        let words: Vec<&str> = text.split_ascii_whitespace().take(2).collect();
        format!("{}\n", words.join(" ")).into_bytes()
    };
    send_again(20, two_numbers);
}

#[test]
fn acknowledged_requests_are_noted_at_once() {
    let peer = Peer::start(|_| Manner::Take);
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    let sender = source.sending(&runtime, config(peer.address, ""));
    await_start(&source);
    source.write(10);
    await_rounds(&peer, 2, 11);
    let end = source.log.lock().position();
    let begin = Stopwatch::start();
    loop {
        let line = String::from_utf8(read(&source, &file(&source, ".acknowledged")));
        let line = line.expect("text");
        let numbers: Vec<u64> =
            line.split_ascii_whitespace().take(3).filter_map(|word| word.parse().ok()).collect();
        if numbers == [u64::from(end.segment), end.offset, 3] {
            break;
        }
        assert!(begin.elapsed() < LIMIT, "{line:?} instead of {end:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    sender.stop();
}

#[test]
fn shards_that_were_sorted_otherwise_before_lose_nothing() {
    let turn = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&turn);
    // Some requests of each turn are stored without being acknowledged, most of them not at all.
    let peer = Peer::start(move |request| match (now.load(Ordering::SeqCst), request % 7) {
        (5.., _) => Manner::Take,
        (_, 0) => Manner::TakeAndFail,
        (_, 1 | 2) => Manner::Take,
        _ => Manner::Status(503),
    });
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    for (number, shards) in [3, 2, 4, 4, 1, 3].into_iter().enumerate() {
        let mut config = config(peer.address, "");
        config[0].queue.min_shards = shards;
        config[0].queue.max_shards = shards;
        let sender = source.sending(&runtime, config);
        if number == 0 {
            await_start(&source);
        }
        turn.store(number, Ordering::SeqCst);
        source.write(40);
        if number < 5 {
            // Some of it is sent before the end.
            let (begin, before) = (Stopwatch::start(), peer.requests.load(Ordering::SeqCst));
            while peer.requests.load(Ordering::SeqCst) < before + 15 {
                assert!(begin.elapsed() < LIMIT, "{} series", stored(&peer.storage).len());
                std::thread::sleep(Duration::from_millis(1));
            }
        } else {
            await_rounds(&peer, 2, 241);
        }
        sender.stop();
    }
}

#[test]
fn what_is_refused_for_another_reason_is_not_taken_for_a_repetition() {
    let peer = Peer::start(|_| Manner::Take);
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    // The two are refused, mostly, whether they are repeated or not.
    let sender = source.sending(&runtime, config(peer.address, TWO_AS_ONE));
    await_start(&source);
    let durable = file(&source, ".position");
    let early = read(&source, &durable);
    source.write(20);
    await_others(&peer, 20);
    sender.stop();
    source.disk.remove(&file(&source, ".acknowledged")).expect("removed");
    disk::write_atomic(&*source.disk, &durable, &early).expect("written");
    // What comes now was not sent, and is taken for something that may have been.
    source.write(20);
    let sender = source.sending(&runtime, config(peer.address, TWO_AS_ONE));
    await_others(&peer, 40);
    sender.stop();
}

#[test]
fn who_is_told_to_end_does_not_go_on_splitting() {
    // What failed first may be a repetition and is split down to single samples.
    let peer = Peer::start(|request| match request {
        0..3 => Manner::Status(503),
        _ => Manner::Refuse,
    });
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    let sender = source.sending(&runtime, config(peer.address, ""));
    await_start(&source);
    source.write(40);
    let (begin, made) = (Stopwatch::start(), || peer.requests.load(Ordering::SeqCst));
    while made() < 10 {
        assert!(begin.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = made();
    sender.stop();
    // Three shards for a tenth of a second; the batches at hand alone would take three hundred.
    assert!(made() < before + 60, "{} requests after the end was asked for", made() - before);
}
