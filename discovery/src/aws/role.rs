//! The discovery of AWS as one kind: its role says which of the others it is.

use crate::Error;
use crate::config::schema_of;
use crate::ec2;
use crate::provider::{Context, Provider};
use net::config::HTTP_FIELDS;
use yaml::{Schema, Section};

type Build = fn(&Context<'_>, &Section) -> Result<Box<dyn Provider>, Error>;

/// The roles, with the kinds of discovery that they are.
const ROLES: [(&str, &str, Build); 6] = [
    ("ec2", "ec2_sd_configs", ec2::build),
    ("ecs", "ecs_sd_configs", super::ecs::build),
    ("elasticache", "elasticache_sd_configs", super::elasticache::build),
    ("lightsail", "lightsail_sd_configs", super::lightsail::build),
    ("msk", "msk_sd_configs", super::msk::build),
    ("rds", "rds_sd_configs", super::rds::build),
];

/// The name of the role of `section`.
pub(crate) fn name(section: &Section) -> Option<&'static str> {
    let role = section.text("role");
    ROLES.iter().map(|(name, ..)| *name).find(|name| *name == role)
}

pub(crate) fn build(context: &Context<'_>, section: &Section) -> Result<Box<dyn Provider>, Error> {
    let role = section.text("role");
    let row = ROLES.iter().find(|(name, ..)| *name == role);
    match row.and_then(|(_, kind, build)| Some((schema_of(kind)?, build))) {
        Some((schema, build)) => build(context, &of_role(section, schema)),
        None => Err(Error::config("aws_sd_configs", format!("there is no role {role:?}"))),
    }
}

/// `section` as one of its role: what is not given has the defaults of the role. Only the HTTP client has none here,
/// not even that redirects are followed.
fn of_role(section: &Section, schema: &'static Schema) -> Section {
    let mut own = Section::defaults(schema);
    let zero = Section::zero(section.schema(), section.mark);
    for name in section.schema().fields().map(|field| field.name) {
        let is_http = HTTP_FIELDS.iter().any(|field| field.name == name);
        let is_known = schema.fields().any(|field| field.name == name);
        let value = section.value(name);
        if is_known && (is_http || value != zero.value(name)) {
            own.set(name, value.clone());
        }
    }
    own
}

#[cfg(test)]
mod tests;
