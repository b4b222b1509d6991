//! What `direct` promises, case by case, of a client on loopback.

use crate::client::{Client, ClientOptions, Repeated, Request, Response};
use crate::config::{Authorization, HttpClientConfig};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that gives these answers in order, over as many connections as the client makes, in pieces of `step` bytes.
struct Server {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
}

impl Server {
    async fn start(answers: Vec<Vec<u8>>, step: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::<Mutex<Seen>>::default();
        let told = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                told.lock().expect("no panic").connections += 1;
                tokio::spawn(serve(socket, answers.clone(), Arc::clone(&told), step));
            }
        });
        Self { port, seen }
    }

    fn connections(&self) -> usize {
        self.seen.lock().expect("no panic").connections
    }
}

/// Ends the connection behind an answer without a length.
async fn serve(mut socket: TcpStream, answers: Vec<Vec<u8>>, seen: Arc<Mutex<Seen>>, step: usize) {
    socket.set_nodelay(true).expect("set");
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = socket.read_u8().await else { return };
            head.push(byte);
        }
        let answer = {
            let mut seen = seen.lock().expect("no panic");
            seen.requests.push(String::from_utf8_lossy(&head).into_owned());
            answers[(seen.requests.len() - 1) % answers.len()].clone()
        };
        for piece in answer.chunks(step) {
            if socket.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let text = String::from_utf8_lossy(&answer);
        if !text.contains("Content-Length") && !text.contains("chunked") {
            return;
        }
    }
}

fn client() -> Client {
    let options = ClientOptions { user_agent: "test".into(), ..ClientOptions::default() };
    Client::new(&HttpClientConfig::default(), options).expect("a client")
}

async fn get(
    client: &Client,
    port: u16,
    limit: Option<u64>,
) -> Result<(Response, Vec<u8>), crate::Error> {
    let url = format!("http://127.0.0.1:{port}/m?a=b%20c");
    let timeout = Duration::from_secs(30);
    let headers = [("x-prometheus-scrape-timeout-seconds", "1")];
    let request = Request { url: &url, headers: &headers, timeout, body_size_limit: limit };
    let mut body = b"of an earlier answer".to_vec();
    let response = client.get(&request, &mut body).await?;
    Ok((response, body))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, text).expect("in memory");
    encoder.finish().expect("in memory")
}

fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{headers}\r\n").as_bytes(), body]
        .concat()
}

fn chunks(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(700) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[tokio::test]
async fn every_frame_and_encoding_is_read_over_one_connection() {
    let text: Vec<u8> = (0..3000u32).flat_map(|i| format!("m{i} {i}\n").into_bytes()).collect();
    let packed = gzip(&text);
    let length = |body: &[u8]| format!("Content-Length: {}\r\n", body.len());
    let kept = vec![
        answer(&length(&text), &text),
        answer("Transfer-Encoding: chunked\r\n", &chunks(&text)),
        answer(&format!("{}Content-Encoding: gzip\r\n", length(&packed)), &packed),
        answer("Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n", &chunks(&packed)),
        [&b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"[..], &answer(&length(&text), &text)]
            .concat(),
    ];
    for step in [1 << 20, 997, 10] {
        let (server, client) = (Server::start(kept.clone(), step).await, client());
        for number in 0..2 * kept.len() {
            let (response, body) = get(&client, server.port, None).await.expect("an answer");
            assert_eq!((response.status, &*response.content_type), (200, "text/plain"));
            assert!(body == text, "answer {number} in pieces of {step}");
        }
        assert_eq!(server.connections(), 1);
        let limit = text.len() as u64;
        for _ in 0..kept.len() {
            let refused = get(&client, server.port, Some(limit)).await;
            assert!(matches!(refused, Err(crate::Error::BodyTooLarge)));
            get(&client, server.port, Some(limit + 1)).await.expect("just short enough");
        }
    }
    for bytes in [answer("", &text), answer("Content-Encoding: gzip\r\n", &packed)] {
        let (server, client) = (Server::start(vec![bytes], 4000).await, client());
        for _ in 0..2 {
            assert!(get(&client, server.port, None).await.expect("an answer").1 == text);
        }
        assert_eq!(server.connections(), 2);
        let refused = get(&client, server.port, Some(text.len() as u64)).await;
        assert!(matches!(refused, Err(crate::Error::BodyTooLarge)));
    }
}

#[tokio::test]
async fn a_request_is_written_as_go_does() {
    let server = Server::start(vec![answer("Content-Length: 0\r\n", b"")], 1 << 20).await;
    get(&client(), server.port, None).await.expect("an answer");
    let expected = format!(
        "GET /m?a=b%20c HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: test\r\n\
         X-Prometheus-Scrape-Timeout-Seconds: 1\r\n\r\n",
        server.port
    );
    assert_eq!(server.seen.lock().expect("no panic").requests, [expected]);
}

/// The second time it is not put together again; where it leads on is found out each time, and asked with its headers.
#[tokio::test]
async fn a_request_that_is_made_again_is_the_same() {
    let moved = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".to_vec();
    let here = answer("Content-Length: 2\r\n", b"ok");
    let server = Server::start(vec![moved, here], 1 << 20).await;
    let url = format!("http://127.0.0.1:{}/m", server.port);
    let (client, kept, timeout) = (client(), Repeated::default(), Duration::from_secs(30));
    let headers = &[("accept", "text/plain")][..];
    for _ in 0..3 {
        let request = Request { url: &url, headers, timeout, body_size_limit: None };
        let mut body = Vec::new();
        client.get_again(&request, &kept, &mut body).await.expect("an answer");
        assert_eq!(body, b"ok");
        assert!(kept.letter().is_some());
    }
    let seen = server.seen.lock().expect("no panic");
    let to = |path: &str| {
        let first = format!("GET {path} HTTP/1.1\r\n");
        let found = seen.requests.iter().filter(move |request| request.starts_with(&first));
        found.cloned().collect::<Vec<String>>()
    };
    let first = to("/m");
    assert_eq!((first.len(), to("/other").len()), (3, 3));
    assert!(seen.requests.iter().all(|request| request.contains("Accept: text/plain\r\n")));
    assert_eq!([&first[1], &first[2]], [&first[0]; 2]);
}

#[tokio::test]
async fn a_request_with_a_secret_out_of_a_file_is_put_together_each_time() {
    let server = Server::start(vec![answer("Content-Length: 2\r\n", b"ok")], 1 << 20).await;
    let file = std::env::temp_dir().join(format!("firesteel-token-{}", std::process::id()));
    let mut config = HttpClientConfig::default();
    let credentials_file = file.to_str().expect("UTF-8").to_owned();
    let kind = "Bearer".to_owned();
    config.authorization = Some(Authorization { kind, credentials_file, ..Default::default() });
    let client = Client::new(&config, ClientOptions::default()).expect("a client");
    let url = format!("http://127.0.0.1:{}/m", server.port);
    let (kept, timeout) = (Repeated::default(), Duration::from_secs(30));
    for token in ["one", "two"] {
        std::fs::write(&file, token).expect("written");
        let request = Request { url: &url, headers: &[], timeout, body_size_limit: None };
        client.get_again(&request, &kept, &mut Vec::new()).await.expect("an answer");
    }
    std::fs::remove_file(&file).expect("removed");
    assert!(kept.letter().is_none());
    let seen = server.seen.lock().expect("no panic");
    assert!(seen.requests[0].contains("Authorization: Bearer one\r\n"), "{:?}", seen.requests);
    assert!(seen.requests[1].contains("Authorization: Bearer two\r\n"), "{:?}", seen.requests);
}

#[tokio::test]
async fn connections_with_more_to_say_are_left() {
    let more = answer("Content-Length: 2\r\n", b"ok and more");
    let server = Server::start(vec![more], 1 << 20).await;
    let client = client();
    for _ in 0..3 {
        assert_eq!(get(&client, server.port, None).await.expect("an answer").1, b"ok");
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn refusals_keep_the_connection() {
    let refused = b"HTTP/1.1 503 Too Busy\r\nContent-Length: 5\r\n\r\nlater".to_vec();
    let server = Server::start(vec![refused], 1 << 20).await;
    let client = client();
    for _ in 0..3 {
        let (response, body) = get(&client, server.port, None).await.expect("an answer");
        assert_eq!((response.status, &*response.reason, body.len()), (503, "Too Busy", 0));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn broken_answers_are_worded_as_in_go() {
    let connection = "net/http: HTTP/1.x transport connection broken: ";
    for (bytes, said) in [
        (&b"HTTP/1.1 200 OK\r\nX: "[..], format!("{connection}unexpected EOF")),
        (b"\x15\x03\x01\0\x02\x02\r\n", format!("{connection}malformed HTTP response \"\\x15\\x03\\x01\\x00\\x02\\x02\"")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", format!("{connection}too many 1xx informational responses")),
    ] {
        let server = Server::start(vec![bytes.to_vec()], 1 << 20).await;
        let failed = get(&client(), server.port, None).await.expect_err("a broken answer");
        let url = format!("http://127.0.0.1:{}/m?a=b%20c", server.port);
        assert_eq!(failed.to_string(), format!("Get {url:?}: {said}"));
    }
    let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'y'; super::MAX_HEAD_BYTES + 100]].concat();
    let server = Server::start(vec![endless], 1 << 20).await;
    let failed = get(&client(), server.port, None).await.expect_err("a head without end");
    assert!(failed.to_string().contains("server response headers exceeded"), "{failed}");
}

#[tokio::test]
async fn what_is_made_for_each_request_is_small() {
    let client = client();
    let timeout = Duration::from_secs(30);
    let request =
        Request { url: "http://127.0.0.1/m", headers: &[], timeout, body_size_limit: None };
    let mut body = Vec::new();
    let size_bytes = size_of_val(&client.get(&request, &mut body));
    assert!(size_bytes <= 8 * 1024, "{size_bytes} bytes");
}
