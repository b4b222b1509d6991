//! Presence bits of step rows: one bit for each step, rows padded to whole words.

/// How many words hold `steps` bits.
#[inline]
pub(crate) fn num_words(steps: usize) -> usize {
    steps.div_ceil(64)
}

/// Whether bit `step` is set.
#[inline]
pub(crate) fn get(words: &[u64], step: usize) -> bool {
    words[step / 64] >> (step % 64) & 1 == 1
}

/// Sets bit `step`.
#[inline]
pub(crate) fn set(words: &mut [u64], step: usize) {
    words[step / 64] |= 1 << (step % 64);
}

/// Clears bit `step`.
#[inline]
pub(crate) fn unset(words: &mut [u64], step: usize) {
    words[step / 64] &= !(1 << (step % 64));
}

/// The first bit that is set at `from` or later.
#[inline]
pub(crate) fn next(words: &[u64], from: usize) -> Option<usize> {
    let mut index = from / 64;
    let mut word = words.get(index)? >> (from % 64) << (from % 64);
    while word == 0 {
        index += 1;
        word = *words.get(index)?;
    }
    Some(64 * index + word.trailing_zeros() as usize)
}

/// Number of bits set.
pub(crate) fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Whether no bit is set.
pub(crate) fn is_empty(words: &[u64]) -> bool {
    words.iter().all(|&word| word == 0)
}

/// Sets the first `steps` bits.
pub(crate) fn fill(words: &mut [u64], steps: usize) {
    for (index, word) in words.iter_mut().enumerate() {
        let left = steps.saturating_sub(index * 64).min(64);
        *word = if left == 64 { u64::MAX } else { (1 << left) - 1 };
    }
}

/// The bits set, in order.
#[inline]
pub(crate) fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(index, &word)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let bit = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            Some(index * 64 + bit)
        })
    })
}

/// `into |= from`
pub(crate) fn or(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(a, b)| *a |= b);
}

/// `into &= from`
pub(crate) fn and(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(a, b)| *a &= b);
}

/// `into &= !from`
pub(crate) fn and_not(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(a, b)| *a &= !b);
}

/// The first bit that is set in both.
pub(crate) fn first_common(a: &[u64], b: &[u64]) -> Option<usize> {
    a.iter().zip(b).enumerate().find_map(|(index, (a, b))| {
        let both = a & b;
        (both != 0).then(|| index * 64 + both.trailing_zeros() as usize)
    })
}
