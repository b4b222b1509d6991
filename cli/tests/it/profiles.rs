//! Profiles of the running binary, in the format of pprof.

use benches::load::peer::Peer;
use flate2::read::GzDecoder;
use std::io::Read;

#[test]
fn profiles_are_there_and_those_of_go_refuse() {
    let scratch = tests::Scratch::new("profiles");
    let line = format!(
        "firesteel={} --config.file={{config}} --storage.tsdb.path={{dir}} \
         --web.listen-address=127.0.0.1:{{port}}",
        env!("CARGO_BIN_EXE_firesteel")
    );
    let peer = Peer::parse(&line).expect("a well-formed command");
    let running = peer.start(&scratch.path().join("data"), "global: {}\n").expect("it starts").0;
    let get = |path: &str| running.client().get(path).expect("an answer");
    let text = |path: &str| {
        let answer = get(path);
        (answer.status, String::from_utf8(answer.body).expect("text"))
    };
    assert!(text("/debug/pprof/").1.contains("href=\"heap\""));
    assert!(text("/debug/pprof/cmdline").1.contains("\0--storage.tsdb.path="));
    assert_eq!(text("/debug/pprof/goroutine").0, 501);
    assert_eq!(text("/debug/pprof/nope"), (404, "Unknown profile\n".to_owned()));
    assert_eq!(text("/debug/pprof/profile?seconds=x").0, 400);
    let words = |path: &str| {
        let answer = get(path);
        assert_eq!(answer.status, 200, "{path}");
        let mut plain = Vec::new();
        GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).expect("gzip");
        String::from_utf8_lossy(&plain).into_owned()
    };
    let heap = words("/debug/pprof/heap");
    for word in ["inuse_space", "bytes", "anonymous memory", "firesteel", "are not recorded"] {
        assert!(heap.contains(word), "{word}");
    }
    // Something to be seen: the thread that answers is busy meanwhile.
    std::thread::scope(|scope| {
        let profiled = scope.spawn(|| words("/debug/pprof/profile?seconds=1"));
        while !profiled.is_finished() {
            text("/metrics");
        }
        let cpu = profiled.join().expect("a profile");
        for word in ["samples", "count", "cpu", "nanoseconds", "thread"] {
            assert!(cpu.contains(word), "{word}");
        }
    });
}
