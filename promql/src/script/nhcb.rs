//! `load_with_nhcb`: the classic histograms of a load once more, as native ones with custom buckets.

use super::histogram::HistogramItem;
use super::{Item, Load, SeriesLine};
use model::float::parse_float;
use model::histogram::ClassicHistogram;
use model::{Labels, LabelsBuilder, METRIC_NAME};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a series says of its histogram.
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

/// The part that a series is, and the labels of its histogram.
fn part(labels: &Labels) -> Option<(Part, Labels)> {
    let name = labels.get(METRIC_NAME)?;
    let (part, base) = if let Some(base) = name.strip_suffix("_bucket") {
        let bound = parse_float(labels.get("le")?).ok().filter(|bound| !bound.is_nan())?;
        (Part::Bucket(bound), base)
    } else if let Some(base) = name.strip_suffix("_sum") {
        (Part::Sum, base)
    } else {
        (Part::Count, name.strip_suffix("_count")?)
    };
    let mut out = LabelsBuilder::new();
    labels.iter().filter(|(name, _)| *name != "le").for_each(|(name, value)| {
        out.set(name, value);
    });
    out.set(METRIC_NAME, base);
    Some((part, out.labels()))
}

/// The series of native histograms that the classic ones of `load` become.
pub(super) fn converted(load: &Load) -> Result<Vec<SeriesLine>, String> {
    let mut histograms: BTreeMap<Labels, BTreeMap<usize, ClassicHistogram>> = BTreeMap::new();
    for series in &load.series {
        let Some((part, labels)) = part(&series.labels) else { continue };
        let by_place = histograms.entry(labels).or_default();
        for (place, item) in series.items.iter().enumerate() {
            let Item::Value(value) = item else { continue };
            let classic = by_place.entry(place).or_default();
            match part {
                Part::Bucket(bound) => classic.set_bucket(bound, *value),
                Part::Count => classic.set_count(*value),
                Part::Sum => classic.set_sum(*value),
            }
        }
    }
    let lines = histograms.into_iter().map(|(labels, by_place)| {
        let mut items = Vec::new();
        for (place, mut classic) in by_place {
            let value = classic.convert().map_err(|error| format!("{labels}: {error}"))?;
            items.resize(place, Item::Omitted);
            items.push(Item::Histogram(HistogramItem {
                value: Arc::new(value.to_float()),
                hint_given: false,
            }));
        }
        Ok(SeriesLine { labels, items, starts_ms: Vec::new() })
    });
    lines.collect()
}
