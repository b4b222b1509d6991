//! The lines that say who asked for what only administrators may do.

use benches::load::peer::Peer;
use std::time::Duration;
use tests::http::client::exchange;

/// `secret`, hashed with little effort.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

#[test]
fn calls_of_administrators_are_logged_with_name_and_parameters() {
    let scratch = tests::Scratch::new("audit");
    let web = scratch.path().join("web.yml");
    let text = format!(
        "basic_auth_users: {{alice: \"{HASH}\", bob: \"{HASH}\"}}\n\
         user_roles: {{alice: admin, bob: read}}\n"
    );
    // Users come later: who waits for the start has no name.
    std::fs::write(&web, "").expect("written");
    let line = format!(
        "firesteel={} --config.file={{config}} --storage.tsdb.path={{dir}} \
         --web.listen-address=127.0.0.1:{{port}} --web.enable-admin-api --web.enable-lifecycle \
         --web.config.file={}",
        env!("CARGO_BIN_EXE_firesteel"),
        web.display()
    );
    let peer = Peer::parse(&line).expect("a well-formed command");
    let dir = scratch.path().join("data");
    let running = peer.start(&dir, "global: {}\n").expect("it starts").0;
    std::fs::write(&web, text).expect("written");
    let ask = |user: &str, path: &str, form: &str| {
        // `alice:secret` and `bob:secret` in base64.
        let credentials = if user == "alice" { "YWxpY2U6c2VjcmV0" } else { "Ym9iOnNlY3JldA==" };
        let headers = [
            ("Authorization".to_owned(), format!("Basic {credentials}")),
            ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ];
        let address = ([127, 0, 0, 1], running.port).into();
        exchange(address, "POST", path, &headers, form.as_bytes()).status
    };
    let delete = "/api/v1/admin/tsdb/delete_series?start=1";
    assert_eq!(ask("alice", delete, "match[]=up%7Ba%3D%22b%22%7D"), 204);
    assert_eq!(ask("bob", "/api/v1/admin/tsdb/snapshot", ""), 403);
    assert_eq!(ask("alice", "/-/reload", ""), 200);
    assert_eq!(ask("alice", "/api/v1/query", "query=1"), 200);
    assert_eq!(ask("alice", "/api/v1/import/openmetrics", "# EOF\n"), 200);
    let log = dir.with_extension("log");
    let begin = metrics::Stopwatch::start();
    let lines = loop {
        let text = std::fs::read_to_string(&log).expect("the log");
        let lines: Vec<String> = text
            .lines()
            .filter(|line| line.contains("component=audit"))
            .map(str::to_owned)
            .collect();
        if lines.len() >= 4 {
            break lines;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{text}");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(lines.len(), 4, "queries are nobody's affair: {lines:#?}");
    let has = |line: &str, words: &[&str]| {
        words.iter().for_each(|word| assert!(line.contains(word), "{word} in {line}"));
    };
    has(&lines[0], &["user=alice", "peer=127.0.0.1:", "method=POST", "status=204"]);
    has(&lines[0], &["path=/api/v1/admin/tsdb/delete_series", "match[]=up{a=", "start=1"]);
    has(&lines[1], &["user=bob", "path=/api/v1/admin/tsdb/snapshot", "status=403"]);
    has(&lines[2], &["user=alice", "path=/-/reload", "status=200"]);
    has(&lines[3], &["user=alice", "path=/api/v1/import/openmetrics", "status=200"]);
}
