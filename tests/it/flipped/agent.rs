//! The same for the directory of an agent, whose log is all there is: what its receivers can still be sent.

use super::{Said, flip, is_every_byte, listen};
use disk::{Disk, SimDisk};
use model::SeriesRef;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{Appendable, FloatBatch, LabelBatch};
use tsdb::{Agent, AgentOptions};
use wal::record::{self, Kind, Samples};

const DIR: &str = "/agent";

fn open(disk: &SimDisk) -> (tsdb::Result<Agent>, Said) {
    let options =
        AgentOptions { wal_segment_bytes: 32 * 1024, no_lockfile: true, ..AgentOptions::default() };
    let (said, sink) = listen();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    (Agent::open(disk, Path::new(DIR), options, &metrics::Registry::new(), sink), said)
}

/// A sample as the log tells it.
type Row = (u64, i64, u64);

fn write(agent: &Agent, time: i64) {
    let names: Vec<String> = (0..30).map(|number| format!("m{number}")).collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| ("__name__", name.as_str())).collect();
    let ends: Vec<u32> = (1..=names.len() as u32).collect();
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = agent.appender(time);
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected).expect("labels");
    let refs: Vec<SeriesRef> = refs.into_iter().flatten().collect();
    let values: Vec<f64> = (0..30).map(|number| (time * 31 % 1009 + number) as f64).collect();
    let times = vec![time; names.len()];
    appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected).expect("floats");
    assert_eq!(rejected, []);
    appender.commit().expect("commits");
}

/// The samples in the log whose series are in it, too, in order.
fn rows(disk: &SimDisk) -> wal::Result<Vec<Row>> {
    let mut log = wal::Replay::open(Arc::new(disk.clone()), &Path::new(DIR).join("wal"))?;
    let (mut named, mut rows) = (BTreeSet::new(), Vec::new());
    while let Some(bytes) = log.next_record()? {
        match record::kind(bytes) {
            Kind::Series => {
                let series = record::decode_series(bytes).expect("series");
                named.extend(series.iter().map(|(number, _)| number));
            }
            Kind::Samples => {
                let mut samples = Samples::default();
                record::decode_samples(bytes, &mut samples).expect("samples");
                let known = samples.iter().filter(|(number, ..)| named.contains(number));
                rows.extend(known.map(|(number, time, value)| (number, time, value.to_bits())));
            }
            _ => {}
        }
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}

/// Whether all of `some` is in `all`; both are in order.
fn is_part(some: &[Row], all: &[Row]) -> bool {
    let mut left = all.iter();
    some.iter().all(|row| left.any(|other| other == row))
}

/// Segments behind a checkpoint.
fn directory() -> SimDisk {
    let disk = SimDisk::new();
    let (agent, _) = open(&disk);
    let agent = agent.expect("opens");
    (0..1200).for_each(|time| write(&agent, time * 1000));
    agent.truncate(200_000).expect("truncates").expect("a checkpoint");
    (1200..1500).for_each(|time| write(&agent, time * 1000));
    disk.kill()
}

#[test]
fn the_log_of_an_agent_survives_a_flipped_bit() {
    let clean = directory();
    let wanted = rows(&clean).expect("whole");
    let log = Path::new(DIR).join("wal");
    let segments = wal::list_segments(&clean, &log).expect("segments");
    assert!(segments.len() > 3, "{segments:?}");
    let checkpoint = wal::checkpoint::last(&clean, &log).expect("listed").expect("one");
    let paths: Vec<PathBuf> = [segments[0], segments[1], segments[segments.len() - 1]]
        .iter()
        .map(|&segment| wal::segment_path(&log, segment))
        .chain([checkpoint.path.join("00000000")])
        .collect();
    for path in paths {
        let len = clean.len(&path).expect("length") as usize;
        let step = if is_every_byte() { 1 } else { (len / 100) | 1 };
        let (mut unharmed, mut told) = (0, 0);
        for (number, offset) in (0..len).step_by(step).enumerate() {
            let damaged = clean.kill();
            flip(&path)(&damaged, number, offset);
            let place = format!("{} at {offset}, number {number}", path.display());
            let (agent, said) = open(&damaged);
            let agent = agent.unwrap_or_else(|error| panic!("{place}: {error}"));
            let found = rows(&damaged).expect("mended");
            assert!(is_part(&found, &wanted), "{place}: samples that never were");
            if found == wanted {
                unharmed += 1;
            } else {
                let said = said.lock().join("\n");
                let words = ["quarantine", "Unknown", "Skipped records"];
                assert!(words.iter().any(|word| said.contains(word)), "{place}: {said}");
                // One page at most is lost, and with a record of a checkpoint the samples of all the series in it.
                let is_covered = path.starts_with(&checkpoint.path);
                let least = if is_covered { 0 } else { wanted.len() / 2 };
                assert!(found.len() >= least, "{place}: {}", found.len());
                told += 1;
            }
            write(&agent, 2_000_000);
            assert!(rows(&damaged).expect("whole").len() >= found.len() + 30, "{place}");
        }
        println!("{}: {unharmed} unharmed, {told} told", path.display());
    }
}
