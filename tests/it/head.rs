//! The recorded append scripts of the real storage: what is taken and refused, chunk boundaries, samples, log records.
//! Samples as the recording writes them are in `values`.

pub(crate) mod values;

use chunk::append::Encodings;
use chunk::exact::{ExactSample, ExactValue};
use disk::{Disk, SimDisk};
use model::{Labels, MatchOp, Matcher, SeriesRef, Symbols, TimeRange};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{
    Appendable, Appender, Cancel, ExemplarBatch, ExemplarQueryable, ExemplarRow, FloatBatch,
    HistogramBatch, LabelBatch, Queryable, RejectReason, SelectHints, SeriesBatch,
};
use tsdb::head::{Head, HeadOptions};
use tsdb::{Db, DbOptions};

const OPS: [&str; 16] = [
    "appender",
    "appender_v2",
    "st_zero",
    "float",
    "hist",
    "run",
    "run_hist",
    "exemplar",
    "metadata",
    "commit",
    "rollback",
    "read",
    "head_state",
    "mmap_head_chunks",
    "truncate_head",
    "delete",
];

/// Chunk boundaries as (first, last, samples, encoding), samples with values as text.
#[derive(Debug, Default, PartialEq)]
struct Series {
    chunks: Vec<(i64, i64, u32, u64)>,
    samples: Vec<(i64, String, i64)>,
}

struct Script {
    head: Head,
    disk: Arc<dyn Disk>,
    appenders: BTreeMap<u64, Box<dyn Appender>>,
    /// Series that exist here because their labels were resolved before their only sample was refused. The real
    /// storage looks at the bounds first.
    refused: BTreeSet<String>,
    taken: BTreeSet<String>,
}

fn bits(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn kind(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::OutOfBounds => "out_of_bounds",
        RejectReason::OutOfOrder => "out_of_order",
        RejectReason::TooOld => "too_old",
        RejectReason::DuplicateTimestamp => "duplicate",
        RejectReason::OutOfOrderExemplar => "out_of_order_exemplar",
        RejectReason::ExemplarLabelsTooLong => "exemplar_label_length",
        RejectReason::EmptyLabels | RejectReason::DuplicateLabel => "invalid_sample",
        _ => "other",
    }
}

impl Script {
    fn new(opts: &Value) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let options = HeadOptions {
            chunk_range_ms: opts["chunk_range"].as_i64().unwrap(),
            samples_per_chunk: opts["samples_per_chunk"].as_u64().unwrap() as u32,
            ooo_samples_per_chunk: opts["ooo_cap"].as_u64().unwrap_or(32) as usize,
            num_shards: 4,
            encodings: Encodings {
                xor2: opts["xor2"] == true,
                started_histograms: opts["hist_st"] == true,
                keep_starts: false,
            },
            keep_starts: opts["st_storage"] == true,
            ..HeadOptions::new(Arc::clone(&disk), PathBuf::from("chunks_head"))
        };
        let head = Head::new(options, 1, &metrics::Registry::new());
        let log = wal::Writer::open(Arc::clone(&disk), Path::new("wal"), Default::default());
        head.set_max_exemplars(opts["exemplars"].as_u64().unwrap_or(0) as usize);
        head.keep_metadata(opts["metadata"] == true);
        head.set_log(Arc::new(Mutex::new(log.unwrap())));
        head.set_out_of_order_window(opts["ooo_window"].as_i64().unwrap());
        let log = wal::Writer::open(Arc::clone(&disk), Path::new("wbl"), Default::default());
        head.set_ooo_log(log.unwrap()).unwrap();
        let (refused, taken) = (BTreeSet::new(), BTreeSet::new());
        Self { head, disk, appenders: BTreeMap::new(), refused, taken }
    }

    fn append(
        &mut self,
        app: u64,
        name: &str,
        sample: ExactSample,
        in_order_only: bool,
    ) -> Option<&'static str> {
        let appender = self.appenders.get_mut(&app).unwrap();
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let pairs = [("__name__", name)];
        appender.resolve(LabelBatch::new(&pairs, &[1]), &mut refs, &mut rejected).unwrap();
        let (refs, times, starts) = ([refs[0].unwrap()], [sample.timestamp_ms], [sample.start_ms]);
        match sample.value {
            ExactValue::Float(value) => {
                let batch = FloatBatch::new(&refs, &times, std::slice::from_ref(&value));
                let batch = batch.with_start_timestamps(&starts);
                let batch = if in_order_only { batch.in_order_only() } else { batch };
                appender.append_floats(batch, &mut rejected).unwrap();
            }
            ExactValue::Histogram(value) => {
                let batch = HistogramBatch::new(&refs, &times, std::slice::from_ref(&value));
                let batch = batch.with_start_timestamps(&starts);
                let batch = if in_order_only { batch.in_order_only() } else { batch };
                appender.append_histograms(batch, &mut rejected).unwrap();
            }
        }
        let names = if rejected.is_empty() { &mut self.taken } else { &mut self.refused };
        names.insert(name.to_owned());
        rejected.first().map(|rejected| kind(rejected.reason))
    }

    fn run(&mut self, step: &Value) {
        let name = step["s"].as_str().unwrap();
        let number = |key: &str| step[key].as_i64().unwrap();
        let (count, every) = (number("n"), step["commit_every"].as_i64().unwrap_or(0));
        let of_histograms = step["op"] == "run_hist";
        let mut random = 42u64;
        let mut errors: BTreeMap<&str, i64> = BTreeMap::new();
        for i in 0..count {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let value = match step["values"].as_str().unwrap() {
                kind if of_histograms => values::generated(kind, number("from") + i, step),
                "const" => ExactValue::Float(1.5),
                "i" => ExactValue::Float(i as f64),
                _ => ExactValue::Float(f64::from_bits(random)),
            };
            let head = &self.head;
            self.appenders.entry(u64::MAX).or_insert_with(|| head.appender(0));
            let time = number("t0") + i * number("step");
            let sample = ExactSample::new(time, value);
            if let Some(error) = self.append(u64::MAX, name, sample, false) {
                *errors.entry(error).or_default() += 1;
            }
            if i + 1 == count || (every > 0 && (i + 1) % every == 0) {
                self.appenders.remove(&u64::MAX).unwrap().commit().unwrap();
            }
        }
        let expected = step["errors"].as_object().map_or(0, |all| all.len());
        assert_eq!(errors.len(), expected, "{errors:?}");
        for (text, expected) in step["errors"].as_object().into_iter().flatten() {
            assert_eq!(errors.get(text.replace(' ', "_").as_str()).copied(), expected.as_i64());
        }
    }

    fn step(&mut self, step: &Value) {
        let app = step["app"].as_u64().unwrap_or_default();
        let op = step["op"].as_str().unwrap();
        match op {
            "appender" | "appender_v2" => drop(self.appenders.insert(app, self.head.appender(0))),
            "commit" => self.appenders.remove(&app).unwrap().commit().unwrap(),
            "rollback" => drop(self.appenders.remove(&app).unwrap()),
            "float" | "hist" => {
                let name = step["s"].as_str().unwrap();
                let value = if op == "float" { &step["v"] } else { &step["h"] };
                let sample = ExactSample {
                    timestamp_ms: step["t"].as_i64().unwrap(),
                    start_ms: step["st"].as_i64().unwrap_or(0),
                    value: values::of(value),
                };
                let in_order_only = step["discard_out_of_order"] == true;
                let error = self.append(app, name, sample, in_order_only);
                assert_eq!(error, step["err"].as_str(), "{step}");
            }
            "st_zero" => {
                // Whoever wants such a sample compares the times.
                let time = |key: &str| step[key].as_i64().unwrap();
                let error = if time("st") < time("t") {
                    let sample = ExactSample::new(time("st"), ExactValue::Float(0.0));
                    self.append(app, step["s"].as_str().unwrap(), sample, true)
                } else {
                    Some("other")
                };
                assert_eq!(error, step["err"].as_str(), "{step}");
            }
            "exemplar" => self.exemplar(app, step),
            "metadata" => self.metadata(app, step),
            "run" | "run_hist" => self.run(step),
            "mmap_head_chunks" => self.head.map_full_chunks().unwrap(),
            "truncate_head" => {
                self.head.truncate_before(step["t"].as_i64().unwrap()).unwrap();
                // Series without samples go first of all.
                self.refused.clear();
            }
            "delete" => {
                let matcher = Matcher::new("__name__", MatchOp::Equal, step["s"].as_str().unwrap());
                let time = |key: &str| step[key].as_i64().unwrap();
                let range = TimeRange { min_ms: time("mint"), max_ms: time("maxt") };
                self.head.delete(range, &[vec![matcher.unwrap()]]).unwrap();
            }
            "read" => self.check_samples(&step["result"]),
            _ => self.check_state(step),
        }
    }

    /// The series of a step, if there is one.
    fn known(&mut self, app: u64, step: &Value) -> Option<SeriesRef> {
        let name = step["s"].as_str().unwrap();
        if !self.taken.contains(name) {
            assert_eq!(step["err"], "other", "{step}");
            return None;
        }
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let pairs = [("__name__", name)];
        let appender = self.appenders.get_mut(&app).unwrap();
        appender.resolve(LabelBatch::new(&pairs, &[1]), &mut refs, &mut rejected).unwrap();
        refs[0]
    }

    fn exemplar(&mut self, app: u64, step: &Value) {
        let Some(series) = self.known(app, step) else { return };
        let labels = step["labels"].as_array().map_or(&[][..], Vec::as_slice);
        let labels: Vec<(&str, &str)> = labels
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let row = ExemplarRow {
            labels: &labels,
            timestamp_ms: step["t"].as_i64().unwrap(),
            value: f64::from_bits(bits(&step["v"])),
        };
        let mut rejected = Vec::new();
        let appender = self.appenders.get_mut(&app).unwrap();
        appender.append_exemplars(ExemplarBatch::new(&[series], &[row]), &mut rejected).unwrap();
        assert_eq!(rejected.first().map(|row| kind(row.reason)), step["err"].as_str(), "{step}");
    }

    fn metadata(&mut self, app: u64, step: &Value) {
        let Some(series) = self.known(app, step) else { return };
        let told = values::metadata(step);
        let appender = self.appenders.get_mut(&app).unwrap();
        appender.append_metadata(&[series], &[told]).unwrap();
        assert_eq!(step["err"].as_str(), None, "{step}");
    }

    fn check_exemplars(&self, line: &Value) {
        let name = line["exemplars_of"]["__name__"].as_str().unwrap();
        let selector = [vec![Matcher::new("__name__", MatchOp::Equal, name).unwrap()]];
        let found = self.head.select_exemplars(TimeRange::ALL, &selector).unwrap();
        let told = |exemplar: &storage::Exemplar| {
            let labels: BTreeMap<&str, &str> = exemplar.labels.iter().collect();
            let value = format!("{:016x}", exemplar.value.to_bits());
            serde_json::json!({"labels": labels, "t": exemplar.timestamp_ms, "v": value})
        };
        let found: Vec<Value> = found[0].exemplars.iter().map(told).collect();
        assert_eq!(Some(&found), line["exemplars"].as_array());
    }

    fn check_state(&self, step: &Value) {
        let phantoms = self.refused.difference(&self.taken).count();
        assert_eq!(
            self.head.num_series() - phantoms,
            step["num_series"].as_u64().unwrap() as usize
        );
        let times = [
            ("min_time", self.head.min_time()),
            ("max_time", self.head.max_time()),
            ("min_valid_time", self.head.min_valid_time()),
            ("appendable_min_valid_time", self.head.appendable_min_valid_time()),
        ];
        for (key, time) in times {
            assert_eq!(Some(time), step[key].as_i64(), "{key}");
        }
    }

    fn read(&self) -> BTreeMap<Labels, Series> {
        let querier = self.head.querier(TimeRange::ALL).unwrap();
        let (symbols, cancel) = (Symbols::new(), Cancel::new());
        let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).unwrap();
        let mut batch = SeriesBatch::default();
        let mut all = BTreeMap::new();
        while set.next_batch(&mut batch).unwrap() {
            for index in 0..batch.len() {
                let mut samples: Vec<ExactSample> = Vec::new();
                batch.read_exact(index, TimeRange::ALL, &mut samples).unwrap();
                let chunks = batch.chunks(index).map(|chunk| chunk.meta);
                let series = Series {
                    chunks: chunks
                        .map(|m| (m.min_ms, m.max_ms, m.num_samples, m.encoding as u64))
                        .collect(),
                    samples: samples
                        .iter()
                        .map(|s| (s.timestamp_ms, values::told(&s.value), s.start_ms))
                        .collect(),
                };
                all.insert(symbols.labels(batch.labels().get(index)), series);
            }
        }
        all
    }

    fn check_samples(&self, result: &Value) {
        let found = self.read();
        let expected = result.as_array().map_or(&[][..], Vec::as_slice);
        let expected: Vec<&Value> = expected
            .iter()
            .filter(|line| {
                let of_exemplars = line.get("exemplars_of").is_some();
                if of_exemplars {
                    self.check_exemplars(line);
                }
                !of_exemplars
            })
            .collect();
        assert_eq!(found.len(), expected.len());
        for series in expected {
            let rows = series["samples"].as_array().unwrap().iter();
            let told = |row: &Value| {
                let start_ms = row.get(2).map_or(0, |start| start.as_i64().unwrap());
                (row[0].as_i64().unwrap(), values::told(&values::of(&row[1])), start_ms)
            };
            let samples: Vec<(i64, String, i64)> = rows.map(told).collect();
            assert_eq!(found[&labels(&series["labels"])].samples, samples);
        }
    }

    fn check_end(&self, script: &Value) {
        assert_eq!(Some(self.head.min_time()), script["head_min_time"].as_i64());
        assert_eq!(Some(self.head.max_time()), script["head_max_time"].as_i64());
        let found = self.read();
        let (mut expected, mut merged) = (BTreeMap::new(), BTreeSet::new());
        for series in script["head"].as_array().map_or(&[][..], Vec::as_slice) {
            if let Some(told) = series.get("metadata") {
                let number = SeriesRef::new(series["ref"].as_u64().unwrap()).unwrap();
                assert_eq!(self.head.metadata(number), Some(values::metadata(told)));
            }
            // The real storage keeps an empty chunk in front in one extreme case.
            let chunks = series["chunks"].as_array().map_or(&[][..], Vec::as_slice);
            if chunks.iter().any(|chunk| chunk[0].as_str().unwrap().starts_with("ooo")) {
                // Chunks that overlap are merged before they are seen; the samples and the log tell.
                merged.insert(labels(&series["head_series"]));
                continue;
            }
            let chunks = chunks.iter().filter(|chunk| chunk[3] != 0).map(|chunk| {
                let time = |index: usize| chunk[index].as_i64().unwrap();
                (time(1), time(2), chunk[3].as_u64().unwrap() as u32, chunk[4].as_u64().unwrap())
            });
            let chunks: Vec<(i64, i64, u32, u64)> = chunks.collect();
            if !chunks.is_empty() {
                expected.insert(labels(&series["head_series"]), chunks);
            }
        }
        let in_order = found.iter().filter(|(labels, _)| !merged.contains(*labels));
        let chunks: BTreeMap<Labels, Vec<(i64, i64, u32, u64)>> =
            in_order.map(|(labels, series)| (labels.clone(), series.chunks.clone())).collect();
        assert_eq!(chunks, expected);
        if let Some(count) = script["result_samples"].as_u64() {
            let samples = found.values().map(|series| series.samples.len() as u64);
            assert_eq!(samples.sum::<u64>(), count);
        } else {
            self.check_samples(&script["result"]);
        }
    }

    fn records(&self, dir: &str) -> Vec<String> {
        let mut reader = wal::Reader::dir(Arc::clone(&self.disk), Path::new(dir)).unwrap();
        let mut records = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            records.push(record.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        records
    }

    /// Whether the log was compared: it holds a little more where a series was created for nothing.
    fn check_log(&self, script: &Value) -> bool {
        let Some(expected) = script["wal"].as_array() else { return false };
        if self.refused.difference(&self.taken).next().is_some() {
            return false;
        }
        let mut records = self.records("wal");
        if let Some(expected) = script["wbl"].as_array() {
            let expected: Vec<&str> = expected.iter().map(|r| r.as_str().unwrap()).collect();
            assert_eq!(self.records("wbl"), expected);
        }
        let mut expected: Vec<&str> = expected.iter().map(|r| r.as_str().unwrap()).collect();
        if script["steps"].as_array().unwrap().iter().any(|step| step["app"].as_u64() > Some(0)) {
            // The real storage may log samples before another transaction logs their series, and then loses them in
            // a replay. Here a series is logged by the first commit that needs it.
            records.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(records, expected);
        true
    }
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().unwrap().iter();
    Labels::from_pairs(pairs.map(|(name, value)| (name, value.as_str().unwrap())))
}

/// Whether we do as the script wants; docs/differences.md says why not.
fn is_covered(script: &Value) -> bool {
    // Label sets that are not sorted are refused here.
    script["name"] != "labels"
        // There a call that is refused shuts the empty head to all that follows.
        && script["name"] != "metadata/first-call-on-empty-head"
        && script["steps"].as_array().is_some_and(|steps| {
            steps.iter().all(|step| OPS.contains(&step["op"].as_str().unwrap()))
        })
}

/// Refused before there is a head.
fn check_refusal(script: &Value) -> bool {
    let Some(expected) = script["open_error"].as_str() else { return false };
    let opts = &script["opts"];
    let options = DbOptions {
        xor2: opts["xor2"] == true,
        keep_starts: opts["st_storage"] == true,
        ..DbOptions::default()
    };
    let (disk, registry) = (Arc::new(SimDisk::new()), metrics::Registry::new());
    let opened = Db::open(disk, Path::new("/data"), options, 1, &registry, Arc::new(|_| {}));
    let error = opened.unwrap_err().to_string();
    assert!(error.ends_with(expected), "{error}");
    true
}

#[test]
fn recorded_append_scripts() {
    let (mut passed, mut logs) = (0, 0);
    for script in tests::golden("tsdb/append_rules.jsonl") {
        passed += u32::from(check_refusal(&script));
        if !is_covered(&script) {
            continue;
        }
        println!("{}", script["name"]);
        let mut run = Script::new(&script["opts"]);
        for step in script["steps"].as_array().unwrap() {
            run.step(step);
        }
        run.appenders.clear();
        run.check_end(&script);
        logs += u32::from(run.check_log(&script));
        passed += 1;
    }
    println!("append scripts: {passed}, logs compared byte by byte: {logs}");
    assert_eq!((passed, logs), (168, 80));
}
