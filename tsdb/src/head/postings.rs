//! One posting list of the head: the slots of the series that carry a label, ascending. Short lists lie inline.
//! Set algebra over plain slices lives here too; which lists to combine is decided in `select`.

const INLINE: usize = 3;

#[derive(Debug)]
enum Repr {
    Few(u32, [u32; INLINE]),
    Many(Vec<u32>),
}

/// Ascending slots of one (name, value).
#[derive(Debug)]
pub(super) struct Postings(Repr);

impl Default for Postings {
    fn default() -> Self {
        Self(Repr::Few(0, [0; INLINE]))
    }
}

impl Postings {
    /// The slots, ascending.
    pub(super) fn as_slice(&self) -> &[u32] {
        match &self.0 {
            Repr::Few(len, slots) => &slots[..*len as usize],
            Repr::Many(slots) => slots,
        }
    }

    /// Adds a slot that is not there yet; nearly always the greatest.
    pub(super) fn insert(&mut self, slot: u32) {
        match &mut self.0 {
            Repr::Few(len, slots) if (*len as usize) < INLINE => {
                let count = *len as usize;
                let at = slots[..count].partition_point(|&s| s < slot);
                slots.copy_within(at..count, at + 1);
                slots[at] = slot;
                *len += 1;
            }
            Repr::Few(_, slots) => {
                let mut many = Vec::with_capacity(2 * INLINE + 2);
                many.extend_from_slice(slots);
                self.0 = Repr::Many(many);
                self.insert(slot);
            }
            Repr::Many(slots) => {
                if slots.len() == slots.capacity() {
                    // Postings are a good part of a head's memory: doubling would leave a third of it idle.
                    slots.reserve_exact((slots.len() / 8).max(INLINE + 1));
                }
                if slots.last().is_none_or(|&last| last < slot) {
                    slots.push(slot);
                    return;
                }
                let at = slots.partition_point(|&s| s < slot);
                slots.insert(at, slot);
            }
        }
    }

    /// Keeps the slots for which `keep` holds and gives memory back where it pays.
    pub(super) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        match &mut self.0 {
            Repr::Few(len, slots) => {
                let mut kept = 0;
                for index in 0..*len as usize {
                    if keep(slots[index]) {
                        slots[kept] = slots[index];
                        kept += 1;
                    }
                }
                *len = kept as u32;
            }
            Repr::Many(slots) => {
                slots.retain(|&slot| keep(slot));
                if slots.len() <= INLINE {
                    let mut few = [0; INLINE];
                    few[..slots.len()].copy_from_slice(slots);
                    self.0 = Repr::Few(slots.len() as u32, few);
                } else if slots.len() * 2 < slots.capacity() {
                    slots.shrink_to_fit();
                }
            }
        }
    }
}

/// Keeps in `slots` what is also in `other`, galloping through it; both ascending.
pub(super) fn intersect(slots: &mut Vec<u32>, other: &[u32]) {
    let mut rest = other;
    slots.retain(|&slot| {
        let mut step = 1;
        while step < rest.len() && rest[step] < slot {
            step *= 2;
        }
        let near = &rest[step / 2..rest.len().min(step + 1)];
        rest = &rest[step / 2 + near.partition_point(|&s| s < slot)..];
        rest.first() == Some(&slot)
    });
}

#[cfg(test)]
mod tests;
