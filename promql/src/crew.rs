//! Jobs of one query over several threads, their results in the order of the jobs. The thread of the query hands out
//! jobs, folds results and works itself in between; helpers are borrowed for as long as it takes. Knows no operator.

#[cfg(test)]
mod tests;

use crate::engine::Error;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads that queries may use besides their own, over all queries. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Helpers(Arc<AtomicUsize>);

impl Helpers {
    /// So many threads besides those that the queries run on.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(threads)))
    }

    /// All that are free right now.
    pub(crate) fn borrow(&self) -> Borrowed {
        Borrowed { num: self.0.swap(0, Ordering::Relaxed), from: self.clone() }
    }
}

/// Threads of [`Helpers`]; given back when dropped.
pub(crate) struct Borrowed {
    pub(crate) num: usize,
    from: Helpers,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.from.0.fetch_add(self.num, Ordering::Relaxed);
    }
}

struct State<J, R> {
    jobs: VecDeque<(usize, J)>,
    /// Results from `first` on; those that are not there yet are empty.
    results: VecDeque<Option<R>>,
    first: usize,
    closed: bool,
    broken: bool,
}

struct Queue<J, R> {
    state: Mutex<State<J, R>>,
    new_job: Condvar,
    new_result: Condvar,
}

/// Tells everyone that no job will come when the leader leaves, however it does.
struct Close<'q, J, R>(&'q Queue<J, R>);

impl<J, R> Drop for Close<'_, J, R> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        state.jobs.clear();
        self.0.new_job.notify_all();
    }
}

/// Tells the leader of a helper that panicked.
struct Watch<'q, J, R> {
    queue: &'q Queue<J, R>,
    done: bool,
}

impl<J, R> Drop for Watch<'_, J, R> {
    fn drop(&mut self) {
        if !self.done {
            self.queue.state.lock().broken = true;
            self.queue.new_result.notify_all();
        }
    }
}

impl<J, R> Queue<J, R> {
    fn new() -> Self {
        let state = State {
            jobs: VecDeque::new(),
            results: VecDeque::new(),
            first: 0,
            closed: false,
            broken: false,
        };
        Self { state: Mutex::new(state), new_job: Condvar::new(), new_result: Condvar::new() }
    }

    fn push(&self, job: J) {
        let mut state = self.state.lock();
        let number = state.first + state.results.len();
        state.jobs.push_back((number, job));
        state.results.push_back(None);
        self.new_job.notify_one();
    }

    fn finish(&self, number: usize, result: R) {
        let mut state = self.state.lock();
        let at = number - state.first;
        state.results[at] = Some(result);
        if at == 0 {
            self.new_result.notify_one();
        }
    }

    /// The next result in order, if it is there.
    fn take_result(&self) -> Option<R> {
        let mut state = self.state.lock();
        let result = state.results.front_mut()?.take()?;
        state.results.pop_front();
        state.first += 1;
        Some(result)
    }

    /// Waits for the next result in order; `false` if it will never come.
    fn wait_for_result(&self) -> bool {
        let mut state = self.state.lock();
        while !state.broken && state.results.front().is_some_and(Option::is_none) {
            self.new_result.wait(&mut state);
        }
        !state.broken
    }

    fn take_job(&self) -> Option<(usize, J)> {
        self.state.lock().jobs.pop_front()
    }

    /// Works until no job will come.
    fn serve(&self, work: &mut impl FnMut(J) -> R) {
        let mut watch = Watch { queue: self, done: false };
        loop {
            let mut state = self.state.lock();
            let (number, job) = loop {
                if state.closed {
                    watch.done = true;
                    drop(state);
                    return;
                }
                match state.jobs.pop_front() {
                    Some(job) => break job,
                    None => self.new_job.wait(&mut state),
                }
            };
            drop(state);
            let result = work(job);
            self.finish(number, result);
        }
    }
}

/// Runs the jobs of `next` on this thread, by `own`, and on one more for each of `helpers`; `fold` gets the results in
/// the order of the jobs. At most twice as many jobs as threads are under way.
pub(crate) fn in_order<J: Send, R: Send, W: FnMut(J) -> R + Send>(
    own: &mut W,
    helpers: Vec<W>,
    next: &mut dyn FnMut() -> Result<Option<J>, Error>,
    fold: &mut dyn FnMut(R) -> Result<(), Error>,
) -> Result<(), Error> {
    let most = 2 * (helpers.len() + 1);
    let queue = Queue::new();
    std::thread::scope(|scope| {
        for mut helper in helpers {
            let queue = &queue;
            let thread = std::thread::Builder::new().name("query".to_owned());
            // A thread that does not start is missed by nobody: the others do its work.
            drop(thread.spawn_scoped(scope, move || queue.serve(&mut helper)));
        }
        let _close = Close(&queue);
        lead(&queue, most, own, next, fold)
    })
}

fn lead<J, R>(
    queue: &Queue<J, R>,
    most: usize,
    own: &mut impl FnMut(J) -> R,
    next: &mut dyn FnMut() -> Result<Option<J>, Error>,
    fold: &mut dyn FnMut(R) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut under_way, mut exhausted) = (0, false);
    loop {
        while let Some(result) = queue.take_result() {
            under_way -= 1;
            fold(result)?;
        }
        if !exhausted && under_way < most {
            match next()? {
                Some(job) => {
                    queue.push(job);
                    under_way += 1;
                }
                None => exhausted = true,
            }
            continue;
        }
        if under_way == 0 {
            return Ok(());
        }
        match queue.take_job() {
            Some((number, job)) => queue.finish(number, own(job)),
            // Joining the threads brings the panic of the broken one to light.
            None if !queue.wait_for_result() => return Ok(()),
            None => {}
        }
    }
}
