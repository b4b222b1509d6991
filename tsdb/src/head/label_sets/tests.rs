//! Which sets share a list, and what freeing gives back.

use super::{LabelSets, SetId};
use crate::head::dictionary::PairId;

fn pairs(sets: &LabelSets, set: SetId) -> Vec<PairId> {
    let found = sets.get(set);
    let listed = found.lists().map(<[PairId]>::len).sum::<usize>();
    assert_eq!(found.len(), found.iter().count());
    assert!(found.len() - listed <= 1, "all but the name lie in lists");
    found.iter().collect()
}

#[test]
fn sets_that_differ_in_the_metric_name_share_the_rest() {
    let mut sets = LabelSets::default();
    // The metric name is number 1: a label name in capitals comes before it.
    let a = sets.insert(&[7, 1, 8, 9], 1, true);
    let b = sets.insert(&[7, 2, 8, 9], 1, true);
    let bare = sets.insert(&[7, 8, 9], 1, false);
    let other = sets.insert(&[7, 2, 8], 1, true);
    let only_name = sets.insert(&[5], 0, true);
    assert_eq!((a.rest, a.rest), (b.rest, bare.rest));
    assert_ne!(a.rest, other.rest);
    assert_eq!(pairs(&sets, a), [7, 1, 8, 9]);
    assert_eq!(pairs(&sets, b), [7, 2, 8, 9]);
    assert_eq!(pairs(&sets, bare), [7, 8, 9]);
    assert_eq!(pairs(&sets, other), [7, 2, 8]);
    assert_eq!(pairs(&sets, only_name), [5]);
    assert_eq!(sets.get(SetId::EMPTY).len(), 0);
    // The same pairs with the name at another place are another list: label names cannot tell, but nothing mixes them.
    let elsewhere = sets.insert(&[1, 7, 8, 9], 0, true);
    assert_ne!(elsewhere.rest, a.rest);
    assert_eq!(pairs(&sets, elsewhere), [1, 7, 8, 9]);
}

#[test]
fn the_last_user_frees_a_list() {
    let mut sets = LabelSets::default();
    let a = sets.insert(&[1, 7, 8], 0, true);
    let b = sets.insert(&[2, 7, 8], 0, true);
    sets.free(a);
    assert_eq!(pairs(&sets, b), [2, 7, 8]);
    sets.free(b);
    // The ids may stand for other labels from now on, and both places are used again.
    let c = sets.insert(&[1, 3, 4], 0, true);
    assert_eq!((c.rest, pairs(&sets, c)), (a.rest, vec![1, 3, 4]));
    assert_ne!(sets.insert(&[1, 7, 8], 0, true).rest, c.rest);
}

#[test]
fn long_sets_and_many_of_them() {
    let mut sets = LabelSets::default();
    let wide: Vec<PairId> = (0..1000).collect();
    let (first, second) = (sets.insert(&wide, 0, true), sets.insert(&wide[1..], 0, false));
    assert_eq!(first.rest, second.rest);
    assert_eq!(pairs(&sets, first), wide);
    let before = sets.held_bytes();
    let many: Vec<SetId> = (0..20_000).map(|n| sets.insert(&[1, n, n + 1], 0, true)).collect();
    for (n, &set) in (0..).zip(&many) {
        assert_eq!(pairs(&sets, set), [1, n, n + 1]);
    }
    many.into_iter().for_each(|set| sets.free(set));
    sets.shrink();
    assert!(sets.held_bytes() < before + 4096, "{} {before}", sets.held_bytes());
    assert_eq!(pairs(&sets, second), wide[1..]);
}
