//! What `schedule` promises, case by case.

use super::*;

#[test]
fn the_first_scrape_falls_on_its_place_in_the_interval() {
    let interval = Duration::from_secs(15);
    for now_ms in [0, 1, 7_000, 14_999, 1_700_000_000_123] {
        let delay = first_delay(now_ms, Duration::from_millis(4_200), interval);
        assert!(delay < interval);
        assert_eq!((now_ms as u128 + delay.as_millis()) % 15_000, 4_200);
    }
}

#[test]
fn timestamps_keep_to_the_grid_within_the_tolerance() {
    let mut grid = Grid::new(10_000, Duration::from_secs(1), Duration::from_millis(2));
    assert_eq!(grid.align(10_000), 10_000);
    assert_eq!(grid.align(11_002), 11_000);
    assert_eq!(grid.align(12_003), 12_003);
    // Ticks that were missed move the grid on.
    assert_eq!(grid.align(15_001), 15_000);
    // So does a clock that is set, forwards or backwards.
    assert_eq!([grid.align(3_616_001), grid.align(3_617_000)], [3_616_000, 3_617_000]);
    let back = [18_005, 19_006, 20_007].map(|now_ms| grid.align(now_ms));
    assert_eq!(back, [18_005, 19_005, 20_005]);
    let mut short = Grid::new(0, Duration::from_millis(100), Duration::from_millis(2));
    assert_eq!(short.align(101), 100);
    assert_eq!(short.align(202), 202);
    let mut wide = Grid::new(0, Duration::from_secs(10), Duration::from_millis(50));
    assert_eq!([wide.align(10_050), wide.align(20_051)], [10_000, 20_051]);
    let mut exact = Grid::new(0, Duration::from_secs(10), Duration::ZERO);
    assert_eq!([exact.align(10_000), exact.align(20_001)], [10_000, 20_001]);
}
