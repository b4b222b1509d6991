//! A loopback server that answers recorded requests: those alike in their order, the last of them again and again.
//! It notes what does not agree with the recording. It is a proxy, too, and speaks TLS where the client does: it stands
//! for any host.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Headers that differ with every implementation, or that only say how the body is framed.
const FREE_HEADERS: &[&str] = &[
    "host",
    "user-agent",
    "accept-encoding",
    "content-length",
    "connection",
    "referer",
    "x-amz-date",
];

/// A request as it came in.
#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Default)]
struct State {
    /// Recorded exchanges, and how often each was asked for.
    exchanges: Vec<(Value, usize)>,
    problems: Vec<String>,
}

/// The server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// In scenarios of several steps: the one at hand, which decides on the answer.
    step: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the loop that accepts.
        drop(TcpStream::connect(self.address));
    }
}

impl Server {
    /// A server without recordings yet.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (state, step) = (Arc::<Mutex<State>>::default(), Arc::<AtomicUsize>::default());
        let is_over = Arc::<AtomicBool>::default();
        let (states, steps, over) = (Arc::clone(&state), Arc::clone(&step), Arc::clone(&is_over));
        let accept = move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (state, step) = (Arc::clone(&states), Arc::clone(&steps));
                let stream = stream.expect("a connection");
                let serve = move || drop(serve(stream, &state, &step));
                std::thread::Builder::new().spawn(serve).expect("a thread");
            }
        };
        std::thread::Builder::new().spawn(accept).expect("a thread");
        Self { address, state, step, is_over }
    }

    /// Answers these requests from now on.
    pub(crate) fn load(&self, requests: &Value) {
        let requests = requests.as_array().into_iter().flatten();
        self.state.lock().expect("state").exchanges = requests.map(|r| (r.clone(), 0)).collect();
    }

    /// Goes on to the next answer of requests that have several.
    pub(crate) fn next_step(&self) {
        self.step.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether all that has a recorded answer was asked for, up to the step at hand.
    pub(crate) fn is_done(&self, has_steps: bool) -> bool {
        let state = self.state.lock().expect("state");
        let step = self.step.load(Ordering::Relaxed);
        let has_answer = |recorded: &Value| !recorded["response"].is_null();
        let mut answered = state.exchanges.iter().filter(|(recorded, _)| has_answer(recorded));
        // What was asked for twice and answered alike may be asked for once.
        let is_alike = |one: &Value, other: &Value| {
            ["method", "path", "body", "response"].iter().all(|name| one[*name] == other[*name])
        };
        let is_asked = |recorded: &Value| {
            state.exchanges.iter().any(|(other, asked)| *asked > 0 && is_alike(recorded, other))
        };
        match has_steps {
            true => answered.nth(step).is_none_or(|(_, asked)| *asked > 0),
            false => answered.all(|(recorded, _)| is_asked(recorded)),
        }
    }

    /// What did not agree.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.state.lock().expect("state").problems.clone()
    }
}

/// A connection, with TLS or without.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Names do not matter to clients that skip the verification.
fn tls() -> Arc<ServerConfig> {
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned()];
    let params = CertificateParams::new(names).expect("parameters");
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let builder = builder.with_no_client_auth();
    let chain = vec![certificate.der().clone()];
    Arc::new(builder.with_single_cert(chain, key).expect("a certificate"))
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, step: &AtomicUsize) -> std::io::Result<()> {
    let mut first = [0; 8];
    stream.peek(&mut first)?;
    if first.starts_with(b"CONNECT ") {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        stream.peek(&mut first)?;
    }
    // The first byte of a TLS handshake.
    if first[0] == 0x16 {
        let connection = ServerConnection::new(tls()).map_err(std::io::Error::other)?;
        return exchange(BufReader::new(StreamOwned::new(connection, stream)), state, step);
    }
    exchange(BufReader::new(stream), state, step)
}

fn exchange(
    mut stream: BufReader<impl Stream>,
    state: &Mutex<State>,
    step: &AtomicUsize,
) -> std::io::Result<()> {
    while let Some(request) = read(&mut stream)? {
        let Some(answer) = answer(&request, state, step) else {
            // A watch: held until the client goes.
            drop(stream.read(&mut [0]));
            return Ok(());
        };
        write(stream.get_mut(), &answer, request.method != "HEAD")?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<impl Stream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, target) = (word(), word());
    // A proxy is asked with the whole URL.
    let path = match target.split_once("://") {
        Some((_, rest)) => format!("/{}", rest.split_once('/').map_or("", |(_, path)| path)),
        None => target,
    };
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().unwrap_or(0);
        }
        headers.push((name, value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Request { method, path, headers, body }))
}

/// Whether two bodies say the same, be it with other spaces.
fn is_same_body(recorded: &str, body: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    recorded == body || json(recorded).is_some_and(|want| json(body) == Some(want))
}

fn answer(request: &Request, state: &Mutex<State>, step: &AtomicUsize) -> Option<Value> {
    let mut state = state.lock().expect("state");
    let is_alike = |recorded: &Value| {
        recorded["method"] == *request.method
            && recorded["path"] == *request.path
            && recorded["body"].as_str().is_none_or(|body| is_same_body(body, &request.body))
    };
    let alike: Vec<usize> = state
        .exchanges
        .iter()
        .enumerate()
        .filter(|(_, (recorded, _))| is_alike(recorded))
        .map(|(index, _)| index)
        .collect();
    let step = step.load(Ordering::Relaxed);
    let chosen = match alike.iter().find(|&&index| state.exchanges[index].1 == 0) {
        _ if step > 0 => alike.get(step).or(alike.last()),
        Some(first) if step_wise(&state, &alike) => alike.first().or(Some(first)),
        Some(next) => Some(next),
        None if step_wise(&state, &alike) => alike.first(),
        None => alike.last(),
    };
    let Some(&chosen) = chosen else {
        state.problems.push(format!("not recorded: {request:?}"));
        return Some(serde_json::json!({"status": 404, "body": "not recorded"}));
    };
    state.exchanges[chosen].1 += 1;
    let recorded = state.exchanges[chosen].0.clone();
    check_headers(&recorded, request, &mut state.problems);
    Some(recorded["response"].clone()).filter(|response| !response.is_null())
}

/// Whether requests that are alike got several answers, of which the step chooses.
fn step_wise(state: &State, alike: &[usize]) -> bool {
    let answer = |&index: &usize| &state.exchanges[index].0["response"];
    alike.iter().map(answer).collect::<Vec<_>>().windows(2).any(|two| two[0] != two[1])
}

fn check_headers(recorded: &Value, request: &Request, problems: &mut Vec<String>) {
    for header in recorded["headers"].as_array().into_iter().flatten() {
        let name = header[0].as_str().unwrap_or_default().to_ascii_lowercase();
        let want = header[1].as_str().unwrap_or_default();
        let is_free = FREE_HEADERS.contains(&name.as_str())
            || (name == "x-prometheus-refresh-interval-seconds" && want == "7");
        if !is_free && !request.headers.iter().any(|(n, v)| *n == name && v == want) {
            let have: Vec<_> = request.headers.iter().filter(|(n, _)| *n == name).collect();
            problems.push(format!("{}: {name}: {have:?}, recorded {want:?}", request.path));
        }
    }
}

fn write(stream: &mut impl Stream, response: &Value, has_body: bool) -> std::io::Result<()> {
    let status = response["status"].as_u64().unwrap_or(200);
    let body = match status {
        204 | 304 => "",
        _ => response["body"].as_str().unwrap_or_default(),
    };
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    for header in response["headers"].as_array().into_iter().flatten() {
        let text = |index: usize| header[index].as_str().unwrap_or_default();
        if !["content-length", "transfer-encoding", "connection"]
            .contains(&text(0).to_ascii_lowercase().as_str())
        {
            head = format!("{head}{}: {}\r\n", text(0), text(1));
        }
    }
    head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    if has_body {
        head.push_str(body);
    }
    stream.write_all(head.as_bytes())?;
    stream.flush()
}
