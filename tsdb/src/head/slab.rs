//! Memory of a shard: paged tables that grow without moving, and byte buffers in size classes for open chunks.
//! Pages are never given back; what is freed is used again.

use std::ops::{Index, IndexMut};

const PAGE: usize = 1024;

/// A growing table of plain values in pages, indexed by `u32`.
#[derive(Debug)]
pub(super) struct Paged<T> {
    pages: Vec<Box<[T]>>,
    len: u32,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T: Copy> Paged<T> {
    /// Number of values.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Adds a value and returns its index.
    pub(super) fn push(&mut self, value: T) -> u32 {
        let index = self.len;
        if index as usize == self.pages.len() * PAGE {
            self.pages.push(vec![value; PAGE].into_boxed_slice());
        }
        self.len += 1;
        self[index] = value;
        index
    }
}

impl<T> Index<u32> for Paged<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.pages[index as usize / PAGE][index as usize % PAGE]
    }
}

impl<T> IndexMut<u32> for Paged<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.pages[index as usize / PAGE][index as usize % PAGE]
    }
}

/// Sizes of the buffers; the last one takes any float chunk.
const CLASSES: [usize; 12] = [24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
const CLASS_PAGE: usize = 256;
const CLASS_SHIFT: u32 = 28;

/// A byte buffer of a [`ByteSlab`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer(pub(super) u32);

impl Buffer {
    /// No buffer: all class bits set, which no class reaches.
    pub(super) const NONE: Self = Self(u32::MAX);

    fn class(self) -> usize {
        (self.0 >> CLASS_SHIFT) as usize
    }

    fn index(self) -> usize {
        (self.0 & ((1 << CLASS_SHIFT) - 1)) as usize
    }
}

#[derive(Debug, Default)]
struct Class {
    pages: Vec<Box<[u8]>>,
    len: u32,
    free: Vec<u32>,
}

/// Byte buffers in size classes.
#[derive(Debug, Default)]
pub(super) struct ByteSlab {
    classes: [Class; CLASSES.len()],
}

impl ByteSlab {
    /// A buffer of at least `len` bytes; its content is arbitrary.
    pub(super) fn alloc(&mut self, len: usize) -> Buffer {
        let class = CLASSES.iter().position(|&size| size >= len).expect("chunks end at 1024 bytes");
        let slot = self.classes[class].free.pop().unwrap_or_else(|| {
            let of = &mut self.classes[class];
            if of.len as usize == of.pages.len() * CLASS_PAGE {
                of.pages.push(vec![0; CLASS_PAGE * CLASSES[class]].into_boxed_slice());
            }
            of.len += 1;
            of.len - 1
        });
        assert!(slot < 1 << CLASS_SHIFT, "a shard holds under 2^28 chunks of a size");
        Buffer((class as u32) << CLASS_SHIFT | slot)
    }

    /// Takes a buffer back.
    pub(super) fn free(&mut self, buffer: Buffer) {
        if buffer != Buffer::NONE {
            self.classes[buffer.class()].free.push(buffer.index() as u32);
        }
    }

    /// The whole buffer.
    #[inline]
    pub(super) fn get(&self, buffer: Buffer) -> &[u8] {
        let size = CLASSES[buffer.class()];
        let begin = buffer.index() % CLASS_PAGE * size;
        &self.classes[buffer.class()].pages[buffer.index() / CLASS_PAGE][begin..begin + size]
    }

    /// The whole buffer, to write to.
    #[inline]
    pub(super) fn get_mut(&mut self, buffer: Buffer) -> &mut [u8] {
        let size = CLASSES[buffer.class()];
        let begin = buffer.index() % CLASS_PAGE * size;
        &mut self.classes[buffer.class()].pages[buffer.index() / CLASS_PAGE][begin..begin + size]
    }

    /// A buffer of at least `len` bytes, more than `buffer` has, that begins with its first `kept` bytes; `buffer` is
    /// freed.
    pub(super) fn grow(&mut self, buffer: Buffer, kept: usize, len: usize) -> Buffer {
        let larger = self.alloc(len);
        let [from, to] = self
            .classes
            .get_disjoint_mut([buffer.class(), larger.class()])
            .expect("a larger buffer is of another class");
        let begin = |of: Buffer| of.index() % CLASS_PAGE * CLASSES[of.class()];
        let (source, target) = (begin(buffer), begin(larger));
        let source = &from.pages[buffer.index() / CLASS_PAGE][source..source + kept];
        to.pages[larger.index() / CLASS_PAGE][target..target + kept].copy_from_slice(source);
        self.free(buffer);
        larger
    }
}

#[cfg(test)]
mod tests;
