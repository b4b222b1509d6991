//! The queue of one shard: items go in and come out in handfuls, and as many wait at one time as the queue has room for.

use super::item::Item;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// A queue with room for so many items.
pub(super) fn new(capacity: usize) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(AtomicUsize::new(capacity));
    (Sender { room: Arc::clone(&room), sender }, Receiver { room, receiver })
}

/// Where items go in. There is one of it, so that room that was seen stays until it is taken.
#[derive(Debug)]
pub(super) struct Sender {
    room: Arc<AtomicUsize>,
    sender: mpsc::UnboundedSender<Vec<Item>>,
}

/// Nobody takes items any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl Sender {
    /// Puts in as many of the first of `items` as there is room for and takes them away there. They are shown to
    /// `entering` beforehand: nobody knows what becomes of them once they are in.
    pub(super) fn put(
        &self,
        items: &mut Vec<Item>,
        entering: impl FnOnce(&[Item]),
    ) -> Result<(), Closed> {
        // Relaxed: a bound that guards no data. Who takes items out only makes more room meanwhile.
        let count = self.room.load(Ordering::Relaxed).min(items.len());
        if self.sender.is_closed() {
            return Err(Closed);
        }
        if count == 0 {
            return Ok(());
        }
        self.room.fetch_sub(count, Ordering::Relaxed);
        let rest = items.split_off(count);
        let handful = std::mem::replace(items, rest);
        entering(&handful);
        self.sender.send(handful).map_err(|_| Closed)
    }
}

/// Where items come out.
#[derive(Debug)]
pub(super) struct Receiver {
    room: Arc<AtomicUsize>,
    receiver: mpsc::UnboundedReceiver<Vec<Item>>,
}

impl Receiver {
    /// Waits for a handful; nothing once the sender is gone and all of it is out. May be given up without losing any.
    pub(super) async fn take(&mut self) -> Option<Vec<Item>> {
        let handful = self.receiver.recv().await?;
        self.room.fetch_add(handful.len(), Ordering::Relaxed);
        Some(handful)
    }

    /// Takes what is there and lets nothing in any more.
    pub(super) fn drain(&mut self, out: &mut Vec<Item>) {
        self.receiver.close();
        while let Ok(mut handful) = self.receiver.try_recv() {
            out.append(&mut handful);
        }
    }
}

#[cfg(test)]
mod tests;
