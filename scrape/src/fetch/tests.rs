//! What `fetch` promises, case by case.

use super::*;

#[test]
fn only_formats_that_can_be_read_are_asked_for() {
    let all = [
        ScrapeProtocol::OpenMetricsText1_0_0,
        ScrapeProtocol::OpenMetricsText0_0_1,
        ScrapeProtocol::PrometheusText1_0_0,
        ScrapeProtocol::PrometheusText0_0_4,
    ];
    assert_eq!(
        accept(&all, EscapingScheme::AllowUtf8),
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4"
    );
    assert_eq!(
        accept(&all[..1], EscapingScheme::Underscores),
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,*/*;q=0.5"
    );
}
