//! What fuzzing does with what servers tell discovery: one on this machine answers a mechanism with any bytes, and it
//! finds targets or says what is wrong. Used by the programs in `fuzz/` as well.

use metrics::Registry;
use std::cell::Cell;
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The mechanisms that are told where their server is, by the first byte of an input.
pub(crate) const SECTIONS: [&str; 23] = [
    "consul_sd_configs: [{server: 'ADDRESS'}]",
    "docker_sd_configs: [{host: 'http://ADDRESS'}]",
    "dockerswarm_sd_configs: [{host: 'http://ADDRESS', role: tasks}]",
    "dockerswarm_sd_configs: [{host: 'http://ADDRESS', role: services}]",
    "dockerswarm_sd_configs: [{host: 'http://ADDRESS', role: nodes}]",
    "ec2_sd_configs: [{region: r, endpoint: 'http://ADDRESS', access_key: a, secret_key: s}]",
    "lightsail_sd_configs: [{region: r, endpoint: 'http://ADDRESS', access_key: a, secret_key: s}]",
    "eureka_sd_configs: [{server: 'http://ADDRESS/eureka'}]",
    "http_sd_configs: [{url: 'http://ADDRESS/'}]",
    "kubernetes_sd_configs: [{api_server: 'http://ADDRESS', role: node}]",
    "kubernetes_sd_configs: [{api_server: 'http://ADDRESS', role: pod}]",
    "kubernetes_sd_configs: [{api_server: 'http://ADDRESS', role: service}]",
    "kubernetes_sd_configs: [{api_server: 'http://ADDRESS', role: endpoints}]",
    "kubernetes_sd_configs: [{api_server: 'http://ADDRESS', role: endpointslice}]",
    "kubernetes_sd_configs: [{api_server: 'http://ADDRESS', role: ingress}]",
    "kuma_sd_configs: [{server: 'http://ADDRESS'}]",
    "marathon_sd_configs: [{servers: ['http://ADDRESS']}]",
    "nomad_sd_configs: [{server: 'http://ADDRESS'}]",
    "openstack_sd_configs: [{identity_endpoint: 'http://ADDRESS/v3', region: r, role: instance, username: u, password: p, domain_name: d, project_name: n}]",
    "puppetdb_sd_configs: [{url: 'http://ADDRESS', query: q}]",
    "uyuni_sd_configs: [{server: 'http://ADDRESS', username: u, password: p}]",
    "nerve_sd_configs: [{servers: ['ADDRESS'], paths: [/a]}]",
    "serverset_sd_configs: [{servers: ['ADDRESS'], paths: [/a]}]",
];

/// Stands between the answers of an input: no text has it.
pub(crate) const BETWEEN: u8 = 0xFF;

/// How long an input may take; most are over in some milliseconds.
const PATIENCE_MS: u32 = 100;

thread_local! {
    /// Panics on this thread so far: those of a task would go unnoticed.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
}

/// The number of a section, then what is answered to one question after the other.
pub(crate) fn discovery(bytes: &[u8]) {
    let _has_targets = finds_targets(bytes);
}

/// The same; whether there was a target.
pub(crate) fn finds_targets(bytes: &[u8]) -> bool {
    let Some((&number, answers)) = bytes.split_first() else { return false };
    let section = SECTIONS[usize::from(number) % SECTIONS.len()];
    count_panics();
    let before = PANICS.get();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let has_targets = runtime.block_on(discover(section, answers));
    drop(runtime);
    assert_eq!(PANICS.get(), before, "a task panicked");
    has_targets
}

async fn discover(section: &str, answers: &[u8]) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let is_raw = section.starts_with("nerve") || section.starts_with("serverset");
    tokio::spawn(serve(listener, Arc::from(answers), is_raw));
    let config =
        format!("scrape_configs:\n- job_name: j\n  {}\n", section.replace("ADDRESS", &address));
    let context = cli::config::Context::new(&|_| None);
    let config = cli::config::load(config.as_bytes(), "fuzzed.yml", &context);
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    let job = config.scrape_configs().expect("jobs").remove(0).discovery;
    let registry = Registry::new();
    let (manager, receive) = discovery::Manager::new(discovery::ManagerOptions {
        registry: registry.clone(),
        name: "scrape".into(),
        user_agent: "fuzz".into(),
        clock: Arc::new(|| 1_700_000_000_000),
        environment: Arc::new(|_| None),
    });
    manager.apply_config(&[("j".to_owned(), job)]);
    for _ in 0..PATIENCE_MS {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if has_outcome(&registry) {
            break;
        }
    }
    // What was found is on its way to who reads it.
    tokio::time::sleep(Duration::from_millis(2)).await;
    manager.stop();
    let found = receive.borrow();
    found.values().flatten().any(|group| !group.targets.is_empty())
}

/// Whether something was found, or failed.
fn has_outcome(registry: &Registry) -> bool {
    const TELLING: [&str; 4] = [
        "_failures_total",
        "prometheus_sd_received_updates_total",
        "prometheus_sd_refresh_duration_histogram_seconds_count",
        "prometheus_sd_kubernetes_events_total",
    ];
    let mut text = String::new();
    registry.encode_text(&mut text);
    let mut samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.any(|line| TELLING.iter().any(|name| line.contains(name)) && !line.ends_with(" 0"))
}

async fn serve(listener: TcpListener, answers: Arc<[u8]>, is_raw: bool) {
    let pieces: Vec<Vec<u8>> = if is_raw {
        vec![answers.to_vec()]
    } else {
        answers.split(|&byte| byte == BETWEEN).map(<[u8]>::to_vec).collect()
    };
    let (pieces, mut next) = (Arc::new(pieces), 0);
    while let Ok((stream, _)) = listener.accept().await {
        if is_raw {
            tokio::spawn(tell(stream, Arc::clone(&pieces)));
        } else {
            // One connection after the other: who asks on several at once waits for its turn.
            next = answer(stream, &pieces, next).await;
        }
    }
}

/// Says all there is to say, and listens until the other side has enough.
async fn tell(mut stream: TcpStream, pieces: Arc<Vec<Vec<u8>>>) {
    let mut heard = [0; 4096];
    for piece in &*pieces {
        if stream.write_all(piece).await.is_err() {
            return;
        }
    }
    while stream.read(&mut heard).await.is_ok_and(|len| len > 0) {}
}

/// Answers one request, with the piece of this number or the last one, and closes the connection.
async fn answer(mut stream: TcpStream, pieces: &[Vec<u8>], number: usize) -> usize {
    let mut request = Vec::new();
    let mut heard = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut heard).await {
            Ok(len) if len > 0 => request.extend_from_slice(&heard[..len]),
            _ => return number,
        }
    }
    let body = pieces.get(number).or(pieces.last()).map_or(&[][..], Vec::as_slice);
    let kind = if body.starts_with(b"<") { "text/xml" } else { "application/json" };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nX-Consul-Index: 7\r\nX-Subject-Token: t\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let reply = [head.as_bytes(), body].concat();
    // A client that hangs up early has its reasons.
    drop(stream.write_all(&reply).await);
    drop(stream.shutdown().await);
    number + 1
}

/// Whether a request has come to its end.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
