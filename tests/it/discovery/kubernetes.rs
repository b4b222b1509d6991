//! Recorded clusters: a loopback server with the recorded objects that answers lists, pages and watches, with selectors,
//! and sends the recorded changes.

use super::{difference, discovered, expected, job};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Cluster {
    /// By resource.
    objects: BTreeMap<String, Vec<Value>>,
    /// What happened since the beginning, to be sent to watches.
    events: Vec<Value>,
    /// Watches after an older event get the answer that it is forgotten.
    forgotten: usize,
    is_over: bool,
    watches: usize,
}

type Shared = Arc<(Mutex<Cluster>, Condvar)>;

/// A request: the resource, the namespace, the parameters.
struct Query {
    resource: String,
    namespace: String,
    parameters: BTreeMap<String, String>,
}

impl Query {
    fn parse(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let namespace = parts.iter().position(|part| *part == "namespaces");
        let namespace = namespace.and_then(|at| parts.get(at + 1)).filter(|_| parts.len() > 5);
        let unescaped =
            |text: &str| text.replace("%3D", "=").replace("%2C", ",").replace("%2F", "/");
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self {
            resource: parts.last().expect("a path").to_string(),
            namespace: namespace.map_or_else(String::new, ToString::to_string),
            parameters: pairs.map(|(name, value)| (name.to_owned(), unescaped(value))).collect(),
        }
    }

    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    fn wants(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let terms = |name: &str| -> Vec<(String, String)> {
            let terms = self.parameter(name).split(',').filter_map(|term| term.split_once('='));
            terms.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let field = |path: &str| path.split('.').fold(object, |value, name| &value[name]).clone();
        (self.namespace.is_empty() || object["metadata"]["namespace"] == *self.namespace)
            && terms("labelSelector").iter().all(|(name, value)| labels[name] == **value)
            && terms("fieldSelector").iter().all(|(name, value)| field(name) == **value)
    }
}

fn serve(mut stream: &TcpStream, cluster: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let query = Query::parse(first.split(' ').nth(1).expect("a target"));
        if query.parameter("watch") == "true" {
            return watch(stream, &query, cluster);
        }
        let body = list(&query, &cluster.0.lock().expect("cluster")).to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes())?;
    }
}

/// A page of two objects.
fn list(query: &Query, cluster: &Cluster) -> Value {
    let objects = cluster.objects.get(&query.resource).into_iter().flatten();
    let all: Vec<&Value> = objects.filter(|object| query.wants(object)).collect();
    let begin: usize = query.parameter("continue").parse().unwrap_or(0);
    let next = if begin + 2 < all.len() { (begin + 2).to_string() } else { String::new() };
    let version = cluster.events.len().to_string();
    let page: Vec<_> = all.into_iter().skip(begin).take(2).collect();
    json!({"items": page, "metadata": {"resourceVersion": version, "continue": next}})
}

fn watch(mut stream: &TcpStream, query: &Query, cluster: &Shared) -> std::io::Result<()> {
    let (state, told) = &**cluster;
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
    let mut state = state.lock().expect("cluster");
    let mut seen: usize = query.parameter("resourceVersion").parse().expect("a version");
    state.watches += 1;
    while !state.is_over {
        if seen < state.forgotten {
            let gone = json!({"type": "ERROR", "object": {"code": 410, "message": "too old"}});
            state.watches -= 1;
            return stream.write_all(format!("{gone}\n").as_bytes());
        }
        for event in &state.events[seen..] {
            seen += 1;
            let mut object = event["object"].clone();
            object["metadata"]["resourceVersion"] = json!(seen.to_string());
            let line = if event["resource"] == *query.resource && query.wants(&object) {
                json!({"type": event["type"], "object": object})
            } else {
                let metadata = json!({"metadata": {"resourceVersion": seen.to_string()}});
                json!({"type": "BOOKMARK", "object": metadata})
            };
            stream.write_all(format!("{line}\n").as_bytes())?;
        }
        state = told.wait(state).expect("cluster");
    }
    Ok(())
}

/// Makes a change: the objects, and the event for those who watch.
fn change(cluster: &Shared, event: &Value) {
    let mut state = cluster.0.lock().expect("cluster");
    let resource = event["resource"].as_str().expect("a resource");
    let objects = state.objects.entry(resource.to_owned()).or_default();
    let identity = |object: &Value| {
        (object["metadata"]["namespace"].clone(), object["metadata"]["name"].clone())
    };
    objects.retain(|object| identity(object) != identity(&event["object"]));
    if event["type"] != "DELETED" {
        objects.push(event["object"].clone());
    }
    state.events.push(event.clone());
    cluster.1.notify_all();
}

fn start(cluster: &Shared) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let cluster = Arc::clone(cluster);
    let accept = move || {
        for stream in listener.incoming() {
            let (stream, cluster) = (stream.expect("a connection"), Arc::clone(&cluster));
            let serve = move || drop(serve(&stream, &cluster));
            std::thread::Builder::new().spawn(serve).expect("a thread");
        }
    };
    std::thread::Builder::new().spawn(accept).expect("a thread");
    address
}

fn cluster() -> Shared {
    let bytes = tests::golden_bytes("scrape/discovery/kubernetes_objects.json");
    let recorded: Value = serde_json::from_slice(&bytes).expect("JSON");
    let mut cluster = Cluster::default();
    for (resource, list) in recorded.as_object().expect("resources") {
        let items = list["items"].as_array().expect("items").clone();
        cluster.objects.insert(resource.clone(), items);
    }
    Arc::new((Mutex::new(cluster), Condvar::new()))
}

type Receiver = tokio::sync::watch::Receiver<Arc<discovery::TargetGroups>>;

fn discover(config: &str, address: SocketAddr) -> (discovery::Manager, Receiver) {
    let begin = config.find("http://127.103.").expect("an address") + "http://".len();
    let recorded = config[begin..].split_whitespace().next().expect("an address");
    let config = config.replace(recorded, &address.to_string());
    let (manager, receive) = discovery::Manager::new(discovery::ManagerOptions {
        registry: metrics::Registry::new(),
        name: "scrape".into(),
        user_agent: "Prometheus/".into(),
        clock: Arc::new(|| 0),
        environment: Arc::new(|_| None),
    });
    manager.apply_config(&[("j".to_owned(), job(&config))]);
    (manager, receive)
}

/// Waits for targets; what differs if they do not come.
async fn settle(receive: &mut Receiver, targets: &Value) -> Option<String> {
    let want = expected(targets);
    let reached = tokio::time::timeout(PATIENCE, async {
        while discovered(&receive.borrow_and_update().clone()) != want {
            receive.changed().await.expect("the manager lives");
        }
    });
    if reached.await.is_ok() {
        return None;
    }
    let got = discovered(&receive.borrow());
    difference(&want, &got)
}

async fn replay(line: &Value) -> Option<String> {
    let cluster = cluster();
    let address = start(&cluster);
    let (manager, mut receive) = discover(line["config"].as_str().expect("a text"), address);
    let mut problem = settle(&mut receive, &line["targets"]).await;
    for step in line["then"].as_array().into_iter().flatten() {
        for event in step["after"].as_array().into_iter().flatten() {
            change(&cluster, event);
        }
        problem = match problem {
            None => settle(&mut receive, &step["targets"]).await.map(|what| format!("then {what}")),
            found => found,
        };
    }
    manager.stop();
    cluster.0.lock().expect("cluster").is_over = true;
    cluster.1.notify_all();
    problem
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubernetes() {
    let lines = tests::golden("scrape/discovery/kubernetes.jsonl");
    let mut problems = Vec::new();
    for line in lines.iter().filter(|line| !line["targets"].is_null()) {
        if let Some(what) = replay(line).await {
            problems.push(format!("{}: {what}", line["name"]));
        }
    }
    println!("kubernetes.jsonl {}/{}", lines.len() - problems.len(), lines.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_forgotten_means_a_new_list() {
    let cluster = cluster();
    let address = start(&cluster);
    let config = "scrape_configs:\n- job_name: j\n  kubernetes_sd_configs:\n  - api_server: http://127.103.0.1:21401\n    role: service\n";
    let (manager, mut receive) = discover(config, address);
    while discovered(&receive.borrow_and_update().clone()).is_empty() {
        receive.changed().await.expect("the manager lives");
    }
    {
        // A service goes while nobody hears of it.
        let mut state = cluster.0.lock().expect("cluster");
        state.objects.insert("services".to_owned(), Vec::new());
        state.events.push(json!({"type": "NOTHING", "resource": "none", "object": {}}));
        state.forgotten = state.events.len();
        cluster.1.notify_all();
    }
    assert_eq!(settle(&mut receive, &json!([])).await, None);
    manager.stop();
    cluster.0.lock().expect("cluster").is_over = true;
    cluster.1.notify_all();
}
