//! The quick way stores what the long one stores, and gives way to it where it must.

use super::super::Receiver;
use super::*;
use crate::proto::write;
use arc_swap::ArcSwap;
use metrics::Registry;
use model::{MatchOp, Matcher, Symbols, TimeRange};
use storage::{Cancel, MemoryStorage, Queryable, SelectHints, SeriesBatch};

const NOW_MS: i64 = 1_700_000_000_000;

fn attribute(out: &mut Vec<u8>, field: u32, name: &str, value: &str) {
    write::message(out, field, |out| {
        write::bytes(out, 1, name.as_bytes());
        write::message(out, 2, |out| write::bytes(out, 1, value.as_bytes()));
    });
}

fn fixed(out: &mut Vec<u8>, field: u32, number: u64) {
    out.push((field << 3 | 1) as u8);
    out.extend_from_slice(&number.to_le_bytes());
}

fn times(out: &mut Vec<u8>, at_ms: i64) {
    fixed(out, 2, (NOW_MS - 600_000) as u64 * 1_000_000);
    fixed(out, 3, at_ms as u64 * 1_000_000);
}

fn metric(out: &mut Vec<u8>, name: &str, kind: u32, points: &[Vec<u8>]) {
    write::message(out, 2, |out| {
        write::bytes(out, 1, name.as_bytes());
        write::bytes(out, 3, b"s");
        write::message(out, kind, |out| {
            points.iter().for_each(|point| write::bytes(out, 1, point));
            write::uint(out, 2, if kind == 5 { 0 } else { 2 });
            write::uint(out, 3, u64::from(kind == 7));
        });
    });
}

/// A sum and a gauge of two series each, and a histogram, of two resources.
fn body(at_ms: i64, value: f64) -> Vec<u8> {
    let number = |zone: &str, flags: u64| {
        let mut point = Vec::new();
        times(&mut point, at_ms);
        write::always_double(&mut point, 4, value);
        attribute(&mut point, 7, "zone", zone);
        write::uint(&mut point, 8, flags);
        point
    };
    let mut histogram = Vec::new();
    times(&mut histogram, at_ms);
    fixed(&mut histogram, 4, 6);
    write::always_double(&mut histogram, 5, value);
    for count in [1, 2, 3] {
        fixed(&mut histogram, 6, count);
    }
    write::doubles(&mut histogram, 7, &[0.5, 2.0]);
    attribute(&mut histogram, 9, "zone", "a");
    let mut out = Vec::new();
    for instance in ["one", "two"] {
        write::message(&mut out, 1, |out| {
            // What the series are of stands behind them: the order of fields is the sender's.
            write::message(out, 2, |out| {
                metric(out, "requests", 7, &[number("a", 0), number("b", 0)]);
                metric(out, "level", 5, &[number("a", 0), number("b", 1)]);
                metric(out, "seconds", 9, std::slice::from_ref(&histogram));
                write::message(out, 1, |out| write::bytes(out, 1, b"scope"));
            });
            write::message(out, 1, |out| {
                attribute(out, 1, "service.name", "shop");
                attribute(out, 1, "service.instance.id", instance);
                attribute(out, 1, "region", "north");
            });
        });
    }
    out
}

struct Rig {
    storage: Arc<MemoryStorage>,
    config: Arc<ArcSwap<Config>>,
    receiver: Receiver,
}

fn rig(metadata: bool) -> Rig {
    let options = Options { lookback_ms: 300_000, metadata, ..Options::default() };
    let storage = Arc::new(MemoryStorage::new());
    let config = Arc::new(ArcSwap::from_pointee(Config::default()));
    let appendable = Arc::<MemoryStorage>::clone(&storage);
    let receiver = Receiver::new(appendable, options, Arc::clone(&config), &Registry::new());
    Rig { storage, config, receiver }
}

impl Rig {
    fn write(&self, body: &[u8]) -> Result<(), String> {
        let written = self.receiver.write("application/x-protobuf", "", body, NOW_MS);
        written.map_err(|error| error.to_string())
    }

    fn knows(&self, body: &[u8]) -> bool {
        let (known, config) = (&self.receiver.known, self.config.load_full());
        let walked = known.walk(body, (&self.receiver.options, &config), (NOW_MS, NOW_MS));
        walked.is_some_and(|mut walked| known.resolve(&mut walked))
    }

    /// All series with their samples, as text.
    fn stored(&self) -> Vec<String> {
        let querier = self.storage.querier(TimeRange::ALL).expect("a querier");
        let (symbols, cancel) = (Symbols::new(), Cancel::new());
        let all = [Matcher::new("__name__", MatchOp::Regex, ".+").expect("a matcher")];
        let mut set =
            querier.select(&all, &SelectHints::default(), &symbols, &cancel).expect("a selection");
        let (mut batch, mut columns, mut out) =
            (SeriesBatch::default(), Default::default(), vec![]);
        while set.next_batch(&mut batch).expect("a batch") {
            for series in 0..batch.len() {
                batch.read(series, TimeRange::ALL, &mut columns).expect("samples");
                let pairs = batch.labels().get(series).iter();
                let labels: Vec<_> = pairs
                    .map(|pair| format!("{}={}", symbols.text(pair.name), symbols.text(pair.value)))
                    .collect();
                let bits: Vec<u64> = columns.values.iter().map(|value| value.to_bits()).collect();
                out.push(format!("{labels:?} {:?} {bits:?}", columns.timestamps_ms));
            }
        }
        out.sort();
        out
    }
}

#[test]
fn stores_what_the_long_way_stores() {
    let (quick, long) = (rig(false), rig(true));
    for step in 0..4 {
        let body = body(NOW_MS - 60_000 + step * 15_000, step as f64 + 0.5);
        assert_eq!(quick.knows(&body), step > 0, "step {step}");
        assert!(!long.knows(&body), "metadata goes the long way");
        quick.write(&body).expect("stored");
        long.write(&body).expect("stored");
    }
    let stored = quick.stored();
    assert_eq!(stored, long.stored());
    // Two of the sum, two of the gauge, five of the histogram and what is known of the resource.
    assert_eq!(stored.len(), 20);
}

#[test]
fn refusals_are_told_as_ever_and_keep_nothing() {
    let (quick, long) = (rig(false), rig(true));
    for rig in [&quick, &long] {
        rig.write(&body(NOW_MS - 15_000, 1.0)).expect("stored");
        rig.write(&body(NOW_MS, 2.0)).expect("stored");
    }
    let stored = quick.stored();
    let late = body(NOW_MS - 15_000, 3.0);
    assert!(quick.knows(&late));
    let said = quick.write(&late).expect_err("out of order");
    assert_eq!(said, long.write(&late).expect_err("out of order"));
    let ahead = body(NOW_MS + 3_600_000, 3.0);
    assert!(!quick.knows(&ahead));
    assert_eq!(quick.write(&ahead), long.write(&ahead));
    assert_eq!(quick.stored(), stored);
}

#[test]
fn another_configuration_makes_other_series() {
    let rig = rig(false);
    let (first, second) = (body(NOW_MS - 15_000, 1.0), body(NOW_MS, 2.0));
    rig.write(&first).expect("stored");
    rig.config.store(Arc::new(Config { promoted: vec!["region".into()], ..Config::default() }));
    assert!(!rig.knows(&second));
    rig.write(&second).expect("stored");
    assert!(
        rig.stored()
            .iter()
            .any(|series| series.contains("region=north") && series.contains("requests"))
    );
    assert!(rig.knows(&second));
}
