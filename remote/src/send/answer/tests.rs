//! Tests of answers, honest and otherwise.

use super::*;
use bytes::Bytes;
use model::validate::NameValidation;

fn config(more: &str) -> WriteConfig {
    let text = format!("url: http://localhost/write\n{more}");
    let document = yaml::Document::parse("test", text.as_bytes()).expect("YAML");
    let section = yaml::load(&document.root, &crate::config::REMOTE_WRITE).expect("a section");
    WriteConfig::from_section(&section, NameValidation::Utf8).expect("a good entry")
}

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Posted {
    let headers = headers.iter().map(|(name, value)| {
        (http::HeaderName::from_static(name), value.parse().expect("a header"))
    });
    Posted { status, headers: headers.collect(), body: Bytes::from_static(b"why\n") }
}

const SENT: Counts = Counts { samples: 3, histograms: 2, exemplars: 1 };
const SAMPLES: &str = "x-prometheus-remote-write-samples-written";
const HISTOGRAMS: &str = "x-prometheus-remote-write-histograms-written";
const EXEMPLARS: &str = "x-prometheus-remote-write-exemplars-written";
const V2: &str = "protobuf_message: io.prometheus.write.v2.Request\n";

#[test]
fn receivers_of_2_0_are_held_to_their_counts() {
    let config = config(V2);
    let all = [(SAMPLES, "3"), (HISTOGRAMS, "2"), (EXEMPLARS, "1")];
    assert_eq!(judge(&config, &answer(204, &all), SENT, 0), Outcome::Taken { written: SENT });
    // More than was sent is no more than all; less, or what is no number, is less.
    let odd = [(SAMPLES, "4000"), (HISTOGRAMS, "1"), (EXEMPLARS, "many")];
    let written = Counts { samples: 3, histograms: 1, exemplars: 0 };
    assert_eq!(judge(&config, &answer(200, &odd), SENT, 0), Outcome::Taken { written });
    for silent in [&[][..], &[(SAMPLES, "0")], &[(SAMPLES, "-1")]] {
        let outcome = judge(&config, &answer(204, silent), SENT, 0);
        assert!(matches!(outcome, Outcome::Refused { written, .. } if written.total() == 0));
    }
    let some = Counts { samples: 2, ..Counts::default() };
    let outcome = judge(&config, &answer(400, &[(SAMPLES, "2")]), SENT, 0);
    assert!(matches!(outcome, Outcome::Refused { status: 400, written, .. } if written == some));
}

#[test]
fn receivers_of_1_0_count_nothing() {
    let config = config("");
    let outcome = judge(&config, &answer(200, &[(SAMPLES, "0")]), SENT, 0);
    assert_eq!(outcome, Outcome::Taken { written: SENT });
}

#[test]
fn what_may_help_is_tried_again() {
    let again = |pause| Outcome::Again {
        what: "server returned HTTP status 429: why".to_owned(),
        pause,
        is_open: false,
    };
    let retrying = config("queue_config: {retry_on_http_429: true}\n");
    let limited = answer(429, &[("retry-after", "7")]);
    assert_eq!(judge(&retrying, &limited, SENT, 0), again(Some(Duration::from_secs(7))));
    assert_eq!(judge(&retrying, &answer(429, &[]), SENT, 0), again(None));
    assert!(matches!(judge(&config(""), &limited, SENT, 0), Outcome::Refused { .. }));
    let failed = judge(&config(""), &answer(503, &[]), SENT, 0);
    assert!(matches!(failed, Outcome::Again { is_open: true, .. }));
    assert!(matches!(judge(&config(""), &answer(302, &[]), SENT, 0), Outcome::Refused { .. }));
}

#[test]
fn pauses_are_seconds_or_dates() {
    assert_eq!(httpdate("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(httpdate("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(httpdate("Tue, 29 Feb 2028 12:00:00 GMT"), Some(1_835_438_400));
    assert_eq!(retry_after("7", 0), Some(Duration::from_secs(7)));
    assert_eq!(retry_after("0", 0), None);
    assert_eq!(retry_after("31536000", 0), Some(MAX_PAUSE));
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(retry_after(date, 784_111_775_500), Some(Duration::from_millis(1500)));
    assert_eq!(retry_after(date, 784_111_779_000), None);
    assert_eq!(retry_after("soon", 0), None);
}
