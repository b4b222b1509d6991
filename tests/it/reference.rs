//! A server of the reference, started for a test, and one query asked of it and of our engine over the same data: the
//! answers in one form. `FIRESTEEL_REFERENCE` names its binary; tests that need it say so where it is absent.

use crate::db_answers::close;
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
        let notes = body[name].take();
        let texts = notes.as_array().into_iter().flatten();
        let mut texts: Vec<_> =
            texts.map(|text| text.as_str().expect("a text").to_owned()).collect();
        texts.sort();
        texts
    };
    let (warnings, infos) = (notes("warnings"), notes("infos"));
    json!({"data": unordered(body["data"].take()), "warnings": warnings, "infos": infos})
}

/// By what part of themselves numbers may differ.
const TOLERANCE: f64 = 1e-12;
/// How often the reference is asked again before its answer counts as the only one.
const TRIES: usize = 40;

/// Errors that are its own: it cannot write down what it computed.
const FAULTS: [&str; 1] = ["histograms with custom buckets have no zero bucket"];

/// What another answer of the reference means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It fails by a fault of its own.
    Fault,
    /// It also gives ours: it has several, by the order of a map that is random from query to query.
    Several,
    /// It has several, and each point of ours is in one of them, numbers to a relative 1e-12: sums in another order.
    Nearly,
    /// It gives another one.
    Differs(String),
}

/// Asks again where the reference answered otherwise.
pub(crate) fn judge(client: &mut Connection, text: &str, times: Times, got: &Json) -> Verdict {
    let mut answers: Vec<Json> = Vec::new();
    for _ in 0..TRIES {
        let answer = theirs(client, text, times);
        if answer == *got {
            return Verdict::Several;
        }
        if FAULTS.iter().any(|fault| answer["error"] == *fault) {
            return Verdict::Fault;
        }
        if !answers.contains(&answer) {
            answers.push(answer);
        }
    }
    let is_one_of = |name: &str| answers.iter().any(|answer| answer.get(name) == got.get(name));
    let alike = ["error", "warnings", "infos"].iter().all(|name| is_one_of(name));
    if answers.len() > 1 && alike && is_between(got, &answers) {
        return Verdict::Nearly;
    }
    Verdict::Differs(difference(got, &answers[0]))
}

/// The points of an answer by row and time.
fn points(answer: &Json) -> Vec<(&Json, &Json, &Json)> {
    let result = &answer["data"]["result"];
    let rows = result.as_array().into_iter().flatten().filter(|row| row.is_object());
    let points = rows.flat_map(|row| {
        let many = ["values", "histograms"].into_iter().filter_map(|name| row[name].as_array());
        let one = ["value", "histogram"].into_iter().filter_map(|name| row.get(name));
        many.flatten().chain(one).map(|point| (&row["metric"], &point[0], &point[1]))
    });
    let scalar = result.as_array().filter(|pair| pair.first().is_some_and(Json::is_number));
    points.chain(scalar.map(|pair| (&Json::Null, &pair[0], &pair[1]))).collect()
}

/// Whether every point is in some answer, and what is in all of them is there.
fn is_between(got: &Json, answers: &[Json]) -> bool {
    type Point<'j> = (&'j Json, &'j Json, &'j Json);
    // Labels may be numbers, too: `count_values`.
    let is_at = |a: &Point<'_>, b: &Point<'_>| a.1 == b.1 && close(a.0, b.0, TOLERANCE);
    let got = points(got);
    let answers: Vec<Vec<Point<'_>>> = answers.iter().map(points).collect();
    let holds = |answer: &[Point<'_>], own: &Point<'_>| {
        answer.iter().any(|point| is_at(point, own) && close(point.2, own.2, TOLERANCE))
    };
    let always = answers[0].iter().filter(|point| {
        answers.iter().all(|answer| answer.iter().any(|other| is_at(other, point)))
    });
    got.iter().all(|own| answers.iter().any(|answer| holds(answer, own)))
        && always.into_iter().all(|point| got.iter().any(|own| is_at(own, point)))
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
                && let Some((x, y)) = x.iter().zip(y).find(|(x, y)| !close(x, y, TOLERANCE))
            {
                return format!("{}: {}\n  not {}", a["metric"], cut(x), cut(y));
            }
        }
        return format!("{}\n  not {}", cut(a), cut(b));
    }
    format!("{}\n  not {}", cut(a), cut(b))
}
