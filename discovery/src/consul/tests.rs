//! What `consul` promises, against a server that holds queries back until something changes, and fails now and then.

use super::*;
use crate::loopback::{Asked, Loopback, Surroundings, section};
use crate::provider::Groups;
use serde_json::json as object;
use std::sync::{Condvar, Mutex};

#[derive(Default)]
struct State {
    index: u64,
    /// Addresses by service.
    services: BTreeMap<String, Vec<String>>,
    /// Answers this many requests with an error.
    failures: usize,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

fn answer(shared: &Shared, asked: &Asked) -> (u16, String, String) {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let index = query.split('&').find_map(|pair| pair.strip_prefix("index="));
    let index = index.map_or(0, |index| index.parse().expect("a number"));
    let mut state = shared.0.lock().expect("state");
    // A blocking query: it returns when there is something newer, or the state was reset.
    while state.index == index && state.failures == 0 {
        state = shared.1.wait(state).expect("state");
    }
    if state.failures > 0 {
        state.failures -= 1;
        return (500, String::new(), "no leader".to_owned());
    }
    let header = format!("X-Consul-Index: {}\r\n", state.index);
    let body = match path {
        "/v1/catalog/services" => {
            let names = state.services.keys().map(|name| (name.clone(), object!([])));
            Value::Object(names.collect())
        }
        path => {
            let name = path.strip_prefix("/v1/health/service/").expect("a service");
            let addresses = state.services.get(name).cloned().unwrap_or_default();
            let entry = |address: &String| object!({"Node": {"Address": address}, "Service": {"Port": 1}, "Checks": []});
            addresses.iter().map(entry).collect()
        }
    };
    (200, header, body.to_string())
}

fn change(shared: &Shared, f: impl FnOnce(&mut State)) {
    f(&mut shared.0.lock().expect("state"));
    shared.1.notify_all();
}

fn set(state: &mut State, name: &str, addresses: &[&str]) {
    let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
    state.services.insert(name.to_owned(), addresses);
}

struct Running {
    groups: Groups,
    surroundings: Surroundings,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn run(server: &Loopback) -> Running {
    let surroundings = Surroundings::new(&[]);
    let text = format!("{{server: '{}', datacenter: dc, refresh_interval: 1ms}}", server.address);
    let section = section("consul_sd_configs", &text);
    let mut consul = new(&surroundings.context(), &section).expect("good");
    consul.retry = Duration::from_millis(1);
    let groups = Groups::default();
    let publisher = Publisher::new(Arc::clone(&groups), Arc::new(|| {}));
    let task = tokio::spawn(Box::new(consul).run(publisher));
    Running { groups, surroundings, task }
}

impl Running {
    /// Waits until the targets are these.
    async fn settle(&self, want: &[&str]) {
        let have = || -> Vec<String> {
            let groups = self.groups.lock();
            let targets = groups.values().flat_map(|group| &group.targets);
            targets.map(|target| target.get("__address__").expect("one").to_owned()).collect()
        };
        for _ in 0..4000 {
            if have() == want {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("{:?}, not {want:?}", have());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_come_change_and_go_by_blocking_queries() {
    let shared = Shared::default();
    change(&shared, |state| {
        state.index = 5;
        set(state, "a", &["10.0.0.1"]);
    });
    let of_server = Arc::clone(&shared);
    let server = Loopback::with_headers(move |asked| answer(&of_server, asked));
    let running = run(&server);
    running.settle(&["10.0.0.1:1"]).await;
    change(&shared, |state| {
        state.index = 6;
        set(state, "b", &["10.0.0.2"]);
        set(state, "a", &["10.0.0.1", "10.0.0.3"]);
    });
    running.settle(&["10.0.0.1:1", "10.0.0.3:1", "10.0.0.2:1"]).await;
    // A failure keeps what was found, and is made up for.
    change(&shared, |state| {
        state.failures = 10;
        state.index = 7;
        set(state, "b", &["10.0.0.4"]);
    });
    running.settle(&["10.0.0.1:1", "10.0.0.3:1", "10.0.0.4:1"]).await;
    let failures = running.surroundings.metric("prometheus_sd_consul_rpc_failures_total");
    assert_eq!(failures, Some(10.0));
    // A cluster that was restored counts from the beginning.
    change(&shared, |state| {
        state.index = 2;
        drop(state.services.remove("a"));
    });
    running.settle(&["10.0.0.4:1"]).await;
    let waiting = server.asked().iter().filter(|asked| asked.target.contains("index=2")).count();
    // One of the catalog, one for each service: that of the one that went may have been asked before it was known.
    assert!(waiting <= 3, "{waiting} queries: they are held back, not repeated");
}
