//! What `fetch` promises, case by case.

use super::*;

#[test]
fn formats_are_asked_for_in_the_order_of_the_configuration() {
    let protocols = [ScrapeProtocol::OpenMetricsText1_0_0, ScrapeProtocol::PrometheusText0_0_4];
    assert_eq!(
        accept(&protocols, EscapingScheme::AllowUtf8),
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         text/plain;version=0.0.4;q=0.5,*/*;q=0.4"
    );
    assert_eq!(
        accept(&[ScrapeProtocol::PrometheusProto], EscapingScheme::Underscores),
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
         encoding=delimited;q=0.6,*/*;q=0.5"
    );
}
