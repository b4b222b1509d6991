//! `firesteel tool`: the output of each command against that of promtool, on directories and texts that were recorded.

use base64::Engine;
use cli::tool::{Streams, run};
use serde_json::Value;
use std::path::Path;

/// Exit code, standard output, standard error of a tool.
fn tool(args: &[&str]) -> (u8, String, String) {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let mut streams = Streams { output: &mut output, error: &mut error, environment: &|_| None };
    let code = run(&args, &mut streams);
    (code, String::from_utf8(output).unwrap(), String::from_utf8(error).unwrap())
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap()
}

/// Compares in any order and shows the first difference only.
fn same_lines(output: &str, expected: &str, what: &str) {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let (output, expected) = (sorted(output), sorted(expected));
    for (line, wanted) in output.iter().zip(&expected) {
        assert_eq!(line, wanted, "{what}");
    }
    assert_eq!(output.len(), expected.len(), "{what}");
}

/// Lines of equal counts, and series of a head, come in any order from promtool.
fn has_order(args: &str) -> bool {
    args.contains("tsdb list") || args.contains("dump-openmetrics")
}

fn write_files(files: &Value, dir: &Path) {
    for (path, content) in files.as_object().unwrap() {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = base64::prelude::BASE64_STANDARD.decode(content.as_str().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// The names of all files below `dir`, and how long they are.
fn listing(dir: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listing(&path));
        } else {
            let len = path.metadata().unwrap().len();
            found.push((path, len));
        }
    }
    found.sort();
    found
}

#[test]
fn directories_look_the_same() {
    let mut total = 0;
    for line in tests::golden("tools/directories.jsonl") {
        let scratch = tests::Scratch::new("tools");
        write_files(&line["files"], scratch.path());
        let before = listing(scratch.path());
        for command in line["commands"].as_array().unwrap() {
            let dir = scratch.path().to_str().unwrap();
            let args = command["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
            let args: Vec<&str> = args.map(|arg| if arg == "x" { dir } else { arg }).collect();
            let (code, output, error) = tool(&args);
            let expected = text(command, "stdout");
            let what = format!("{}: {args:?}: {error}", text(&line, "name"));
            assert_eq!(u64::from(code), command["code"].as_u64().unwrap(), "{what}");
            same_lines(&output, expected, &what);
            if has_order(&args.join(" ")) {
                assert_eq!(output, expected, "{what}");
            }
            assert_eq!(code == 0, error.is_empty(), "{what}");
            total += 1;
        }
        assert_eq!(listing(scratch.path()), before, "looking changes nothing");
    }
    println!("tools/directories.jsonl {total}/{total}");
}

/// Replaces the names of blocks.
fn without_names(output: &str) -> String {
    let name = |line: &str| match line.split_once(' ') {
        Some((name, rest)) if name.len() == 26 => format!("{} {rest}\n", "U".repeat(26)),
        _ => format!("{line}\n"),
    };
    output.lines().map(name).collect()
}

#[test]
fn created_blocks_are_the_same() {
    let lines = tests::golden("tools/create_blocks.jsonl");
    for line in &lines {
        let scratch = tests::Scratch::new("tools");
        let (input, dir) = (scratch.path().join("in.om"), scratch.path().join("o"));
        std::fs::write(&input, text(line, "text")).unwrap();
        let (input, dir) = (input.to_str().unwrap(), dir.to_str().unwrap());
        let mut args = vec!["tsdb", "create-blocks-from", "openmetrics"];
        args.extend(line["options"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()));
        args.extend([input, dir]);
        let (code, output, error) = tool(&args);
        let (create, dump) = (&line["create"], &line["dump"]);
        let name = text(line, "name");
        assert_eq!(u64::from(code), create["code"].as_u64().unwrap(), "{name}: {error}");
        assert_eq!(without_names(&output), text(create, "stdout"), "{name}");
        if code == 0 {
            let (_, output, _) = tool(&["tsdb", "dump", dir]);
            same_lines(&output, text(dump, "stdout"), name);
        }
    }
    println!("tools/create_blocks.jsonl {0}/{0}", lines.len());
}

#[test]
fn samples_out_of_order_are_imported_too() {
    let scratch = tests::Scratch::new("tools");
    let (input, dir) = (scratch.path().join("in.om"), scratch.path().join("o"));
    std::fs::write(&input, "# TYPE a gauge\na 1 20\na 2 10\na 3 20\n# EOF\n").unwrap();
    let (input, dir) = (input.to_str().unwrap(), dir.to_str().unwrap());
    let (code, _, error) = tool(&["tsdb", "create-blocks-from", "openmetrics", input, dir]);
    assert_eq!(code, 0, "{error}");
    assert!(error.starts_with("1 samples were left out"), "{error}");
    let (_, output, _) = tool(&["tsdb", "dump", dir]);
    assert_eq!(output, "{__name__=\"a\"} 2 10000\n{__name__=\"a\"} 1 20000\n");
}

#[test]
fn mistakes_are_named() {
    let scratch = tests::Scratch::new("tools");
    let dir = scratch.path().to_str().unwrap();
    let nowhere = scratch.path().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["tsdb", "list", nowhere], "no such directory"),
        (&["tsdb", "analyze", dir], "no blocks found"),
        (&["tsdb", "analyze", dir, "01M7XEP8SJSN2VW1VMWAVRBKCT"], "invalid block ID"),
        (&["tsdb", "dump", "--match={", dir], "parse error"),
        (&["tsdb", "bogus"], "unrecognized subcommand"),
        (&["tsdb", "dump", "--sandbox-dir-root", nowhere, dir], "--sandbox-dir-root"),
        (&["tsdb", "create-blocks-from", "openmetrics", nowhere, dir], "nowhere"),
    ];
    for (args, expected) in cases {
        let (code, _, error) = tool(args);
        assert_eq!(code, 1, "{args:?}");
        assert!(error.contains(expected), "{args:?}: {error}");
    }
}

#[test]
fn the_benchmark_writes_a_database() {
    let scratch = tests::Scratch::new("tools");
    let dir = scratch.path().to_str().unwrap();
    let args = ["tsdb", "bench", "write", "--out", dir, "--metrics=1500", "--scrapes=20"];
    let (code, output, error) = tool(&args);
    assert_eq!(code, 0, "{error}");
    assert!(output.contains(" > total samples: 30000\n"), "{output}");
    let storage = scratch.path().join("storage");
    let (_, output, _) = tool(&["tsdb", "dump", storage.to_str().unwrap()]);
    assert_eq!(output.lines().count(), 30_000);
    assert_eq!(tool(&args).0, 1, "it does not write over what is there");
}
