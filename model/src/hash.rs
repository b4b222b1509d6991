//! Map and set aliases: a seeded fast hash that is safe for foreign strings. No other hasher is used by name.

use foldhash::fast::RandomState;

/// A hash map for any key, foreign strings included.
pub type HashMap<K, V> = hashbrown::HashMap<K, V, RandomState>;
/// A hash set for any key, foreign strings included.
pub type HashSet<K> = hashbrown::HashSet<K, RandomState>;
/// The hasher behind [`HashMap`], for tables that are probed by hand.
pub type BuildHasher = RandomState;
