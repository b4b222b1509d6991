//! Memory of a shard: paged tables that grow without moving, and byte buffers in size classes for open chunks.
//! Pages at the end of a table are given back once nothing in them is in use; the smallest free place is taken first,
//! so that the end empties. Pages of buffers are blocks of one length, whatever the size of their buffers: series that
//! begin together grow out of each size together, and the blocks that come free serve the next size. The allocator
//! would keep them for their size, where they were freed by another thread than took them.

use std::ops::{Index, IndexMut};

const PAGE: usize = 1024;

/// A value that stands for an unused place.
pub(super) trait Vacant: Copy + 'static {
    /// The value.
    const VACANT: &'static Self;
}

/// Takes the unused places at the end of a table of `len` places out of `free` and answers how long the table is
/// without them. Leaves `free` with the greatest place first.
pub(super) fn trim_end(free: &mut Vec<u32>, len: usize) -> usize {
    free.sort_unstable_by(|a, b| b.cmp(a));
    let is_at_end = |&(at, &place): &(usize, &u32)| place as usize + at + 1 == len;
    let num_gone = free.iter().enumerate().take_while(is_at_end).count();
    free.drain(..num_gone);
    give_back(free);
    len - num_gone
}

/// Gives memory back that a list has too much of.
pub(super) fn give_back<T>(list: &mut Vec<T>) {
    if list.capacity() > 64 && list.capacity() / 4 > list.len() {
        list.shrink_to(list.len() + list.len() / 4);
    }
}

/// A growing table of plain values in pages, indexed by `u32`. A place behind its end reads as vacant: who looked it up
/// without a lock finds that it is gone.
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

impl<T: Vacant> Paged<T> {
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

    /// Cuts the table to `len` places.
    pub(super) fn truncate(&mut self, len: u32) {
        self.len = self.len.min(len);
        self.pages.truncate((self.len as usize).div_ceil(PAGE));
        give_back(&mut self.pages);
    }

    /// Bytes of all pages.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.pages.len() * PAGE * size_of::<T>()
    }
}

impl<T: Vacant> Index<u32> for Paged<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        match self.pages.get(index as usize / PAGE) {
            Some(page) => &page[index as usize % PAGE],
            None => T::VACANT,
        }
    }
}

impl<T: Vacant> IndexMut<u32> for Paged<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.pages[index as usize / PAGE][index as usize % PAGE]
    }
}

/// Sizes of the buffers; the last one takes any float chunk.
const CLASSES: [usize; 13] = [24, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1040];
/// Length of a page of buffers.
const BLOCK_BYTES: usize = 64 << 10;
/// Bits of the place in a page: enough for the smallest buffers.
const SLOT_BITS: u32 = 12;
const CLASS_SHIFT: u32 = 28;
/// The class of buffers beyond all sizes, each with memory of its own: histogram chunks.
const LARGE: usize = CLASSES.len();
/// Not a buffer, but the number of an open chunk of histograms in its place; see `native`.
const NATIVE: usize = 14;
const _: () = assert!(LARGE < NATIVE);

/// A byte buffer of a [`ByteSlab`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer(pub(super) u32);

impl Buffer {
    /// No buffer: all class bits set, which no class reaches.
    pub(super) const NONE: Self = Self(u32::MAX);

    fn class(self) -> usize {
        (self.0 >> CLASS_SHIFT) as usize
    }

    /// What stands for the open chunk of histograms with this number.
    pub(super) fn of_native(index: u32) -> Self {
        assert!(index < 1 << CLASS_SHIFT, "a shard holds under 2^28 chunks of histograms");
        Self((NATIVE as u32) << CLASS_SHIFT | index)
    }

    /// The number of the open chunk of histograms that this stands for, if it does.
    #[inline]
    pub(super) fn native(self) -> Option<u32> {
        (self.class() == NATIVE).then(|| self.index() as u32)
    }

    /// Page and place in it.
    fn place(self) -> (usize, usize) {
        let index = self.index();
        (index >> SLOT_BITS, index & ((1 << SLOT_BITS) - 1))
    }

    fn index(self) -> usize {
        (self.0 & ((1 << CLASS_SHIFT) - 1)) as usize
    }
}

/// Memory for pages; what comes back serves the next, of whatever class.
#[derive(Debug, Default)]
struct Blocks {
    idle: Vec<Box<[u8]>>,
    num_used: usize,
}

impl Blocks {
    fn take(&mut self) -> Box<[u8]> {
        self.num_used += 1;
        self.idle.pop().unwrap_or_else(|| vec![0; BLOCK_BYTES].into_boxed_slice())
    }

    fn give(&mut self, block: Box<[u8]>) {
        self.num_used -= 1;
        self.idle.push(block);
        // An eighth more than there is in use: growth comes in waves.
        self.idle.truncate(2 + self.num_used / 8);
    }
}

/// A page of buffers of one size; without memory while none of them is in use.
#[derive(Debug, Default)]
struct Page {
    data: Box<[u8]>,
    /// A bit for each buffer that is not in use.
    free: Box<[u64]>,
    /// No word before this has a bit.
    first_free: u16,
    num_used: u16,
    /// Whether `roomy` of the class names it.
    is_listed: bool,
}

impl Page {
    fn open(&mut self, data: Box<[u8]>, num_slots: usize) {
        self.data = data;
        let bits = |word: usize| u64::MAX >> (64 * (word + 1)).saturating_sub(num_slots);
        self.free = (0..num_slots.div_ceil(64)).map(bits).collect();
        self.first_free = 0;
    }

    fn take(&mut self) -> Option<u32> {
        let from = usize::from(self.first_free);
        let word = from + self.free[from..].iter().position(|&bits| bits != 0)?;
        let bit = self.free[word].trailing_zeros();
        self.free[word] &= self.free[word] - 1;
        self.first_free = word as u16;
        self.num_used += 1;
        Some(word as u32 * 64 + bit)
    }

    fn give(&mut self, slot: usize) {
        self.free[slot / 64] |= 1 << (slot % 64);
        self.first_free = self.first_free.min((slot / 64) as u16);
        self.num_used -= 1;
    }
}

#[derive(Debug, Default)]
struct Class {
    pages: Vec<Page>,
    /// Pages with room, and pages that lost their room or their memory since: those go when they come up.
    roomy: Vec<u32>,
    /// Pages without memory.
    vacant: Vec<u32>,
}

impl Class {
    fn alloc(&mut self, size: usize, blocks: &mut Blocks) -> u32 {
        loop {
            let number = self.roomy.last().copied().unwrap_or_else(|| self.add_page(size, blocks));
            let page = &mut self.pages[number as usize];
            if let Some(slot) = page.take() {
                return number << SLOT_BITS | slot;
            }
            page.is_listed = false;
            self.roomy.pop();
        }
    }

    fn add_page(&mut self, size: usize, blocks: &mut Blocks) -> u32 {
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.pages.push(Page::default());
            self.pages.len() as u32 - 1
        });
        self.pages[number as usize].open(blocks.take(), BLOCK_BYTES / size);
        self.list(number);
        number
    }

    fn list(&mut self, number: u32) {
        let page = &mut self.pages[number as usize];
        if !std::mem::replace(&mut page.is_listed, true) {
            self.roomy.push(number);
        }
    }

    fn free(&mut self, (number, slot): (usize, usize), blocks: &mut Blocks) {
        let page = &mut self.pages[number];
        page.give(slot);
        if page.num_used > 0 {
            self.list(number as u32);
            return;
        }
        blocks.give(std::mem::take(&mut page.data));
        page.free = Box::default();
        page.first_free = 0;
        self.vacant.push(number as u32);
    }
}

/// Byte buffers in size classes.
#[derive(Debug, Default)]
pub(super) struct ByteSlab {
    classes: [Class; CLASSES.len()],
    blocks: Blocks,
    large: Vec<Box<[u8]>>,
    free_large: Vec<u32>,
    used_bytes: usize,
}

impl ByteSlab {
    /// Bytes of the buffers in use.
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// A buffer of at least `len` bytes; its content is arbitrary.
    pub(super) fn alloc(&mut self, len: usize) -> Buffer {
        let Some(class) = CLASSES.iter().position(|&size| size >= len) else {
            return self.alloc_large(len);
        };
        let slot = self.classes[class].alloc(CLASSES[class], &mut self.blocks);
        self.used_bytes += CLASSES[class];
        assert!(slot < 1 << CLASS_SHIFT, "a shard holds under 2^28 chunks of a size");
        Buffer((class as u32) << CLASS_SHIFT | slot)
    }

    fn alloc_large(&mut self, len: usize) -> Buffer {
        let memory = vec![0; len].into_boxed_slice();
        self.used_bytes += len;
        let index = if let Some(index) = self.free_large.pop() {
            self.large[index as usize] = memory;
            index
        } else {
            self.large.push(memory);
            self.large.len() as u32 - 1
        };
        assert!(index < 1 << CLASS_SHIFT, "a shard holds under 2^28 chunks of a size");
        Buffer((LARGE as u32) << CLASS_SHIFT | index)
    }

    /// Takes a buffer back.
    pub(super) fn free(&mut self, buffer: Buffer) {
        if buffer.class() == LARGE {
            self.used_bytes -= std::mem::take(&mut self.large[buffer.index()]).len();
            self.free_large.push(buffer.index() as u32);
        } else if buffer.class() < LARGE {
            self.used_bytes -= CLASSES[buffer.class()];
            self.classes[buffer.class()].free(buffer.place(), &mut self.blocks);
        }
    }

    /// The whole buffer.
    #[inline]
    pub(super) fn get(&self, buffer: Buffer) -> &[u8] {
        if buffer.class() == LARGE {
            return &self.large[buffer.index()];
        }
        let (size, (page, slot)) = (CLASSES[buffer.class()], buffer.place());
        &self.classes[buffer.class()].pages[page].data[slot * size..][..size]
    }

    /// Length of the buffer, which is known without a look at it.
    #[inline]
    pub(super) fn len_bytes(&self, buffer: Buffer) -> usize {
        match CLASSES.get(buffer.class()) {
            Some(&size) => size,
            None => self.get(buffer).len(),
        }
    }

    /// The whole buffer, to write to.
    #[inline]
    pub(super) fn get_mut(&mut self, buffer: Buffer) -> &mut [u8] {
        if buffer.class() == LARGE {
            return &mut self.large[buffer.index()];
        }
        let (size, (page, slot)) = (CLASSES[buffer.class()], buffer.place());
        &mut self.classes[buffer.class()].pages[page].data[slot * size..][..size]
    }

    /// A buffer of at least `len` bytes, more than `buffer` has, that begins with its first `kept` bytes; `buffer` is
    /// freed.
    pub(super) fn grow(&mut self, buffer: Buffer, kept: usize, len: usize) -> Buffer {
        let larger = self.alloc(len);
        let [from, to] = self
            .classes
            .get_disjoint_mut([buffer.class(), larger.class()])
            .expect("a larger buffer is of another class");
        let ((from_page, source), (to_page, target)) = (buffer.place(), larger.place());
        let (source, target) = (source * CLASSES[buffer.class()], target * CLASSES[larger.class()]);
        let source = &from.pages[from_page].data[source..][..kept];
        to.pages[to_page].data[target..][..kept].copy_from_slice(source);
        self.free(buffer);
        larger
    }

    /// Bytes of all blocks.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        (self.blocks.num_used + self.blocks.idle.len()) * BLOCK_BYTES
    }
}

#[cfg(test)]
mod tests;
