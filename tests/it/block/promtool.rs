//! Prometheus' own tool reads what is written here. Runs where the tool is installed.

use super::{Sample, Source};
use model::{Labels, Symbols};
use std::process::Command;
use tests::Scratch;
use tsdb::block::Ulid;
use tsdb::compact::{BlockSpec, write_block};

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn promtool(arguments: &[&str]) -> Option<String> {
    let output = match Command::new("promtool").args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: promtool cannot be run: {error}");
            return None;
        }
    };
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {error}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn the_tool_dumps_what_was_written() {
    let symbols = Symbols::new();
    let scratch = Scratch::new("promtool");
    let begin = 1_700_006_400_000i64;
    let series: Vec<(Labels, Vec<Vec<Sample>>)> = (0..500)
        .map(|i| {
            let labels = Labels::from_pairs([
                ("__name__", "requests_total".to_owned()),
                ("instance", format!("host-{i:03}:9090")),
                ("job", ["api", "web"][i % 2].to_owned()),
            ]);
            let sample = |k: i64| (begin + k * 15_000, ((k * i as i64) as f64).to_bits());
            let chunk = |c: i64| (c * 120..(c + 1) * 120).map(sample).collect();
            (labels, (0..3).map(chunk).collect())
        })
        .collect();
    let mut expected = Vec::new();
    for (labels, chunks) in &series {
        let text: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        for &(time, value) in chunks.iter().flatten() {
            expected.push(format!("{{{}}} {} {time}", text.join(", "), f64::from_bits(value)));
        }
    }
    let mut source = Source::new(series, &symbols);
    let spec = BlockSpec::from_head(begin, begin + 7_200_000);
    let ulid = Ulid::new(begin, 99);
    let disk = disk::RealDisk;
    let meta = write_block(&mut source, &symbols, &spec, ulid, &disk, scratch.path());
    assert_eq!(meta.expect("write").expect("samples").stats.num_samples, 180_000);
    std::fs::create_dir(scratch.path().join("wal")).expect("create");
    let dir = scratch.path().to_str().expect("UTF-8");

    let Some(analysis) = promtool(&["tsdb", "analyze", dir]) else { return };
    assert!(analysis.contains(&format!("Block ID: {ulid}")), "{analysis}");
    assert!(analysis.contains("Series: 500"), "{analysis}");
    let Some(dump) = promtool(&["tsdb", "dump", dir]) else { return };
    let lines: Vec<&str> = dump.lines().collect();
    assert_eq!(lines.len(), expected.len());
    for (got, expected) in lines.iter().zip(&expected) {
        assert_eq!(got, expected);
    }
}
