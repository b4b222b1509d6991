//! Servers that answer from a scenario's script, byte by byte, and remember what they were asked.

use super::Headers;
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The recorded address of the server.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) headers: Headers,
    pub(super) is_route: bool,
}

/// One target of the scenario.
struct Site {
    address: String,
    script: Vec<Value>,
    routes: Value,
    used: Mutex<usize>,
}

/// All servers of a scenario.
pub(super) struct Servers {
    /// Recorded addresses and ours.
    places: BTreeMap<String, String>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Servers {
    pub(super) async fn start(line: &Value, directory: &str) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut places = BTreeMap::new();
        let mut bound = Vec::new();
        for (index, target) in line["targets"].as_array().expect("targets").iter().enumerate() {
            let address = target["address"].as_str().expect("an address").to_owned();
            let listener =
                TcpListener::bind(format!("127.0.0.{}:0", index + 1)).await.expect("a port");
            places.insert(address.clone(), listener.local_addr().expect("bound").to_string());
            let mut script = Vec::new();
            for answer in target["script"].as_array().expect("a script") {
                let times = answer["times"].as_u64().unwrap_or(1);
                script.extend(std::iter::repeat_n(answer.clone(), times as usize));
            }
            let site =
                Site { address, script, routes: target["routes"].clone(), used: Mutex::default() };
            bound.push((listener, Arc::new(site)));
        }
        for (listener, site) in bound {
            let (asked, places) = (Arc::clone(&asked), places.clone());
            if line["config"].as_str().is_some_and(|text| text.contains("__unix_socket__")) {
                let socket = UnixListener::bind(format!("{directory}/s.sock")).expect("a socket");
                let (site, asked, places) = (Arc::clone(&site), Arc::clone(&asked), places.clone());
                tokio::spawn(async move {
                    while let Ok((stream, _)) = socket.accept().await {
                        tokio::spawn(serve(
                            stream,
                            Arc::clone(&site),
                            Arc::clone(&asked),
                            places.clone(),
                        ));
                    }
                });
            }
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(
                        stream,
                        Arc::clone(&site),
                        Arc::clone(&asked),
                        places.clone(),
                    ));
                }
            });
        }
        Self { places, asked }
    }

    /// The text with our addresses in place of the recorded ones.
    pub(super) fn rewrite(&self, text: &str) -> String {
        rewrite(text, &self.places)
    }

    pub(super) fn requests(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn rewrite(text: &str, places: &BTreeMap<String, String>) -> String {
    places.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
}

/// The recorded addresses in place of ours.
fn restore(text: &str, places: &BTreeMap<String, String>) -> String {
    places.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(ours, recorded))
}

/// Answers requests of one connection until it is to be closed.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    site: Arc<Site>,
    asked: Arc<Mutex<Vec<Asked>>>,
    places: BTreeMap<String, String>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let Some((path, headers)) = read_request(&mut stream, &places).await else { return };
        let route = site.routes.get(path.split('?').next().unwrap_or_default()).cloned();
        let is_route = route.is_some();
        asked.lock().expect("no panic").push(Asked {
            host: site.address.clone(),
            path,
            headers,
            is_route,
        });
        let answer = match route {
            Some(answer) => answer,
            None => {
                let mut used = site.used.lock().expect("no panic");
                let Some(answer) = site.script.get(*used).cloned() else { return };
                *used += 1;
                answer
            }
        };
        if let Some(delay_ms) = answer["delay_ms"].as_u64() {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        if answer["drop"] == true || answer["rst"] == true {
            return;
        }
        let (bytes, close) = response(&answer, &places);
        if stream.write_all(&bytes).await.is_err() || close {
            drop(stream.shutdown().await);
            return;
        }
    }
}

async fn read_request(
    stream: &mut (impl AsyncBufReadExt + Unpin),
    places: &BTreeMap<String, String>,
) -> Option<(String, Headers)> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Headers::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Some((path, headers));
        };
        let name = name.to_lowercase();
        if !super::NOT_COMPARED.contains(&name.as_str()) {
            headers.entry(name).or_default().push(restore(value.trim(), places));
        }
    }
}

/// The bytes of an answer, and whether the connection ends with it.
fn response(answer: &Value, places: &BTreeMap<String, String>) -> (Vec<u8>, bool) {
    if let Some(raw) = answer["raw"].as_str() {
        return (raw.as_bytes().to_vec(), true);
    }
    let mut body = match answer["body_base64"].as_str() {
        Some(text) => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
        }
        None => answer["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    };
    let mut head = format!("HTTP/1.1 {} X\r\n", answer["status"].as_u64().unwrap_or(200));
    if let Some(content_type) = answer["content_type"].as_str() {
        head.extend(["Content-Type: ", content_type, "\r\n"]);
    }
    for header in answer["headers"].as_array().into_iter().flatten() {
        let value = rewrite(header[1].as_str().expect("a value"), places);
        head.extend([header[0].as_str().expect("a name"), ": ", value.as_str(), "\r\n"]);
    }
    if answer["gzip"] == true {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).expect("memory");
        body = encoder.finish().expect("memory");
        head += "Content-Encoding: gzip\r\n";
    }
    let missing = answer["missing_bytes"].as_u64().unwrap_or(0) as usize;
    let length = (body.len() + missing).to_string();
    head.extend(["Content-Length: ", length.as_str(), "\r\n\r\n"]);
    let close = missing > 0 || answer["close"] == true;
    ([head.into_bytes(), body].concat(), close)
}
