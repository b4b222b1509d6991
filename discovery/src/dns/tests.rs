//! What `dns` promises, case by case.

use super::*;

#[test]
fn resolv_conf_and_the_order_of_names() {
    let resolver = Resolver::parse(
        "# c\nnameserver 10.0.0.1\nnameserver fd00::1\nsearch a.example b.example.\noptions x ndots:2\n",
    );
    assert_eq!(resolver.servers, ["10.0.0.1:53", "[fd00::1]:53"].map(|a| a.parse().unwrap()));
    assert_eq!(resolver.candidates("h.x."), ["h.x."]);
    assert_eq!(resolver.candidates("h.x"), ["h.x.a.example.", "h.x.b.example.", "h.x."]);
    assert_eq!(resolver.candidates("g.h.x"), ["g.h.x.", "g.h.x.a.example.", "g.h.x.b.example."]);
}
