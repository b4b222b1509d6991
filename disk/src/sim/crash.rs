//! What is left after a power cut, from the durable and the pending state of every node.

use super::{Dir, File, Node, NodeId, ROOT};
use std::collections::BTreeMap;

/// The unit a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// Small deterministic numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero to `max`, inclusive.
    fn up_to(&mut self, max: usize) -> usize {
        (self.roll() % (max as u64 + 1)) as usize
    }
}

/// The nodes reachable after a crash; all of them are durable then.
pub(super) fn survivors(nodes: &[Node], seed: u64) -> Vec<Node> {
    let mut walk = Walk { nodes, dice: Dice(seed), kept: Vec::new(), moved: BTreeMap::new() };
    walk.visit(ROOT);
    walk.kept
}

struct Walk<'a> {
    nodes: &'a [Node],
    dice: Dice,
    kept: Vec<Node>,
    moved: BTreeMap<NodeId, NodeId>,
}

impl Walk<'_> {
    fn visit(&mut self, id: NodeId) -> NodeId {
        if let Some(&known) = self.moved.get(&id) {
            return known;
        }
        let new_id = self.kept.len();
        self.moved.insert(id, new_id);
        match &self.nodes[id] {
            Node::File(file) => {
                let data = file_after(file, &mut self.dice);
                self.kept.push(Node::File(File { durable: data.clone(), data, rewritten: false }));
            }
            Node::Dir(dir) => {
                self.kept.push(Node::Dir(Dir::default()));
                // A journal keeps the changes of a directory in their order, up to some point.
                let mut names = dir.durable.clone();
                for change in &dir.pending[..self.dice.up_to(dir.pending.len())] {
                    change.apply(&mut names);
                }
                let names: BTreeMap<_, _> =
                    names.into_iter().map(|(name, node)| (name, self.visit(node))).collect();
                self.kept[new_id] =
                    Node::Dir(Dir { durable: names.clone(), names, pending: Vec::new() });
            }
        }
        new_id
    }
}

fn file_after(file: &File, dice: &mut Dice) -> Vec<u8> {
    let changed = file.rewritten || file.data.len() != file.durable.len();
    if !changed {
        return file.durable.clone();
    }
    match dice.roll() % 4 {
        0 => file.durable.clone(),
        1 => file.data.clone(),
        2 if file.data.len() >= file.durable.len() && !file.rewritten => {
            let cut = file.durable.len() + dice.up_to(file.data.len() - file.durable.len());
            file.data[..cut].to_vec()
        }
        _ => torn(file, dice),
    }
}

/// The new length with some sectors old: zeros where the file was shorter.
fn torn(file: &File, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = file.data.clone();
    for (index, sector) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
        if dice.roll().is_multiple_of(2) {
            continue;
        }
        let begin = index * SECTOR_BYTES;
        for (offset, byte) in sector.iter_mut().enumerate() {
            *byte = file.durable.get(begin + offset).copied().unwrap_or(0);
        }
    }
    bytes
}
