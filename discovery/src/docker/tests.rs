//! What `docker` promises, case by case; its mapping is tested against recordings.

use super::*;
use crate::loopback::{Asked, Surroundings, lines, section, serve};
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::sync::Mutex;

fn answer(asked: &Asked, stream: &mut dyn Write) -> std::io::Result<bool> {
    let body = match asked.line().as_str() {
        "HEAD /_ping" => {
            let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\n";
            stream.write_all(head.as_bytes())?;
            return Ok(true);
        }
        "GET /v1.40/containers/json" => {
            r#"[{"Id":"c","Names":["/x"],"State":"running","HostConfig":{"NetworkMode":"n"},"Ports":[],
                "NetworkSettings":{"Networks":{"n":{"NetworkID":"n","IPAddress":"10.0.0.1"}}}}]"#
        }
        "GET /v1.40/networks" => r#"[{"Id":"n","Name":"net"}]"#,
        other => panic!("{other}"),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")?;
    Ok(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_is_asked_over_its_socket() {
    let path = std::env::temp_dir().join(format!("firesteel-docker-{}.sock", std::process::id()));
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path).expect("a socket");
    let accept = move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            let serve = move || drop(serve(&stream, &stream, &Mutex::default(), &answer));
            std::thread::Builder::new().spawn(serve).expect("a thread");
        }
    };
    std::thread::Builder::new().spawn(accept).expect("a thread");
    let text = format!("{{host: 'unix://{}'}}", path.display());
    let section = section("docker_sd_configs", &text);
    let surroundings = Surroundings::new(&[]);
    let mut docker = Docker {
        engine: Engine::new(&surroundings.context(), &section).expect("an engine"),
        filters: filters(&section),
        port: section.int("port"),
        host_networking_host: String::new(),
        match_first_network: true,
    };
    let found = lines(&docker.refresh().await.expect("targets"));
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0][0], "__address__=10.0.0.1:80");
    assert!(found[0].contains(&"__meta_docker_container_name=/x".to_owned()), "{found:?}");
}
