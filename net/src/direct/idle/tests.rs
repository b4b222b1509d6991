//! What `idle` promises, case by case.

use super::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

async fn pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    (Stream::new(ours.expect("connected"), false), theirs.expect("accepted").0)
}

/// Waits until the end of a connection, or a byte, has come.
async fn arrived(stream: &mut Stream) {
    while stream.is_quiet() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_that_ended_or_speak_are_not_used_again() {
    let idle = Arc::new(Idle::default());
    assert!(idle.take("a:1").is_none());
    let (mut ended, end) = pair().await;
    drop(end);
    arrived(&mut ended).await;
    let (mut speaks, mut end) = pair().await;
    end.write_all(b"HTTP/1.1 408").await.expect("written");
    arrived(&mut speaks).await;
    let (good, _end) = pair().await;
    for stream in [good, ended, speaks] {
        idle.put("a:1", stream);
    }
    assert!(idle.take("b:1").is_none());
    assert!(idle.take("a:1").is_some_and(|mut stream| stream.is_quiet()));
    assert!(idle.take("a:1").is_none());
}

#[tokio::test]
async fn idle_connections_end() {
    let idle = Arc::new(Idle::default());
    let begin = Instant::now();
    let (old, _end) = pair().await;
    idle.put("a:1", old);
    assert!(!idle.sweep(begin), "it is young");
    let (mut ended, end) = pair().await;
    drop(end);
    arrived(&mut ended).await;
    idle.put("b:1", ended);
    assert!(!idle.sweep(begin));
    assert!(!idle.0.lock().by_authority.contains_key("b:1"));
    assert!(idle.sweep(Instant::now() + IDLE_TIMEOUT));
    assert!(idle.take("a:1").is_none());
    assert!(!idle.0.lock().is_swept, "the next connection is looked after again");
}
