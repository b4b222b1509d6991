//! What `ingest` promises, case by case.

use super::*;
use crate::config::Limits;
use expfmt::Place;
use model::validate::NameValidation;
use std::sync::Arc;
use storage::FloatBatch;

/// Gives out references and forgets them on demand.
#[derive(Default)]
struct Forgetful {
    known: Vec<Labels>,
    /// How many series there may be; `None` for as many as come.
    max_series: Option<usize>,
    forgotten: u64,
    rows: Vec<(u64, i64, f64)>,
    /// Time, start and count of histograms.
    histograms: Vec<(i64, i64, f64)>,
    /// Rows that must not come late.
    in_order_only: Vec<(u64, i64, f64)>,
}

impl Appender for &mut Forgetful {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        for row in 0..labels.len() {
            if self.max_series.is_some_and(|max| self.known.len() >= max) {
                rejected.push(Rejected { row: row as u32, reason: RejectReason::SeriesLimit });
                refs.push(None);
                continue;
            }
            self.known.push(Labels::from_pairs(labels.get(row).iter().copied()));
            refs.push(SeriesRef::new(self.known.len() as u64));
        }
        Ok(())
    }

    fn append_floats(
        &mut self,
        batch: FloatBatch<'_>,
        rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let (refs, timestamps_ms, values) = batch.columns();
        for (row, series) in refs.iter().enumerate() {
            if series.get() <= self.forgotten {
                let reason = RejectReason::UnknownRef;
                rejected.push(Rejected { row: row as u32, reason });
            } else {
                self.rows.push((series.get(), timestamps_ms[row], values[row]));
                if batch.is_in_order_only() {
                    self.in_order_only.extend(self.rows.last());
                }
            }
        }
        Ok(())
    }

    fn append_histograms(
        &mut self,
        batch: storage::HistogramBatch<'_>,
        _rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        let (_, timestamps_ms, values) = batch.columns();
        for (row, histogram) in values.iter().enumerate() {
            let start_ms = batch.start_timestamps_ms()[row];
            self.histograms.push((timestamps_ms[row], start_ms, histogram.to_float().count));
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> storage::Result<()> {
        Ok(())
    }
}

fn rules() -> SampleRules {
    SampleRules {
        labels: LabelRules {
            target_labels: Labels::from_pairs([("job", "j")]),
            honor_labels: false,
            metric_relabel: Arc::new([]),
            validation_scheme: NameValidation::Utf8,
            limits: Limits::default(),
        },
        honor_timestamps: true,
        track_timestamps_staleness: false,
        sample_limit: 0,
        interval_ms: 15_000,
        parse: ParseOptions::default(),
        histograms: HistogramLimits::default(),
        features: Features::default(),
    }
}

#[test]
fn series_that_the_storage_forgot_are_resolved_again() {
    let (mut ingest, rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    let body: &[u8] = b"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nb 2\n";
    let (counts, result) = ingest.append((Format::Text, body), 1000, &rules, &mut &mut storage);
    result.expect("a good body");
    assert_eq!((counts.scraped, counts.series_added), (2, 2));
    storage.forgotten = 1;
    storage.rows.clear();
    let (counts, result) = ingest.append((Format::Text, body), 2000, &rules, &mut &mut storage);
    result.expect("a good body");
    assert_eq!((counts.scraped, counts.series_added), (2, 0));
    assert_eq!(storage.rows, [(2, 2000, 2.0), (3, 2000, 1.0)]);
    assert_eq!(storage.known[0], storage.known[2], "by the same type as at first");
    // The storage does not forget so soon; where it does, there is no marker.
    storage.forgotten = 3;
    storage.rows.clear();
    let (_, result) = ingest.append((Format::Text, b"b 3\n"), 3000, &rules, &mut &mut storage);
    result.expect("a good body");
    assert_eq!(storage.rows, [(4, 3000, 3.0)]);
}

#[test]
fn series_that_were_forgotten_between_rare_scrapes_get_their_markers() {
    let (mut ingest, mut rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    rules.interval_ms = 4 * 3600 * 1000;
    let body: &[u8] = b"# TYPE a gauge\na{x=\"1\"} 1\nb 2\nc 3\n";
    let (_, result) = ingest.append((Format::Text, body), 1000, &rules, &mut &mut storage);
    result.expect("a good body");
    storage.forgotten = 2;
    let later = 1000 + rules.interval_ms;
    let (_, result) = ingest.append((Format::Text, b"c 4\n"), later, &rules, &mut &mut storage);
    result.expect("a good body");
    let marked: Vec<_> = storage.in_order_only.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(marked, [(4, later), (5, later)]);
    assert_eq!(storage.known[3..], storage.known[..2]);
    // Nothing came after that: what is left vanishes.
    storage.forgotten = 5;
    storage.in_order_only.clear();
    ingest.append_nothing(2 * later, &rules, &mut &mut storage).expect("markers");
    assert_eq!(storage.in_order_only.len(), 1);
    assert_eq!(storage.known[5], storage.known[2]);
    assert!(ingest.last_body.is_none(), "nothing is left to vanish");
}

#[test]
fn bodies_are_kept_where_their_samples_are_old() {
    let (mut ingest, mut rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    let hour_ms = 3600 * 1000;
    let body: &[u8] = b"old 1 1\nnew 2\n";
    let (_, result) = ingest.append((Format::Text, body), hour_ms, &rules, &mut &mut storage);
    result.expect("a good body");
    assert!(ingest.last_body.is_none(), "the old one may vanish without a word");
    rules.track_timestamps_staleness = true;
    let (_, result) = ingest.append((Format::Text, body), hour_ms + 1, &rules, &mut &mut storage);
    result.expect("a good body");
    assert!(ingest.last_body.is_some());
}

#[test]
fn a_broken_body_leaves_markers_for_what_it_did_not_reach() {
    let (mut ingest, rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    ingest
        .append((Format::Text, b"a 1\nb 1\n"), 1000, &rules, &mut &mut storage)
        .1
        .expect("a good body");
    let (counts, result) =
        ingest.append((Format::Text, b"a 2\n{\nb 2\n"), 2000, &rules, &mut &mut storage);
    assert!(
        matches!(result, Err(Error::Parse(error)) if matches!(error.place, Place::Text { line: 2, .. }))
    );
    assert_eq!(counts.scraped, 1);
    storage.rows.clear();
    ingest.append_nothing(2000, &rules, &mut &mut storage).expect("markers");
    assert_eq!(storage.rows.len(), 1);
    assert_eq!(storage.known[storage.rows[0].0 as usize - 1].get("__name__"), Some("b"));
}

#[test]
fn markers_and_zeros_must_not_come_late() {
    let (mut ingest, mut rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    rules.features.zero_samples = true;
    rules.parse.start_timestamps = true;
    let body: &[u8] = b"# TYPE c counter\nc_total 5\nc_created 0.5\nd 1\n# EOF\n";
    let (_, result) = ingest.append((Format::OpenMetrics, body), 1000, &rules, &mut &mut storage);
    result.expect("a good body");
    assert_eq!(storage.in_order_only, [(1, 500, 0.0)]);
    assert_eq!(storage.rows, [(1, 500, 0.0), (1, 1000, 5.0), (2, 1000, 1.0)]);
    storage.in_order_only.clear();
    let body: &[u8] = b"# TYPE c counter\nc_total 5\nc_created 0.5\n# EOF\n";
    let (_, result) = ingest.append((Format::OpenMetrics, body), 2000, &rules, &mut &mut storage);
    result.expect("a good body");
    assert_eq!((storage.in_order_only[0].0, storage.in_order_only.len()), (2, 1));
    assert!(model::is_stale_nan(storage.in_order_only[0].2));
}

#[test]
fn beyond_a_soft_limit_known_series_go_on() {
    let (mut ingest, mut rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    rules.labels.limits.mode = crate::config::LimitMode::KeepExisting;
    rules.labels.limits.label_limit = 2;
    rules.sample_limit = 2;
    let mut append = |body: &[u8], now_ms: i64| {
        storage.rows.clear();
        let (counts, result) =
            ingest.append((Format::Text, body), now_ms, &rules, &mut &mut storage);
        result.expect("nothing fails");
        let names: Vec<_> = storage
            .rows
            .iter()
            .filter(|(_, _, value)| !model::is_stale_nan(*value))
            .map(|(series, ..)| {
                storage.known[*series as usize - 1].get("__name__").map(str::to_owned)
            })
            .map(Option::unwrap_or_default)
            .collect();
        (names.concat(), counts.left_out, counts.after_relabelling)
    };
    assert_eq!(append(b"a 1\nl{x=\"y\"} 1\nb 1\nc 1\n", 1000), ("ab".into(), 2, 2));
    // New series first: the known ones have their places all the same.
    assert_eq!(append(b"d 1\nl{x=\"y\"} 1\nb 1\na 1\n", 2000), ("ba".into(), 2, 2));
    // A place is free once its series has been missing for a scrape.
    assert_eq!(append(b"d 1\nb 1\n", 3000), ("b".into(), 1, 1));
    assert_eq!(append(b"d 1\nb 1\n", 4000), ("db".into(), 0, 2));
}

#[test]
fn a_storage_without_room_gets_the_samples_of_known_series() {
    let (mut ingest, rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    let mut append = |storage: &mut Forgetful, body: &[u8], now_ms: i64| {
        storage.rows.clear();
        let (counts, result) =
            ingest.append((Format::Text, body), now_ms, &rules, &mut &mut *storage);
        result.expect("nothing fails");
        let rows: Vec<_> = storage.rows.iter().map(|&(series, _, value)| (series, value)).collect();
        (rows, counts.left_out, counts.series_added)
    };
    storage.max_series = Some(2);
    let body = b"a 1\nb 2\nc 3\nc 4\nd 5\n";
    assert_eq!(append(&mut storage, body, 1000), (vec![(1, 1.0), (2, 2.0)], 2, 2));
    assert_eq!(
        append(&mut storage, b"d 5\nb 2\nc 3\na 1\n", 2000),
        (vec![(2, 2.0), (1, 1.0)], 2, 0)
    );
    // As soon as there is room, the others are taken.
    storage.max_series = Some(3);
    let body = b"d 5\nb 2\nc 3\na 1\n";
    assert_eq!(append(&mut storage, body, 3000), (vec![(3, 5.0), (2, 2.0), (1, 1.0)], 1, 1));
    // A series that the storage dropped and has no room for any more is new again.
    storage.forgotten = 1;
    assert_eq!(append(&mut storage, body, 4000), (vec![(3, 5.0), (2, 2.0)], 2, 0));
    storage.max_series = None;
    let (rows, left_out, added) = append(&mut storage, body, 5000);
    assert_eq!((rows.len(), left_out, added), (4, 0, 2));
}

/// A page of one native histogram with a single bucket.
fn native_page(count: f64) -> Vec<u8> {
    use expfmt::encode::{Encoder, Family, FamilyHead, FamilyType, Metric, MetricValue};
    use model::histogram::{FloatHistogram, Layout, Span};
    let spans = vec![Span { offset: 0, length: 1 }];
    let layout = Arc::new(Layout { positive_spans: spans, ..Layout::default() });
    let positive = vec![count];
    let histogram =
        FloatHistogram { layout, count, sum: count, positive, ..FloatHistogram::default() };
    let encoder = Encoder::new(expfmt::encode::Wanted {
        notation: expfmt::encode::Notation::ProtoDelimited,
        escaping: model::validate::EscapingScheme::AllowUtf8,
    });
    let (mut family, mut page) = (Family::default(), Vec::new());
    let kind = FamilyType::Histogram;
    encoder.begin(&mut family, &FamilyHead { name: "h", help: None, kind });
    let value = MetricValue::Native(histogram.view());
    encoder.metric(&mut family, kind, &Metric { labels: &[], value, timestamp_ms: None });
    encoder.end(&mut family, &mut page);
    page
}

#[test]
fn native_histograms_get_starts() {
    let (mut ingest, mut rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    rules.features.synthesise_starts = true;
    rules.features.start_timestamps = true;
    for (timestamp_ms, count) in [(1000, 5.0), (2000, 6.0), (3000, 9.0), (4000, 2.0), (5000, 3.0)] {
        let body = native_page(count);
        let (counts, result) =
            ingest.append((Format::Protobuf, &body), timestamp_ms, &rules, &mut &mut storage);
        result.expect("a good body");
        assert_eq!(counts.scraped, 1);
    }
    let expected = [(2000, 1000, 1.0), (3000, 1000, 4.0), (4000, 3999, 2.0), (5000, 3999, 3.0)];
    assert_eq!(storage.histograms, expected);
}

#[test]
fn summaries_get_no_starts() {
    let (mut ingest, mut rules, mut storage) = (Ingest::default(), rules(), Forgetful::default());
    rules.features.synthesise_starts = true;
    let body: &[u8] = b"# TYPE s summary\ns_sum 1\ns_count 2\n";
    ingest.append((Format::Text, body), 1000, &rules, &mut &mut storage).1.expect("a good body");
    assert_eq!(storage.rows, [(1, 1000, 1.0), (2, 1000, 2.0)]);
}
