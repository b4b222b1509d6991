//! Damage in the log between two runs, mended by the database before it is followed again: what can be read is sent,
//! nothing of it twice, wherever the damage lies and however far the receiver was.

use super::{
    LIMIT, Manner, Peer, SERIES, Source, await_rounds, await_start, config, open_log, runtime,
};
use crate::remote_write::stored;
use metrics::Stopwatch;
use model::{Labels, SeriesRef};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use storage::{Appendable, FloatBatch, LabelBatch};
use wal::record::{Kind, Samples};

const LOG: &str = "data/wal";
const V2: &str = "  protobuf_message: io.prometheus.write.v2.Request\n";

/// Where the damage is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// In a record that was sent before.
    is_sent: bool,
    /// The segment was the newest one when the server stopped.
    is_newest: bool,
}

/// The records of samples in a segment: where they end, and their round.
fn rounds(source: &Source, segment: u32) -> Vec<(u64, i64)> {
    let mut reader =
        wal::Reader::segment(Arc::clone(&source.disk), Path::new(LOG), segment).expect("there");
    let mut found = Vec::new();
    while reader.advance().expect("whole") {
        if wal::record::kind(reader.record()) == Kind::Samples {
            let mut samples = Samples::default();
            wal::record::decode_samples(reader.record(), &mut samples).expect("whole");
            found.push((reader.position().offset, samples.timestamps_ms[0] / 1000));
        }
    }
    found
}

/// Puts what can be read of a damaged segment in its place, as the database does when it opens.
fn mend(source: &Source, segment: u32) {
    let salvage = wal::Salvage::of_segment(&source.disk, Path::new(LOG), segment).expect("read");
    salvage.expect("damaged").write(&*source.disk).expect("written");
}

/// Runs until some of the log is sent and the rest is not, damages it, starts again.
fn run(place: Place) {
    let down = Arc::new(AtomicUsize::new(0));
    let is_down = Arc::clone(&down);
    let peer = Peer::start(move |_| match is_down.load(Ordering::SeqCst) {
        0 => Manner::Count,
        _ => Manner::Status(503),
    });
    let (runtime, mut source) = (runtime(), Source::new());
    source.write(1);
    let sender = source.sender(&runtime);
    sender.apply(config(peer.address, V2), &Labels::empty());
    await_start(&source);
    while source.log.lock().last_segment() < 2 {
        source.write(10);
    }
    source.write(30);
    let sent = source.next - 1;
    await_rounds(&peer, 2, sent);
    let segment = source.log.lock().last_segment();
    // What comes from here on is taken by nobody, and not counted.
    down.store(1, Ordering::SeqCst);
    source.write(30);
    assert_eq!(source.log.lock().last_segment(), segment);
    if !place.is_newest {
        source.log.lock().cut().expect("a new segment");
        source.write(30);
    }
    let newest =
        wal::segment_path(Path::new("data/remote_write/wal"), source.log.lock().last_segment());
    let begin = Stopwatch::start();
    while !source.disk.exists(&newest) {
        assert!(begin.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(10));
    }
    sender.stop();
    let found = rounds(&source, segment);
    let near = if place.is_sent { sent - 10 } else { sent + 10 };
    let &(end, lost) = found.iter().find(|(_, round)| *round == near).expect("a record");
    source.sim.corrupt(&wal::segment_path(Path::new(LOG), segment), end as usize - 1, 1);
    mend(&source, segment);
    *source.log.lock() = open_log(&source.disk);
    let sender = source.sender(&runtime);
    down.store(0, Ordering::SeqCst);
    sender.apply(config(peer.address, V2), &Labels::empty());
    source.write(30);
    let wanted: Vec<i64> =
        (2..source.next).filter(|&round| place.is_sent || round != lost).collect();
    let begin = Stopwatch::start();
    let last = (source.next - 1) * 1000;
    let is_there = |rows: &[(i64, String)]| rows.last().is_some_and(|(time, _)| *time == last);
    while !stored(&peer.storage).values().all(|rows| is_there(rows)) {
        assert!(begin.elapsed() < LIMIT, "{place:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    sender.stop();
    for rows in stored(&peer.storage).values() {
        let found: Vec<i64> = rows.iter().map(|(time, _)| time / 1000).collect();
        assert_eq!(found, wanted, "{place:?}");
    }
    assert_eq!(peer.taken.load(Ordering::SeqCst), wanted.len() * SERIES, "{place:?}: none twice");
}

#[test]
fn what_is_left_of_a_damaged_log_is_sent_once() {
    for is_sent in [true, false] {
        for is_newest in [true, false] {
            run(Place { is_sent, is_newest });
        }
    }
}

/// A sample of a series that the log does not know yet.
fn write_late(source: &Source) {
    let mut appender = source.head.appender(0);
    let mut refs = Vec::new();
    let batch = LabelBatch::new(&[("__name__", "late")], &[1]);
    appender.resolve(batch, &mut refs, &mut Vec::new()).expect("resolved");
    let refs: Vec<SeriesRef> = refs.into_iter().flatten().collect();
    let times = [source.next * 1000];
    let batch = FloatBatch::new(&refs, &times, &[1.0]);
    appender.append_floats(batch, &mut Vec::new()).expect("appended");
    appender.commit().expect("committed");
}

/// A queue reads the series of the checkpoint before anything else, and tried that again for good when it was damaged:
/// nothing was sent any more.
#[test]
fn a_damaged_checkpoint_does_not_stop_a_queue() {
    let peer = Peer::start(|_| Manner::Count);
    let (runtime, mut source) = (runtime(), Source::new());
    while source.log.lock().last_segment() < 4 {
        source.write(50);
    }
    source.truncate();
    let checkpoint = wal::checkpoint::last(&*source.disk, Path::new(LOG)).expect("listed");
    source.sim.corrupt(&wal::segment_path(&checkpoint.expect("one").path, 0), 40, 1);
    let sender = source.sending(&runtime, config(peer.address, V2));
    await_start(&source);
    let begin = Stopwatch::start();
    while stored(&peer.storage).is_empty() {
        assert!(begin.elapsed() < LIMIT);
        write_late(&source);
        source.write(1);
        std::thread::sleep(Duration::from_millis(10));
    }
    sender.stop();
    let found = stored(&peer.storage);
    assert!(found.keys().all(|labels| labels.contains("late")), "{:?}", found.keys());
}
