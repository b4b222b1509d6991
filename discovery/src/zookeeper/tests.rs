//! What `zookeeper` promises, case by case, against a server of a few lines.

use super::*;
use crate::loopback::{Surroundings, section};
use crate::provider::Groups;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Tree {
    nodes: BTreeMap<String, Vec<u8>>,
    /// Of each session: its stream and the paths that it watches.
    sessions: Vec<(TcpStream, BTreeSet<String>)>,
    pings: usize,
}

type Shared = Arc<Mutex<Tree>>;

fn send(mut stream: &TcpStream, body: &[u8]) {
    let mut out = BytesMut::new();
    out.put_u32(body.len() as u32);
    out.put_slice(body);
    // A session that is over hears nothing.
    drop(stream.write_all(&out));
}

fn put_text(out: &mut BytesMut, text: &[u8]) {
    out.put_u32(text.len() as u32);
    out.put_slice(text);
}

fn frame(mut stream: &TcpStream) -> std::io::Result<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body)?;
    Ok(body.into())
}

fn serve(stream: &TcpStream, tree: &Shared) -> std::io::Result<()> {
    let hello = frame(stream)?;
    assert_eq!(hello.len(), 44);
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_slice(&hello[12..16]);
    out.put_i64(7);
    put_text(&mut out, &[0; 16]);
    send(stream, &out);
    let index = {
        let mut tree = tree.lock().expect("tree");
        tree.sessions.push((stream.try_clone()?, BTreeSet::new()));
        tree.sessions.len() - 1
    };
    loop {
        let mut question = frame(stream)?;
        let (number, kind) = (question.get_i32(), question.get_i32());
        let mut tree = tree.lock().expect("tree");
        let mut out = BytesMut::new();
        out.put_i32(number);
        out.put_i64(1);
        if kind == 11 {
            tree.pings += 1;
            out.put_i32(0);
            send(stream, &out);
            continue;
        }
        let length = question.get_u32() as usize;
        let path = String::from_utf8(question.split_to(length).to_vec()).expect("UTF-8");
        assert_eq!(question[..], [1], "every question sets a watch");
        let Some(data) = tree.nodes.get(&path).cloned() else {
            out.put_i32(-101);
            send(stream, &out);
            continue;
        };
        out.put_i32(0);
        match kind {
            4 => put_text(&mut out, &data),
            8 => {
                let prefix = format!("{path}/");
                let names = tree.nodes.keys().filter_map(|node| node.strip_prefix(&prefix));
                let names: Vec<&str> = names.filter(|name| !name.contains('/')).collect();
                out.put_u32(names.len() as u32);
                names.iter().for_each(|name| put_text(&mut out, name.as_bytes()));
            }
            other => panic!("question {other}"),
        }
        tree.sessions[index].1.insert(path);
        send(stream, &out);
    }
}

fn start(nodes: &[(&str, &str)]) -> (Shared, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let tree = Shared::default();
    for (path, data) in nodes {
        tree.lock().expect("tree").nodes.insert((*path).to_owned(), data.as_bytes().to_vec());
    }
    let shared = Arc::clone(&tree);
    let accept = move || {
        for stream in listener.incoming() {
            let (stream, tree) = (stream.expect("a connection"), Arc::clone(&shared));
            let serve = move || drop(serve(&stream, &tree));
            std::thread::Builder::new().spawn(serve).expect("a thread");
        }
    };
    std::thread::Builder::new().spawn(accept).expect("a thread");
    (tree, address)
}

/// Changes the tree and tells those who watch: the node itself, and the one above it.
fn change(tree: &Shared, path: &str, data: Option<&str>) {
    let mut tree = tree.lock().expect("tree");
    match data {
        Some(data) => tree.nodes.insert(path.to_owned(), data.as_bytes().to_vec()),
        None => tree.nodes.remove(path),
    };
    let above = path.rsplit_once('/').expect("a path").0.to_owned();
    for (stream, watched) in &mut tree.sessions {
        for changed in [path, &above] {
            if watched.remove(changed) {
                let mut out = BytesMut::new();
                out.put_i32(-1);
                out.put_i64(-1);
                out.put_i32(0);
                out.put_i32(3);
                out.put_i32(3);
                put_text(&mut out, changed.as_bytes());
                send(stream, &out);
            }
        }
    }
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

fn run(address: SocketAddr, parse: Parse, session: &str) -> Running {
    let surroundings = Surroundings::new(&[]);
    let text = format!("{{servers: ['{address}'], paths: [/a], timeout: {session}}}");
    let section = section("nerve_sd_configs", &text);
    let mut zookeeper = Zookeeper::new(&surroundings.context(), &section, parse);
    zookeeper.pause = Duration::from_millis(20);
    let groups = Groups::default();
    let publisher = Publisher::new(Arc::clone(&groups), Arc::new(|| {}));
    let task = tokio::spawn(Box::new(zookeeper).run(publisher));
    Running { groups, surroundings, task }
}

impl Running {
    /// Waits until there are targets with exactly these sources.
    async fn settle(&self, want: &[&str]) {
        let have = || -> Vec<String> {
            self.groups.lock().keys().map(|source| source.to_string()).collect()
        };
        for _ in 0..2000 {
            if have() == want {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{:?}, not {want:?}", have());
    }
}

const MEMBER: &str = r#"{"host":"h","port":1,"name":"n"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_come_change_and_go() {
    let (tree, address) = start(&[("/a", ""), ("/a/b", "no member"), ("/a/b/c", MEMBER)]);
    let running = run(address, member::nerve, "10s");
    running.settle(&["/a/b/c"]).await;
    change(&tree, "/a/b/d", Some(MEMBER));
    running.settle(&["/a/b/c", "/a/b/d"]).await;
    change(&tree, "/a/b/c", Some("{broken"));
    running.settle(&["/a/b/d"]).await;
    change(&tree, "/a/b/c", Some(MEMBER));
    running.settle(&["/a/b/c", "/a/b/d"]).await;
    change(&tree, "/a/b/c", None);
    running.settle(&["/a/b/d"]).await;
    let watched = running.surroundings.metric("prometheus_treecache_watcher_goroutines");
    assert_eq!(watched, Some(3.0));
    change(&tree, "/a/b/d", None);
    change(&tree, "/a/b", None);
    running.settle(&[]).await;
    change(&tree, "/a", None);
    // The path returns after a while, and is found again.
    for (path, data) in [("/a", ""), ("/a/x", MEMBER)] {
        tree.lock().expect("tree").nodes.insert(path.to_owned(), data.into());
    }
    running.settle(&["/a/x"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_keeps_what_was_found_and_is_made_up_for() {
    let (tree, address) = start(&[("/a", ""), ("/a/b", MEMBER), ("/a/c", MEMBER)]);
    let running = run(address, member::nerve, "10s");
    running.settle(&["/a/b", "/a/c"]).await;
    {
        let mut tree = tree.lock().expect("tree");
        tree.nodes.remove("/a/b");
        tree.nodes.insert("/a/d".to_owned(), MEMBER.into());
        for (stream, _) in &tree.sessions {
            stream.shutdown(std::net::Shutdown::Both).expect("closed");
        }
    }
    running.settle(&["/a/c", "/a/d"]).await;
    let failures = running.surroundings.metric("prometheus_treecache_zookeeper_failures_total");
    assert_eq!(failures, Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_session_is_kept_alive() {
    let (tree, address) = start(&[("/a", ""), ("/a/b", MEMBER)]);
    let running = run(address, member::nerve, "60ms");
    running.settle(&["/a/b"]).await;
    for _ in 0..2000 {
        if tree.lock().expect("tree").pings >= 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no pings");
}

#[test]
fn members_of_serversets() {
    let data = br#"{"serviceEndpoint":{"host":"h","port":80},"status":"ALIVE","shard":2,
        "additionalEndpoints":{"health-1":{"host":"i","port":81}}}"#;
    let labels = member::serverset(data, "/a/b").expect("a member");
    let lines: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(
        lines,
        [
            "__address__=h:80",
            "__meta_serverset_endpoint_host=h",
            "__meta_serverset_endpoint_host_health_1=i",
            "__meta_serverset_endpoint_port=80",
            "__meta_serverset_endpoint_port_health_1=81",
            "__meta_serverset_path=/a/b",
            "__meta_serverset_shard=2",
            "__meta_serverset_status=ALIVE",
        ]
    );
    for broken in ["", "[]", "{\"shard\":\"x\"}", "{\"serviceEndpoint\":{\"port\":\"80\"}}"] {
        assert_eq!(member::serverset(broken.as_bytes(), "/a"), None, "{broken}");
    }
    let empty = member::nerve(b"{}", "/a").expect("a member without anything");
    assert_eq!(empty.get("__address__"), Some(":0"));
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let accept = move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        drop(stream.write_all(&[0xff; 64]));
        drop(frame(&stream));
    };
    std::thread::Builder::new().spawn(accept).expect("a thread");
    let error = Connection::open(&address, Duration::from_secs(10)).await.expect_err("refused");
    assert!(error.to_string().ends_with("an answer without end"), "{error}");
}
