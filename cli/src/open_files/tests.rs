//! What `open_files` promises, case by case.

use super::*;

#[test]
fn the_hard_limit_holds_and_stays() {
    let hard = getrlimit(Resource::Nofile).maximum;
    assert_eq!(raise(), hard);
    assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: hard, maximum: hard });
    assert_eq!(raise(), hard);
}
