//! For tests of mechanisms: a loopback server that answers what a closure makes of a request, and what a mechanism is
//! built with.

use crate::TargetGroup;
use crate::config::schema_of;
use crate::provider::{Clock, Context, Environment};
use metrics::Registry;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use yaml::Section;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }

    /// `GET /path?query`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// A server on a port of its own; its threads end with the process.
pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Loopback {
    /// Answers as `answer` writes; the connection ends when it says `false`.
    pub(crate) fn raw(
        answer: impl Fn(&Asked, &mut dyn Write) -> std::io::Result<bool> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (noted, answer) = (Arc::clone(&asked), Arc::new(answer));
        let accept = move || {
            for stream in listener.incoming() {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                let stream = stream.expect("a connection");
                let serve = move || drop(serve(&stream, &stream, &noted, &*answer));
                std::thread::Builder::new().spawn(serve).expect("a thread");
            }
        };
        std::thread::Builder::new().spawn(accept).expect("a thread");
        Self { address, asked }
    }

    /// Answers with the status, the headers (`name: value\r\n` each) and the body of `answer`.
    pub(crate) fn with_headers(
        answer: impl Fn(&Asked) -> (u16, String, String) + Send + Sync + 'static,
    ) -> Self {
        Self::raw(move |asked, stream| {
            let (status, headers, body) = answer(asked);
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes())?;
            Ok(true)
        })
    }

    /// Answers with the status and the body of `answer`.
    pub(crate) fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::with_headers(move |asked| {
            let (status, body) = answer(asked);
            (status, String::new(), body)
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("requests").clone()
    }
}

/// Reads requests and has them answered until either side has enough.
pub(crate) fn serve(
    from: impl Read,
    mut to: impl Write,
    noted: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked, &mut dyn Write) -> std::io::Result<bool>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(from);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut words = first.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut asked = Asked { method, target, headers, body: String::new() };
        let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body)?;
        asked.body = String::from_utf8_lossy(&body).into_owned();
        noted.lock().expect("requests").push(asked.clone());
        if !answer(&asked, &mut to)? {
            return Ok(());
        }
    }
}

/// The time at which tests take place: 2023-11-14T22:13:20Z.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// What mechanisms are built with in tests.
pub(crate) struct Surroundings {
    registry: Registry,
    clock: Clock,
    environment: Environment,
}

impl Surroundings {
    /// With these variables of the environment.
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self {
            registry: Registry::new(),
            clock: Arc::new(|| NOW_MS),
            environment: Arc::new(move |name| variables.get(name).cloned()),
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            registry: &self.registry,
            user_agent: "Prometheus/",
            mechanism: "loopback",
            job: "j",
            clock: &self.clock,
            environment: &self.environment,
        }
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let mut text = String::new();
        self.registry.encode_text(&mut text);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line?.parse().ok()
    }
}

/// The section of a kind of discovery that stands in `text`.
pub(crate) fn section(field: &str, text: &str) -> Section {
    let schema = schema_of(field).expect("a kind");
    let document = yaml::Document::parse("test.yml", text.as_bytes()).expect("YAML");
    yaml::load(&document.root, schema).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The labels of all targets, as `name="value"` lines, for comparisons; targets in the order they were found.
pub(crate) fn lines(groups: &[TargetGroup]) -> Vec<Vec<String>> {
    let targets = groups.iter().flat_map(|group| &group.targets);
    let line = |(name, value): (&str, &str)| format!("{name}={value}");
    targets.map(|target| target.iter().map(line).collect()).collect()
}
