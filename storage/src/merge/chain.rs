//! Samples of one series from several sources to one run in time order.

use super::SourceHeap;
use chunk::SampleColumns;

/// Appends the samples of all `sources` to `out`, in time order, one for each time.
///
/// Which of several samples at one time stays is Prometheus' choice: reading goes on in the current source while it
/// is strictly ahead of all others; once it is not, it joins the heap and the top of the heap becomes the current one.
/// So of two sources with equal times the second wins, and with partial overlap the winner alternates.
pub fn chain_samples(sources: &[SampleColumns], out: &mut SampleColumns) {
    let mut next = vec![0usize; sources.len()];
    let time = |next: &[usize], source: usize| sources[source].timestamps_ms[next[source]];
    let mut heap = SourceHeap::default();
    for (source, columns) in sources.iter().enumerate().skip(1) {
        if !columns.is_empty() {
            heap.push(source, |a, b| time(&next, a) < time(&next, b));
        }
    }
    let Some(mut current) = (!sources.is_empty()).then_some(0) else { return };
    let mut last_ms = None;
    // The current source stands before its next sample, those in the heap stand at theirs.
    loop {
        let begin = next[current];
        let times = &sources[current].timestamps_ms[begin..];
        let skipped = usize::from(times.first().is_some_and(|&t| Some(t) == last_ms));
        let bound = heap.top().map(|top| time(&next, top));
        let run = times[skipped..].iter().take_while(|&&t| bound.is_none_or(|b| t < b)).count();
        let end = begin + skipped + run;
        out.timestamps_ms.extend_from_slice(&sources[current].timestamps_ms[begin + skipped..end]);
        out.values.extend_from_slice(&sources[current].values[begin + skipped..end]);
        if run > 0 {
            last_ms = Some(sources[current].timestamps_ms[end - 1]);
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
        let source = &sources[current];
        out.push(source.timestamps_ms[next[current]], source.values[next[current]]);
        last_ms = Some(source.timestamps_ms[next[current]]);
        next[current] += 1;
    }
}
