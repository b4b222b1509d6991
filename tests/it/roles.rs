//! Roles of users: who may do what, and what is told to those who may not.

use crate::http::client::exchange;
use crate::http::serve::{Running, Setup, head};
use std::sync::Arc;
use tests::Scratch;
use web::Guard;

/// `secret`, hashed with little effort.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

fn config(users: &[&str], roles: &str) -> String {
    let users: String = users.iter().map(|user| format!("  {user}: {HASH}\n")).collect();
    format!("basic_auth_users:\n{users}{roles}")
}

#[test]
fn users_do_what_their_roles_grant() {
    let scratch = Scratch::new("roles");
    let path = scratch.path().join("web.yml");
    let roles = "user_roles:\n  reader: read\n  agent: write\n  both: read, write\n  boss: admin\n";
    let text = config(&["reader", "agent", "both", "boss"], roles);
    std::fs::write(&path, text).expect("written");
    let setup = Setup { guard: Some(path.clone()), ..Setup::default() };
    let running = Running::start(Arc::new(head()), &setup);
    let status = |user: &str, method: &str, path: &str| {
        let credentials = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(format!("{user}:secret"))
        };
        let header = ("Authorization".to_owned(), format!("Basic {credentials}"));
        let answer = exchange(running.address, method, path, &[header], &[]);
        (answer.status, answer.text())
    };
    let is_refused = |user: &str, method: &str, path: &str| status(user, method, path).0 == 403;
    let asked = [
        ("GET", "/api/v1/query?query=1", ["reader", "both", "boss"].as_slice()),
        ("GET", "/metrics", &["reader", "both", "boss"]),
        ("GET", "/federate?match[]=up", &["reader", "both", "boss"]),
        ("POST", "/api/v1/read", &["reader", "both", "boss"]),
        ("GET", "/query", &["reader", "both", "boss"]),
        ("POST", "/api/v1/write", &["agent", "both", "boss"]),
        ("POST", "/api/v1/otlp/v1/metrics", &["agent", "both", "boss"]),
        ("POST", "/api/v1/admin/tsdb/snapshot", &["boss"]),
        ("POST", "/api/v1/admin/tsdb/delete_series", &["boss"]),
        ("PUT", "/api/v1/admin/tsdb/clean_tombstones", &["boss"]),
        ("DELETE", "/api/v1/status/active_queries/1", &["boss"]),
        ("POST", "/api/v1/import/openmetrics", &["boss"]),
        ("POST", "/-/reload", &["boss"]),
        ("POST", "/-/quit", &["boss"]),
        ("GET", "/-/healthy", &["reader", "agent", "both", "boss"]),
        ("GET", "/nowhere", &["reader", "agent", "both", "boss"]),
    ];
    for (method, path, _) in asked {
        assert_eq!(exchange(running.address, method, path, &[], &[]).status, 401, "{path}");
    }
    for (method, path, allowed) in asked {
        for user in ["reader", "agent", "both", "boss"] {
            let refused = is_refused(user, method, path);
            // The lifecycle API is switched off here, which is a 403 of its own.
            let expected = !allowed.contains(&user) || path.starts_with("/-/") && method == "POST";
            assert_eq!(refused, expected, "{user} {method} {path}");
        }
    }
    let (_, text) = status("agent", "GET", "/api/v1/query?query=1");
    assert_eq!(text, "Forbidden: this needs role \"read\", which \"agent\" lacks\n");
    assert_eq!(status("boss", "POST", "/-/reload").1, "Lifecycle API is not enabled.");
    // Without roles everyone does everything, as soon as the file says so.
    std::fs::write(&path, config(&["agent"], "")).expect("written");
    assert_eq!(status("agent", "GET", "/api/v1/query?query=1").0, 200);
}

#[test]
fn roles_that_make_no_sense_are_refused_with_what_was_meant() {
    let scratch = Scratch::new("bad-roles");
    let path = scratch.path().join("web.yml");
    let refused = |roles: &str| {
        std::fs::write(&path, config(&["alice", "bob"], roles)).expect("written");
        Guard::check(&path).expect_err("refused").to_string()
    };
    for (roles, words) in [
        ("user_roles: {alice: raed, bob: read}\n", "no role \"raed\"; did you mean \"read\"?"),
        (
            "user_roles: {alice: read, bbo: read}\n",
            "no user \"bbo\" in basic_auth_users; did you mean \"bob\"?",
        ),
        ("user_roles: {alice: admin}\n", "user \"bob\" has no role"),
        ("user_role: {alice: admin}\n", "did you mean \"user_roles\"?"),
    ] {
        let text = refused(roles);
        assert!(text.contains(words), "{text}");
        assert!(text.contains("web.yml:4"), "{text}");
    }
}
