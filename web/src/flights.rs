//! Queries of the same text and times under way at one moment: the first is evaluated, the others wait for its answer.
//! If it has none (it failed, its client went away), one of the others is evaluated in turn.

#[cfg(test)]
mod tests;

use model::hash::HashMap;
use parking_lot::Mutex;
use std::hash::Hash;
use std::sync::Arc;
use tokio::sync::oneshot;

type Waiting<A> = Vec<oneshot::Sender<Arc<A>>>;

/// What is under way, by what makes two of them the same.
#[derive(Debug)]
pub(crate) struct Flights<K, A>(Mutex<HashMap<K, Waiting<A>>>);

impl<K, A> Default for Flights<K, A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Who is first and who comes later.
#[derive(Debug)]
pub(crate) enum Place<K: Hash + Eq + Clone, A> {
    /// Has to find the answer and to share it.
    First(Flight<K, A>),
    /// Gets the answer, or an error if nobody has one.
    Later(oneshot::Receiver<Arc<A>>),
}

/// The duty to share an answer; dropped without one, those who wait look for themselves.
#[derive(Debug)]
pub(crate) struct Flight<K: Hash + Eq + Clone, A> {
    flights: Arc<Flights<K, A>>,
    key: Option<K>,
}

impl<K: Hash + Eq + Clone, A> Flights<K, A> {
    /// Joins what is under way, or is the first.
    pub(crate) fn join(self: &Arc<Self>, key: &K) -> Place<K, A> {
        let mut flights = self.0.lock();
        if let Some(waiting) = flights.get_mut(key) {
            let (sender, receiver) = oneshot::channel();
            waiting.push(sender);
            return Place::Later(receiver);
        }
        flights.insert(key.clone(), Vec::new());
        Place::First(Flight { flights: Arc::clone(self), key: Some(key.clone()) })
    }
}

impl<K: Hash + Eq + Clone, A> Flight<K, A> {
    /// Shares the answer with all who wait for it.
    pub(crate) fn share(mut self, answer: &Arc<A>) {
        for sender in self.end() {
            // Who went away needs no answer.
            drop(sender.send(Arc::clone(answer)));
        }
    }
}

impl<K: Hash + Eq + Clone, A> Flight<K, A> {
    /// Those who wait; from now on there are none, and the next of its kind is first.
    fn end(&mut self) -> Waiting<A> {
        let key = self.key.take();
        key.and_then(|key| self.flights.0.lock().remove(&key)).unwrap_or_default()
    }
}

impl<K: Hash + Eq + Clone, A> Drop for Flight<K, A> {
    fn drop(&mut self) {
        drop(self.end());
    }
}
