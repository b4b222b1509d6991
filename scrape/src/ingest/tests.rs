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
    forgotten: u64,
    rows: Vec<(u64, i64, f64)>,
}

impl Appender for &mut Forgetful {
    fn resolve(
        &mut self,
        labels: LabelBatch<'_>,
        refs: &mut Vec<Option<SeriesRef>>,
        _rejected: &mut Vec<Rejected>,
    ) -> storage::Result<()> {
        for row in 0..labels.len() {
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
            }
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
    // The marker of a series that is forgotten once more is resolved as well.
    storage.forgotten = 3;
    storage.rows.clear();
    let (_, result) = ingest.append((Format::Text, b"b 3\n"), 3000, &rules, &mut &mut storage);
    result.expect("a good body");
    let marker = storage.rows.last().expect("a marker");
    assert_eq!((storage.known[marker.0 as usize - 1].get("le"), marker.1), (Some("1.0"), 3000));
    assert!(model::is_stale_nan(marker.2));
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
