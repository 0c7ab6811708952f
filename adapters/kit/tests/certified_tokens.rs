//! End to end with a certified `OpenID` provider as a partner has one: it gives tokens to what proves our
//! client, and the partner's system takes them.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;
#[path = "provider/mod.rs"]
mod provider;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use contract::{AdapterError, Advice, ErrorKind, Phase};
use kit::http::{HttpClient, HttpSettings, Method};
use kit::oauth::settings::Registration;
use provider::Process;
use samples::{json, text};
use serde_json::{Value, json};

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
    std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600)).expect("set");
}

/// A partner, and the files of our client.
struct Scene(Process, tempfile::TempDir);

impl Scene {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "segreto", "pa rola+%/:non-da-scrivere\n");
        for name in ["eservice", "stranger"] {
            write(folder.path(), name, text(&json("keys/keys.json")["keys"][name], "private_pem_pkcs8"));
        }
        Self(Process::start("partner.mjs"), folder)
    }

    fn registration(&self, more: Value) -> Registration {
        let mut written = json!({
            "token_url": format!("{}/token", self.0.address),
            "scope": "contratti:leggi", "resource": "https://osservatorio.example/api",
        });
        let Value::Object(more) = more else { panic!("an object") };
        written.as_object_mut().expect("an object").extend(more);
        let mut registration: Registration = serde_json::from_value(written).expect("a registration");
        registration.be_relative_to(self.1.path());
        registration
    }

    fn by_secret(&self) -> Registration {
        self.registration(json!({ "client_id": "raccordo:segreto", "client_secret_file": "segreto" }))
    }

    fn by_key(&self) -> Registration {
        let by_key = json!({ "client_id": "raccordo-chiave", "private_key_file": "eservice", "kid": "raccordo-2026" });
        self.registration(by_key)
    }

    fn client(&self, registration: Registration) -> HttpClient {
        let plain = HttpSettings::new(format!("{}/api", self.0.address));
        HttpClient::new("partner", &HttpSettings { oauth: Some(Box::new(registration)), ..plain }).expect("a client")
    }

    async fn tell(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let http = HttpClient::new("partner", &HttpSettings::new(&self.0.address)).expect("a client");
        let answer = http.exchange(http.request(Method::POST, &[path], query)).await.expect("told");
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    async fn given(&self) -> u64 {
        self.tell("given", &[]).await["given"].as_u64().expect("a number")
    }
}

/// Whom the system takes us for, or the status of its refusal.
async fn call(client: &HttpClient) -> Result<Result<String, u16>, AdapterError> {
    let answer = client.exchange(client.request(Method::GET, &["pratiche"], &[])).await?;
    let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
    Ok(said["client"].as_str().filter(|_| answer.status == 200).map(str::to_owned).ok_or(answer.status))
}

#[tokio::test]
async fn a_certified_provider_gives_tokens_to_a_secret_and_to_a_key_and_the_system_takes_them() {
    let scene = Scene::open();
    for (number, (registration, name)) in
        [(scene.by_secret(), "raccordo:segreto"), (scene.by_key(), "raccordo-chiave")].into_iter().enumerate()
    {
        let client = scene.client(registration);
        for _ in 0..3 {
            assert_eq!(call(&client).await.expect("an answer"), Ok(name.to_owned()));
        }
        assert_eq!(scene.given().await, number as u64 + 1, "one token for three requests");
    }

    // What the system has forgotten is replaced once, with no word to whoever called.
    let (secret, key) = (scene.client(scene.by_secret()), scene.client(scene.by_key()));
    for client in [&secret, &key] {
        assert!(call(client).await.expect("an answer").is_ok());
        scene.tell("forget", &[]).await;
        let before = scene.given().await;
        assert!(call(client).await.expect("an answer").is_ok());
        assert_eq!(scene.given().await, before + 1);
    }

    // A token that ends is renewed before it does.
    scene.tell("ttl", &[("seconds", "4")]).await;
    let short = scene.client(scene.by_key());
    assert!(call(&short).await.expect("an answer").is_ok());
    let before = scene.given().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(call(&short).await.expect("an answer").is_ok());
    assert_eq!(scene.given().await, before + 1);
    scene.tell("ttl", &[("seconds", "600")]).await;

    // Another scope is another answer of the system; a scope or a system that nobody knows brings no token.
    let more = Registration { scope: Some("contratti:scrivi".to_owned()), ..scene.by_key() };
    assert_eq!(call(&scene.client(more)).await.expect("an answer"), Err(403));
    let before = scene.given().await;
    write(scene.1.path(), "altro-segreto", "un-altra-parola");
    let elsewhere = Some("https://altrove.example/api".to_owned());
    for (registration, code) in [
        (
            Registration { client_secret_file: Some(scene.1.path().join("altro-segreto")), ..scene.by_secret() },
            "invalid_client",
        ),
        (Registration { private_key_file: Some(scene.1.path().join("stranger")), ..scene.by_key() }, "invalid_client"),
        (Registration { kid: Some("raccordo-2025".to_owned()), ..scene.by_key() }, "invalid_client"),
        (Registration { assertion_audience: elsewhere.clone(), ..scene.by_key() }, "invalid_client"),
        (Registration { client_id: "nessuno".to_owned(), ..scene.by_secret() }, "invalid_client"),
        (Registration { scope: Some("contratti:firma".to_owned()), ..scene.by_secret() }, "invalid_scope"),
        (Registration { resource: elsewhere.clone(), ..scene.by_secret() }, "invalid_target"),
    ] {
        let error = call(&scene.client(registration)).await.expect_err(code);
        assert_eq!((error.kind, error.remote_code.as_deref()), (ErrorKind::Authentication, Some(code)));
        assert_eq!((error.advice, error.phase), (Advice::FixConfiguration, Phase::BeforeSending));
        assert!(!format!("{error:?}").contains("parola"), "{error:?}");
    }
    assert_eq!(scene.given().await, before);

    // Some servers want their issuer as the audience of an assertion.
    let issuer = Registration { assertion_audience: Some(scene.0.address.clone()), ..scene.by_key() };
    assert!(call(&scene.client(issuer)).await.expect("an answer").is_ok());
}
