//! Locks and atomics of what many threads change at once. In the tests of this crate whoever is about to touch one of
//! them may have to let others go first, as a scheduler decides; elsewhere they are those of `parking_lot` and `std`.

use parking_lot::{RwLockReadGuard, RwLockWriteGuard};

/// Locks that nobody gives way under: none of the others is taken while one of these is held.
pub(crate) use parking_lot::{Mutex as LeafMutex, RwLock as LeafRwLock};

#[cfg(not(test))]
pub(crate) use parking_lot::{Condvar, Mutex, RwLock};
#[cfg(not(test))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

#[cfg(test)]
mod turns;
#[cfg(test)]
pub(crate) use turns::{AtomicBool, AtomicI64, AtomicU64, Condvar, Mutex, RwLock, scheduled};

/// Lets those in who wait to write.
pub(crate) fn bump_read<T>(guard: &mut RwLockReadGuard<'_, T>) {
    #[cfg(not(test))]
    RwLockReadGuard::bump(guard);
    #[cfg(test)]
    turns::bump_read(guard);
}

/// Lets those in who wait.
pub(crate) fn bump_write<T>(guard: &mut RwLockWriteGuard<'_, T>) {
    #[cfg(not(test))]
    RwLockWriteGuard::bump(guard);
    #[cfg(test)]
    turns::unlocked(guard, || {});
}

/// Does something while the lock is free.
pub(crate) fn unlocked<T, U>(guard: &mut RwLockWriteGuard<'_, T>, act: impl FnOnce() -> U) -> U {
    #[cfg(not(test))]
    return RwLockWriteGuard::unlocked(guard, act);
    #[cfg(test)]
    turns::unlocked(guard, act)
}
