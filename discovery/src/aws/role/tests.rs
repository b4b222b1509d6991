//! What `role` promises, case by case.

use super::*;
use crate::loopback::{Surroundings, section};

#[test]
fn what_is_not_given_has_the_defaults_of_the_role() {
    let text = "{role: ecs, region: r, clusters: [c], access_key: A}";
    let given = section("aws_sd_configs", text);
    assert_eq!(name(&given), Some("ecs"));
    let own = of_role(&given, schema_of("ecs_sd_configs").expect("a kind"));
    assert_eq!((own.text("region"), own.text("access_key")), ("r", "A"));
    assert_eq!((own.int("port"), own.int("request_concurrency")), (80, 20));
    assert_eq!(own.duration("refresh_interval").as_secs(), 60);
    assert_eq!(own.list("clusters"), ["c"]);
    // As in Prometheus, whose defaults for HTTP do not reach this section.
    assert!(!own.bool("follow_redirects"));
    let text = "{role: rds, refresh_interval: 2m, port: 9, filters: [{name: n, values: [v]}]}";
    let own = of_role(&section("aws_sd_configs", text), schema_of("rds_sd_configs").expect("one"));
    assert_eq!((own.int("port"), own.duration("refresh_interval").as_secs()), (9, 120));
    assert_eq!(own.sections("filters")[0].text("name"), "n");
}

#[tokio::test]
async fn every_role_is_built() {
    let surroundings = Surroundings::new(&[]);
    for (name, ..) in ROLES {
        let given = section("aws_sd_configs", &format!("{{role: {name}}}"));
        drop(build(&surroundings.context(), &given).expect("a role"));
    }
}
