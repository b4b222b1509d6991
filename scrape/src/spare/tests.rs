//! What `spare` promises, case by case.

use super::*;

#[test]
fn buffers_come_back_empty_and_few_are_kept() {
    let bodies = Spare::<Vec<u8>>::default();
    let mut body = bodies.take();
    body.extend_from_slice(b"some bytes");
    let capacity = body.capacity();
    bodies.give_back(body);
    let body = bodies.take();
    assert!(body.is_empty() && body.capacity() == capacity);
    for _ in 0..2 * MAX_KEPT {
        bodies.give_back(Vec::with_capacity(10));
    }
    assert_eq!(bodies.0.lock().len(), MAX_KEPT);
    let bodies = Spare::<Vec<u8>>::default();
    bodies.give_back(Vec::with_capacity(MAX_KEPT_BYTES + 1));
    assert_eq!(bodies.0.lock().len(), 0);
}
