//! End to end with a certified `OpenID` provider in place of the platform: what we sign is judged by
//! code that knows nothing of ours.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;
#[path = "provider/mod.rs"]
mod provider;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use canonical::values::UtcInstant;
use kit::http::{HttpClient, HttpSettings, Method};
use kit::jose::MemorySeen;
use kit::pdnd::assertion::{Asked, mint};
use kit::pdnd::client::{Quota, VoucherClient, Wanted, random_name};
use kit::pdnd::dpop;
use kit::pdnd::keys::PlatformKeys;
use kit::pdnd::settings::{Connection, ConnectionKeys};
use kit::pdnd::token::form;
use kit::pdnd::voucher::{Expectations, Presented};
use provider::Process;
use samples::private;
use serde_json::json;

const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";

#[expect(clippy::disallowed_methods, reason = "the provider is another process with the clock of the machine")]
fn now() -> UtcInstant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    UtcInstant::from_unix_micros(i64::try_from(since.as_micros()).expect("a number")).expect("an instant")
}

struct Provider(Process);

impl Provider {
    fn start() -> Self {
        Self(Process::start("provider.mjs"))
    }

    fn connection(&self, is_dpop: bool) -> Connection {
        let written = json!({
            "environment": "uat", "client_id": CLIENT, "private_key_file": "/nowhere", "purpose_id": PURPOSE,
            "token_url": format!("{}/token.oauth2", self.0.address), "scheme": if is_dpop { "dpop" } else { "bearer" },
        });
        serde_json::from_value(written).expect("settings")
    }

    fn client(&self, key: &str, dpop: Option<&str>) -> VoucherClient {
        let keys = ConnectionKeys { assertion: private(key), dpop: dpop.map(private) };
        VoucherClient::new(self.connection(dpop.is_some()), keys, Quota::default()).expect("a client")
    }

    fn expectations(&self) -> Expectations {
        Expectations {
            issuer: self.0.address.clone(),
            audiences: vec!["https://erogatore.example/rest/appalti/v1".to_owned()],
            producer_id: "0e9e2dab-2e93-4f24-ba59-38d9f11198ca".to_owned(),
            eservice_ids: vec!["b8c6d7ad-93fc-4eaf-9018-3cd8bf98163f".to_owned()],
            descriptor_ids: vec!["9525a54b-9157-4b46-8976-ec66f20b7d7e".to_owned()],
            ..Expectations::default()
        }
    }

    fn keys(&self) -> PlatformKeys {
        let url = format!("{}/.well-known/jwks.json", self.0.address);
        PlatformKeys::new(&url, &HttpSettings::new("")).expect("keys")
    }

    fn http(&self) -> HttpClient {
        HttpClient::new("provider", &HttpSettings::new(&self.0.address)).expect("a client")
    }

    async fn tell(&self, path: &str, query: &[(&str, &str)]) {
        let http = self.http();
        assert_eq!(http.exchange(http.request(Method::POST, &[path], query)).await.expect("told").status, 200);
    }

    /// The status of the answer to this assertion.
    async fn send(&self, assertion: &str) -> u16 {
        let http = self.http();
        let request = http.request(Method::POST, &["token.oauth2"], &[]);
        let request = request.body("application/x-www-form-urlencoded", form(CLIENT, assertion));
        http.exchange(request).await.expect("an answer").status
    }
}

#[tokio::test]
async fn a_certified_provider_gives_vouchers_to_what_we_sign_and_we_accept_them() {
    let provider = Provider::start();
    let (wanted, keys, rules) = (Wanted::default(), provider.keys(), provider.expectations());

    // A voucher, asked for with an assertion, believed with the provider's published key.
    let client = provider.client("eservice", None);
    let held = client.voucher(&wanted, now()).await.expect("a voucher");
    let voucher = keys.verify(held.token().expose().into(), &rules, now()).await.expect("believed");
    assert_eq!((voucher.client_id.as_str(), voucher.purpose_id.as_str()), (CLIENT, PURPOSE));

    // Bound to an evidence.
    let digest = "80939a708bc374a715ff1ac93f87e539191b79039b0629bb2f02c19e542d1276".to_owned();
    let bound = Wanted { evidence_digest: Some(digest), ..Wanted::default() };
    assert!(client.voucher(&bound, now()).await.is_ok());

    // An assertion is good once, for the right audience, by the right key, and not for ever.
    let audience = format!("{}/client-assertion", provider.0.address.trim_start_matches("http://"));
    let asked = Asked { client_id: CLIENT, audience: &audience, purpose_id: Some(PURPOSE), ..Asked::default() };
    let make =
        |asked: &Asked<'_>, key: &str, at: UtcInstant| mint(&private(key), asked, &random_name(), at).expect("one");
    let once = make(&asked, "eservice", now());
    assert_eq!([provider.send(&once).await, provider.send(&once).await], [200, 400]);
    let old = UtcInstant::from_unix_micros(now().unix_micros() - 61_000_000).expect("an instant");
    assert_eq!(provider.send(&make(&asked, "eservice", old)).await, 400);
    assert_eq!(provider.send(&make(&asked, "api", now())).await, 400);
    let elsewhere = Asked { audience: "auth.uat.interop.pagopa.it/client-assertion", ..asked };
    assert_eq!(provider.send(&make(&elsewhere, "eservice", now())).await, 400);
    let without_purpose = Asked { purpose_id: None, ..asked };
    assert_eq!(provider.send(&make(&without_purpose, "eservice", now())).await, 400);

    // Another key of ours, registered beside the first, takes over.
    client.rotate(ConnectionKeys { assertion: private("stranger"), dpop: None }).expect("a key");
    let second = client.voucher(&wanted, now()).await.expect("a voucher");
    assert_ne!(second.token_id(), held.token_id());

    // Bound to a key: the proof is accepted at the endpoint, and by us beside the voucher.
    let of_proofs = provider.client("eservice", Some("dpopEc"));
    let held = of_proofs.voucher(&wanted, now()).await.expect("a bound voucher");
    let (url, token) = ("https://erogatore.example/rest/appalti/v1/pratiche", held.token().expose());
    let proof = dpop::prove(&private("dpopEc"), "POST", url, Some(token), &random_name(), now()).expect("a proof");
    let proof = dpop::verify(&proof, "POST", url, Some(token), now()).expect("right");
    let proof = proof.claim(&MemorySeen::default(), now()).await.expect("the first time");
    let header = format!("DPoP {token}");
    let presented = Presented::from_authorization(&[&header]).expect("one").with_proof(&proof);
    let voucher = keys.verify(presented, &rules, now()).await.expect("believed");
    assert_eq!(voucher.bound_to.as_deref(), Some(private("dpopEc").thumbprint()));

    // Vouchers that end are renewed before they do, and refused after.
    provider.tell("ttl", &[("seconds", "4")]).await;
    let short = provider.client("eservice", None);
    let first = short.voucher(&wanted, now()).await.expect("a voucher");
    tokio::time::sleep(Duration::from_millis(4500)).await;
    let second = short.voucher(&wanted, now()).await.expect("a voucher");
    assert_ne!(first.token_id(), second.token_id());
    let ended = keys.verify(first.token().expose().into(), &rules, now()).await.expect_err("ended");
    assert_eq!(ended.code(), "expired");
    assert!(keys.verify(second.token().expose().into(), &rules, now()).await.is_ok());

    // The provider signs with another key: unknown to us, fetched, believed. Not within the minute in
    // which we asked last, whatever a caller presents; so the clock of the verifier moves on.
    provider.tell("ttl", &[("seconds", "600")]).await;
    provider.tell("rotate", &[]).await;
    let rotated = provider.client("eservice", None).voucher(&wanted, now()).await.expect("a voucher");
    let soon = keys.verify(rotated.token().expose().into(), &rules, now()).await.expect_err("not fetched yet");
    assert_eq!(soon.code(), "unknown_kid");
    let later = UtcInstant::from_unix_micros(now().unix_micros() + 61_000_000).expect("an instant");
    assert!(keys.verify(rotated.token().expose().into(), &rules, later).await.is_ok());
}
