//! `firesteel tool`: the output of each command against that of promtool, on directories and texts that were recorded.

use base64::Engine;
use cli::tool::{Streams, run};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;

/// Exit code, standard output, standard error of a tool.
fn tool(args: &[&str]) -> (u8, String, String) {
    tool_with("", args)
}

/// The same with `input` on the standard input.
fn tool_with(input: &str, args: &[&str]) -> (u8, String, String) {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let mut streams = Streams {
        input: &mut input.as_bytes(),
        output: &mut output,
        error: &mut error,
        environment: &|_| None,
    };
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

/// Answers one request with `answer` and hands out its first line and its body.
fn serve_once(answer: &str, status: u64) -> (String, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    let answer = head + answer;
    let serving = std::thread::Builder::new().name("once".into()).spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut first = String::new();
        reader.read_line(&mut first).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            match line.trim().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap();
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        (first, String::from_utf8(body).unwrap())
    });
    (url, serving.unwrap())
}

/// Runs a recorded command that asks a server; checks what it asks.
fn ask(line: &Value, args: &[&str]) -> (u8, String, String) {
    let (url, serving) = serve_once(text(line, "answer"), line["status"].as_u64().unwrap());
    let args: Vec<String> = args.iter().map(|arg| arg.replace("SERVER", &url)).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (code, output, error) = tool(&args);
    if error.contains("start time") || error.contains("evaluation time") {
        // Refused before anything is asked; the thread that waits ends with the process.
        return (code, output, error.replace(&url, "SERVER"));
    }
    let (first, body) = serving.join().unwrap();
    let request = &line["request"];
    let expected = format!("{} {} HTTP/1.1\r\n", text(request, "method"), text(request, "path"));
    assert_eq!((first, body.as_str()), (expected, text(request, "body")), "{args:?}");
    (code, output, error.replace(&url, "SERVER"))
}

#[test]
fn commands_print_the_same() {
    let lines = tests::golden("tools/commands.jsonl");
    for line in &lines {
        let args: Vec<&str> =
            line["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let (code, output, error) = match line.get("answer") {
            Some(_) => ask(line, &args),
            None => tool_with(line["stdin"].as_str().unwrap_or_default(), &args),
        };
        let what = format!("{args:?} {:?}: {error}", line["stdin"]);
        assert_eq!(u64::from(code), line["code"].as_u64().unwrap(), "{what}");
        if args.contains(&"--extended") {
            same_lines(&output, text(line, "stdout"), &what);
        } else {
            assert_eq!(output, text(line, "stdout"), "{what}");
        }
        if code != 1 {
            assert_eq!(error, text(line, "stderr"), "{what}");
        }
    }
    println!("tools/commands.jsonl {0}/{0}", lines.len());
}

#[test]
fn web_configurations_are_checked() {
    let scratch = tests::Scratch::new("tools");
    let file = |name: &str, content: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.yml", "http_server_config:\n  http2: false\n");
    let bad = file("bad.yml", "http_server_config:\n  http3: false\n");
    let (code, output, error) = tool(&["check", "web-config", &good]);
    assert_eq!((code, output.as_str(), error), (0, "", format!("{good} SUCCESS\n")));
    let (code, _, error) = tool(&["check", "web-config", &good, &bad]);
    assert_eq!(code, 1);
    assert!(error.contains(&format!("{bad} FAILED: ")) && error.contains("2:3"), "{error}");
}

#[test]
fn configurations_are_checked_with_their_files() {
    let scratch = tests::Scratch::new("tools");
    let check = |content: &str, options: &[&str]| {
        let path = scratch.path().join("prometheus.yml");
        std::fs::write(&path, content).unwrap();
        let mut args = vec!["check", "config"];
        args.extend(options);
        args.push(path.to_str().unwrap());
        tool(&args)
    };
    let job = |more: &str| format!("scrape_configs:\n- job_name: a\n{more}");
    let (code, output, error) = check(&job("  static_configs:\n  - targets: [b:1]\n"), &[]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(output.starts_with("Checking "), "{output}");
    assert!(
        output.contains(" SUCCESS: ") && output.contains("is valid prometheus config file syntax")
    );
    for (more, expected) in [
        ("  bearer_token_file: nowhere\n", "credentials"),
        ("  tls_config:\n    cert_file: c\n    key_file: k\n", "client cert file"),
        ("  static_configs:\n  - targets: ['b:1/metrics']\n", "host:port"),
        (
            "  static_configs:\n  - targets: ['b:1']\n    labels: {__scrape_timeout__: 5h}\n",
            "timeout cannot be greater",
        ),
        ("  static_config: []\n", "static_configs"),
    ] {
        let (code, _, error) = check(&job(more), &[]);
        assert_eq!(code, 1, "{more}");
        assert!(error.contains("FAILED") && error.contains(expected), "{more}: {error}");
    }
    assert_eq!(check(&job("  bearer_token_file: nowhere\n"), &["--syntax-only"]).0, 0);
    let relabelled = "  static_configs:\n  - targets: ['http://b:1/metrics']\n  \
                      relabel_configs:\n  - {target_label: a, replacement: b}\n";
    assert_eq!(check(&job(relabelled), &["--syntax-only"]).0, 1, "no target comes of it");
    let (code, output, _) = check(&job("  file_sd_configs:\n  - files: [x.json]\n"), &[]);
    assert_eq!(code, 0);
    assert!(output.contains("WARNING: file") && output.contains("does not exist"), "{output}");
    std::fs::write(scratch.path().join("x.json"), "[{\"targets\": 1}]").unwrap();
    assert_eq!(check(&job("  file_sd_configs:\n  - files: [x.json]\n"), &[]).0, 1);
    let long = job("  scrape_interval: 10m\n");
    assert_eq!(check(&long, &[]).0, 0);
    let (code, _, error) = check(&long, &["--lint=all"]);
    assert_eq!(code, 0, "a lint is no error unless asked to be");
    assert!(error.contains("too long scrape interval found"), "{error}");
    assert_eq!(check(&long, &["--lint=too-long-scrape-interval", "--lint-fatal"]).0, 3);
    let rules = "rule_files: [rules.yml]\n";
    let (code, _, error) = check(rules, &[]);
    assert_eq!(code, 1);
    assert!(error.contains("does not point to an existing file"), "{error}");
    assert_eq!(check(rules, &["--agent"]).0, 1, "an agent has no rules");
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

#[test]
fn what_is_not_built_says_so_and_what_is_mistyped_is_told_apart() {
    for command in [&["test", "rules", "a.yml"][..], &["check", "rules"], &["debug", "all", "x"]] {
        let (code, output, error) = tool(command);
        assert_eq!((code, output.as_str()), (1, ""), "{command:?}");
        assert!(error.ends_with("is not built yet; promtool has it\n"), "{command:?}: {error}");
    }
    let (code, _, error) = tool(&["tsdb", "analyse"]);
    assert_eq!(code, 1);
    assert!(error.contains("analyze"), "{error}");
}
