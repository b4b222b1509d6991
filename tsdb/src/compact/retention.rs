//! What to drop by age and size: pure arithmetic over the blocks.

/// What retention knows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockStat {
    /// First millisecond after its range.
    pub max_time: i64,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Nothing is left of it.
    pub deletable: bool,
}

/// How much is kept; zero means without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Policy {
    /// How far behind the newest block a block may end.
    pub retention_ms: i64,
    /// Bytes of all blocks, the logs and the head chunks.
    pub max_bytes: u64,
    /// Bytes as a share of the file system, in percent; overrides `max_bytes`.
    pub max_percentage: f64,
    /// Size of the file system; zero if unknown, then `max_bytes` counts.
    pub disk_bytes: u64,
    /// Bytes that have to be freed whatever the other bounds say; the newest block stays.
    pub missing_bytes: u64,
}

/// The blocks to drop, as indices into `blocks`, newest first. `head_bytes` are those of logs and head chunks.
#[must_use]
pub fn expired(blocks: &[BlockStat], policy: &Policy, head_bytes: u64) -> Vec<usize> {
    let mut newest_first: Vec<usize> = (0..blocks.len()).collect();
    newest_first.sort_by_key(|&index| std::cmp::Reverse(blocks[index].max_time));
    let kept = by_time(blocks, &newest_first, policy)
        .min(by_size(blocks, &newest_first, policy, head_bytes))
        .min(by_room(blocks, &newest_first, policy));
    let drop = |(place, index): (usize, &usize)| place >= kept || blocks[*index].deletable;
    newest_first.iter().enumerate().filter(|&entry| drop(entry)).map(|(_, &index)| index).collect()
}

/// How many of the newest blocks are young enough.
fn by_time(blocks: &[BlockStat], newest_first: &[usize], policy: &Policy) -> usize {
    let Some(&newest) = newest_first.first().filter(|_| policy.retention_ms != 0) else {
        return newest_first.len();
    };
    let age = |index: usize| blocks[newest].max_time.saturating_sub(blocks[index].max_time);
    let young = newest_first.iter().skip(1).take_while(|&&index| age(index) < policy.retention_ms);
    1 + young.count()
}

/// How many of the newest blocks may stay so that enough room is made.
fn by_room(blocks: &[BlockStat], newest_first: &[usize], policy: &Policy) -> usize {
    let mut freed = 0_u64;
    let mut kept = newest_first.len();
    while kept > 1 && freed < policy.missing_bytes {
        kept -= 1;
        freed = freed.saturating_add(blocks[newest_first[kept]].size_bytes);
    }
    kept
}

/// How many of the newest blocks fit.
fn by_size(
    blocks: &[BlockStat],
    newest_first: &[usize],
    policy: &Policy,
    head_bytes: u64,
) -> usize {
    let max_bytes = if policy.max_percentage > 0.0 && policy.disk_bytes > 0 {
        (policy.disk_bytes as f64 * policy.max_percentage / 100.0) as u64
    } else {
        policy.max_bytes
    };
    if max_bytes == 0 {
        return newest_first.len();
    }
    let mut sum = head_bytes;
    let fits = |index: &&usize| {
        sum = sum.saturating_add(blocks[**index].size_bytes);
        sum <= max_bytes
    };
    newest_first.iter().take_while(fits).count()
}
