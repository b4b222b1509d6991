//! What `traffic` promises, case by case.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn silence_counts_only_after_an_answer() {
    let (mut peer, io) = tokio::io::duplex(64);
    let mut watched = Watched::new(io);
    let traffic = watched.traffic();
    watched.write_all(b"ask").await.expect("written");
    assert!(!traffic.is_silent_again(), "the first request may have been worked on");
    peer.write_all(b"answer").await.expect("written");
    watched.read_exact(&mut [0; 6]).await.expect("an answer");
    assert!(!traffic.is_silent_again(), "nothing is asked");
    watched.write_all(b"ask").await.expect("written");
    assert!(traffic.is_silent_again());
    peer.write_all(b"a").await.expect("written");
    watched.read_exact(&mut [0; 1]).await.expect("the beginning of an answer");
    assert!(!traffic.is_silent_again());
    drop(peer);
    watched.write_all(b"ask").await.expect_err("nobody is there");
    assert!(traffic.is_silent_again());
}
