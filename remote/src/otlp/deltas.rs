//! Deltas summed up: each stream of points that tell what was added becomes one that tells the total. Streams that fall
//! silent are forgotten, and begin anew when they come back.

use super::message::{
    Attribute, Buckets, Common, Data, ExponentialPoint, HistogramPoint, Metric, NumberPoint,
    Resource, Temporality,
};
use super::values;
use model::hash::{BuildHasher as SeededHasher, HashMap};
use std::hash::BuildHasher;

/// How long a stream is remembered without points.
const MAX_SILENCE_MS: i64 = 5 * 60 * 1000;

/// The most buckets of a side: totals with more become coarser.
const MAX_BUCKETS: i64 = 160;

/// What a stream came to.
#[derive(Debug)]
enum Total {
    Number(f64),
    Histogram { count: u64, sum: Option<f64>, buckets: Vec<u64>, bounds: Vec<f64> },
    Exponential { count: u64, sum: Option<f64>, zero_count: u64, scale: i32, sides: [Buckets; 2] },
}

#[derive(Debug)]
struct Stream {
    start_ns: u64,
    last_ns: u64,
    /// When it was heard of last, by our clock.
    heard_ms: i64,
    total: Total,
}

/// 128 bits of seeded hash stand for resource, scope, metric and attributes.
type Key = [u64; 2];

/// The streams of a receiver.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    hashers: [SeededHasher; 2],
    streams: HashMap<Key, Stream>,
    swept_ms: i64,
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends attributes in the order of their keys.
fn push_attributes(out: &mut Vec<u8>, attributes: &[Attribute<'_>]) {
    let mut sorted: Vec<&Attribute<'_>> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    for attribute in sorted {
        push_text(out, &attribute.key);
        push_text(out, &values::text(&attribute.value));
    }
    out.push(0xFF);
}

impl Deltas {
    /// Turns the deltas of a request into totals. Points that come too late are dropped.
    pub(super) fn sum_up(&mut self, resources: &mut [Resource<'_>], now_ms: i64) {
        if now_ms.saturating_sub(self.swept_ms) > MAX_SILENCE_MS {
            self.swept_ms = now_ms;
            let oldest_ms = now_ms.saturating_sub(MAX_SILENCE_MS);
            self.streams.retain(|_, stream| stream.heard_ms >= oldest_ms);
        }
        let mut identity = Vec::new();
        for resource in resources {
            identity.clear();
            push_attributes(&mut identity, &resource.attributes);
            let of_resource = identity.len();
            for scope in &mut resource.scopes {
                identity.truncate(of_resource);
                push_text(&mut identity, &scope.name);
                push_text(&mut identity, &scope.version);
                push_attributes(&mut identity, &scope.attributes);
                let of_scope = identity.len();
                for metric in &mut scope.metrics {
                    identity.truncate(of_scope);
                    push_text(&mut identity, &metric.name);
                    push_text(&mut identity, &metric.unit);
                    self.metric(metric, &mut identity, now_ms);
                }
            }
        }
    }

    fn metric(&mut self, metric: &mut Metric<'_>, identity: &mut Vec<u8>, now_ms: i64) {
        match &mut metric.data {
            Data::Sum { points, temporality: temporality @ Temporality::Delta, is_monotonic } => {
                identity.push(u8::from(*is_monotonic));
                points.retain_mut(|point| self.point(point, identity, now_ms));
                *temporality = Temporality::Cumulative;
            }
            Data::Histogram { points, temporality: temporality @ Temporality::Delta } => {
                identity.push(2);
                points.retain_mut(|point| self.point(point, identity, now_ms));
                *temporality = Temporality::Cumulative;
            }
            Data::Exponential { points, temporality: temporality @ Temporality::Delta } => {
                identity.push(3);
                points.retain_mut(|point| self.point(point, identity, now_ms));
                *temporality = Temporality::Cumulative;
            }
            _ => {}
        }
    }

    /// Adds a point to its stream and makes it tell the total; `false` if it comes too late.
    fn point<P: Point>(&mut self, point: &mut P, identity: &mut Vec<u8>, now_ms: i64) -> bool {
        let len = identity.len();
        push_attributes(identity, &point.common().attributes);
        let key = self.hashers.each_ref().map(|hasher| hasher.hash_one(identity.as_slice()));
        identity.truncate(len);
        let (start_ns, time_ns) = (point.common().start_ns, point.common().time_ns);
        if point.common().has_no_value() {
            self.streams.remove(&key);
            return true;
        }
        let Some(stream) = self.streams.get_mut(&key) else {
            let total = point.total();
            let stream = Stream { start_ns, last_ns: time_ns, heard_ms: now_ms, total };
            self.streams.insert(key, stream);
            return true;
        };
        if start_ns < stream.start_ns || time_ns <= stream.last_ns {
            return false;
        }
        (stream.last_ns, stream.heard_ms) = (time_ns, now_ms);
        if point.add_to(&mut stream.total) {
            point.set_start(stream.start_ns);
        } else {
            // Other buckets than before: the total begins anew.
            (stream.start_ns, stream.total) = (start_ns, point.total());
        }
        true
    }
}

/// A point of a kind that can be summed up.
trait Point {
    fn common(&self) -> &Common<'_>;
    fn set_start(&mut self, start_ns: u64);
    /// The point as the beginning of a total.
    fn total(&self) -> Total;
    /// Adds the point and takes over the sum; `false` if the two cannot be added.
    fn add_to(&mut self, total: &mut Total) -> bool;
}

impl Point for NumberPoint<'_> {
    fn common(&self) -> &Common<'_> {
        &self.common
    }

    fn set_start(&mut self, start_ns: u64) {
        self.common.start_ns = start_ns;
    }

    fn total(&self) -> Total {
        Total::Number(self.value)
    }

    fn add_to(&mut self, total: &mut Total) -> bool {
        let Total::Number(sum) = total else { return false };
        *sum += self.value;
        self.value = *sum;
        true
    }
}

fn add_sums(total: &mut Option<f64>, sum: &mut Option<f64>) {
    *total = total.zip(*sum).map(|(total, sum)| total + sum);
    *sum = *total;
}

impl Point for HistogramPoint<'_> {
    fn common(&self) -> &Common<'_> {
        &self.common
    }

    fn set_start(&mut self, start_ns: u64) {
        self.common.start_ns = start_ns;
    }

    fn total(&self) -> Total {
        Total::Histogram {
            count: self.count,
            sum: self.sum,
            buckets: self.buckets.clone(),
            bounds: self.bounds.clone(),
        }
    }

    fn add_to(&mut self, total: &mut Total) -> bool {
        let Total::Histogram { count, sum, buckets, bounds } = total else { return false };
        if *bounds != self.bounds || buckets.len() != self.buckets.len() {
            return false;
        }
        *count = count.wrapping_add(self.count);
        self.count = *count;
        add_sums(sum, &mut self.sum);
        for (total, bucket) in buckets.iter_mut().zip(&self.buckets) {
            *total = total.wrapping_add(*bucket);
        }
        self.buckets.clone_from(buckets);
        true
    }
}

impl Point for ExponentialPoint<'_> {
    fn common(&self) -> &Common<'_> {
        &self.common
    }

    fn set_start(&mut self, start_ns: u64) {
        self.common.start_ns = start_ns;
    }

    fn total(&self) -> Total {
        Total::Exponential {
            count: self.count,
            sum: self.sum,
            zero_count: self.zero_count,
            scale: self.scale,
            sides: [self.positive.clone(), self.negative.clone()],
        }
    }

    fn add_to(&mut self, total: &mut Total) -> bool {
        let Total::Exponential { count, sum, zero_count, scale, sides } = total else {
            return false;
        };
        *count = count.wrapping_add(self.count);
        self.count = *count;
        add_sums(sum, &mut self.sum);
        *zero_count = zero_count.wrapping_add(self.zero_count);
        self.zero_count = *zero_count;
        let own = [&mut self.positive, &mut self.negative];
        let mut common = (*scale).min(self.scale);
        let shifted = |buckets: &Buckets, from: i32, to: i32| {
            let shift = from.saturating_sub(to).clamp(0, 62);
            let end = i64::from(buckets.offset) + buckets.counts.len() as i64 - 1;
            (i64::from(buckets.offset) >> shift, end >> shift)
        };
        // The two sides keep one scale.
        while sides.iter().zip(&own).any(|(total, own)| {
            let (a, b) = (shifted(total, *scale, common), shifted(own, self.scale, common));
            let is_empty = total.counts.is_empty() || own.counts.is_empty();
            !is_empty && a.1.max(b.1) - a.0.min(b.0) >= MAX_BUCKETS
        }) {
            common -= 1;
        }
        for (total, own) in sides.iter_mut().zip(own) {
            let [a, b] = [coarser(total, *scale, common), coarser(own, self.scale, common)];
            *total = sum_of(&a, &b);
            own.clone_from(total);
        }
        (*scale, self.scale) = (common, common);
        true
    }
}

/// The same buckets at a coarser scale.
fn coarser(buckets: &Buckets, from: i32, to: i32) -> Buckets {
    let shift = from.saturating_sub(to).clamp(0, 62);
    let index = |at: usize| (i64::from(buckets.offset) + at as i64) >> shift;
    let first = index(0);
    let mut counts: Vec<u64> = Vec::new();
    for (at, count) in buckets.counts.iter().enumerate() {
        let place = (index(at) - first) as usize;
        counts.resize(counts.len().max(place + 1), 0);
        counts[place] = counts[place].wrapping_add(*count);
    }
    Buckets { offset: first as i32, counts }
}

/// The sum of two sides of one scale.
fn sum_of(a: &Buckets, b: &Buckets) -> Buckets {
    if a.counts.is_empty() || b.counts.is_empty() {
        return if a.counts.is_empty() { b.clone() } else { a.clone() };
    }
    let end = |side: &Buckets| i64::from(side.offset) + side.counts.len() as i64;
    let offset = a.offset.min(b.offset);
    let mut counts = vec![0_u64; (end(a).max(end(b)) - i64::from(offset)) as usize];
    for side in [a, b] {
        let begin = (i64::from(side.offset) - i64::from(offset)) as usize;
        for (total, count) in counts[begin..].iter_mut().zip(&side.counts) {
            *total = total.wrapping_add(*count);
        }
    }
    Buckets { offset, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(
        time_ns: u64,
        scale: i32,
        offset: i32,
        counts: &[u64],
    ) -> ExponentialPoint<'static> {
        ExponentialPoint {
            common: Common { time_ns, ..Common::default() },
            count: counts.iter().sum(),
            sum: Some(1.0),
            scale,
            positive: Buckets { offset, counts: counts.to_vec() },
            ..ExponentialPoint::default()
        }
    }

    fn sum_up(deltas: &mut Deltas, data: Data<'static>, now_ms: i64) -> Data<'static> {
        let metric = Metric { name: "m".into(), data, ..Metric::default() };
        let scope = super::super::message::Scope { metrics: vec![metric], ..Default::default() };
        let mut resources = [Resource { scopes: vec![scope], ..Resource::default() }];
        deltas.sum_up(&mut resources, now_ms);
        resources[0].scopes[0].metrics[0].data.clone()
    }

    fn number(time_ns: u64, value: f64) -> Data<'static> {
        let common = Common { time_ns, start_ns: time_ns - 1, ..Common::default() };
        let points = vec![NumberPoint { common, value, ..NumberPoint::default() }];
        Data::Sum { points, temporality: Temporality::Delta, is_monotonic: true }
    }

    /// Times, starts and values of a sum.
    fn told(data: &Data<'_>) -> Vec<(u64, u64, f64)> {
        let Data::Sum { points, temporality: Temporality::Cumulative, .. } = data else {
            panic!("no total: {data:?}")
        };
        points.iter().map(|p| (p.common.time_ns, p.common.start_ns, p.value)).collect()
    }

    #[test]
    fn totals_grow_until_the_stream_falls_silent() {
        let mut deltas = Deltas::default();
        assert_eq!(told(&sum_up(&mut deltas, number(10, 2.0), 0)), [(10, 9, 2.0)]);
        assert_eq!(told(&sum_up(&mut deltas, number(20, 3.0), 1)), [(20, 9, 5.0)]);
        assert_eq!(told(&sum_up(&mut deltas, number(20, 3.0), 2)), []);
        let later = 2 * MAX_SILENCE_MS;
        assert_eq!(told(&sum_up(&mut deltas, number(30, 4.0), later)), [(30, 29, 4.0)]);
    }

    #[test]
    fn exponential_buckets_meet_at_the_coarser_scale() {
        let mut deltas = Deltas::default();
        let data =
            |point| Data::Exponential { points: vec![point], temporality: Temporality::Delta };
        sum_up(&mut deltas, data(exponential(1, 1, 0, &[1, 2, 3, 4])), 0);
        let total = sum_up(&mut deltas, data(exponential(2, 0, 1, &[5, 6])), 0);
        let Data::Exponential { points, .. } = total else { panic!("no total") };
        assert_eq!((points[0].scale, points[0].count, points[0].sum), (0, 21, Some(2.0)));
        assert_eq!(points[0].positive, Buckets { offset: 0, counts: vec![3, 12, 6] });
        let far = sum_up(&mut deltas, data(exponential(3, 0, i32::MAX, &[1])), 0);
        let Data::Exponential { points, .. } = far else { panic!("no total") };
        assert!(points[0].positive.counts.len() <= MAX_BUCKETS as usize);
        assert_eq!(points[0].positive.counts.iter().sum::<u64>(), 22);
    }
}
