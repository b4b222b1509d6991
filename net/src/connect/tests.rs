//! Turns that connections take, and addresses that do not answer.

use super::*;
use crate::config::HttpClientConfig;

#[test]
fn turns_are_taken_only_where_asked_for() {
    let connector = |takes_turns| {
        let tls = TlsSettings::new(&HttpClientConfig::default()).expect("settings");
        Connector::new(tls, Arc::default(), None, takes_turns, None)
    };
    let turning = connector(true);
    let turns: Vec<usize> = (0..3).map(|_| turning.clone().turn()).collect();
    assert_eq!(turns, [0, 1, 2]);
    let still = connector(false);
    assert_eq!((still.turn(), still.turn()), (0, 0));
}

#[tokio::test]
async fn every_turn_reaches_a_host_of_one_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    for turn in 0..3 {
        dial("127.0.0.1", port, turn, &mut None).await.expect("connected");
    }
}

/// An address of this machine where connections wait for ever: nobody takes them, and the queue is full.
async fn silent() -> (tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("a queue");
    let address = listener.local_addr().expect("an address");
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await
    {
        waiting.push(connected.expect("in the queue"));
        assert!(waiting.len() < 100, "the queue has an end");
    }
    (listener, waiting)
}

#[tokio::test]
async fn a_family_that_does_not_answer_does_not_keep_the_other_waiting() {
    let (silent, _waiting) = silent().await;
    let silent = [silent.local_addr().expect("an address")];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let good = [listener.local_addr().expect("an address")];
    let refused = {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        [gone.local_addr().expect("an address")]
    };
    for (preferred, others) in [(&silent, &good), (&good, &silent), (&refused, &good)] {
        let socket = race(preferred, others).await.expect("connected");
        assert_eq!(socket.peer_addr().expect("an address"), good[0]);
    }
    let failed = race(&refused, &refused).await.expect_err("nobody is there");
    assert_eq!(failed.kind(), io::ErrorKind::ConnectionRefused);
    // Of several addresses of one family, the next has its turn after a while.
    let socket = connect_in_turn(&[silent[0], refused[0], good[0]]).await.expect("connected");
    assert_eq!(socket.peer_addr().expect("an address"), good[0]);
}
