//! A server of the reference, started for a test, and one query asked of it and of our engine over the same data: the
//! answers in one form. `FIRESTEEL_REFERENCE` names its binary; tests that need it say so where it is absent.

use crate::queries::{data, unordered};
use promql::{Answer, Engine, Error, Request};
use serde_json::{Value as Json, json};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use storage::{Cancel, Queryable};
use tests::http::client::{Connection, exchange};

/// The binary of the reference.
pub(crate) fn binary() -> Option<String> {
    let binary = std::env::var("FIRESTEEL_REFERENCE").ok();
    if binary.is_none() {
        println!("SKIPPED: no reference (set FIRESTEEL_REFERENCE to its binary)");
    }
    binary
}

/// A server that ends with the value.
pub(crate) struct Reference {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Reference {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

impl Reference {
    /// Serves what is in `dir`, with these features besides those of the language; the configuration is written beside it.
    pub(crate) fn start(binary: &str, dir: &Path, more_features: &str) -> Self {
        let config = dir.with_extension("yml");
        std::fs::write(&config, "global: {}\n").expect("a configuration");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let features = "promql-experimental-functions,promql-extended-range-selectors,\
            promql-binop-fill-modifiers,promql-duration-expr";
        let child = Command::new(binary)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--enable-feature={features}{more_features}"))
            .arg("--storage.tsdb.retention.time=100y")
            .stderr(Stdio::null())
            .spawn();
        let server = Self { child: child.expect("the reference starts"), address };
        let clock = metrics::Stopwatch::start();
        let ready = || {
            TcpStream::connect(address).is_ok()
                && exchange(address, "GET", "/-/ready", &[], &[]).status == 200
        };
        while !ready() {
            assert!(clock.elapsed() < Duration::from_secs(60), "the reference is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }
}

/// When a query is evaluated, in milliseconds: first, last, step; no step for once.
pub(crate) type Times = (i64, i64, i64);

/// What is compared, in one form: result or error, and sorted messages.
pub(crate) fn ours(
    engine: &Engine,
    db: &dyn Queryable,
    text: &str,
    (start, end, step): Times,
) -> Json {
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    let answer = match step {
        0 => engine.instant(db, text, start, &request),
        _ => engine.range(db, text, start, end, step, &request),
    };
    let notes = |notes: &[Box<str>]| -> Vec<String> {
        let mut notes: Vec<String> = notes.iter().map(|note| note.to_string()).collect();
        notes.sort();
        notes
    };
    match answer {
        Ok(answer) => {
            let Answer { annotations, .. } = &answer;
            let (warnings, infos) = (notes(&annotations.warnings), notes(&annotations.infos));
            json!({"data": unordered(data(&answer)), "warnings": warnings, "infos": infos})
        }
        Err(error @ (Error::Parse(_) | Error::WrongType(_))) => {
            json!({"error": format!("invalid parameter \"query\": {error}")})
        }
        Err(error) => json!({"error": error.to_string()}),
    }
}

pub(crate) fn theirs(client: &mut Connection, text: &str, (start, end, step): Times) -> Json {
    let query = crate::conformance::encoded(text);
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let answer = match step {
        0 => client.post("/api/v1/query", &format!("query={query}&time={}", seconds(start))),
        _ => {
            let [start, end, step] = [start, end, step].map(seconds);
            let form = format!("query={query}&start={start}&end={end}&step={step}");
            client.post("/api/v1/query_range", &form)
        }
    };
    let mut body: Json = serde_json::from_slice(&answer.body).expect("JSON");
    if body["status"] == "error" {
        return json!({"error": body["error"]});
    }
    let mut notes = |name: &str| {
        let mut notes = body[name].take().as_array().cloned().unwrap_or_default();
        notes.sort_by_key(ToString::to_string);
        notes
    };
    let (warnings, infos) = (notes("warnings"), notes("infos"));
    json!({"data": unordered(body["data"].take()), "warnings": warnings, "infos": infos})
}

/// Numbers to a relative 1e-12.
pub(crate) fn close(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b)))
        }
        (Json::String(a), Json::String(b)) => {
            let numbers = (a.parse::<f64>(), b.parse::<f64>());
            a == b
                || matches!(numbers, (Ok(a), Ok(b)) if (a - b).abs() <= 1e-12 * a.abs().max(b.abs()))
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

/// The parts that differ, shortened.
pub(crate) fn difference(got: &Json, wanted: &Json) -> String {
    let cut = |json: &Json| json.to_string().chars().take(600).collect::<String>();
    for name in ["error", "warnings", "infos"] {
        if got.get(name) != wanted.get(name) {
            return format!("{name}: {}\n  not {}", cut(&got[name]), cut(&wanted[name]));
        }
    }
    let (a, b) = (&got["data"]["result"], &wanted["data"]["result"]);
    if let (Some(a), Some(b)) = (a.as_array(), b.as_array())
        && a.len() == b.len()
        && let Some((a, b)) = a.iter().zip(b).find(|(a, b)| a != b)
    {
        for name in ["values", "histograms"] {
            if let (Some(x), Some(y)) = (a[name].as_array(), b[name].as_array())
                && x.len() == y.len()
                && let Some((x, y)) = x.iter().zip(y).find(|(x, y)| !close(x, y))
            {
                return format!("{}: {}\n  not {}", a["metric"], cut(x), cut(y));
            }
        }
        return format!("{}\n  not {}", cut(a), cut(b));
    }
    format!("{}\n  not {}", cut(a), cut(b))
}
