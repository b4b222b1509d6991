//! What a database must hold and what it may hold, as plain maps.

use ::model::TimeRange;
use std::collections::BTreeMap;

/// Samples of one series: bits of the value by time.
pub(super) type Series = BTreeMap<i64, u64>;

/// The samples of all series, as far as they are known for certain.
pub(super) struct Model {
    /// Acknowledged and neither deleted nor old.
    must: Vec<Series>,
    /// What may be there besides: refused with an error, or a deletion failed, or retention may take it.
    may: Vec<Series>,
    /// What of `must` was there at the last sync.
    synced: Vec<Series>,
    /// Deleted since the last sync: a power cut may bring it back.
    undeleted: Vec<Series>,
    /// Times and ranges that were used once are not used again.
    used: Vec<BTreeMap<i64, ()>>,
    deleted: Vec<Vec<TimeRange>>,
}

fn missing(found: &Series, wanted: &Series) -> Option<(i64, u64)> {
    let mut wanted = wanted.iter().map(|(&time, &bits)| (time, bits));
    wanted.find(|(time, bits)| found.get(time) != Some(bits))
}

impl Model {
    pub(super) fn new(num_series: usize) -> Self {
        let none = || vec![Series::new(); num_series];
        Self {
            must: none(),
            may: none(),
            synced: none(),
            undeleted: none(),
            used: vec![BTreeMap::new(); num_series],
            deleted: vec![Vec::new(); num_series],
        }
    }

    /// What is known of the samples inside `range` alone, to be looked at later.
    pub(super) fn within(&self, range: TimeRange) -> Self {
        let cut = |all: &[Series]| {
            let inside = |one: &Series| {
                one.range(range.min_ms..=range.max_ms).map(|(&time, &bits)| (time, bits)).collect()
            };
            all.iter().map(inside).collect()
        };
        Self { must: cut(&self.must), may: cut(&self.may), ..Self::new(self.must.len()) }
    }

    /// Whether no sample of the series was ever tried at this time, nor deleted around it.
    pub(super) fn is_free(&self, series: usize, time: i64) -> bool {
        !self.used[series].contains_key(&time)
            && !self.deleted[series].iter().any(|range| range.contains(time))
    }

    /// A sample was acknowledged, or an error left it open what became of it.
    pub(super) fn append(
        &mut self,
        series: usize,
        (time, bits): (i64, u64),
        is_acknowledged: bool,
    ) {
        self.used[series].insert(time, ());
        let into = if is_acknowledged { &mut self.must } else { &mut self.may };
        into[series].insert(time, bits);
    }

    /// A sample was refused as a sample.
    pub(super) fn refuse(&mut self, series: usize, time: i64) {
        self.used[series].insert(time, ());
    }

    pub(super) fn delete(&mut self, series: usize, range: TimeRange, is_acknowledged: bool) {
        self.deleted[series].push(range);
        let inside: Vec<(i64, u64)> = self.must[series]
            .range(range.min_ms..=range.max_ms)
            .map(|(&time, &bits)| (time, bits))
            .collect();
        for (time, bits) in inside {
            self.must[series].remove(&time);
            self.synced[series].remove(&time);
            let into = if is_acknowledged { &mut self.undeleted } else { &mut self.may };
            into[series].insert(time, bits);
        }
        if is_acknowledged {
            let gone = self.may[series].extract_if(.., |time, _| range.contains(*time));
            self.undeleted[series].extend(gone);
        }
    }

    /// Retention may have taken what is before this time.
    pub(super) fn forget_before(&mut self, time: i64) {
        for series in 0..self.must.len() {
            let kept = self.must[series].split_off(&time);
            let old = std::mem::replace(&mut self.must[series], kept);
            self.may[series].extend(old);
            self.synced[series] = self.synced[series].split_off(&time);
        }
    }

    /// All that was acknowledged is on disk for good.
    pub(super) fn sync(&mut self) {
        self.synced = self.must.clone();
    }

    /// Whether a database that lost nothing holds this.
    pub(super) fn check(&self, found: &[Series], log: &[String]) {
        self.check_for(found, (&self.must, &[&self.must, &self.may]), log);
    }

    /// Whether a copy holds this that was begun when only `earlier` was known.
    pub(super) fn check_copy(&self, found: &[Series], earlier: &Self, log: &[String]) {
        self.check_for(found, (&earlier.must, &[&self.must, &self.may, &earlier.may]), log);
    }

    /// Whether a database that lost what was not synced holds this.
    pub(super) fn check_after_power_cut(&self, found: &[Series], log: &[String]) {
        let most = [&self.must, &self.may, &self.undeleted];
        self.check_for(found, (&self.synced, &most), log);
    }

    fn check_for(
        &self,
        found: &[Series],
        (least, most): (&[Series], &[&Vec<Series>]),
        log: &[String],
    ) {
        for (series, found) in found.iter().enumerate() {
            if let Some((time, _)) = missing(found, &least[series]) {
                let have = found.get(&time);
                panic!("s{series} lost its sample at {time}, has {have:?}\n{}", log.join("\n"));
            }
            let known = |time: &i64, bits: &u64| {
                most.iter().any(|samples| samples[series].get(time) == Some(bits))
            };
            if let Some((time, _)) = found.iter().find(|(time, bits)| !known(time, bits)) {
                panic!("s{series} has a sample at {time} from nowhere\n{}", log.join("\n"));
            }
        }
    }

    /// What was found after a restart is certain from now on, and what was not found is gone. Whether it would survive
    /// a power cut is not known before the next sync.
    pub(super) fn adopt(&mut self, found: &[Series]) {
        for (series, found) in found.iter().enumerate() {
            self.may[series].retain(|time, _| !found.contains_key(time));
            let lost = std::mem::replace(&mut self.must[series], found.clone());
            // It may come back from a log that is not read to its end this time.
            self.may[series].extend(lost.into_iter().filter(|(time, _)| !found.contains_key(time)));
            self.synced[series].retain(|time, _| found.contains_key(time));
        }
    }
}
