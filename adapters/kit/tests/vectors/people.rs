//! What providers say of people: their roles, who they are, and the proof of who asked for a code.

use std::collections::BTreeSet;

use kit::Secret;
use kit::oidc::pkce;
use kit::oidc::roles::{GroupsOverage, Role, RoleRule, fiscal_number};
use serde_json::{Value, json};

use crate::samples::{json as manifest, text, vectors};

fn rule(map: &Value, path: &Value) -> RoleRule {
    serde_json::from_value(json!({ "path": path, "map": map })).expect("a rule")
}

#[test]
fn every_provider_gives_the_roles_that_were_written_and_no_others() {
    let manifest = manifest("oidc/claims.json");
    for vector in vectors(&manifest, 10) {
        let id = text(vector, "id");
        let claims = vector["claims"].as_object().expect("claims");
        let given = rule(&manifest["role_map"], &vector["roles_path"]).roles(claims);
        let expected: BTreeSet<Role> = serde_json::from_value(vector["expected_roles"].clone()).expect("roles of ours");
        match vector["expected_error"].as_str() {
            Some(code) => assert_eq!(given.map_err(GroupsOverage::code), Err(code), "{id}"),
            None => assert_eq!(given, Ok(expected), "{id}"),
        }
        let code = fiscal_number(claims);
        assert_eq!(
            code.as_ref().map(canonical::identifiers::CodiceFiscale::as_str),
            vector["fiscal_number"].as_str(),
            "{id}"
        );
    }
}

#[test]
fn a_value_counts_whole_and_in_its_own_case() {
    let rule = rule(&json!({ "broker-admin": "admin", "audit": "auditor" }), &json!(["realm_access", "roles"]));
    let roles = |written: Value| {
        let claims = json!({ "realm_access": { "roles": written } });
        rule.roles(claims.as_object().expect("claims")).expect("roles")
    };
    assert_eq!(roles(json!(["Broker-Admin", "broker-admin ", "broker", 7, null])), BTreeSet::new());
    assert_eq!(roles(json!(["audit", "broker-admin", "audit"])), BTreeSet::from([Role::Admin, Role::Auditor]));
    let nowhere = self::rule(&json!({ "a": "admin" }), &json!([]));
    assert_eq!(nowhere.roles(json!({ "a": "a" }).as_object().expect("claims")), Ok(BTreeSet::new()));
    let unknown = serde_json::from_value::<RoleRule>(json!({ "path": ["a"], "map": { "a": "root" } }));
    assert!(unknown.is_err(), "a role that we do not have is a mistake of the configuration");
}

#[test]
fn groups_hidden_by_the_short_flow_are_too_many_as_well() {
    let rule = rule(&json!({}), &json!(["groups"]));
    assert_eq!(rule.roles(json!({ "hasgroups": true }).as_object().expect("claims")), Err(GroupsOverage));
    assert_eq!(rule.roles(json!({ "hasgroups": false }).as_object().expect("claims")), Ok(BTreeSet::new()));
}

#[test]
fn the_code_of_a_body_or_of_another_country_is_no_fiscal_number() {
    for written in ["TINIT-01234567890", "RSSMRA80A01H501U", "TINFR-RSSMRA80A01H501U", "TINIT-", ""] {
        let claims = json!({ "https://attributes.eid.gov.it/fiscal_number": written });
        assert_eq!(fiscal_number(claims.as_object().expect("claims")), None, "{written}");
    }
}

#[test]
fn a_challenge_is_the_hash_of_its_verifier_as_the_standard_writes_it() {
    let manifest = manifest("oidc/pkce.json");
    for vector in vectors(&manifest, 1) {
        let verifier = Secret::new(text(vector, "verifier"));
        assert_eq!(pkce::challenge(&verifier).as_deref(), vector["challenge_s256"].as_str());
    }
    let of_length = |length: usize| pkce::challenge(&Secret::new("a".repeat(length))).is_some();
    assert_eq!([42, 43, 128, 129].map(of_length), [false, true, true, false]);
    assert_eq!(pkce::challenge(&Secret::new("+".repeat(43))), None);
    let (one, other) = (pkce::verifier(&[1; 32]), pkce::verifier(&[2; 32]));
    assert_eq!((one.expose().len(), one == other), (43, false));
    assert!(pkce::challenge(&one).is_some_and(|challenge| challenge != one.expose()));
}
