//! Asking memory for what will be needed soon: the one place of this crate with `unsafe`. Whether that pays is measured
//! where it is called.

/// Asks for the cache line that `value` begins on, without waiting for it. Nothing else changes, here or elsewhere: it is
/// no more than a hint, and nothing at all on other processors than those with x86-64.
#[inline]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "an instruction that Rust has no word for")
)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 has the instruction, and it neither faults nor writes, whatever the address; this one is
        // that of a live reference besides.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Length of a cache line in bytes, nearly everywhere.
const LINE_BYTES: usize = 64;

/// Asks for all cache lines that these bytes lie on, but for one at the end that begins with the last few of them.
#[inline]
pub fn prefetch_all(bytes: &[u8]) {
    bytes.iter().step_by(LINE_BYTES).for_each(prefetch);
}

#[cfg(test)]
mod tests;
