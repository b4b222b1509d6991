//! Tests of what becomes of each kind of record for receivers of each kind.

use super::*;
use crate::send::ledger::Ledger;
use crate::send::metrics::Families;
use crate::send::place::PlaceFiles;
use crate::send::quiet::Quiet;
use disk::SimDisk;
use model::histogram::{IntHistogram, Layout};
use model::validate::NameValidation;
use net::client::{Client, ClientOptions};
use std::path::Path;

fn records(more: &str) -> Records {
    let text = format!("url: http://localhost/write\n{more}");
    let document = yaml::Document::parse("test", text.as_bytes()).expect("YAML");
    let section = yaml::load(&document.root, &crate::config::REMOTE_WRITE).expect("a section");
    let config = WriteConfig::from_section(&section, NameValidation::Utf8).expect("an entry");
    let client = Client::new(&config.http, ClientOptions::default()).expect("a client");
    let context = Arc::new(Context {
        metrics: QueueMetrics::new(&Families::new(&::metrics::Registry::new()), &config),
        counts_all: true.into(),
        ledger: Ledger::default(),
        config,
        client,
        retries: Quiet::default(),
        failures: Quiet::default(),
        readings: Quiet::default(),
        now_ms: || 0,
        places: PlaceFiles::new(Arc::new(SimDisk::new()), Path::new("dir"), "key"),
    });
    Records::new(context, Labels::from_pairs([("zone", "eu")]))
}

/// Series 1 to 3; the last is dropped by a rule that looks for `drop`.
fn series(number: u64, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    record::begin_series(&mut out);
    record::push_series(&mut out, number, [("__name__", name)].into_iter());
    out
}

fn floats(rows: &[(u64, i64, i64, f64)]) -> Vec<u8> {
    let mut out = Vec::new();
    record::encode_started_samples(&mut out, rows.iter().copied());
    out
}

fn exemplars(rows: &[(u64, i64)]) -> Vec<u8> {
    let mut out = Vec::new();
    let labels = [("trace", "abc")];
    let rows = rows.iter().map(|&(number, time)| (number, time, 0.5, labels.into_iter()));
    record::encode_exemplars(&mut out, rows);
    out
}

fn histograms(rows: &[(u64, i32)]) -> Vec<Vec<u8>> {
    let values: Vec<(u64, Histogram)> = rows
        .iter()
        .map(|&(number, schema)| {
            let layout = Arc::new(Layout { schema, ..Layout::default() });
            (number, Histogram::Int(IntHistogram { layout, count: 1, ..IntHistogram::default() }))
        })
        .collect();
    let mut records = Vec::new();
    let rows = values.iter().map(|(number, value)| (*number, 5, 4, value));
    record::encode_started_histograms(&rows, &mut records);
    records
}

const V2: &str = "protobuf_message: io.prometheus.write.v2.Request\n";
const DROP: &str =
    "write_relabel_configs: [{source_labels: [__name__], regex: drop, action: drop}]\n";

fn take(records: &mut Records) -> Vec<Item> {
    std::mem::take(records.items())
}

#[test]
fn samples_get_labels_starts_and_metadata() {
    for (version, metadata) in [(V2, Some("counter")), ("", None)] {
        let mut records = records(&format!("{version}{DROP}"));
        records.read(&series(1, "a"), 0, Doubt::None);
        records.read(&series(3, "drop"), 0, Doubt::None);
        let told =
            Metadata { metric_type: model::metadata::MetricType::Counter, ..Metadata::default() };
        let mut bytes = Vec::new();
        record::encode_metadata(&mut bytes, [(1, &told), (9, &told)]);
        records.read(&bytes, 0, Doubt::None);
        records.read(&floats(&[(1, 7, 5, 1.5), (3, 7, 0, 1.0), (9, 7, 0, 1.0)]), 0, Doubt::InOrder);
        let items = take(&mut records);
        assert_eq!(items.len(), 1);
        let pairs: Vec<_> = items[0].labels.iter().collect();
        assert_eq!(pairs, [("__name__", "a"), ("zone", "eu")]);
        assert_eq!((items[0].timestamp_ms, items[0].start_timestamp_ms), (7, 5));
        assert_eq!(items[0].doubt, Doubt::InOrder);
        let found = items[0].metadata.as_ref().map(|metadata| metadata.metric_type.as_str());
        assert_eq!(found, metadata);
    }
}

#[test]
fn histograms_go_to_those_who_take_them() {
    let rows = [(1, 3), (2, model::histogram::CUSTOM_BUCKETS_SCHEMA)];
    for (config, sent) in [("", &[][..]), ("send_native_histograms: true\n", &[1]), (V2, &[1, 2])] {
        let mut records = records(config);
        records.read(&series(1, "a"), 0, Doubt::None);
        records.read(&series(2, "b"), 0, Doubt::None);
        for record in histograms(&rows) {
            records.read(&record, 0, Doubt::None);
        }
        let items = take(&mut records);
        let found: Vec<u64> = items.iter().map(|item| item.series).collect();
        assert_eq!(found, sent, "{config}");
        assert!(items.iter().all(|item| item.start_timestamp_ms == 4));
    }
}

#[test]
fn exemplars_travel_with_their_sample() {
    let floats = floats(&[(1, 7, 0, 1.0), (1, 8, 0, 2.0)]);
    for (config, alone) in
        [("send_exemplars: true\n", 1), (&format!("{V2}send_exemplars: true\n"), 0)]
    {
        let mut records = records(config);
        records.read(&series(1, "a"), 0, Doubt::None);
        records.read(&series(2, "b"), 0, Doubt::None);
        records.read(&floats, 0, Doubt::None);
        records.read(&exemplars(&[(1, 8), (2, 8), (2, 9)]), 0, Doubt::None);
        let items = take(&mut records);
        let counts: Vec<usize> = items.iter().map(|item| item.exemplars.len()).collect();
        // A receiver of 2.0 takes no exemplars without a sample.
        assert_eq!(counts, if alone == 1 { vec![0, 1, 2] } else { vec![0, 1] });
        let trace = Wire::new(&Labels::from_pairs([("trace", "abc")]));
        assert_eq!(items[1].exemplars[0].labels, trace);
    }
    let mut records = records("");
    records.read(&series(1, "a"), 0, Doubt::None);
    records.read(&floats, 0, Doubt::None);
    records.read(&exemplars(&[(1, 8)]), 0, Doubt::None);
    assert!(take(&mut records).iter().all(|item| item.exemplars.is_empty()));
}

#[test]
fn a_number_that_was_given_again_means_the_new_series() {
    let mut records = records("");
    records.read(&series(1, "a"), 0, Doubt::None);
    records.read(&series(1, "b"), 3, Doubt::None);
    records.read(&floats(&[(1, 7, 0, 1.0)]), 3, Doubt::None);
    assert_eq!(take(&mut records)[0].labels.iter().next(), Some(("__name__", "b")));
    records.forget_before(4);
    records.read(&floats(&[(1, 8, 0, 1.0)]), 4, Doubt::None);
    assert!(take(&mut records).is_empty());
}

#[test]
fn broken_records_are_counted_and_passed_over() {
    let mut records = records("send_exemplars: true\nsend_native_histograms: true\n");
    records.read(&series(1, "a"), 0, Doubt::None);
    let good = [vec![floats(&[(1, 7, 0, 1.0)]), exemplars(&[(1, 7)])], histograms(&[(1, 3)])];
    for record in good.iter().flatten() {
        for end in 1..record.len() {
            records.read(&record[..end], 0, Doubt::None);
        }
    }
    assert!(records.context.metrics.decode_failures.get() > 0.0);
    records.read(&[], 0, Doubt::None);
}
