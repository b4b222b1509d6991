//! `tsdb list`: the blocks of a data directory.

use super::text::write_blocks;
use super::{Outcome, Streams, db_path, open, switch};
use clap::{ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("list")
        .about("List tsdb blocks")
        .arg(switch("human-readable", Some('r'), "Print human readable values"))
        .arg(db_path())
}

pub(super) fn run(args: &ArgMatches, streams: &mut Streams<'_>) -> Outcome {
    let blocks = open(args)?.blocks()?;
    let blocks = blocks.iter().map(|block| &**block);
    write_blocks(blocks, true, args.get_flag("human-readable"), streams.output)?;
    Ok(0)
}
