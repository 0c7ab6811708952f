//! Configurations of the exchange API that cannot work, and what is told about them.

use kit::pdnd::settings::Connection;

use super::checks::is_address;
use super::*;

fn clients(environment: &str, scheme: &str, dpop_key_file: Option<&str>) -> BTreeMap<String, Connection> {
    let client = serde_json::json!({
        "environment": environment, "client_id": "c", "private_key_file": "k", "is_api_client": true, "scheme": scheme,
        "dpop_key_file": dpop_key_file,
    });
    BTreeMap::from([("interop".to_owned(), serde_json::from_value(client).expect("a client"))])
}

fn problem(text: &str) -> Option<(Vec<String>, String)> {
    toml::from_str::<ExchangeConfig>(text)
        .expect("a section")
        .problem(&["invii", "altri"], &clients("uat", "dpop", Some("dpop.pem")))
}

#[test]
fn two_partners_are_never_one_and_never_write_over_each_other() {
    let partner = |name: &str, client: &str, system: &str| {
        format!("[partners.{name}]\nclient_id = \"{client}\"\nroles = [\"contribute\"]\nsystem = \"{system}\"\n")
    };
    assert_eq!(problem(&(partner("a", "a", "invii") + &partner("b", "b", "altri"))), None);
    let same_client = problem(&(partner("a", "a", "invii") + &partner("b", "a", "altri"))).expect("refused");
    assert_eq!(same_client.0, ["exchange", "partners", "b", "client_id"]);
    let same_system = problem(&(partner("a", "a", "invii") + &partner("b", "b", "invii"))).expect("refused");
    assert_eq!(same_system.0, ["exchange", "partners", "b", "system"]);
}

#[test]
fn a_signature_that_nobody_could_verify_is_not_asked_for() {
    let pdnd = |client: &str| {
        format!(
            "[pdnd]\nissuer = \"i\"\nkeys_url = \"k\"\naudience = \"a\"\neservice_id = \"e\"\nproducer_id = \"p\"\n\
             descriptor_ids = [\"d\"]\n{client}\n"
        )
    };
    let partner = |text: &str| {
        format!("[partners.a]\nconsumer_id = \"c\"\nroles = [\"contribute\"]\nsystem = \"invii\"\n{text}\n")
    };
    let signs = partner("integrity = \"required\"");
    assert_eq!(problem(&signs).expect("no key").0, ["exchange", "partners", "a", "integrity"]);
    assert_eq!(problem(&(pdnd("client = \"interop\"") + &signs)), None);
    assert_eq!(problem(&(pdnd("client = \"appalti\"") + &signs)).expect("none").0, ["exchange", "pdnd", "client"]);
    assert_eq!(problem(&partner("integrity = \"required\"\ncertificates_file = \"x.pem\"")), None);
    let stranger = partner("audit = \"audit_rest_01\"").replace("consumer_id", "client_id");
    let asked = problem(&(pdnd("client = \"interop\"") + &stranger)).expect("no purpose");
    assert!(asked.1.contains("consumer_id"), "{asked:?}");
}

#[test]
fn what_is_asked_of_who_sends_nothing_is_told_at_the_start() {
    for (key, written) in [("integrity", "integrity = \"required\""), ("audit", "audit = \"audit_rest_01\"")] {
        let text = format!(
            "[partners.a]\nconsumer_id = \"c\"\nroles = [\"read\", \"export\"]\ncertificates_file = \"x.pem\"\n{written}"
        );
        let (place, told) = problem(&text).expect("it would do nothing");
        assert_eq!(place, ["exchange", "partners", "a", key]);
        assert!(told.contains("contribute"), "{told}");
    }
}

#[test]
fn the_client_that_asks_for_keys_is_one_that_the_platform_takes_in_the_same_environment() {
    let text = |issuer: &str| {
        format!(
            "[pdnd]\nissuer = \"{issuer}\"\nkeys_url = \"https://{issuer}/.well-known/jwks.json\"\naudience = \"a\"\n\
             eservice_id = \"e\"\nproducer_id = \"p\"\ndescriptor_ids = [\"d\"]\nclient = \"interop\"\n"
        )
    };
    let told = |issuer: &str, clients: &BTreeMap<String, Connection>| {
        toml::from_str::<ExchangeConfig>(&text(issuer)).expect("a section").problem(&[], clients)
    };
    let key = Some("dpop.pem");
    assert_eq!(told("uat.interop.pagopa.it", &clients("uat", "dpop", key)), None);
    assert_eq!(told("interop.pagopa.it", &clients("prod", "dpop", key)), None);
    let (place, problem) = told("uat.interop.pagopa.it", &clients("uat", "bearer", None)).expect("a bearer voucher");
    assert_eq!(place, ["pdnd", "interop", "scheme"]);
    assert!(problem.contains("scheme = \"dpop\"") && problem.contains("dpop_key_file"), "{problem}");
    let (place, _) = told("uat.interop.pagopa.it", &clients("uat", "dpop", None)).expect("no key");
    assert_eq!(place, ["pdnd", "interop", "dpop_key_file"]);
    for environment in ["att", "prod"] {
        let (place, problem) = told("uat.interop.pagopa.it", &clients(environment, "dpop", key)).expect("mixed");
        assert_eq!(place, ["exchange", "pdnd", "issuer"]);
        assert!(problem.contains("never mixed"), "{problem}");
    }
}

#[test]
fn what_opens_a_gate_is_taken_only_from_whom_it_is_written_for() {
    let usual = PartnerConfig::default();
    assert!(usual.may_send(Kind::Lotto) && !usual.may_send(Kind::Adesione) && !usual.may_send(Kind::Ente));
    let named: PartnerConfig = toml::from_str("kinds = [\"adesione\"]").expect("a partner");
    assert!(named.may_send(Kind::Adesione) && !named.may_send(Kind::Lotto));
}

#[test]
fn an_address_that_only_begins_like_this_machine_is_none() {
    for (address, is_good) in [
        ("https://scambio.provincia.example", true),
        ("http://127.0.0.1:8470", true),
        ("http://localhost", true),
        ("http://127.0.0.1.evil.example", false),
        ("http://scambio.provincia.example", false),
    ] {
        assert_eq!(is_address(address), is_good, "{address}");
    }
}

#[test]
fn the_settings_of_the_guide_are_understood() {
    let guide = include_str!("../../../docs/guida/api.md");
    let (_, rest) = guide.split_once("```toml\n").expect("settings");
    let (settings, _) = rest.split_once("```").expect("their end");
    let config: crate::config::Config = toml::from_str(settings).expect("a configuration");
    assert_eq!(config.exchange.problem(&["invii-lombardia"], &clients("uat", "dpop", Some("dpop.pem"))), None);
    let partner = &config.exchange.partners["osservatorio-lombardia"];
    assert!(partner.webhook.is_some() && partner.callback.is_some());
}
