//! Every row is asked for once, its state before its data, both before it is worked on.

use super::{Ahead, GROUP};

#[test]
fn each_row_is_asked_for_once_and_in_time() {
    for len in [0, 1, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP, 3 * GROUP + 5, 10 * GROUP] {
        let rows: Vec<usize> = (0..len).collect();
        let (mut states, mut data) = (Vec::new(), Vec::new());
        let mut ahead = Ahead::new(&rows);
        for (number, group) in rows.chunks(GROUP).enumerate() {
            ahead.ask(|&row| states.push(row), |&row| data.push(row));
            let (last, end) = (group[group.len() - 1], (number + 1) * GROUP);
            assert!(data.contains(&last), "{len}: group {number} has its data");
            assert!(states.len() >= data.len() && data.len() >= len.min(end), "{len}: {number}");
            assert!(states.len() == len || states.len() > data.len(), "{len}: {number}");
        }
        assert_eq!(states, rows, "{len}");
        assert_eq!(data, rows, "{len}");
    }
}
