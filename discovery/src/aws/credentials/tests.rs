//! What `credentials` promises, case by case.

use super::*;

#[test]
fn keys_of_a_profile() {
    let content = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[x]\naws_access_key_id=C\n# c\naws_secret_access_key = D\naws_session_token = E\n[half]\naws_access_key_id = F\n";
    let found = profile_keys(content, "default").expect("keys");
    assert_eq!((&*found.access_key, &*found.secret_key, &*found.session_token), ("A", "B", ""));
    let found = profile_keys(content, "x").expect("keys");
    assert_eq!((&*found.access_key, &*found.secret_key, &*found.session_token), ("C", "D", "E"));
    assert_eq!(profile_keys(content, "half"), None);
    assert_eq!(profile_keys(content, "none"), None);
}
