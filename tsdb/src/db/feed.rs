//! The records of the log in their order, unpacked and decoded ahead of time by threads of their own. What is wrong with
//! a record is found out ahead, too, and told when it is its turn.

use crate::head::Decoded;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::thread::Scope;
use wal::record::DecodeError;
use wal::{PackedRecord, Result, Unpacker};

/// A job holds records of so many bytes in the log, or so many records, whatever comes first.
const JOB_BYTES: usize = 128 << 10;
const JOB_RECORDS: usize = 64;
/// Jobs that wait for a thread or for their turn behind it.
const JOBS_PER_THREAD: usize = 4;
/// More threads would only wait for the one that takes records in.
const MAX_THREADS: usize = 8;

/// Some records in a row.
#[derive(Debug, Default)]
pub(super) struct Job {
    records: Vec<PackedRecord>,
    /// What they say; there may be more places than records.
    decoded: Vec<Decoded>,
    num_decoded: usize,
    /// What is wrong with the first record that was not decoded.
    failure: Option<wal::Error>,
    segment: Option<u32>,
    len_bytes: usize,
}

impl Job {
    /// Replaces what is here with the next records of the log. Answers its end if that was reached: in good order, or by
    /// a failure behind these records.
    fn fill(&mut self, log: &mut wal::Replay) -> Option<Result<()>> {
        self.records.clear();
        let (mut len_bytes, mut end) = (0, None);
        while end.is_none() && self.records.len() < JOB_RECORDS && len_bytes < JOB_BYTES {
            match log.next_packed() {
                Ok(Some(record)) => {
                    len_bytes += record.len_bytes();
                    self.records.push(record);
                }
                Ok(None) => end = Some(Ok(())),
                Err(error) => end = Some(Err(error)),
            }
        }
        (self.segment, self.len_bytes) = (log.current_segment(), len_bytes);
        end
    }

    fn decode(&mut self, unpacker: &mut Unpacker) {
        (self.num_decoded, self.failure) = (0, None);
        if self.decoded.len() < self.records.len() {
            self.decoded.resize_with(self.records.len(), Decoded::default);
        }
        for (record, decoded) in self.records.iter().zip(&mut self.decoded) {
            let outcome = unpacker.unpack(record).and_then(|bytes| {
                decoded.read(bytes).map_err(|error| damage(record, decoded, error))
            });
            self.failure = outcome.err();
            if self.failure.is_some() {
                break;
            }
            self.num_decoded += 1;
        }
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// How long they are in the log.
    pub(super) fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// The segment that was being read when the last of them was found; `None` within a checkpoint.
    pub(super) fn segment(&self) -> Option<u32> {
        self.segment
    }

    /// Hands the records to `take`, up to the first that is damaged.
    pub(super) fn take_in(
        &mut self,
        mut take: impl FnMut(&mut Decoded) -> Result<(), DecodeError>,
    ) -> Result<()> {
        let decoded = &mut self.decoded[..self.num_decoded];
        for (record, decoded) in self.records.iter().zip(decoded) {
            take(decoded).map_err(|error| damage(record, decoded, error))?;
        }
        self.failure.take().map_or(Ok(()), Err)
    }
}

fn damage(record: &PackedRecord, decoded: &Decoded, error: DecodeError) -> wal::Error {
    record.corruption(&format!("decode {}: {error}", decoded.subject()))
}

/// A thread that decodes, and the jobs on their way to it and back.
struct Lane {
    jobs: Sender<Job>,
    done: Receiver<Job>,
}

impl Lane {
    fn start<'s>(scope: &'s Scope<'s, '_>) -> Result<Self> {
        let (jobs, queue) = bounded::<Job>(JOBS_PER_THREAD);
        let (back, done) = bounded(JOBS_PER_THREAD);
        let work = move || {
            let mut unpacker = Unpacker::default();
            for mut job in queue {
                job.decode(&mut unpacker);
                if back.send(job).is_err() {
                    // Somebody gave up in the middle of the log.
                    break;
                }
            }
        };
        std::thread::Builder::new().name("decode".into()).spawn_scoped(scope, work)?;
        Ok(Self { jobs, done })
    }
}

/// Hands the records of the log to `take`, job by job, up to its end or the first record that is damaged.
///
/// Jobs go to the threads in turn and come back in turn: that keeps them in order.
pub(super) fn read_ahead(
    log: &mut wal::Replay,
    mut take: impl FnMut(&mut Job) -> Result<()>,
) -> Result<()> {
    let mut job = Job::default();
    let mut end = job.fill(log);
    if let Some(end) = end {
        // Too little for threads.
        job.decode(&mut Unpacker::default());
        take(&mut job)?;
        return end;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let count = cores.min(MAX_THREADS);
        let lanes = (0..count).map(|_| Lane::start(scope)).collect::<Result<Vec<_>>>()?;
        let (mut num_sent, mut num_taken) = (0, 0);
        let mut next = Some(job);
        loop {
            while let Some(job) = next.take() {
                lanes[num_sent % count].jobs.send(job).expect("it runs until its channel closes");
                num_sent += 1;
                if end.is_none() && num_sent - num_taken < count * JOBS_PER_THREAD {
                    let mut job = Job::default();
                    end = job.fill(log);
                    next = Some(job);
                }
            }
            if num_taken == num_sent {
                return end.unwrap_or(Ok(()));
            }
            let mut job = lanes[num_taken % count].done.recv().expect("it answers each job");
            num_taken += 1;
            take(&mut job)?;
            if end.is_none() {
                end = job.fill(log);
                next = Some(job);
            }
        }
    })
}
