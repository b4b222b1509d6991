//! Samples of one series from several sources to one run in time order.

use super::SourceHeap;
use chunk::SampleColumns;
use chunk::exact::{ExactSample, ExactValue};
use model::histogram::{CounterResetHint, HistogramView};
use std::ops::Range;

/// Appends the samples of all `sources` to `out`, in time order, one for each time.
///
/// Which of several samples at one time stays is Prometheus' choice: reading goes on in the current source while it
/// is strictly ahead of all others; once it is not, it joins the heap and the top of the heap becomes the current one.
/// So of two sources with equal times the second wins, and with partial overlap the winner alternates.
pub fn chain_samples(sources: &[SampleColumns], out: &mut SampleColumns) {
    if sources.iter().all(|source| source.histograms.is_empty()) {
        let times: Vec<&[i64]> = sources.iter().map(|source| &source.timestamps_ms[..]).collect();
        chain(&times, &mut |source, places, _| {
            out.extend_floats(&sources[source], places);
        });
        return;
    }
    let merged: Vec<Vec<(i64, Place)>> = sources.iter().map(in_order).collect();
    let times: Vec<Vec<i64>> =
        merged.iter().map(|places| places.iter().map(|(time, _)| *time).collect()).collect();
    let times: Vec<&[i64]> = times.iter().map(Vec::as_slice).collect();
    chain(&times, &mut |source, places, mut goes_on| {
        let columns = &sources[source];
        for (time, place) in &merged[source][places] {
            match place {
                Place::Float(place) => {
                    out.push_started(*time, columns.values[*place], columns.start_ms(*place));
                }
                Place::Histogram(place) => {
                    let view = columns.histograms.get(*place);
                    let hint = if goes_on { view.hint } else { after_a_gap(view.hint) };
                    out.histograms.push(*time, HistogramView { hint, ..view });
                    let start_ms = columns.histograms.start_ms(*place);
                    out.histograms.set_start_ms(out.histograms.len() - 1, start_ms);
                }
            }
            goes_on = true;
        }
    });
}

/// [`chain_samples`] of samples that are to be encoded again.
pub fn chain_exact(sources: &[Vec<ExactSample>], out: &mut Vec<ExactSample>) {
    let times: Vec<Vec<i64>> = sources
        .iter()
        .map(|source| source.iter().map(|sample| sample.timestamp_ms).collect())
        .collect();
    let times: Vec<&[i64]> = times.iter().map(Vec::as_slice).collect();
    chain(&times, &mut |source, places, mut goes_on| {
        for sample in &sources[source][places] {
            let mut sample = sample.clone();
            if let ExactValue::Histogram(histogram) = &mut sample.value
                && !goes_on
            {
                histogram.set_hint(after_a_gap(histogram.hint()));
            }
            out.push(sample);
            goes_on = true;
        }
    });
}

/// What is known of a counter whose sample before came from elsewhere: nothing.
fn after_a_gap(hint: CounterResetHint) -> CounterResetHint {
    match hint {
        CounterResetHint::Gauge => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    }
}

/// Where a sample of a source with both kinds is.
#[derive(Clone, Copy)]
enum Place {
    Float(usize),
    Histogram(usize),
}

/// All samples of a source by time.
fn in_order(columns: &SampleColumns) -> Vec<(i64, Place)> {
    let floats = columns.timestamps_ms.iter().enumerate();
    let histograms = columns.histograms.timestamps_ms().iter().enumerate();
    let mut all: Vec<(i64, Place)> = floats
        .map(|(place, &time)| (time, Place::Float(place)))
        .chain(histograms.map(|(place, &time)| (time, Place::Histogram(place))))
        .collect();
    all.sort_by_key(|(time, _)| *time);
    all
}

/// Calls `emit` with the source and the places of the next samples, in time order, and whether the first of them
/// follows what was emitted before in its source.
fn chain(sources: &[&[i64]], emit: &mut dyn FnMut(usize, Range<usize>, bool)) {
    let mut next = vec![0usize; sources.len()];
    let time = |next: &[usize], source: usize| sources[source][next[source]];
    let mut heap = SourceHeap::default();
    for (source, times) in sources.iter().enumerate().skip(1) {
        if !times.is_empty() {
            heap.push(source, |a, b| time(&next, a) < time(&next, b));
        }
    }
    let Some(mut current) = (!sources.is_empty()).then_some(0) else { return };
    let mut last_ms = None;
    // The current source stands before its next sample, those in the heap stand at theirs.
    loop {
        let begin = next[current];
        let times = &sources[current][begin..];
        let skipped = usize::from(times.first().is_some_and(|&t| Some(t) == last_ms));
        let bound = heap.top().map(|top| time(&next, top));
        let run = times[skipped..].iter().take_while(|&&t| bound.is_none_or(|b| t < b)).count();
        let end = begin + skipped + run;
        if run > 0 {
            emit(current, begin + skipped..end, last_ms.is_some());
            last_ms = Some(sources[current][end - 1]);
        }
        next[current] = end;
        if end < sources[current].len() {
            heap.push(current, |a, b| time(&next, a) < time(&next, b));
        }
        loop {
            let Some(top) = heap.pop(|a, b| time(&next, a) < time(&next, b)) else { return };
            current = top;
            if Some(time(&next, current)) != last_ms {
                break;
            }
            // A sample at a time that is already there: skip it and let the heap decide again.
            next[current] += 1;
            if next[current] < sources[current].len() {
                let ahead = heap.top().is_none_or(|top| time(&next, current) < time(&next, top));
                if ahead {
                    break;
                }
                heap.push(current, |a, b| time(&next, a) < time(&next, b));
            }
        }
        // The top of the heap stays current for this one sample even if another source has the same time.
        emit(current, next[current]..next[current] + 1, false);
        last_ms = Some(time(&next, current));
        next[current] += 1;
    }
}
