//! Remote write between ours, as server and as agent, and others, with stops and kills at both ends: to the reference
//! server and from it, and to VictoriaMetrics. All samples that were acknowledged are counted at the other end. And
//! directories of agents opened by the other one.

mod ends;

use super::run::{Options, Outcome};
use crate::load::peer::Peer;
use crate::load::series::mix;
use ends::{End, SERIES, Source, prometheus};
use metrics::Stopwatch;
use std::io;
use std::process::Command;
use std::time::Duration;

/// From so many seconds on mishaps come at random for that long, else there is one of each kind.
const LONG_S: u64 = 300;

/// How long the last samples may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who sends to whom.
struct Way {
    name: &'static str,
    from: Peer,
    to: Peer,
    /// The sender forgets at its end what it has not sent.
    forgets: bool,
    /// The receiver loses what it took when it is killed.
    loses: bool,
    /// By which part of themselves values may differ: VictoriaMetrics keeps them as decimals.
    rounding: f64,
}

/// What goes wrong after some steps.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    KillSender,
    StopSender,
    KillReceiver,
    StopReceiver,
    StartReceiver,
    Nothing,
}

/// One of each kind, and a sender that is killed while its receiver is away.
const SHORT: [Mishap; 8] = [
    Mishap::KillReceiver,
    Mishap::KillSender,
    Mishap::StartReceiver,
    Mishap::StopReceiver,
    Mishap::StopSender,
    Mishap::StartReceiver,
    Mishap::KillSender,
    Mishap::Nothing,
];

/// What goes wrong at the end of turn `turn`, `elapsed_s` after the begin; nothing more comes after the last.
fn mishap(turn: usize, elapsed_s: u64, seconds: u64) -> Option<Mishap> {
    if seconds < LONG_S {
        return SHORT.get(turn).copied();
    }
    // The receiver is away for half of the time: five minutes of ten.
    let is_away = elapsed_s >= seconds / 4 && elapsed_s < seconds * 3 / 4;
    let drawn = match mix(turn as u64) % 8 {
        0 | 1 => Mishap::KillSender,
        2 => Mishap::StopSender,
        3 => Mishap::KillReceiver,
        4 => Mishap::StopReceiver,
        _ if is_away => Mishap::StopReceiver,
        _ => Mishap::StartReceiver,
    };
    (elapsed_s < seconds).then_some(drawn)
}

/// Waits until a sender that was just started sends what comes: only what is written later is sent.
fn await_sender(from: &End, forgets: bool) -> io::Result<()> {
    let begin = Stopwatch::start();
    while begin.elapsed() < Duration::from_secs(30) {
        if forgets {
            if from.get("/metrics")?.contains("prometheus_wal_watcher_current_segment{") {
                // Its watcher notes the time a moment later.
                std::thread::sleep(Duration::from_millis(500));
                return Ok(());
            }
        } else {
            let names = std::fs::read_dir(from.dir.join("remote_write")).into_iter().flatten();
            let mut names = names.flatten().map(|name| name.path());
            if names.any(|path| path.extension().is_some_and(|kind| kind == "position")) {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the sender does not begin"))
}

/// Waits until the receiver has all that was written; how many samples it has, and how many of them are wrong.
fn await_all(way: &Way, source: &Source, to: &End) -> io::Result<(usize, usize)> {
    let begin = Stopwatch::start();
    loop {
        let arrived = source.arrived(to, way.rounding)?;
        if arrived.0 >= source.samples() || begin.elapsed() >= PATIENCE {
            return Ok(arrived);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// How often each end went away.
#[derive(Debug, Default)]
struct Ended {
    sender: usize,
    receiver: usize,
}

fn strike(way: &Way, mishap: Mishap, (from, to): (&mut End, &mut End)) -> io::Result<()> {
    match mishap {
        Mishap::KillSender => from.kill(),
        Mishap::StopSender => from.stop(),
        // What it holds in memory only would be lost, which is no fault of the sender's.
        Mishap::KillReceiver if way.loses => to.stop(),
        Mishap::KillReceiver => to.kill(),
        Mishap::StopReceiver => to.stop(),
        Mishap::StartReceiver => to.start().map(drop),
        Mishap::Nothing => Ok(()),
    }
}

/// Sends through all mishaps; every sample arrives, once. Answers what to say and what failed.
fn send(options: &Options, way: &Way) -> io::Result<(String, Option<String>)> {
    let dir = options.dir.join(format!("forward-{}", way.name.replace(' ', "-")));
    let mut to = End::new(way.to.clone(), dir.join("to"), "global: {}\n".to_owned())?;
    let config = format!(
        "remote_write: [{{url: 'http://127.0.0.1:{}/api/v1/write', queue_config: {{batch_send_deadline: 200ms, \
         max_backoff: 200ms, min_shards: 2, max_samples_per_send: 500}}}}]\n",
        to.port
    );
    let mut from = End::new(way.from.clone(), dir.join("from"), config)?;
    await_sender(&from, way.forgets)?;
    let (mut source, mut ended) = (Source::new(way.name), Ended::default());
    let clock = Stopwatch::start();
    for turn in 0.. {
        let Some(mishap) = mishap(turn, clock.elapsed().as_secs(), options.seconds) else { break };
        source.write(&from)?;
        if way.forgets && matches!(mishap, Mishap::KillSender | Mishap::StopSender) {
            to.start()?;
            await_all(way, &source, &to)?;
        }
        let was_there = to.is_running();
        strike(way, mishap, (&mut from, &mut to))?;
        ended.receiver += usize::from(was_there && !to.is_running());
        if from.start()? {
            ended.sender += 1;
            await_sender(&from, way.forgets)?;
        }
    }
    to.start()?;
    let (count, wrong) = await_all(way, &source, &to)?;
    let said = format!(
        "remote write {}, {:.0} s, sender ended {} times, receiver {} times: {count} of {} samples arrived, {wrong} wrong",
        way.name,
        clock.elapsed_seconds(),
        ended.sender,
        ended.receiver,
        source.samples()
    );
    let is_good = (count, wrong) == (source.samples(), 0);
    Ok((said.clone(), (!is_good).then_some(said)))
}

/// The value of a metric without labels on the page of a server.
fn metric(at: &End, name: &str) -> io::Result<f64> {
    let page = at.get("/metrics")?;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.ok_or_else(|| io::Error::other(format!("{name} is not on the page")))
}

/// An agent's directory goes from the reference to ours and back; the series stay known.
fn exchange(options: &Options, say: &dyn Fn(&str), outcome: &mut Outcome) -> io::Result<()> {
    const ACTIVE: &str = "prometheus_agent_active_series";
    let dir = options.dir.join("agents");
    let config = "remote_write: [{url: 'http://127.0.0.1:1/none'}]\n".to_owned();
    let path = "--storage.agent.path={dir}";
    let version = Command::new(&options.prometheus).arg("--version").output()?;
    let is_2 = [version.stdout, version.stderr]
        .iter()
        .any(|text| String::from_utf8_lossy(text).contains("version 2."));
    let theirs = format!("{} {path}", if is_2 { "--enable-feature=agent" } else { "--agent" });
    let ours = format!("--agent {path}");
    let mut found = Vec::new();
    let binaries = [
        (&options.prometheus, &theirs),
        (&options.firesteel, &ours),
        (&options.prometheus, &theirs),
    ];
    let mut source = Source::new("exchange");
    for (binary, flags) in binaries {
        let mut end = End::new(prometheus(binary, flags)?, dir.clone(), config.clone())?;
        found.push(metric(&end, ACTIVE)?);
        source.write(&end)?;
        end.stop()?;
    }
    say(&format!("an agent's directory, theirs, ours, theirs: {found:?} series on opening"));
    if found != [0.0, SERIES as f64, SERIES as f64] {
        outcome.failures.push(format!("an agent's directory: {found:?} series on opening"));
    }
    Ok(())
}

/// Who is there to send to and from.
fn ways(options: &Options, say: &dyn Fn(&str)) -> io::Result<Vec<Way>> {
    let storage = "--storage.tsdb.path={dir} --log.level=error";
    let (ours, theirs) = (&options.firesteel, &options.prometheus);
    let way = |name, from, to| Way { name, from, to, forgets: false, loses: false, rounding: 0.0 };
    let mut ways = vec![
        way("as server", prometheus(ours, storage)?, prometheus(theirs, storage)?),
        way(
            "as agent",
            prometheus(ours, "--agent --storage.agent.path={dir}")?,
            prometheus(theirs, storage)?,
        ),
        Way {
            forgets: true,
            ..way("from the reference", prometheus(theirs, storage)?, prometheus(ours, storage)?)
        },
    ];
    if options.victoria.exists() {
        let line = format!("victoria={}", options.victoria.display());
        let to = Peer::parse(&line).map_err(io::Error::other)?;
        let way = way("to VictoriaMetrics", prometheus(ours, storage)?, to);
        ways.push(Way { loses: true, rounding: 1e-12, ..way });
    } else {
        say(&format!("SKIPPED: no {}", options.victoria.display()));
    }
    Ok(ways)
}

/// All of it, all ways at the same time.
pub(super) fn check(
    options: &Options,
    say: &dyn Fn(&str),
    outcome: &mut Outcome,
) -> io::Result<()> {
    let ways = ways(options, say)?;
    let sent: Vec<_> = std::thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "all threads begin before the first is joined")]
        let threads: Vec<_> =
            ways.iter().map(|way| (way.name, scope.spawn(|| send(options, way)))).collect();
        threads.into_iter().map(|(name, thread)| (name, thread.join())).collect()
    });
    for (name, sent) in sent {
        match sent.map_err(|_| io::Error::other("panicked")).flatten() {
            Ok((said, failure)) => {
                say(&said);
                outcome.failures.extend(failure);
            }
            Err(error) => outcome.failures.push(format!("remote write {name}: {error}")),
        }
    }
    exchange(options, say, outcome)
}
