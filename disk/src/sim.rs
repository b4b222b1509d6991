//! A disk in memory with a crash model: names and bytes that were not synced are lost, cut or torn.
//! Deterministic: what a crash keeps is decided by the seed alone. For tests, of this crate and those above.

use crate::{Disk, DiskFile, Lock, named};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

mod crash;

type NodeId = usize;

/// A change of a directory that is not durable yet.
#[derive(Clone, Debug)]
enum NameChange {
    Put(String, NodeId),
    Remove(String),
    Move { from: String, to: String, node: NodeId },
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, NodeId>) {
        match self {
            Self::Put(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Move { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Dir {
    names: BTreeMap<String, NodeId>,
    durable: BTreeMap<String, NodeId>,
    pending: Vec<NameChange>,
}

impl Dir {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

#[derive(Clone, Debug, Default)]
struct File {
    data: Vec<u8>,
    durable: Vec<u8>,
    /// Whether bytes below the durable length changed since the last sync.
    rewritten: bool,
}

#[derive(Clone, Debug)]
enum Node {
    File(File),
    Dir(Dir),
}

const ROOT: NodeId = 0;

#[derive(Debug)]
struct State {
    nodes: Vec<Node>,
    locked: BTreeSet<PathBuf>,
}

/// A file system in memory. Clones share it. Relative and absolute paths start from one root.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    node: NodeId,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}

fn not_found() -> io::Error {
    io::Error::new(ErrorKind::NotFound, "no such file or directory")
}

impl State {
    fn find(&self, path: &Path) -> io::Result<NodeId> {
        names(path).try_fold(ROOT, |at, name| match &self.nodes[at] {
            Node::Dir(dir) => dir.names.get(name).copied().ok_or_else(not_found),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        })
    }

    fn file(&mut self, path: &Path) -> io::Result<(NodeId, &mut File)> {
        let id = self.find(path)?;
        match &mut self.nodes[id] {
            Node::File(file) => Ok((id, file)),
            Node::Dir(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn dir(&mut self, path: &Path) -> io::Result<&mut Dir> {
        let id = self.find(path)?;
        match &mut self.nodes[id] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn parent(&mut self, path: &Path) -> io::Result<(&mut Dir, String)> {
        let name = names(path).last().ok_or(ErrorKind::InvalidInput)?.to_owned();
        let dir = self.dir(path.parent().unwrap_or(Path::new("")))?;
        Ok((dir, name))
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<NodeId> {
        let id = self.nodes.len();
        let (dir, name) = self.parent(path)?;
        if dir.names.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        dir.change(NameChange::Put(name, id));
        self.nodes.push(node);
        Ok(id)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (_, from_name) = self.parent(from)?;
        let (dir, to_name) = self.parent(to)?;
        if from.parent() == to.parent() {
            dir.change(NameChange::Move { from: from_name, to: to_name, node });
        } else {
            dir.change(NameChange::Put(to_name, node));
            self.parent(from)?.0.change(NameChange::Remove(from_name));
        }
        Ok(())
    }

    fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut at = PathBuf::new();
        for name in names(path) {
            at.push(name);
            match self.find(&at) {
                Ok(_) => {}
                Err(_) => drop(self.add(&at, Node::Dir(Dir::default()))?),
            }
        }
        self.dir(path).map(drop)
    }
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        let nodes = vec![Node::Dir(Dir::default())];
        Self(Arc::new(Mutex::new(State { nodes, locked: BTreeSet::new() })))
    }

    /// The disk as it comes up after the power went: what was not synced is lost, cut or torn as `seed` decides.
    /// This disk goes on unharmed, so that one run can be crashed in many ways.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let nodes = crash::survivors(&self.0.lock().nodes, seed);
        Self(Arc::new(Mutex::new(State { nodes, locked: BTreeSet::new() })))
    }

    /// The disk as another process finds it after this one was killed: everything written is there, locks are free.
    #[must_use]
    pub fn kill(&self) -> Self {
        let nodes = self.0.lock().nodes.clone();
        Self(Arc::new(Mutex::new(State { nodes, locked: BTreeSet::new() })))
    }

    /// Flips the bits of `mask` in one byte of a file: a bad sector. Panics if there is no such byte: tests name bytes
    /// that exist.
    pub fn corrupt(&self, path: &Path, offset: usize, mask: u8) {
        let mut state = self.0.lock();
        let (_, file) = state.file(path).expect("the file to corrupt");
        file.data[offset] ^= mask;
        file.rewritten = true;
    }

    fn with<T>(
        &self,
        op: &'static str,
        path: &Path,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        act(&mut self.0.lock()).map_err(|error| named(op, path, &error))
    }

    fn handle(&self, node: NodeId) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.clone(), node })
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.with("create directory", path, |state| state.create_dir(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let node =
            self.with("create", path, |state| state.add(path, Node::File(File::default())))?;
        Ok(self.handle(node))
    }

    fn open_append(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let node = self.with("open for appending", path, |state| {
            let (node, file) = state.file(path)?;
            file.rewritten |= (len as usize) < file.durable.len();
            file.data.resize(len as usize, 0);
            Ok(node)
        })?;
        Ok(self.handle(node))
    }

    fn view(&self, path: &Path) -> io::Result<Bytes> {
        self.with("map", path, |state| Ok(Bytes::copy_from_slice(&state.file(path)?.1.data)))
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.with("read", path, |state| {
            let data = &state.file(path)?.1.data;
            let begin = data.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
            let end = data.len().min(begin.saturating_add(len));
            Ok(data[begin..end].to_vec())
        })
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.with("length of", path, |state| Ok(state.file(path)?.1.data.len() as u64))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with("rename", from, |state| state.rename(from, to))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with("link", from, |state| {
            let (node, _) = state.file(from)?;
            let (dir, name) = state.parent(to)?;
            if dir.names.contains_key(&name) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            dir.change(NameChange::Put(name, node));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with("remove", path, |state| {
            state.find(path)?;
            let (dir, name) = state.parent(path)?;
            dir.change(NameChange::Remove(name));
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.with("list", dir, |state| Ok(state.dir(dir)?.names.keys().cloned().collect()))
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.lock().find(path).is_ok()
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.0.lock().dir(path).is_ok()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.with("sync", dir, |state| {
            let dir = state.dir(dir)?;
            dir.durable = dir.names.clone();
            dir.pending.clear();
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let was_there = self.with("lock", path, |state| {
            let was_there = state.find(path).is_ok();
            if !was_there {
                state.add(path, Node::File(File::default()))?;
            }
            if state.locked.insert(path.to_owned()) {
                return Ok(was_there);
            }
            Err(io::Error::new(ErrorKind::WouldBlock, "already in use"))
        })?;
        let guard = SimLock { disk: self.clone(), path: path.to_owned() };
        Ok(Lock::new(path, was_there, Box::new(guard)))
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.0.lock().locked.remove(&self.path);
    }
}

impl SimFile {
    fn with(&self, act: impl FnOnce(&mut File)) {
        match &mut self.disk.0.lock().nodes[self.node] {
            Node::File(file) => act(file),
            Node::Dir(_) => unreachable!("handles are made for files only"),
        }
    }
}

impl DiskFile for SimFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.with(|file| file.data.extend_from_slice(data));
        Ok(())
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|file| {
            let begin = offset as usize;
            file.rewritten |= begin < file.durable.len();
            file.data[begin..begin + data.len()].copy_from_slice(data);
        });
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|file| {
            if file.rewritten {
                file.durable.clone_from(&file.data);
                file.rewritten = false;
            } else {
                let known = file.durable.len();
                file.durable.extend_from_slice(&file.data[known..]);
            }
        });
        Ok(())
    }
}
