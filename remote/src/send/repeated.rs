//! What of a refused piece the receiver has already. A receiver of 1.0 refuses a whole request for one sample that is
//! older than the newest of its series, and says no more than that. Sending halves until all is single costs two requests
//! a sample; here a sample of the order that the shard sent in stands for those before it.
//!
//! A shard sends in the order of the log, one request after the other: if the receiver has a sample, then it has all
//! before it. Only the first sample of a series in the piece is ever sent by itself, since a later one that is taken
//! would have the earlier ones refused for good.

use super::item::{Doubt, Item, Payload};
use super::shard::{Line, Sent};
use model::hash::HashSet;

/// So many samples of different series have to be refused before those between them are taken for repetitions: some
/// may be refused for reasons of their own, such as another writer of the same series.
const WITNESSES: usize = 5;

/// Whether the order in which items were sent tells anything about those that may be repetitions. Floats and histograms
/// of one request may be logged, and lost, apart from each other.
pub(super) fn is_ordered(piece: &[Item]) -> bool {
    let is_fit = |item: &Item| match item.doubt {
        Doubt::None => true,
        Doubt::InOrder => matches!(item.payload, Payload::Float(_)),
        Doubt::Any => false,
    };
    piece.first().is_some_and(|item| item.doubt == Doubt::InOrder) && piece.iter().all(is_fit)
}

/// Leaves out of a piece that was refused what the receiver has, and what it took meanwhile. The rest is still to be
/// sent. At least one item leaves, unless told to stop.
pub(super) async fn leave_out(line: &mut Line<'_>, piece: &mut Vec<Item>) {
    let mut refused = 0;
    for round in 0.. {
        let places = firsts(piece);
        let mut search = Search::new(places.len());
        while let Some(next) = search.next(refused) {
            let mut one = vec![piece[places[next]].clone()];
            let sent = line.send(&mut one, false).await;
            let is_refused = match sent {
                Sent::Settled => false,
                Sent::Refused { is_out_of_order: true } => true,
                Sent::Refused { .. } => {
                    // Something else is wrong, too, and nothing follows from an answer.
                    let known = piece.iter_mut().filter(|item| item.doubt == Doubt::InOrder);
                    known.for_each(|item| item.doubt = Doubt::Any);
                    search.tried[next] = true;
                    search.known = 0;
                    break;
                }
                Sent::Split { .. } | Sent::Stopped => {
                    search.known = 0;
                    break;
                }
            };
            refused += usize::from(is_refused);
            search.note(next, is_refused);
            if round > 0 && search.known == 0 {
                // The newest of a series are welcome even if they are there: mostly these are all that is left.
                break;
            }
        }
        let is_whole = search.known == places.len();
        search.take_out(line, piece, &places);
        if !is_whole || piece.is_empty() {
            return;
        }
    }
}

/// Where the first sample of each series stands among those that may be repetitions.
fn firsts(piece: &[Item]) -> Vec<usize> {
    let mut seen = HashSet::default();
    let doubtful = piece.iter().enumerate().take_while(|(_, item)| item.doubt != Doubt::None);
    doubtful.filter(|(_, item)| seen.insert(item.series)).map(|(place, _)| place).collect()
}

/// A search for the last of the first samples that the receiver has.
#[derive(Debug)]
struct Search {
    /// Those that were sent by themselves.
    tried: Vec<bool>,
    /// So many of the first ones are there, if order tells.
    known: usize,
    /// From here on they were taken.
    open: usize,
}

impl Search {
    fn new(count: usize) -> Self {
        Self { tried: vec![false; count], known: 0, open: count }
    }

    /// Which one to try next, after so many were refused.
    fn next(&self, refused: usize) -> Option<usize> {
        if self.known < self.open {
            // Mostly all are there.
            let is_first = self.known == 0 && self.open == self.tried.len();
            return Some(if is_first { self.open - 1 } else { self.known.midpoint(self.open) });
        }
        let begin = refused * self.known / WITNESSES;
        let mut candidates = (0..self.known).cycle().skip(begin).take(self.known);
        if refused < WITNESSES { candidates.find(|index| !self.tried[*index]) } else { None }
    }

    /// One was sent by itself. One that is taken may be there as well, if nothing came behind it.
    fn note(&mut self, index: usize, is_refused: bool) {
        self.tried[index] = true;
        if is_refused {
            self.known = self.known.max(index + 1);
        } else if index >= self.known {
            self.open = index;
        }
    }

    /// Takes those that were sent, or are known, out of the piece.
    fn take_out(&self, line: &Line<'_>, piece: &mut Vec<Item>, places: &[usize]) {
        let mut gone = vec![false; piece.len()];
        let mut known = Vec::new();
        for ((place, &is_tried), index) in places.iter().zip(&self.tried).zip(0..) {
            gone[*place] = is_tried || index < self.known;
            if gone[*place] && !is_tried {
                known.push(&piece[*place]);
            }
        }
        line.context.repeated(&known);
        let mut gone = gone.into_iter();
        piece.retain(|_| !gone.next().unwrap_or(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` are taken for known where the receiver has `stored`, each but `welcome` of them refused; and
    /// after how many requests.
    fn search(count: usize, stored: usize, welcome: &[usize]) -> (usize, usize) {
        let mut search = Search::new(count);
        let (mut refused, mut requests) = (0, 0);
        while let Some(next) = search.next(refused) {
            assert!(!search.tried[next], "{next} of {count} twice");
            let is_refused = next < stored && !welcome.contains(&next);
            refused += usize::from(is_refused);
            requests += 1;
            search.note(next, is_refused);
        }
        (search.known, requests)
    }

    #[test]
    fn the_border_is_found_in_few_requests() {
        for count in 1..70 {
            for stored in 0..=count {
                let (known, requests) = search(count, stored, &[]);
                assert_eq!(known, stored, "of {count}");
                assert!(requests <= 7 + WITNESSES, "{requests} requests for {stored} of {count}");
            }
        }
        assert_eq!(search(500, 500, &[]), (500, WITNESSES));
        // The newest of a series tells nothing, wherever it is.
        assert_eq!(search(500, 500, &[0, 100, 200]).0, 500);
        // Nothing is concluded from few.
        assert_eq!(search(4, 4, &[]), (4, 4));
    }
}
