//! What is reckoned with between two peaks.

use super::Pressure;

/// A target whose body took 300 MB every five seconds let the head grow to its mark in between: with the next body the
/// server was killed, in a control group that had room for the head alone.
#[test]
fn room_is_what_peaks_leave() {
    const MB: u64 = 1 << 20;
    let mut pressure = Pressure::default();
    for second in 0..60 {
        pressure.look(if second % 5 == 0 { 800 * MB } else { 500 * MB }, second * 1000);
        assert!(pressure.peak_bytes(500 * MB) > 770 * MB, "{second}");
    }
    for second in 60..2000 {
        pressure.look(500 * MB, second * 1000);
    }
    assert!(pressure.peak_bytes(500 * MB) < 501 * MB, "what does not come back is forgotten");
    assert_eq!(pressure.peak_bytes(600 * MB), 600 * MB, "what is in use counts in any case");
    pressure.look(900 * MB, 2_000_000);
    pressure.look(500 * MB, 2_060_000);
    assert_eq!(pressure.peak_bytes(0), 500 * MB, "a long pause forgets, too");
}
