//! What is acknowledged survives the machine, one flush serves many, a failed flush refuses everything from then on.

use crate::Head;
use crate::head::tests::open;
use disk::{Disk, Fault, FaultDisk, SimDisk};
use std::sync::Arc;
use std::time::Duration;
use storage::{Appendable, FloatBatch, LabelBatch};

/// One sample in a transaction of its own.
fn append_one(head: &Head, timestamp_ms: i64) -> storage::Result<()> {
    append_to(head, "m", timestamp_ms)
}

fn append_to(head: &Head, name: &str, timestamp_ms: i64) -> storage::Result<()> {
    let mut appender = head.appender(0);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let pairs = [("__name__", name)];
    appender.resolve(LabelBatch::new(&pairs, &[1]), &mut refs, &mut rejected)?;
    let refs = [refs[0].expect("resolved")];
    let batch = FloatBatch::new(&refs, std::slice::from_ref(&timestamp_ms), &[1.0]);
    appender.append_floats(batch, &mut rejected)?;
    assert!(rejected.is_empty(), "{rejected:?}");
    appender.commit()
}

#[test]
fn an_acknowledged_commit_survives_a_crash_of_the_machine() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let (head, _) = open(Arc::clone(&disk), 4);
    head.sync_commits(Some(Duration::ZERO));
    append_one(&head, 10).unwrap();
    for seed in 0..16 {
        let after: Arc<dyn Disk> = Arc::new(sim.crash(seed));
        let (_, stats) = open(after, 4);
        assert_eq!(stats.num_samples, 1, "seed {seed}");
    }
}

#[test]
fn writers_that_wait_together_are_all_served() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let (head, _) = open(Arc::clone(&disk), 4);
    head.sync_commits(Some(Duration::from_millis(1)));
    std::thread::scope(|scope| {
        for writer in 0..8_i64 {
            let head = head.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    append_to(&head, &format!("m{writer}"), round).unwrap();
                }
            });
        }
    });
    let state = head.0.sync_gate.state.lock();
    assert_eq!((state.logged, state.has_leader), (160, false));
    assert_eq!(state.durable, 160);
}

#[test]
fn a_failed_flush_is_the_end_of_writing() {
    let faults = Arc::new(FaultDisk::new(Arc::new(SimDisk::new())));
    let (head, _) = open(Arc::<FaultDisk>::clone(&faults), 4);
    head.sync_commits(Some(Duration::ZERO));
    append_one(&head, 10).unwrap();
    // The write, then the flush.
    faults.fail_once(faults.changes() + 1, Fault::Io);
    assert!(append_one(&head, 20).is_err());
    let told = append_one(&head, 30).unwrap_err().to_string();
    assert!(told.contains("sync"), "{told}");
    assert_eq!(head.max_time(), 10, "what is not durable is not shown");
}
