//! A virtual machine as the interface of Azure tells of it, and its labels.

use crate::Error;
use crate::target::{Target, items, text};
use serde_json::Value;

/// A machine.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) id: String,
    pub(super) scale_set: Option<String>,
    /// Within its scale set.
    pub(super) instance: String,
    /// Identities of network interfaces.
    pub(super) interfaces: Vec<String>,
    labels: Vec<(&'static str, String)>,
    tags: Value,
}

/// Labels of machines, and the fields they come from.
const FIELDS: [(&str, &str); 6] = [
    ("machine_id", "/id"),
    ("machine_name", "/name"),
    ("machine_computer_name", "/properties/osProfile/computerName"),
    ("machine_os_type", "/properties/storageProfile/osDisk/osType"),
    ("machine_location", "/location"),
    ("machine_size", "/properties/hardwareProfile/vmSize"),
];

/// The resource group that an identity names.
pub(super) fn resource_group(id: &str) -> Result<&str, Error> {
    let mut parts = id.split('/');
    let mut is_before =
        parts.by_ref().skip_while(|part| !part.eq_ignore_ascii_case("resourceGroups"));
    is_before.next();
    let group = is_before.next().filter(|group| !group.is_empty());
    group.ok_or_else(|| Error::answer(id, "an identity without resource group"))
}

impl Machine {
    pub(super) fn new(machine: &Value, scale_set: Option<&str>) -> Self {
        let own = |path: &str| machine.pointer(path).map(text).unwrap_or_default().into_owned();
        let interfaces = items(&machine["properties"]["networkProfile"]["networkInterfaces"]);
        Self {
            id: own("/id"),
            scale_set: scale_set.map(str::to_owned),
            instance: own("/instanceId"),
            interfaces: interfaces.iter().map(|one| text(&one["id"]).into_owned()).collect(),
            labels: FIELDS.iter().map(|(label, path)| (*label, own(path))).collect(),
            tags: machine["tags"].clone(),
        }
    }

    pub(super) fn set_labels(&self, target: &mut Target) -> Result<(), Error> {
        for (label, value) in &self.labels {
            target.set(label, value);
        }
        target.set("machine_resource_group", resource_group(&self.id)?);
        target.set("machine_scale_set", self.scale_set.as_deref().unwrap_or_default());
        target.fields("machine_tag_", &self.tags);
        Ok(())
    }
}
