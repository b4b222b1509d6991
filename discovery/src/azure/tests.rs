//! What `azure` promises, case by case.

use super::*;
use crate::loopback::{Asked, Loopback, Surroundings, lines, section};
use serde_json::json;

const OF_GROUP: &str = "/subscriptions/s/resourceGroups/g/providers";

fn machine(name: &str, interface: &str) -> Value {
    json!({"id": format!("{OF_GROUP}/Microsoft.Compute/virtualMachines/{name}"), "name": name,
        "type": "t", "location": "westeurope", "tags": {"a b": "v"}, "instanceId": "7",
        "properties": {"hardwareProfile": {"vmSize": "B1"}, "osProfile": {"computerName": "pc"},
            "storageProfile": {"osDisk": {"osType": "Linux"}}, "networkProfile":
            {"networkInterfaces": [{"id": format!("{OF_GROUP}/Microsoft.Network/networkInterfaces/{interface}")}]}}})
}

fn interface(primary: &Value, address: &str) -> Value {
    let public = json!({"properties": {"ipAddress": "1.2.3.4"}});
    json!({"properties": {"primary": primary, "ipConfigurations": [{"properties":
        {"privateIPAddress": address, "publicIPAddress": public}}]}})
}

fn answer(asked: &Asked, base: &str) -> (u16, String) {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let compute = "/subscriptions/s/providers/Microsoft.Compute";
    let answer = match path.strip_prefix(compute).unwrap_or(path) {
        "/virtualMachines" if query == "api-version=2024-07-01" => json!({
            "nextLink": format!("{base}/second?x=y"), "value": [machine("vm1", "nic1")]}),
        "/second" => json!({"value": [machine("off", "nic-off"), machine("gone", "nic-gone")]}),
        "/virtualMachineScaleSets" => json!({"value": [{"name": "set",
            "id": format!("{OF_GROUP}/Microsoft.Compute/virtualMachineScaleSets/set")}]}),
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/set/virtualMachines" =>
        {
            json!({"value": [machine("set_7", "nic7")]})
        }
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/nic1" => {
            assert_eq!(query, "$expand=IPConfigurations%2FPublicIPAddress&api-version=2023-09-01");
            interface(&json!(true), "10.0.0.1")
        }
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/nic-off" => {
            interface(&Value::Null, "10.0.0.2")
        }
        "/subscriptions/s/resourceGroups/g/providers/microsoft.Compute/virtualMachineScaleSets/set/virtualMachines/7/networkInterfaces/nic7" => {
            interface(&json!(true), "10.0.0.7")
        }
        "/t/oauth2/v2.0/token" | "/metadata/identity/oauth2/token" => {
            json!({"access_token": "tok", "expires_in": "3599"})
        }
        _ => return (404, "{}".to_owned()),
    };
    (200, answer.to_string())
}

fn server() -> Loopback {
    Loopback::start(|asked| answer(asked, &format!("http://{}", asked.header("host"))))
}

fn azure(server: &Loopback, surroundings: &Surroundings, method: &str) -> Azure {
    let text = format!(
        "{{subscription_id: s, tenant_id: t, client_id: c, client_secret: x, \
         authentication_method: {method}}}"
    );
    let section = section("azure_sd_configs", &text);
    let mut azure = Azure::new(&surroundings.context(), &section).expect("good");
    azure.resources = server.url();
    azure
}

#[tokio::test]
async fn machines_become_targets_and_interfaces_are_remembered() {
    let server = server();
    let surroundings = Surroundings::new(&[("AZURE_AUTHORITY_HOST", &server.url())]);
    let mut azure = azure(&server, &surroundings, "OAuth");
    let found = lines(&azure.refresh().await.expect("targets"));
    assert_eq!(
        found[0],
        [
            "__address__=10.0.0.1:80",
            "__meta_azure_machine_computer_name=pc",
            "__meta_azure_machine_id=/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm1",
            "__meta_azure_machine_location=westeurope",
            "__meta_azure_machine_name=vm1",
            "__meta_azure_machine_os_type=Linux",
            "__meta_azure_machine_private_ip=10.0.0.1",
            "__meta_azure_machine_public_ip=1.2.3.4",
            "__meta_azure_machine_resource_group=g",
            "__meta_azure_machine_size=B1",
            "__meta_azure_machine_tag_a_b=v",
            "__meta_azure_subscription_id=s",
            "__meta_azure_tenant_id=t",
        ]
    );
    assert!(found[1].contains(&"__meta_azure_machine_scale_set=set".to_owned()));
    assert_eq!(found.len(), 2, "machines that do not run are no targets");
    let asked = server.asked();
    let form = "grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F.default\
        &client_id=c&client_secret=x";
    assert_eq!(asked[0].body, form);
    assert_eq!(asked[1].header("authorization"), "Bearer tok");
    let before = asked.len();
    assert_eq!(lines(&azure.refresh().await.expect("targets")), found);
    assert_eq!(surroundings.metric("prometheus_sd_azure_cache_hit_total"), Some(3.0));
    // Lists, pages and the interface that is not there.
    assert_eq!(server.asked().len() - before, 5);
}

#[tokio::test]
async fn the_machine_may_ask_by_itself() {
    let server = server();
    let url = server.url();
    for (variable, header) in [
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "metadata"),
        ("IDENTITY_ENDPOINT", "x-identity-header"),
    ] {
        let endpoint = match header {
            "metadata" => url.clone(),
            _ => format!("{url}/metadata/identity/oauth2/token"),
        };
        let surroundings = Surroundings::new(&[(variable, &endpoint), ("IDENTITY_HEADER", "true")]);
        let mut azure = azure(&server, &surroundings, "ManagedIdentity");
        let before = server.asked().len();
        azure.refresh().await.expect("targets");
        let asked = &server.asked()[before];
        assert_eq!(asked.header(header), "true");
        let end = "&resource=https%3A%2F%2Fmanagement.azure.com&client_id=c";
        assert!(asked.target.ends_with(end), "{}", asked.target);
    }
}

#[tokio::test]
async fn a_pod_shows_its_token_and_failures_are_counted() {
    let server = server();
    let path = std::env::temp_dir().join(format!("firesteel-azure-{}", std::process::id()));
    std::fs::write(&path, "pod-token\n").expect("written");
    let url = server.url();
    let surroundings = Surroundings::new(&[
        ("AZURE_AUTHORITY_HOST", &url),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "pod"),
        ("AZURE_FEDERATED_TOKEN_FILE", path.to_str().expect("a path")),
    ]);
    let mut azure = azure(&server, &surroundings, "WorkloadIdentity");
    azure.refresh().await.expect("targets");
    let end = "&client_id=pod\
        &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
        &client_assertion=pod-token";
    assert!(server.asked()[0].body.ends_with(end));
    std::fs::remove_file(&path).expect("removed");
    azure.identity.forget();
    azure.refresh().await.expect_err("no token");
    assert_eq!(surroundings.metric("prometheus_sd_azure_failures_total"), Some(1.0));
}

#[test]
fn clouds_have_names() {
    assert_eq!(cloud("azureChinaCloud").expect("a cloud").login, "https://login.chinacloudapi.cn");
    cloud("nebula").expect_err("no cloud");
}
