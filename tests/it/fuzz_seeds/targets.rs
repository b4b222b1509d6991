//! What fuzzing does with any bytes, one function for each kind of them: an error or a value, never a panic. Used by the
//! programs in `fuzz/` as well, so nothing of the tests is used here.

use chunk::{ChunkMeta, Encoding, SampleColumns};
use disk::{Disk, SimDisk};
use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{
    ConvertClassic, Entry, OpenMetricsParser, ParseOptions, Parser, ProtobufParser, TextParser,
};
use metrics::Registry;
use model::{Symbols, TimeRange};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{Cancel, MemoryStorage, Queryable, SelectHints, SeriesBatch};
use tsdb::block::{BlockMeta, Tombstones};
use tsdb::head::{Head, HeadOptions, LateSeries, LateSink};
use wal::record::{self, Histograms, Samples};

/// A count, then a chunk of any encoding: no more samples than announced.
pub(crate) fn chunk(bytes: &[u8]) {
    let Some((count, data)) = bytes.split_first_chunk::<2>() else { return };
    let num_samples = u32::from(u16::from_be_bytes(*count));
    let on_disk = (1..=6).filter_map(Encoding::from_disk);
    for encoding in on_disk.chain([Encoding::Raw, Encoding::RawHistogram]) {
        let meta = ChunkMeta { min_ms: 0, max_ms: 0, num_samples, encoding };
        let mut columns = SampleColumns::default();
        let decoded = ::chunk::decode(meta, data, &mut columns);
        let count = columns.len() + columns.histograms.len();
        assert!(count <= num_samples as usize);
        assert!(decoded.is_err() || count == num_samples as usize);
        let exact = ::chunk::exact::decode(meta, data, &mut Vec::new());
        assert_eq!(exact.is_ok(), decoded.is_ok());
    }
}

/// A record of the log.
pub(crate) fn record(bytes: &[u8]) {
    let _kind = record::kind(bytes);
    let _series = record::decode_series(bytes).map(|rows| rows.iter().count());
    let _samples = record::decode_samples(bytes, &mut Samples::default());
    let _exemplars = record::decode_exemplars(bytes).map(|rows| rows.iter().count());
    let _metadata = record::decode_metadata(bytes, &mut Vec::new());
    let _histograms = record::decode_histograms(bytes, &mut Histograms::default());
    let _stones = record::decode_tombstones(bytes, &mut record::Tombstones::default());
}

fn put(disk: &dyn Disk, path: &Path, bytes: &[u8]) {
    disk.create_dir(path.parent().expect("in a directory")).expect("a directory");
    disk.create(path).expect("a file").append(bytes).expect("written");
}

/// A segment of the log, read at rest, followed and salvaged: reading goes on behind every damage and ends.
pub(crate) fn segment(bytes: &[u8]) {
    let (disk, dir) = (Arc::new(SimDisk::new()), Path::new("wal"));
    let path = wal::segment_path(dir, 0);
    put(&*disk, &path, bytes);
    put(&*disk, &wal::segment_path(dir, 1), &[]);
    let shared: Arc<dyn Disk> = Arc::clone(&disk) as _;
    let mut tail = wal::Tail::new(Arc::clone(&shared), dir, wal::Position::default());
    loop {
        match tail.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => drop(tail.skip_damage().expect("it can be read")),
        }
    }
    let mut reader = wal::Reader::segment(Arc::clone(&shared), dir, 0).expect("it is there");
    loop {
        match reader.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(wal::Error::Corrupt(found)) => {
                wal::Salvage::read(&*disk, &found).expect("read").write(&*disk).expect("written");
                reader = wal::Reader::segment_from(Arc::clone(&shared), dir, 0, found.good_bytes)
                    .expect("it is there");
            }
            Err(error) => panic!("{error}"),
        }
    }
    let _whole = wal::Salvage::of_segment(&shared, dir, 0).expect("it can be read");
}

fn new_head(disk: &Arc<dyn Disk>) -> Head {
    let options = HeadOptions::new(Arc::clone(disk), PathBuf::from("chunks_head"));
    Head::new(HeadOptions { num_shards: 1, ..options }, 7, &Registry::new())
}

/// Reads all that a storage has. What cannot be read is an error.
fn read(storage: &dyn Queryable) {
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let querier = storage.querier(TimeRange::ALL).expect("a querier");
    let mut set =
        querier.select(&[], &SelectHints::default(), &symbols, &cancel).expect("a selection");
    let (mut batch, mut samples) = (SeriesBatch::default(), Vec::new());
    while let Ok(true) = set.next_batch(&mut batch) {
        for row in 0..batch.len() {
            let _read = batch.read_exact(row, TimeRange::ALL, &mut samples);
        }
    }
}

fn name_series(replay: &mut tsdb::head::Replay, count: u64) {
    let mut series = Vec::new();
    record::begin_series(&mut series);
    for number in 1..=count {
        let text = number.to_string();
        record::push_series(&mut series, number, [("s", text.as_str())].into_iter());
    }
    replay.apply(&series).expect("our own record");
}

/// Records with two bytes of length before each, handed to a head that starts; the second half as late samples.
pub(crate) fn replay(bytes: &[u8]) {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let head = new_head(&disk);
    let (mut replay, _) = head.replay().expect("no chunks");
    name_series(&mut replay, 4);
    let records: Vec<&[u8]> = records(bytes);
    let (first, late) = records.split_at(records.len() / 2);
    for record in first {
        let _applied = replay.apply(record);
    }
    let (_, mut ooo, _) = replay.finish_in_order().expect("finished");
    for record in late {
        let _applied = ooo.apply(record);
        let _named = LateSeries::default().apply(record);
    }
    let _unknown = ooo.finish().expect("finished");
    read(&head);
}

fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<2>() {
        let (record, rest) = rest.split_at(usize::from(u16::from_be_bytes(*len)).min(rest.len()));
        records.push(record);
        bytes = rest;
    }
    records
}

/// The same as records of an image of the head.
pub(crate) fn image(bytes: &[u8]) {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut image = Head::new_image(&disk, Path::new("image")).expect("an image");
    image.log(&records(bytes)).expect("written");
    image.close().expect("closed");
    let head = new_head(&disk);
    let (mut replay, _) = head.replay().expect("no chunks");
    let mut image = wal::Reader::dir(Arc::clone(&disk), Path::new("image")).expect("written");
    if Head::load_image(&mut replay, &mut image) {
        replay.finish().expect("finished");
        read(&head);
    }
}

/// Chunks of a head, each behind two bytes of length and without its checksum.
pub(crate) fn head_chunks(bytes: &[u8]) {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut file = vec![0x01, 0x30, 0xBC, 0x91, 1, 0, 0, 0];
    for chunk in records(bytes) {
        file.extend_from_slice(chunk);
        file.extend_from_slice(&crc32c::crc32c(chunk).to_be_bytes());
    }
    put(&*disk, Path::new("chunks_head/000001"), &file);
    let head = new_head(&disk);
    let Ok((mut replay, _)) = head.replay() else { return };
    name_series(&mut replay, 20);
    replay.finish().expect("finished");
    read(&head);
}

/// A tombstones file without header and checksum.
pub(crate) fn tombstones(bytes: &[u8]) {
    let (disk, path) = (SimDisk::new(), Path::new("block/tombstones"));
    let mut file = vec![0x01, 0x30, 0xBA, 0x30, 1];
    file.extend_from_slice(bytes);
    file.extend_from_slice(&crc32c::crc32c(bytes).to_be_bytes());
    put(&disk, path, &file);
    let _read = Tombstones::read(&disk, path);
    put(&disk, Path::new("other/tombstones"), bytes);
    let _read = Tombstones::read(&disk, Path::new("other/tombstones"));
}

/// The meta.json of a block.
pub(crate) fn meta(bytes: &[u8]) {
    let disk = SimDisk::new();
    put(&disk, Path::new("block/meta.json"), bytes);
    if let Ok(meta) = BlockMeta::read(&disk, Path::new("block")) {
        let again = meta.to_json();
        put(&disk, Path::new("again/meta.json"), &again);
        let read = BlockMeta::read(&disk, Path::new("again")).expect("what was written");
        assert_eq!(read.to_json(), again);
    }
}

/// The index of a block.
pub(crate) fn index(bytes: &[u8]) {
    let Ok(index) = tsdb::index::IndexReader::open(bytes.to_vec().into(), "fuzzed") else { return };
    let _all = index.all();
    let names: Vec<String> = index.names().take(16).map(str::to_owned).collect();
    for name in names {
        let _list = index.list(&name, "x");
    }
    for reference in 0..8 {
        let _text = index.symbol(reference);
    }
    let mut chunks = Vec::new();
    for series in 0..64 {
        let _chunks = index.chunks(series, &mut chunks);
    }
}

/// A text exposition, converted and not.
pub(crate) fn exposition(body: &[u8]) {
    let mut parser = TextParser::new(body);
    while let Ok(Some(_)) = parser.next_entry() {}
    assert!(parser.position() <= body.len());
    drain(ConvertClassic::new(TextParser::new(body), ParseOptions::default()));
}

fn drain(mut parser: impl Parser) {
    let mut labels = LabelBuffer::default();
    while let Ok(Some(entry)) = parser.next() {
        if let Entry::Sample(sample) | Entry::Histogram(sample) = entry {
            split_series(sample.series, &Declared::default(), &mut labels);
        }
        if let Some(exemplar) = parser.exemplar(0) {
            exemplar.labels(&mut labels);
        }
    }
}

/// OpenMetrics, with and without start timestamps and conversion.
pub(crate) fn openmetrics(body: &[u8]) {
    let options = ParseOptions { start_timestamps: true, ..ParseOptions::default() };
    drain(OpenMetricsParser::new(body, ParseOptions::default()));
    drain(OpenMetricsParser::new(body, options));
    drain(ConvertClassic::new(OpenMetricsParser::new(body, options), options));
}

/// A protobuf exposition, under options that the first byte chooses.
pub(crate) fn protobuf(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let options = ParseOptions {
        start_timestamps: choice & 1 != 0,
        convert_classic: choice & 2 != 0,
        keep_classic: choice & 4 != 0,
        ignore_native: choice & 8 != 0,
    };
    drain(ProtobufParser::new(body, options));
}

/// A remote-write body, packed or not.
pub(crate) fn remote_write(bytes: &[u8]) {
    use remote::receive::{Message, Options};
    let storage = Arc::new(MemoryStorage::new());
    let receiver = remote::Receiver::new(storage, Options::default(), &Registry::new());
    let packed = snap::raw::Encoder::new().compress_vec(bytes).unwrap_or_default();
    for message in [Message::V1, Message::V2] {
        let _as_it_is = receiver.write(message, bytes, 0);
        let _packed = receiver.write(message, &packed, 0);
    }
}

/// A remote-read request, packed or not.
pub(crate) fn remote_read(bytes: &[u8]) {
    use remote::read::{Limits, Server};
    let labels = Arc::new(arc_swap::ArcSwap::from_pointee(model::Labels::empty()));
    let storage = Arc::new(MemoryStorage::new());
    let server = Server::new(storage, Limits::default(), labels, &Registry::new());
    let packed = snap::raw::Encoder::new().compress_vec(bytes).unwrap_or_default();
    for body in [bytes, &packed] {
        if let Ok(request) = server.parse(body) {
            let _samples = server.samples(&request, &Cancel::new());
            let _chunks = server.chunks(&request, &Cancel::new(), &mut Vec::new(), &mut |_| Ok(()));
        }
    }
}

/// An OTLP body in every form.
pub(crate) fn otlp(bytes: &[u8]) {
    use remote::otlp::{Options, Receiver};
    let storage = Arc::new(MemoryStorage::new());
    let receiver = Receiver::new(storage, Options::default(), Arc::default(), &Registry::new());
    for content_type in ["application/json", "application/x-protobuf"] {
        for encoding in ["", "gzip"] {
            let _stored = receiver.write(content_type, encoding, bytes, 0);
        }
    }
}

/// A query: what parses prints to what parses to the same.
pub(crate) fn promql_text(text: &[u8]) {
    use promql::{Features, parse, parse_selector, pretty};
    let _selector = parse_selector(text);
    let Ok(expr) = parse(text, &Features::ALL) else { return };
    let printed = expr.to_string();
    // Ranges below a millisecond and empty selectors of info() print to what does not parse, as in Prometheus.
    let Ok(again) = parse(&printed, &Features::ALL) else { return };
    assert_eq!(again.to_string(), printed);
    let split = parse(pretty(&expr), &Features::ALL).expect("the pretty form parses, too");
    assert_eq!(split.to_string(), printed);
}

/// A script of queries and what they answer.
pub(crate) fn script(bytes: &[u8]) {
    let _script = promql::script::Script::parse(&String::from_utf8_lossy(bytes));
}

/// A configuration file: what loads prints.
pub(crate) fn config(bytes: &[u8]) {
    let environment = |_: &str| None;
    let context = cli::config::Context::new(&environment);
    if let Ok(config) = cli::config::load(bytes, "fuzzed.yml", &context) {
        let _text = config.to_yaml();
        let _jobs = config.scrape_configs();
    }
}

/// A file of `--web.config.file`.
pub(crate) fn web_config(bytes: &[u8]) {
    let name = format!("firesteel-fuzz-{}.yml", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("room in the temporary directory");
    let _checked = web::Guard::check(&path);
    std::fs::remove_file(&path).expect("written above");
}

/// A file of `scrape_config_files`, in the configuration that names none else, and what a job makes of it.
pub(crate) fn scrape_config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
    config(format!("scrape_configs:\n-\n{indented}").as_bytes());
}

/// A file of targets, as YAML and as JSON.
pub(crate) fn targets_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for name in ["t.yml", "t.json"] {
        let _groups = discovery::file_format::parse(Path::new(name), &text);
    }
}

/// Asks nobody, and stops what goes on for long.
struct Nobody(std::cell::Cell<u32>);

impl template::Host for Nobody {
    fn query(&self, text: &str) -> Result<Vec<template::Sample>, String> {
        let labels = template::text_map([("instance", text)]);
        let value = template::Value::Float(text.len() as f64);
        Ok(vec![template::Sample { labels, value }; text.len().min(3)])
    }

    fn now_ms(&self) -> i64 {
        1_700_000_000_123
    }

    fn external_url(&self) -> &str {
        "http://x:1/y"
    }

    fn go_on(&self) -> Result<(), String> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > 20 { Err("too long".to_owned()) } else { Ok(()) }
    }
}

/// A template, as that of an alert and as a console.
pub(crate) fn template(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let labels = template::text_map([("job", "api"), ("html", "<a href='x'>")]);
    let external = template::text_map([("cluster", "eu")]);
    let value = template::Value::Float(10.5);
    let alert = template::Record::alert(labels, Arc::clone(&external), "http://x:1/y", value);
    if let Ok(template) = template::Template::alert("x", &text) {
        let _text = template.expand(alert, &Nobody(0.into()));
    }
    let params = [("x".to_owned(), "<1>".to_owned())];
    let console = template::Record::console(&params, "x.html", external);
    let library = ("a.lib".to_owned(), "{{ define \"t\" }}{{ . }}{{ end }}".to_owned());
    if let Ok(template) = template::Template::console("/x.html", &text, &[library]) {
        let _page = template.expand(console, &Nobody(0.into()));
    }
}

/// Most bytes of a body here.
const BODY_BYTES: u64 = 1 << 20;

/// An answer of a target, in one piece and byte by byte: both are read as the same.
pub(crate) fn answer(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let [whole, bit_by_bit] = [bytes.len(), 1].map(|step| {
        let read = runtime.block_on(net::read_answer(bytes, step, BODY_BYTES));
        if let Ok((_, body)) = &read {
            assert!((body.len() as u64) < BODY_BYTES);
        }
        read
    });
    assert_eq!(whole.as_ref().ok(), bit_by_bit.as_ref().ok(), "{whole:?} {bit_by_bit:?}");
}

/// A pattern and, behind a line end, a text: shortcuts agree with the automaton.
pub(crate) fn regex(bytes: &[u8]) {
    let all = String::from_utf8_lossy(bytes);
    let (pattern, text) = all.split_once('\n').unwrap_or((&all, "aA1-_ \u{e9}"));
    let Ok(regex) = model::regex::Regex::new(pattern) else { return };
    let matched = regex.is_match(text);
    // A word boundary that may match anywhere keeps the pattern out of the fast paths and changes nothing.
    if let Ok(general) = model::regex::Regex::new(&format!("(?:{pattern})(?:\\b|\\B)")) {
        assert_eq!(general.is_match(text), matched);
    }
    if let Some(prefix) = regex.prefix() {
        assert!(!matched || text.starts_with(prefix));
    }
    assert!(!matched || regex.prefixes().iter().any(|prefix| text.starts_with(prefix)));
    if let Some(set) = regex.set_matches() {
        assert_eq!(set.iter().any(|known| **known == *text), matched);
    }
    assert_eq!(regex.captures_expand(text, "$0$1${x}$", &mut String::new()), matched);
}

/// Numbers, times, lengths and sizes as text.
pub(crate) fn texts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _numbers = (model::float::parse_float(&text), expfmt::parse_float(bytes));
    let _lengths = (model::duration::parse(&text), model::duration::parse_signed(&text));
    let _times = (model::timestamp::parse_time(&text), model::timestamp::parse_duration_ns(&text));
    let _sizes = model::size::parse(&text);
}
