//! Recorded lookups: a loopback server with the recorded zone, over UDP and TCP, and the queries that it sees.

use super::{difference, discovered, expected, job};
use discovery::dns::{Lookup, Resolver};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

const MAX_DATAGRAM_BYTES: usize = 4096;

#[derive(Default)]
struct Zone {
    records: Vec<Value>,
    queries: Vec<Value>,
    is_failing: bool,
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

fn push_record(out: &mut Vec<u8>, name: &str, kind: &str, data: &Value) -> u16 {
    let text = data.as_str().unwrap_or_default();
    let number = |index: usize| (data[index].as_u64().unwrap_or(0) as u16).to_be_bytes();
    let mut bytes = Vec::new();
    let kind = match kind {
        "A" if data[0] == "CNAME" => {
            push_name(&mut bytes, data[1].as_str().expect("a name"));
            5_u16
        }
        "A" => {
            let octets: Vec<u8> = text.split('.').map(|part| part.parse().unwrap()).collect();
            bytes.extend_from_slice(&octets);
            1
        }
        "AAAA" => {
            bytes.extend_from_slice(&text.parse::<std::net::Ipv6Addr>().unwrap().octets());
            28
        }
        "NS" => {
            push_name(&mut bytes, text);
            2
        }
        "MX" => {
            bytes.extend_from_slice(&number(0));
            push_name(&mut bytes, data[1].as_str().expect("a name"));
            15
        }
        "SRV" => {
            (0..3).for_each(|index| bytes.extend_from_slice(&number(index)));
            push_name(&mut bytes, data[3].as_str().expect("a name"));
            33
        }
        other => panic!("no records of type {other}"),
    };
    push_name(out, name);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 1, 0, 0, 0, 9]);
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(&bytes);
    kind
}

/// The answer to a query, which is noted.
fn answer(zone: &Mutex<Zone>, query: &[u8], transport: &str) -> Vec<u8> {
    let mut zone = zone.lock().expect("zone");
    let (mut name, mut at) = (String::new(), 12);
    while query[at] != 0 {
        let length = usize::from(query[at]);
        name.push_str(std::str::from_utf8(&query[at + 1..at + 1 + length]).expect("ASCII"));
        name.push('.');
        at += 1 + length;
    }
    let kind = match query[at + 2] {
        1 => "A",
        2 => "NS",
        15 => "MX",
        28 => "AAAA",
        33 => "SRV",
        other => panic!("type {other}"),
    };
    let question = &query[12..at + 5];
    let size = query.get(at + 8..at + 10).map(|size| u16::from_be_bytes([size[0], size[1]]));
    zone.queries.push(json!([name, kind, transport, size]));
    let (mut code, mut answers, mut records) = (3, 0_u16, Vec::new());
    for record in zone.records.iter().filter(|record| record[0] == *name) {
        code = 0;
        for data in record[2].as_array().into_iter().flatten().filter(|_| record[1] == kind) {
            push_record(&mut records, &name, kind, data);
            answers += 1;
        }
    }
    if zone.is_failing || name.starts_with("fail.example.") {
        code = 2;
    }
    let mut out = query[..2].to_vec();
    let is_cut_off = transport == "udp" && records.len() > MAX_DATAGRAM_BYTES - 100;
    out.extend_from_slice(&[if is_cut_off { 0x83 } else { 0x81 }, 0x80 | code, 0, 1]);
    let answers = if is_cut_off || code != 0 { 0 } else { answers };
    out.extend_from_slice(&answers.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(question);
    if answers > 0 {
        out.extend_from_slice(&records);
    }
    out
}

/// Serves the zone; the threads end with the process.
fn serve(zone: &Arc<Mutex<Zone>>) -> SocketAddr {
    // A port that is free for both transports.
    let (udp, tcp) = (0..100)
        .find_map(|_| {
            let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
            let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
            Some((udp, tcp))
        })
        .expect("a port");
    let address = udp.local_addr().expect("an address");
    let (over_udp, over_tcp) = (Arc::clone(zone), Arc::clone(zone));
    let udp_loop = move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            udp.send_to(&answer(&over_udp, &buffer[..length], "udp"), from).expect("sent");
        }
    };
    let tcp_loop = move || {
        for stream in tcp.incoming() {
            let mut stream = stream.expect("a connection");
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("a length");
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query).expect("a query");
            let answer = answer(&over_tcp, &query, "tcp");
            stream.write_all(&(answer.len() as u16).to_be_bytes()).expect("written");
            stream.write_all(&answer).expect("written");
        }
    };
    std::thread::Builder::new().spawn(udp_loop).expect("a thread");
    std::thread::Builder::new().spawn(tcp_loop).expect("a thread");
    address
}

async fn replay(line: &Value, resolver: &Resolver, zone: &Mutex<Zone>) -> Option<String> {
    zone.lock().expect("zone").queries.clear();
    let config = job(line["config"].as_str().expect("a text"));
    let lookup = Lookup::from_config(&config.mechanisms[0]).expect("of DNS");
    let found = lookup.groups(resolver).await;
    let groups = found.into_iter().filter_map(Result::ok).collect();
    let got = discovered(&[("j".to_owned(), groups)].into());
    if let Some(what) = difference(&expected(&line["targets"]), &got) {
        return Some(what);
    }
    let mut asked = zone.lock().expect("zone").queries.clone();
    let mut recorded = line["queries"].as_array().expect("queries").clone();
    // The recording went on when the server began to fail.
    if line["then"].is_array() {
        recorded.truncate(1);
    }
    asked.sort_by_key(Value::to_string);
    recorded.sort_by_key(Value::to_string);
    (asked != recorded).then(|| format!("asked {asked:?}, recorded {recorded:?}"))
}

#[tokio::test]
async fn dns() {
    let mut lines = tests::golden("scrape/discovery/dns.jsonl");
    let first = lines.remove(0);
    let records = first["records"].as_array().expect("records").clone();
    let zone = Arc::new(Mutex::new(Zone { records, ..Zone::default() }));
    let mut resolver = Resolver::parse(first["resolv_conf"].as_str().expect("a text"));
    resolver.servers = vec![serve(&zone)];
    for line in &lines {
        let problem = replay(line, &resolver, &zone).await;
        assert_eq!(problem, None, "{}", line["name"]);
    }
    zone.lock().expect("zone").is_failing = true;
    let config = job(lines[2]["config"].as_str().expect("a text"));
    let lookup = Lookup::from_config(&config.mechanisms[0]).expect("of DNS");
    assert!(lookup.groups(&resolver).await[0].is_err(), "a failure is no empty answer");
    println!("dns.jsonl {0}/{0}", lines.len());
}
