//! When another image pays.

use super::{Behind, IMAGE_GROWTH_BYTES, NEW_SERIES};

const LEAST: u64 = IMAGE_GROWTH_BYTES;

fn is_due(unread_bytes: u64, image_bytes: u64) -> bool {
    Behind { unread_bytes, num_new: 0, num_series: 1 }.is_due(image_bytes, LEAST)
}

#[test]
fn short_images_are_written_at_once_and_long_ones_when_the_log_is_longer() {
    assert!(is_due(LEAST, LEAST / 4));
    assert!(!is_due(LEAST, LEAST / 4 + 1));
    assert!(!is_due(2 * LEAST - 1, LEAST));
    assert!(is_due(2 * LEAST, LEAST));
    assert!(!is_due(3 * LEAST, 4 * LEAST));
    assert!(is_due(4 * LEAST, 4 * LEAST));
}

/// A million series with eight samples each took 1.8 s to start from their log, which was too short for an image; from an
/// image it is a third of that.
#[test]
fn many_new_series_are_worth_an_image() {
    let is_due = |num_new, num_series| {
        Behind { unread_bytes: LEAST, num_new, num_series }.is_due(4 * LEAST, LEAST)
    };
    assert!(is_due(1_000_000, 1_000_000));
    assert!(is_due(NEW_SERIES, 4 * NEW_SERIES));
    assert!(!is_due(NEW_SERIES, 4 * NEW_SERIES + 1));
    assert!(!is_due(NEW_SERIES - 1, NEW_SERIES));
}
