//! The public scripts on blocks that a server of the reference reads, too: what it answers to every evaluation, ours and
//! theirs the same. Shows that what scripts expect of a head and blocks do not tell is not told by the reference either.

use super::stores::{Blocks, WHOLE, copy};
use super::{FIRST_OF_CHUNKS, cases_on, scripts};
use crate::reference::{Reference, binary, difference, ours, theirs};
use disk::{Disk, RealDisk};
use promql::Engine;
use promql::script::{Database, Outcome, Reply, When, engine_options};
use std::cell::RefCell;
use std::path::Path;
use storage::{Appendable, Result};
use tests::Scratch;
use tests::http::client::Connection;

/// Features of a server that answers as scripts expect.
const FEATURES: &str = ",promql-delayed-name-removal,use-start-timestamps,st-storage,\
    xor2-encoding,histograms-st-encoding";

/// A server over a copy of the blocks; the client hangs up first.
struct Server {
    client: Connection,
    _server: Reference,
    _scratch: Scratch,
}

/// Blocks that two read.
struct Beside {
    blocks: Blocks,
    engine: Engine,
    binary: String,
    server: RefCell<Option<Server>>,
    /// What the reference answers otherwise.
    odd: RefCell<Vec<String>>,
}

impl Beside {
    fn start(&self) -> Server {
        let scratch = Scratch::new("beside");
        let dir = scratch.path().join("data");
        // Scripts also ask before they load anything.
        if self.blocks.short.is_dir(Path::new(WHOLE)) {
            copy((&self.blocks.short, Path::new(WHOLE)), (&RealDisk, &dir));
        }
        let server = Reference::start(&self.binary, &dir, FEATURES);
        Server { client: Connection::new(server.address), _server: server, _scratch: scratch }
    }
}

impl Database for Beside {
    fn clear(&mut self) -> Result<()> {
        *self.server.get_mut() = None;
        self.blocks.clear()
    }

    fn appendable(&self) -> &dyn Appendable {
        self.blocks.appendable()
    }

    fn settle(&mut self) -> Result<()> {
        *self.server.get_mut() = None;
        self.blocks.settle()
    }

    fn ask(&self, query: &str, when: When) -> std::result::Result<Reply, String> {
        let times = match when {
            When::Instant { at_ms } => (at_ms, at_ms, 0),
            When::Range { start_ms, end_ms, step_ms } => (start_ms, end_ms, step_ms),
        };
        let own = ours(&self.engine, &self.blocks.blocks, query, times);
        let mut server = self.server.borrow_mut();
        let server = server.get_or_insert_with(|| self.start());
        let other = theirs(&mut server.client, query, times);
        if own != other {
            let how = difference(&own, &other);
            self.odd.borrow_mut().push(format!("{query}\n at {times:?}\n  {how}"));
        }
        self.blocks.ask(query, when)
    }
}

#[test]
fn a_reference_answers_scripts_on_blocks_alike() {
    let Some(binary) = binary() else { return };
    let (mut asked, mut excused, mut odd) = (0, 0, Vec::new());
    for (name, text) in scripts() {
        let mut beside = Beside {
            blocks: Blocks::new(),
            engine: Engine::new(engine_options()),
            binary: binary.clone(),
            server: RefCell::new(None),
            odd: RefCell::new(Vec::new()),
        };
        let cases = cases_on(&text, &mut beside);
        asked += cases.len();
        let failed = cases.iter().filter(|case| case.outcome != Outcome::Passed);
        excused += failed.count();
        odd.extend(beside.odd.take().into_iter().map(|odd| format!("{name}: {odd}")));
    }
    assert_eq!(excused, FIRST_OF_CHUNKS.len(), "fail on blocks");
    println!("{asked} evaluations, {} answered otherwise by the reference", odd.len());
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}
