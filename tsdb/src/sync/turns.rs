//! Locks and atomics that give way: under `scheduled` every thread of the scheduler is one of this thread's, so nobody
//! may sleep on a lock; who finds it taken lets the others go on. On other threads they are the real ones.

use parking_lot::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
use std::cell::Cell;
use std::sync::atomic::Ordering;

thread_local! {
    static IS_SCHEDULED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a scheduler; the locks taken meanwhile on this thread give way.
pub(crate) fn scheduled(run: impl FnOnce()) {
    IS_SCHEDULED.set(true);
    run();
    IS_SCHEDULED.set(false);
}

/// Lets others go first, if the scheduler wants that.
fn turn() {
    if IS_SCHEDULED.get() {
        shuttle::thread::yield_now();
    }
}

fn wait_for<G>(mut attempt: impl FnMut() -> Option<G>) -> G {
    loop {
        turn();
        if let Some(guard) = attempt() {
            return guard;
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        if IS_SCHEDULED.get() { wait_for(|| self.0.try_lock()) } else { self.0.lock() }
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(parking_lot::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        if IS_SCHEDULED.get() { wait_for(|| self.0.try_read()) } else { self.0.read() }
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        if IS_SCHEDULED.get() { wait_for(|| self.0.try_write()) } else { self.0.write() }
    }
}

pub(super) fn bump_read<T>(guard: &mut RwLockReadGuard<'_, T>) {
    if !IS_SCHEDULED.get() {
        return RwLockReadGuard::bump(guard);
    }
    let lock = RwLockReadGuard::rwlock(guard);
    // Taken again at once, without sleeping: it was free to be read a moment ago.
    RwLockReadGuard::unlocked(guard, || drop(wait_for(|| lock.try_read())));
}

pub(super) fn unlocked<T, U>(guard: &mut RwLockWriteGuard<'_, T>, act: impl FnOnce() -> U) -> U {
    if !IS_SCHEDULED.get() {
        return RwLockWriteGuard::unlocked(guard, act);
    }
    let lock = RwLockWriteGuard::rwlock(guard);
    RwLockWriteGuard::unlocked(guard, || {
        let done = act();
        drop(wait_for(|| lock.try_write()));
        done
    })
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(parking_lot::Condvar::new())
    }

    /// Under the scheduler this may wake for nothing, as callers have to expect anyway.
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if !IS_SCHEDULED.get() {
            return self.0.wait(guard);
        }
        let lock = MutexGuard::mutex(guard);
        MutexGuard::unlocked(guard, || drop(wait_for(|| lock.try_lock())));
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

macro_rules! atomic {
    ($name:ident of $value:ty: $($change:ident),*) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(std::sync::atomic::$name);

        impl $name {
            pub(crate) const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                turn();
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                turn();
                self.0.store(value, order);
            }

            $(pub(crate) fn $change(&self, value: $value, order: Ordering) -> $value {
                turn();
                self.0.$change(value, order)
            })*
        }
    };
}

atomic!(AtomicBool of bool: swap);
atomic!(AtomicI64 of i64: fetch_min, fetch_max);
atomic!(AtomicU64 of u64: fetch_add, fetch_min, fetch_max);
