//! Every kind of record in the log reaches receivers of both versions as it should: starts, histograms, exemplars and
//! metadata.

use super::{LIMIT, Manner, Peer, config, runtime};
use disk::{Disk, SimDisk};
use metrics::{Registry, Stopwatch};
use model::histogram::{CUSTOM_BUCKETS_SCHEMA, Histogram, IntHistogram, Layout, Span};
use model::metadata::{Metadata, MetricType};
use model::{Labels, SeriesRef};
use parking_lot::Mutex;
use remote::Receiver;
use remote::receive::Options;
use remote::send::{Sender, SenderOptions};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use storage::{
    Appendable, Appender, ExemplarBatch, FloatBatch, HistogramBatch, LabelBatch, MemoryStorage,
    Rejected,
};
use wal::record;

/// Writes down what it is given, a line for each thing.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    series: Vec<String>,
    lines: BTreeSet<String>,
}

struct Note(Notes);

impl Appendable for Notes {
    fn appender(&self, _: i64) -> Box<dyn Appender> {
        Box::new(Note(self.clone()))
    }
}

impl Note {
    fn line(&self, series: SeriesRef, text: &str) {
        let mut kept = self.0.0.lock();
        let line = format!("{} {text}", kept.series[series.get() as usize - 1]);
        kept.lines.insert(line);
    }
}

impl Appender for Note {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        _: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let mut kept = self.0.0.lock();
        for row in 0..labels.len() {
            let pairs = labels.get(row).iter();
            kept.series.push(pairs.map(|(_, value)| *value).collect::<Vec<_>>().join("/"));
            refs.push(SeriesRef::new(kept.series.len() as u64));
        }
        Ok(())
    }

    fn append_floats(
        &mut self,
        batch: FloatBatch<'_>,
        _: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let starts = batch.start_timestamps_ms();
        let (refs, times, values) = batch.columns();
        for row in 0..refs.len() {
            let start = starts.get(row).copied().unwrap_or(0);
            self.line(refs[row], &format!("{} at {} since {start}", values[row], times[row]));
        }
        Ok(())
    }

    fn append_histograms(
        &mut self,
        batch: HistogramBatch<'_>,
        _: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let starts = batch.start_timestamps_ms();
        let (refs, times, values) = batch.columns();
        for row in 0..refs.len() {
            let start = starts.get(row).copied().unwrap_or(0);
            let schema = values[row].layout().schema;
            let text = format!("schema {schema} at {} since {start}", times[row]);
            self.line(refs[row], &text);
        }
        Ok(())
    }

    fn append_exemplars(
        &mut self,
        batch: ExemplarBatch<'_>,
        _: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let (refs, rows) = batch.columns();
        for (series, row) in refs.iter().zip(rows) {
            let text = format!("exemplar {:?} {} at {}", row.labels, row.value, row.timestamp_ms);
            self.line(*series, &text);
        }
        Ok(())
    }

    fn append_metadata(
        &mut self,
        refs: &[SeriesRef],
        metadata: &[Metadata],
    ) -> storage::Result<()> {
        for (series, told) in refs.iter().zip(metadata) {
            let text =
                format!("is a {} in {:?}: {}", told.metric_type.as_str(), told.unit, told.help);
            self.line(*series, &text);
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> storage::Result<()> {
        Ok(())
    }
}

fn histogram(schema: i32) -> Histogram {
    let custom_values = if schema == CUSTOM_BUCKETS_SCHEMA { vec![1.0] } else { Vec::new() };
    let positive_spans = vec![Span { offset: 0, length: 1 }];
    let layout = Arc::new(Layout { schema, positive_spans, custom_values, ..Layout::default() });
    Histogram::Int(IntHistogram {
        layout,
        count: 2,
        positive_deltas: vec![2],
        ..IntHistogram::default()
    })
}

/// A commit as the head logs it.
fn commit(time: i64) -> Vec<Vec<u8>> {
    let (mut floats, mut exemplars) = (Vec::new(), Vec::new());
    record::encode_started_samples(&mut floats, [(1, time, time - 5, 1.5), (2, time, 0, 2.5)]);
    let values = [(3, histogram(2)), (4, histogram(CUSTOM_BUCKETS_SCHEMA))];
    let mut records = vec![floats];
    let rows = values.iter().map(|(series, value)| (*series, time, time - 7, value));
    record::encode_started_histograms(&rows, &mut records);
    let labels = [("trace", "abc")];
    let rows = [1, 3].map(|series| (series, time - 1, 0.5, labels.into_iter()));
    record::encode_exemplars(&mut exemplars, rows);
    records.push(exemplars);
    records
}

fn series() -> Vec<Vec<u8>> {
    let (mut series, mut metadata) = (Vec::new(), Vec::new());
    record::begin_series(&mut series);
    for (number, name) in [(1, "float"), (2, "plain"), (3, "histogram"), (4, "custom")] {
        record::push_series(&mut series, number, [("__name__", name)].into_iter());
    }
    let told =
        |metric_type, help: &str| Metadata { metric_type, unit: "s".into(), help: help.into() };
    let told = [(1, told(MetricType::Counter, "Floats.")), (3, told(MetricType::Histogram, "H."))];
    record::encode_metadata(&mut metadata, told.iter().map(|(series, told)| (*series, told)));
    vec![series, metadata]
}

fn log(writer: &mut wal::Writer, records: &[Vec<u8>]) {
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    writer.log(&records).expect("logged");
}

/// What a receiver that is spoken to in this way gets of two commits.
fn received(more: &str) -> BTreeSet<String> {
    let notes = Notes::default();
    let options = Options { start_timestamps: true, metadata: true, ..Options::default() };
    let receiver = Receiver::new(Arc::new(notes.clone()), options, &Registry::new());
    let peer = Peer::serving(receiver, MemoryStorage::new(), |_| Manner::Count);
    let (runtime, disk): (_, Arc<dyn Disk>) = (runtime(), Arc::new(SimDisk::new()));
    let dir = Path::new("data/wal");
    let mut writer =
        wal::Writer::open(Arc::clone(&disk), dir, wal::WriterOptions::default()).expect("log");
    log(&mut writer, &series());
    let sender = Sender::new(
        SenderOptions {
            disk: Arc::clone(&disk),
            log: dir.into(),
            dir: "data/remote_write".into(),
            registry: Registry::new(),
            user_agent: "test".into(),
            now_ms: || 1_000_000_000,
            flush_deadline: Duration::from_secs(10),
            signers: Arc::new(|_| Ok(None)),
            metadata: None,
        },
        runtime.handle().clone(),
    );
    assert!(sender.apply(config(peer.address, more), &Labels::empty()).is_empty());
    super::await_start_on(&disk);
    for time in [1000, 2000] {
        log(&mut writer, &commit(time));
    }
    // The last float of the last commit: everything else is in the log before it or with it.
    log(&mut writer, &{
        let mut floats = Vec::new();
        record::encode_samples(&mut floats, [(2, 3000, 9.0)]);
        [floats]
    });
    let begin = Stopwatch::start();
    while !notes.0.lock().lines.iter().any(|line| line.contains("at 3000")) {
        assert!(begin.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(10));
    }
    sender.stop();
    notes.0.lock().lines.clone()
}

fn floats(has_starts: bool) -> Vec<String> {
    let mut lines = vec!["plain 9 at 3000 since 0".to_owned()];
    for time in [1000, 2000] {
        let start = if has_starts { time - 5 } else { 0 };
        lines.push(format!("float 1.5 at {time} since {start}"));
        lines.push(format!("plain 2.5 at {time} since 0"));
    }
    lines
}

fn exemplars(series: &[&str]) -> Vec<String> {
    let lines = series.iter().flat_map(|series| {
        [999, 1999].map(|time| format!("{series} exemplar [(\"trace\", \"abc\")] 0.5 at {time}"))
    });
    lines.collect()
}

fn histograms(series: &[(&str, i32)], has_starts: bool) -> Vec<String> {
    let lines = series.iter().flat_map(|(series, schema)| {
        [1000, 2000].map(|time| {
            let start = if has_starts { time - 7 } else { 0 };
            format!("{series} schema {schema} at {time} since {start}")
        })
    });
    lines.collect()
}

fn set(parts: &[Vec<String>]) -> BTreeSet<String> {
    parts.iter().flatten().cloned().collect()
}

#[test]
fn receivers_of_1_0_get_what_they_are_to_get() {
    assert_eq!(received(""), set(&[floats(false)]));
    let all = "  send_exemplars: true\n  send_native_histograms: true\n";
    let expected = set(&[
        floats(false),
        histograms(&[("histogram", 2)], false),
        exemplars(&["float", "histogram"]),
    ]);
    assert_eq!(received(all), expected);
}

#[test]
fn receivers_of_2_0_get_all() {
    let all = "  send_exemplars: true\n  protobuf_message: io.prometheus.write.v2.Request\n";
    let metadata = vec![
        "float is a counter in \"s\": Floats.".to_owned(),
        "histogram is a histogram in \"s\": H.".to_owned(),
    ];
    let histograms = histograms(&[("histogram", 2), ("custom", CUSTOM_BUCKETS_SCHEMA)], true);
    let expected = set(&[floats(true), histograms, exemplars(&["float", "histogram"]), metadata]);
    assert_eq!(received(all), expected);
}
