//! Words to roles, and what they grant.

use super::*;

#[test]
fn words_grant_what_they_say() {
    let all = [Needs::Nothing, Needs::Read, Needs::Write, Needs::Admin];
    for (text, granted) in [
        ("read", [true, true, false, false]),
        ("write", [true, false, true, false]),
        ("read, write", [true, true, true, false]),
        ("admin", [true; 4]),
        ("admin,read", [true; 4]),
    ] {
        let roles = Roles::parse(text).unwrap();
        assert_eq!(all.map(|needs| roles.grant(needs)), granted, "{text}");
    }
}

#[test]
fn unknown_words_are_told_with_what_was_meant() {
    let error = |text| Roles::parse(text).unwrap_err();
    assert_eq!(error("raed"), "there is no role \"raed\"; did you mean \"read\"?");
    assert_eq!(error("read,wirte"), "there is no role \"wirte\"; did you mean \"write\"?");
    assert_eq!(error("owner"), "there is no role \"owner\"; there are read, write, admin");
    assert_eq!(error(""), "there is no role \"\"; there are read, write, admin");
}
