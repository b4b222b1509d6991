//! `remote_read` against a server in this process: old samples from there, new ones from here, failures as warnings.

use crate::http::client::exchange;
use crate::http::serve::{Running, Setup, api};
use cli::config::{Context, load};
use metrics::Registry;
use model::{Labels, SeriesRef};
use remote::read_client::{ReadClient, ReadThrough};
use std::net::SocketAddr;
use std::sync::Arc;
use storage::{Appendable, FloatBatch, LabelBatch, MemoryStorage, Queryable};
use tokio::runtime::{Builder, Runtime};

/// A storage with `m{a="1"}` at these seconds, the value being the second.
fn storage(seconds: std::ops::Range<i64>) -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let mut refs = Vec::new();
    let pairs = [("__name__", "m"), ("a", "1")];
    appender.resolve(LabelBatch::new(&pairs, &[2]), &mut refs, &mut Vec::new()).expect("resolved");
    let times: Vec<i64> = seconds.clone().map(|second| second * 1000).collect();
    let values: Vec<f64> = seconds.map(|second| second as f64).collect();
    let refs: Vec<SeriesRef> = vec![refs[0].expect("new"); times.len()];
    let batch = FloatBatch::new(&refs, &times, &values);
    appender.append_floats(batch, &mut Vec::new()).expect("appended");
    appender.commit().expect("committed");
    storage
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime")
}

/// A server over the seconds from 100 on that asks `address` for what is before.
fn start(runtime: &Runtime, address: SocketAddr, more: &str) -> Running {
    let text = format!("remote_read:\n- url: http://{address}/api/v1/read\n{more}");
    let context = Context::new(&|_| None);
    let config = load(text.as_bytes(), "test.yml", &context).expect("configuration").remote_read;
    let through = Arc::new(ReadThrough::new(Arc::new(storage(100..120))));
    let labels = Labels::from_pairs([("zone", "z")]);
    let client = ReadClient::new(
        config[0].clone(),
        &labels,
        Arc::new(|| 100_000),
        "test",
        runtime.handle().clone(),
        &Registry::new(),
    );
    through.set_clients(vec![Arc::new(client.expect("client"))]);
    Running::start_api(api(through as Arc<dyn Queryable>, None, &Setup::default()))
}

fn ask(running: &Running, query: &str) -> String {
    let path = format!("/api/v1/query?query={query}&time=119");
    exchange(running.address, "GET", &path, &[], &[]).text()
}

#[test]
fn old_samples_come_from_the_other_server() {
    let runtime = runtime();
    let setup = Setup { external_labels: Labels::from_pairs([("zone", "z")]), ..Setup::default() };
    let other = Running::start(Arc::new(storage(0..110)), &setup);
    let running = start(&runtime, other.address, "");
    let all = ask(&running, "sum_over_time(m[10m])");
    // The other server has 0 to 109, this one 100 to 119; the label that was added is taken off again.
    assert!(all.contains(r#"{"a":"1"}"#) && all.contains(r#""7140""#), "{all}");
    let recent = ask(&running, "count_over_time(m[15s])");
    assert!(recent.contains(r#""15""#), "{recent}");
    let choosy = start(&runtime, other.address, "  required_matchers: {a: '1'}\n");
    assert!(ask(&choosy, "count_over_time(m[10m])").contains(r#""20""#));
    assert!(ask(&choosy, "count_over_time(m%7Ba=%221%22%7D[10m])").contains(r#""120""#));
}

#[test]
fn a_server_that_is_away_is_a_warning() {
    let runtime = runtime();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = nobody.local_addr().expect("address");
    drop(nobody);
    let running = start(&runtime, address, "");
    let answer = ask(&running, "count_over_time(m[10m])");
    assert!(answer.contains(r#""20""#) && answer.contains("remote_read: "), "{answer}");
}
