//! What `flights` promises: one looks, all get it; if it finds nothing the next one looks.

use super::{Flight, Flights, Place};
use std::sync::Arc;

fn first(flights: &Arc<Flights<u8, u32>>, key: u8) -> Flight<u8, u32> {
    match flights.join(&key) {
        Place::First(flight) => flight,
        Place::Later(_) => panic!("nobody was before"),
    }
}

#[test]
fn the_answer_of_the_first_is_that_of_all() {
    let flights = Arc::new(Flights::default());
    let flight = first(&flights, 1);
    let other = first(&flights, 2);
    let Place::Later(mut later) = flights.join(&1) else { panic!("there is one under way") };
    flight.share(&Arc::new(7));
    assert_eq!(*later.try_recv().unwrap(), 7);
    // Who comes now is first again, and the other flight goes on.
    let Place::Later(mut later) = flights.join(&2) else { panic!("there is one under way") };
    drop(first(&flights, 1));
    assert!(later.try_recv().is_err());
    drop(other);
    assert!(later.try_recv().is_err());
    drop(first(&flights, 2));
}
