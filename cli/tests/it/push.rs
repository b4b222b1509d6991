//! `firesteel tool push metrics` and a server that takes what it sends.

use benches::load::http::encode;
use benches::load::peer::Peer;
use std::io::Write;
use std::process::{Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_firesteel");

const BODY: &str = "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n\
    h_sum 3\nh_count 2\n# TYPE c counter\nc_total{job=\"own\",b=\"1\"} 7\nplain 1.5\n";

fn push(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(BINARY)
        .args(["tool", "push", "metrics"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("written");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[test]
fn what_is_pushed_can_be_queried() {
    let scratch = tests::Scratch::new("push");
    let line = format!(
        "firesteel={BINARY} --config.file={{config}} --storage.tsdb.path={{dir}} \
         --web.listen-address=127.0.0.1:{{port}} --web.enable-remote-write-receiver"
    );
    let peer = Peer::parse(&line).expect("a well-formed command");
    let dir = scratch.path().join("data");
    let running = peer.start(&dir, "global: {}\n").expect("the server starts").0;
    let url = format!("http://127.0.0.1:{}", running.port);
    let value = |expr: &str| {
        let path = format!("/api/v1/query?query={}", encode(expr));
        let answer = running.client().get(&path).expect("an answer").body;
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    let pushed = push(&[&url], BODY);
    let said = "Parsing standard input\n  SUCCESS: metrics pushed to remote write.\n";
    assert_eq!(String::from_utf8_lossy(&pushed.stdout), said, "{pushed:?}");
    for (expr, expected) in [
        ("h_bucket{job=\"promtool\",le=\"1\"}", "1"),
        ("h_bucket{le=\"+Inf\"}", "2"),
        ("h_sum", "3"),
        ("c_total{job=\"promtool\",exported_job=\"own\",b=\"1\"}", "7"),
        ("plain{job=\"promtool\"}", "1.5"),
    ] {
        assert_eq!(value(expr).as_deref(), Some(expected), "{expr}");
    }
    let file = scratch.path().join("body.txt");
    std::fs::write(&file, "two 2\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let message = "--protobuf_message=io.prometheus.write.v2.Request";
    let pushed = push(&[message, "--label=a=b", &url, file], "");
    let said = format!(
        "Parsing metrics file {file}\n  SUCCESS: metrics file {file} pushed to remote write.\n"
    );
    assert_eq!(String::from_utf8_lossy(&pushed.stdout), said, "{pushed:?}");
    assert_eq!(value("two{a=\"b\",job=\"\"}").as_deref(), Some("2"));
    let refused = push(&[&url], "broken{ 1\n");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("  FAILED: "), "{refused:?}");
    let nobody = push(&["--remote-write.path=/none", &url], "a 1\n");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("404"), "{nobody:?}");
}
