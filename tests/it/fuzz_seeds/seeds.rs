//! Recorded and written bytes of every kind that is fuzzed.

use super::replies::{BETWEEN, SECTIONS};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use disk::Disk;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) type Seeds = Vec<Vec<u8>>;

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| Some(c.to_digit(16)? as u8)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// What a field of each recorded line says, at whatever depth.
fn fields(file: &str, name: &str) -> Vec<String> {
    fn collect(value: &Value, name: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value {
                        Value::String(text) if key == name => out.push(text.clone()),
                        _ => collect(value, name, out),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, name, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    tests::golden(file).iter().for_each(|line| collect(line, name, &mut out));
    assert!(!out.is_empty(), "{file} has {name}");
    out
}

pub(super) fn texts(file: &str, name: &str) -> Seeds {
    fields(file, name).into_iter().map(String::into_bytes).collect()
}

fn base64(file: &str, name: &str) -> Seeds {
    fields(file, name).iter().map(|text| STANDARD.decode(text).expect("base64")).collect()
}

/// Bodies without their compression.
fn unpacked(file: &str, name: &str) -> Seeds {
    let unpack = |body: Vec<u8>| snap::raw::Decoder::new().decompress_vec(&body).ok();
    base64(file, name).into_iter().filter_map(unpack).collect()
}

pub(super) fn chunks() -> Seeds {
    let counted = |hex: &String| {
        let bytes = unhex(hex);
        [bytes.get(..2).unwrap_or(&[0, 0]), &bytes].concat()
    };
    fields("tsdb/chunks.jsonl", "hex").iter().map(counted).collect()
}

pub(super) fn records() -> Seeds {
    fields("tsdb/records.jsonl", "hex").iter().map(|hex| unhex(hex)).collect()
}

/// Several records, each behind its length.
fn joined(records: &[Vec<u8>]) -> Vec<u8> {
    let with_len = |record: &Vec<u8>| [&(record.len() as u16).to_be_bytes()[..], record].concat();
    records.iter().filter(|record| record.len() < 1000).flat_map(with_len).collect()
}

pub(super) fn records_joined() -> Seeds {
    records().chunks(6).map(joined).collect()
}

/// The files of recorded directories below `folder`.
fn recorded_files(folder: &str) -> Seeds {
    let lines = tests::golden("tsdb/segments.jsonl");
    let files = lines.iter().flat_map(|line| line["files"].as_object().into_iter().flatten());
    let of_folder = files.filter(|(path, _)| path.starts_with(folder));
    of_folder.map(|(_, hex)| unhex(hex.as_str().expect("hex"))).collect()
}

pub(super) fn segments() -> Seeds {
    recorded_files("wal/")
}

/// The files of one kind in a directory that has all kinds.
fn written(kind: &str) -> Vec<(Arc<dyn Disk>, PathBuf)> {
    let directory = crate::flipped::Directory::new(wal::Compression::None);
    let disk: Arc<dyn Disk> = Arc::new(directory.clean.clone());
    let files = directory.files().into_iter().filter(|(found, _)| *found == kind);
    files.map(|(_, path)| (Arc::clone(&disk), path)).collect()
}

fn contents(kind: &str) -> Seeds {
    let read = |(disk, path): &(Arc<dyn Disk>, PathBuf)| disk.view(path).expect("read").to_vec();
    written(kind).iter().map(read).collect()
}

pub(super) fn index() -> Seeds {
    contents("index")
}

pub(super) fn meta() -> Seeds {
    contents("meta")
}

/// Without header and checksum.
pub(super) fn tombstones() -> Seeds {
    contents("tombstones").into_iter().map(|file| file[5..file.len() - 4].to_vec()).collect()
}

/// Each behind its length, without their checksums.
pub(super) fn head_chunks() -> Seeds {
    let split = |file: Vec<u8>| {
        let (mut at, mut chunks) = (8, Vec::new());
        while at + 26 < file.len() && file[at..at + 24] != [0; 24] {
            let (len, wide) = match file[at + 25] {
                low @ 0..0x80 => (usize::from(low), 1),
                low => (usize::from(low & 0x7F) | usize::from(file[at + 26]) << 7, 2),
            };
            let end = at + 25 + wide + len;
            chunks.push(file[at..end].to_vec());
            at = end + 4;
        }
        chunks.chunks(8).map(joined).collect::<Seeds>()
    };
    contents("head chunks").into_iter().flat_map(split).collect()
}

/// The records of an image, those that are not too long.
pub(super) fn image() -> Seeds {
    let mut seeds = Seeds::new();
    for (disk, path) in written("image") {
        let mut records = Vec::new();
        let dir = path.parent().unwrap_or(Path::new(""));
        let mut image = wal::Reader::dir(disk, dir).expect("an image");
        while let Some(record) = image.next_record().expect("whole") {
            records.push(record.to_vec());
        }
        // The first one says where the log is.
        let with_len =
            |record: &Vec<u8>| [&(record.len() as u16).to_be_bytes()[..], record].concat();
        seeds.push(records[1..].iter().filter(|r| r.len() < 65_000).flat_map(with_len).collect());
    }
    seeds
}

pub(super) fn protobuf() -> Seeds {
    let bodies = base64("exposition/protobuf.jsonl", "body_b64");
    bodies.into_iter().enumerate().map(|(n, body)| [&[n as u8][..], &body].concat()).collect()
}

pub(super) fn remote_write() -> Seeds {
    let (v1, v2) = ("remotewrite/v1.jsonl", "remotewrite/v2.jsonl");
    [unpacked(v1, "body_b64"), unpacked(v2, "body_b64")].concat()
}

pub(super) fn remote_read() -> Seeds {
    unpacked("http/remote_read.jsonl", "body_base64")
}

pub(super) fn otlp() -> Seeds {
    let json: Seeds = tests::golden("remotewrite/otlp.jsonl")
        .iter()
        .map(|line| line["json"].to_string().into_bytes())
        .collect();
    [base64("remotewrite/otlp.jsonl", "body_b64"), json].concat()
}

pub(super) fn regexes() -> Seeds {
    let all: Value =
        serde_json::from_slice(&tests::golden_bytes("regex_cases.json")).expect("JSON");
    let (mut patterns, mut inputs) = (Vec::new(), Vec::new());
    strings(&all["inputs"], &mut inputs);
    strings(&all["cases"], &mut patterns);
    let pairs = patterns.iter().zip(inputs.iter().cycle());
    pairs.map(|(pattern, input)| format!("{pattern}\n{input}").into_bytes()).collect()
}

fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| strings(value, out)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, out)),
        _ => {}
    }
}

/// Answers of targets: with a length, in chunks, up to the end of the connection, compressed, announced, refused.
pub(super) fn answers() -> Seeds {
    let body = b"# TYPE a counter\na{b=\"c\"} 1\nd 2 1700000000000\n".as_slice();
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(body).expect("packed");
    let gzipped = packed.finish().expect("packed");
    let with = |head: &str, body: &[u8]| [head.as_bytes(), b"\r\n", body].concat();
    let length = |body: &[u8]| format!("Content-Length: {}\r\n", body.len());
    let chunked = |body: &[u8]| {
        let (first, second) = body.split_at(body.len() / 3);
        let chunk = |data: &[u8]| {
            let length = format!("{:x};a=b\r\n", data.len());
            [length.as_bytes(), data, b"\r\n"].concat()
        };
        [chunk(first), chunk(second), b"0\r\nX-End: 1\r\n\r\n".to_vec()].concat()
    };
    let (ok, zip) = ("HTTP/1.1 200 OK\r\n", "Content-Encoding: gzip\r\n");
    let in_chunks = "Transfer-Encoding: chunked\r\n";
    vec![
        with(&format!("{ok}Content-Type: text/plain; version=0.0.4\r\n{}", length(body)), body),
        with(&format!("{ok}{zip}{}", length(&gzipped)), &gzipped),
        with(&format!("{ok}{in_chunks}"), &chunked(body)),
        with(&format!("{ok}{zip}{in_chunks}"), &chunked(&gzipped)),
        with("HTTP/1.0 200 OK\r\n", body),
        with(&format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n{zip}"), &gzipped),
        with(&format!("HTTP/1.1 100 Continue\r\n\r\n{ok}Connection: close, x\r\n"), body),
        with("HTTP/1.1 302 Found\r\nLocation: http://a/b\r\nContent-Length: 0\r\n", b""),
        with("HTTP/1.1 503 Busy\r\nX: a\r\n b\r\nContent-Length: 3\r\n", b"no\n"),
        with("HTTP/1.1 204 No Content\r\n", b""),
    ]
}

pub(super) fn numbers() -> Seeds {
    let known = [
        "0",
        "-0.0e-1",
        "1_000",
        "0x1.8p-3",
        "1e309",
        "+Inf",
        "NaN",
        "1h30m",
        "-5m",
        "1y2w3d4h5m6s7ms",
        "99999999999y",
        "2023-11-14T22:13:20.5Z",
        "1700000000.123",
        "-62135596800",
        "10MB",
        "1.5GiB",
        "9223372036854775807",
        "9223372036854775808ms",
        "512B",
    ];
    known.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(super) fn scripts() -> Seeds {
    let known = [
        "load 5m\n  up{a=\"b\"} 0+1x3 _x2 stale 5\n\neval instant at 10m up\n  up{a=\"b\"} 2\n\nclear\n",
        "load_with_nhcb 1m\n  h {{schema:1 sum:5 count:4 buckets:[1 2 1] offset:-1 n_buckets:[1]}}+{{count:1}}x4\n",
        "eval range from 0 to 10m step 1m sum by (a) (rate(x[5m]))\n  {a=\"1\"} 1 2 _ _ 5\n  expect no_info\n",
        "eval_ordered instant at 1m topk(2, x)\n  x 1\neval_fail instant at 0 {}\n  expect fail msg: x\n",
    ];
    known.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The first job of each recorded configuration.
pub(super) fn jobs() -> Seeds {
    let first = |yaml: &String| {
        let (_, jobs) = yaml.split_once("scrape_configs:\n")?;
        let indent = jobs.find("- ")? + 2;
        let mut lines = jobs.lines();
        let mut job = format!("{}\n", lines.next()?.get(indent..)?);
        for line in lines {
            match line.split_at_checked(indent) {
                Some((before, line)) if before.trim().is_empty() => {
                    job.push_str(line);
                    job.push('\n');
                }
                _ => break,
            }
        }
        Some(job.into_bytes())
    };
    let all: Seeds = fields("config/own.jsonl", "yaml").iter().filter_map(first).collect();
    assert!(all.len() > 80, "{} jobs", all.len());
    all
}

/// What servers answer to discovery, with the number of the section that asks for it.
pub(super) fn replies() -> Seeds {
    let mut seeds = Seeds::new();
    let mut add = |section: &str, answers: &[&str]| {
        let number = SECTIONS.iter().position(|known| known.contains(section)).expect(section);
        let joined = answers.iter().map(|text| text.as_bytes()).collect::<Vec<_>>().join(&BETWEEN);
        seeds.push([&[number as u8], &joined[..]].concat());
    };
    for kind in ["consul", "ec2", "http", "kuma", "marathon", "nomad", "uyuni"] {
        for line in tests::golden(&format!("scrape/discovery/{kind}.jsonl")) {
            let requests = line["requests"].as_array().into_iter().flatten();
            let answers: Vec<&str> =
                requests.filter_map(|asked| asked["response"]["body"].as_str()).collect();
            add(&format!("{kind}_sd"), &answers);
        }
    }
    let objects = tests::golden_bytes("scrape/discovery/kubernetes_objects.json");
    let objects: Value = serde_json::from_slice(&objects).expect("JSON");
    let roles = ["node", "pod", "service", "endpoints", "endpointslice", "ingress"];
    let kinds = ["nodes", "pods", "services", "endpoints", "endpointslices", "ingresses"];
    for (role, kind) in roles.into_iter().zip(kinds) {
        for item in objects[kind]["items"].as_array().expect("objects") {
            let list = json!({"items": [item], "metadata": {"resourceVersion": "1"}}).to_string();
            let event = json!({"type": "MODIFIED", "object": item}).to_string();
            add(&format!("role: {role}}}"), &[&list, &event]);
        }
    }
    for (section, answers) in WRITTEN_REPLIES {
        add(section, answers);
    }
    for section in ["nerve_sd", "serverset_sd"] {
        let number = SECTIONS.iter().position(|known| known.contains(section)).expect(section);
        seeds.push([&[number as u8], &zookeeper()[..]].concat());
    }
    seeds
}

/// Answers as documented, where nothing is recorded.
const WRITTEN_REPLIES: &[(&str, &[&str])] = &[
    (
        "docker_sd",
        &[
            r#"[{"Id":"n1","Name":"bridge","Scope":"local","Internal":false,"Ingress":false,"Labels":{"a":"b"}}]"#,
            r#"[{"Id":"c1","Names":["/x"],"Labels":{"l":"v"},"Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":81,"Type":"tcp"}],"HostConfig":{"NetworkMode":"bridge"},"NetworkSettings":{"Networks":{"bridge":{"NetworkID":"n1","IPAddress":"172.17.0.2"}}}}]"#,
        ],
    ),
    (
        "role: nodes",
        &[
            r#"[{"ID":"i","Spec":{"Labels":{"a":"b"},"Role":"manager","Availability":"active"},"Description":{"Hostname":"h","Platform":{"Architecture":"x","OS":"l"},"Engine":{"EngineVersion":"1"}},"Status":{"State":"ready","Addr":"10.0.0.1"},"ManagerStatus":{"Leader":true,"Reachability":"reachable","Addr":"10.0.0.1:2377"}}]"#,
        ],
    ),
    (
        "eureka_sd",
        &[
            "<applications><application><name>A</name><instance><hostName>h</hostName><app>A</app><ipAddr>1.2.3.4</ipAddr><status>UP</status><port enabled=\"true\">80</port><securePort enabled=\"false\">443</securePort><dataCenterInfo class=\"x\"><name>MyOwn</name><metadata><k>v</k></metadata></dataCenterInfo><metadata><m.x>1</m.x></metadata></instance></application></applications>",
        ],
    ),
    (
        "puppetdb_sd",
        &[
            r#"[{"certname":"c","resource":"49af","type":"Class","title":"T","tags":["a","b"],"file":"/f.pp","environment":"prod","exported":false,"parameters":{"p":1,"l":["x"],"o":{"i":true},"n":null}}]"#,
        ],
    ),
    (
        "lightsail_sd",
        &[
            r#"{"instances":[{"name":"n","privateIpAddress":"10.0.0.1","publicIpAddress":"1.2.3.4","location":{"availabilityZone":"a","regionName":"r"},"state":{"name":"running"},"tags":[{"key":"k","value":"v"}],"ipv6Addresses":["::1"],"blueprintId":"b","bundleId":"u","supportCode":"s"}]}"#,
        ],
    ),
    (
        "openstack_sd",
        &[
            r#"{"token":{"catalog":[{"type":"compute","endpoints":[{"interface":"public","region":"r","url":"http://127.0.0.1:1/"}]}]}}"#,
        ],
    ),
];

/// A session with a node that has a member below it, as the server sends it.
fn zookeeper() -> Vec<u8> {
    fn frame(parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&(body.len() as u32).to_be_bytes()[..], &body].concat()
    }
    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
    }
    let head = |number: i32| [&number.to_be_bytes()[..], &[0; 8], &[0; 4]].concat();
    let stat = [0; 68];
    let member = r#"{"host":"h","port":1,"name":"n","serviceEndpoint":{"host":"h","port":80},"status":"ALIVE"}"#;
    let event = [&head(-1)[..], &3_u32.to_be_bytes(), &3_u32.to_be_bytes(), &text("/a/b")].concat();
    [
        frame(&[
            &[0; 4],
            &10_000_u32.to_be_bytes(),
            &7_u64.to_be_bytes(),
            &text("0123456789abcdef"),
        ]),
        frame(&[&head(0), &text(""), &stat]),
        frame(&[&head(1), &1_u32.to_be_bytes(), &text("b")]),
        frame(&[&head(2), &text(member), &stat]),
        frame(&[&head(3), &0_u32.to_be_bytes()]),
        frame(&[&event]),
        frame(&[&head(4), &text(member), &stat]),
        frame(&[&head(5), &0_u32.to_be_bytes()]),
    ]
    .concat()
}
