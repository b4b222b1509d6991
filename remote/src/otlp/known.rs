//! The quick way through a request whose series are known: sums, gauges and classic histograms are recognised by the
//! bytes that their labels are made of, and nothing is translated. A request with anything else in it, with a series
//! that is not known or with a sample that is refused goes the long way, which finds the words for what is wrong.

use super::config::Config;
use super::message::Temporality;
use super::rows::Samples;
use super::{Options, labels, protobuf, translate};
use crate::proto::{Fields, Value};
use crate::receive::{Joint, Key, SeriesCache};
use model::SeriesRef;
use parking_lot::Mutex;
use std::sync::Arc;

/// The references of the series that were seen before.
pub(super) struct Known {
    cache: SeriesCache,
    /// What labels are made by, and what stands for it: its part in every key.
    config: Mutex<(Arc<Config>, Key)>,
}

/// A request as rows.
pub(super) struct Walked {
    /// Of each row the time, the value and its place in `keys`.
    pub(super) samples: Samples<f64>,
    /// What each series is known by, in the order in which translation makes them.
    pub(super) keys: Vec<Key>,
}

impl Known {
    pub(super) fn new() -> Self {
        let (cache, config) = (SeriesCache::new(), Arc::new(Config::default()));
        let key = key_of(&cache, &config);
        Self { cache, config: Mutex::new((config, key)) }
    }

    fn config_key(&self, config: &Arc<Config>) -> Key {
        let mut held = self.config.lock();
        if !Arc::ptr_eq(&held.0, config) {
            *held = (Arc::clone(config), key_of(&self.cache, config));
        }
        held.1
    }

    /// Reads a body; nothing if it is not one for the quick way.
    pub(super) fn walk(
        &self,
        body: &[u8],
        (options, config): (&Options, &Arc<Config>),
        (now_ms, max_ms): (i64, i64),
    ) -> Option<Walked> {
        self.cache.sweep(now_ms);
        let mut root = self.cache.joint();
        root.add(self.config_key(config));
        let mut walk = Walk {
            cache: &self.cache,
            options,
            is_classic: !config.custom_buckets,
            max_ms,
            span_ns: None,
            num_metrics: 0,
            out: Walked { samples: Samples::default(), keys: Vec::new() },
        };
        let mut fields = Fields(body);
        while let Some((field, value)) = fields.next().ok()? {
            if field == 1 {
                walk.resource(value.bytes(1).ok()?, root)?;
            }
        }
        Some(walk.out)
    }

    /// Gives the rows their references; `false` if a series is not known.
    pub(super) fn resolve(&self, walked: &mut Walked) -> bool {
        let lookup = self.cache.lookup();
        let refs = walked.keys.iter().map(|key| lookup.get(*key)).collect::<Option<Vec<_>>>();
        drop(lookup);
        let Some(refs) = refs else { return false };
        let rows = walked.samples.series.iter().map(|series| refs[*series as usize]);
        walked.samples.rows.refs.extend(rows);
        true
    }

    /// Remembers the references of series.
    pub(super) fn insert(&self, keys: &[Key], refs: &[Option<SeriesRef>]) {
        for (key, series) in keys.iter().zip(refs) {
            if let Some(series) = series {
                self.cache.insert(*key, *series);
            }
        }
    }

    /// Drops references that dangle.
    pub(super) fn forget(&self, dangling: impl Iterator<Item = SeriesRef>) {
        dangling.for_each(|series| self.cache.forget(series));
    }
}

fn key_of(cache: &SeriesCache, config: &Config) -> Key {
    cache.key(format!("{config:?}").as_bytes())
}

struct Walk<'w> {
    cache: &'w SeriesCache,
    options: &'w Options,
    /// Histograms become classic ones.
    is_classic: bool,
    /// The latest time that is taken.
    max_ms: i64,
    /// First and last time of the points of the resource at hand.
    span_ns: Option<(u64, u64)>,
    /// How many metrics were begun.
    num_metrics: u32,
    out: Walked,
}

/// Adds a part of a message: its field, so that parts do not stand for each other, and its bytes.
fn add(joint: &mut Joint, cache: &SeriesCache, field: u64, bytes: &[u8]) {
    joint.add_number(field);
    joint.add(cache.key(bytes));
}

/// What any point has.
#[derive(Default)]
struct Common {
    start_ns: u64,
    time_ns: u64,
    flags: u64,
}

impl Common {
    /// Takes in a field that has the same number in all points.
    fn time(&mut self, field: u64, value: Value<'_>) -> Option<()> {
        match field {
            2 => self.start_ns = value.fixed64(2).ok()?,
            3 => self.time_ns = value.fixed64(3).ok()?,
            _ => {}
        }
        Some(())
    }
}

impl Walk<'_> {
    fn resource(&mut self, message: &[u8], mut joint: Joint) -> Option<()> {
        let mut has_info = false;
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next().ok()? {
            if field == 1 {
                let resource = value.bytes(1).ok()?;
                add(&mut joint, self.cache, 1, resource);
                has_info |= labels::has_target_info(&protobuf::attributes(resource).ok()?);
            }
        }
        self.span_ns = None;
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next().ok()? {
            if field == 2 {
                self.scope(value.bytes(2).ok()?, joint)?;
            }
        }
        let Some((first_ns, last_ns)) = self.span_ns else { return Some(()) };
        self.num_metrics += 1;
        if has_info {
            joint.add_number(u64::MAX);
            self.out.keys.push(joint.key());
            let mut taken = Some(());
            translate::each_info_time((first_ns, last_ns), self.options.lookback_ms, |time_ms| {
                taken = taken.and_then(|()| self.row((time_ms, 0), 1.0));
            });
            taken?;
        }
        Some(())
    }

    fn scope(&mut self, message: &[u8], mut joint: Joint) -> Option<()> {
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next().ok()? {
            if matches!(field, 1 | 3) {
                add(&mut joint, self.cache, field, value.bytes(field).ok()?);
            }
        }
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next().ok()? {
            if field == 2 {
                self.metric(value.bytes(2).ok()?, joint)?;
            }
        }
        Some(())
    }

    fn metric(&mut self, message: &[u8], mut joint: Joint) -> Option<()> {
        self.num_metrics += 1;
        let (mut kind, mut data): (u64, &[u8]) = (0, &[]);
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next().ok()? {
            match field {
                1 | 3 => add(&mut joint, self.cache, field, value.bytes(field).ok()?),
                5 | 7 | 9 | 10 | 11 => (kind, data) = (field, value.bytes(field).ok()?),
                _ => {}
            }
        }
        let (mut temporality, mut is_monotonic) = (0, 0);
        let mut fields = Fields(data);
        while let Some((field, value)) = fields.next().ok()? {
            match field {
                2 => temporality = value.varint(2).ok()?,
                3 => is_monotonic = value.varint(3).ok()?,
                _ => {}
            }
        }
        let is_taken = match (kind, Temporality::from_number(temporality)) {
            (5, _) => true,
            (7, Temporality::Cumulative) => true,
            (7, Temporality::Delta) => self.options.native_delta,
            (9, Temporality::Cumulative) => self.is_classic,
            (9, Temporality::Delta) => self.is_classic && self.options.native_delta,
            _ => false,
        };
        if !is_taken {
            return None;
        }
        [kind, temporality, is_monotonic].into_iter().for_each(|number| joint.add_number(number));
        let mut fields = Fields(data);
        while let Some((field, value)) = fields.next().ok()? {
            if field == 1 {
                let point = value.bytes(1).ok()?;
                if kind == 9 { self.histogram(point, joint)? } else { self.number(point, joint)? }
            }
        }
        Some(())
    }

    fn number(&mut self, message: &[u8], mut joint: Joint) -> Option<()> {
        let (mut common, mut number) = (Common::default(), 0.0);
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next().ok()? {
            match field {
                4 => number = value.double(4).ok()?,
                // Exemplars need the labels of their series only where they are refused, but that is not for here.
                5 => return None,
                6 => number = value.fixed64(6).ok()?.cast_signed() as f64,
                7 => joint.add(self.cache.key(value.bytes(7).ok()?)),
                8 => common.flags = value.varint(8).ok()?,
                _ => common.time(field, value)?,
            }
        }
        self.note_time(&common);
        self.series(joint.key(), &common, number)
    }

    fn histogram(&mut self, message: &[u8], mut joint: Joint) -> Option<()> {
        let (mut common, mut sum, mut count) = (Common::default(), None, 0);
        let (mut buckets, mut bounds) = (Vec::new(), Vec::new());
        let mut fields = Fields(message);
        while let Some((field, value)) = fields.next().ok()? {
            match field {
                4 => count = value.fixed64(4).ok()?,
                5 => sum = Some(value.double(5).ok()?),
                6 => value.push_fixed64s(6, &mut buckets, |count| count).ok()?,
                7 => value.push_fixed64s(7, &mut bounds, |bits| bits).ok()?,
                8 => return None,
                9 => joint.add(self.cache.key(value.bytes(9).ok()?)),
                10 => common.flags = value.varint(10).ok()?,
                _ => common.time(field, value)?,
            }
        }
        self.note_time(&common);
        let part = |numbers: &[u64]| {
            let mut joint = joint;
            numbers.iter().for_each(|number| joint.add_number(*number));
            joint.key()
        };
        if let Some(sum) = sum {
            self.series(part(&[1]), &common, sum)?;
        }
        self.series(part(&[2]), &common, count as f64)?;
        let mut total: u64 = 0;
        for (&bound, &count) in bounds.iter().zip(&buckets) {
            total = total.wrapping_add(count);
            self.series(part(&[3, bound]), &common, total as f64)?;
        }
        self.series(part(&[4]), &common, count as f64)
    }

    fn note_time(&mut self, common: &Common) {
        let time_ns = common.time_ns;
        let (first, last) = self.span_ns.unwrap_or((time_ns, time_ns));
        self.span_ns = Some((first.min(time_ns), last.max(time_ns)));
    }

    /// A series and its only row.
    fn series(&mut self, key: Key, common: &Common, value: f64) -> Option<()> {
        self.out.keys.push(key);
        let ms = |time_ns: u64| time_ns.cast_signed() / 1_000_000;
        let value = if common.flags & 1 == 0 { value } else { model::STALE_NAN };
        self.row((ms(common.time_ns), ms(common.start_ns)), value)
    }

    /// A row of the series at hand.
    fn row(&mut self, (timestamp_ms, start_ms): (i64, i64), value: f64) -> Option<()> {
        if timestamp_ms > self.max_ms {
            return None;
        }
        let samples = &mut self.out.samples;
        samples.rows.push(timestamp_ms, value);
        samples.rows.set_start(start_ms);
        samples.series.push(self.out.keys.len() as u32 - 1);
        samples.metrics.push(self.num_metrics - 1);
        Some(())
    }
}

#[cfg(test)]
mod tests;
