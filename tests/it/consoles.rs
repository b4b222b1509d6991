//! Consoles of a server in this process: their queries, their files, and what ends them.

use crate::http::client::exchange;
use crate::http::serve::{self, Running, Setup};
use std::sync::Arc;
use std::time::Duration;
use tests::Scratch;

/// A server with consoles in a scratch directory.
fn start(scratch: &Scratch, setup: &Setup) -> Running {
    let storage = Arc::new(serve::head());
    let mut api = serve::api(Arc::clone(&storage) as _, Some(storage), setup);
    let folder = |name: &str| scratch.path().join(name).to_str().expect("text").to_owned();
    api.options.console_templates = folder("consoles");
    api.options.console_libraries = folder("libraries");
    Running::start_api(api)
}

fn write(scratch: &Scratch, name: &str, text: &str) {
    let path = scratch.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

fn get(running: &Running, path: &str) -> (u16, String) {
    let answer = exchange(running.address, "GET", path, &[], &[]);
    (answer.status, String::from_utf8(answer.body).expect("text"))
}

#[test]
fn a_console_asks_the_database() {
    let scratch = Scratch::new("consoles");
    let text = "{{ template \"head\" }}{{ range query \"vector(1.5) > 1\" }}{{ .Value }}{{ end }} \
        {{ query \"2\" | first | value }} {{ query .Params.q | len }} {{ now | humanizeTimestamp }}</p>";
    write(&scratch, "consoles/a.html", text);
    write(&scratch, "libraries/x.lib", "{{ define \"head\" }}<p>{{ end }}");
    write(&scratch, "libraries/y.txt", "{{ no library }}");
    let running = start(&scratch, &Setup::default());
    let wanted = "<p>1.5 2 0 2026-11-01 02:00:00 +0000 UTC</p>";
    let wanted = wanted.replace("+0000", "&#43;0000");
    assert_eq!(get(&running, "/consoles/a.html?q=none"), (200, wanted));
    let (status, text) = get(&running, "/consoles/a.html?q=1%2B");
    assert_eq!(status, 500);
    assert!(text.contains("error calling query: 1:3: parse error"), "{text}");
    let (status, text) = get(&running, "/consoles/a.html?q=%22x%22");
    assert_eq!(status, 500);
    assert!(text.contains("error calling query: rule result is not a vector or scalar"), "{text}");
    assert_eq!(get(&running, "/consoles/a.html?q=%zz").0, 400);
}

#[test]
fn the_page_leads_to_consoles_that_have_an_index() {
    let scratch = Scratch::new("consoles");
    let running = start(&scratch, &Setup::default());
    let (_, page) = get(&running, "/query");
    assert!(!page.contains("Consoles") && !page.contains("PLACEHOLDER"), "{page}");
    write(&scratch, "consoles/index.html", "<p>x");
    let (_, page) = get(&running, "/query");
    assert!(page.contains("<a href=\"/consoles/index.html\">Consoles</a>"), "{page}");
}

#[test]
fn nothing_outside_of_the_directory_is_shown() {
    let scratch = Scratch::new("consoles");
    write(&scratch, "consoles/a.html", "a");
    write(&scratch, "secret.html", "secret");
    std::os::unix::fs::symlink(
        scratch.path().join("secret.html"),
        scratch.path().join("consoles/link.html"),
    )
    .expect("linked");
    let running = start(&scratch, &Setup::default());
    assert_eq!(get(&running, "/consoles/a.html"), (200, "a".to_owned()));
    for path in ["%2e%2e/secret.html", "link.html", "a.html/..%2f..%2fsecret.html", "%00", "%ff"] {
        let (status, text) = get(&running, &format!("/consoles/{path}"));
        assert_eq!(status, 404, "{path}: {text}");
    }
}

#[test]
fn a_console_that_goes_on_and_on_is_ended() {
    let scratch = Scratch::new("consoles");
    write(&scratch, "consoles/a.html", "{{ range 1000000000000 }}{{ end }}");
    let setup = Setup { query_timeout: Duration::from_millis(50), ..Setup::default() };
    let (status, text) = get(&start(&scratch, &setup), "/consoles/a.html");
    assert_eq!(status, 500);
    assert!(text.contains("timed out"), "{text}");
    write(
        &scratch,
        "consoles/a.html",
        "{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}",
    );
    let (status, text) = get(&start(&scratch, &Setup::default()), "/consoles/a.html");
    assert_eq!(status, 500);
    assert!(text.contains("exceeded maximum template depth"), "{text}");
}
