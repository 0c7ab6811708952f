//! The keys of the platform: fetched when a voucher names an unknown one, at most every minute, and
//! the old ones serve while that fails.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;

use kit::http::HttpSettings;
use kit::pdnd::keys::PlatformKeys;
use kit::pdnd::voucher::Expectations;
use samples::{at_seconds, bytes, json, text, vectors};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const NOW: i64 = 1_796_115_630;

fn token(id: &str) -> String {
    let manifest = json("vouchers.json");
    let vector = vectors(&manifest, 25).iter().find(|vector| vector["id"] == id).expect("a voucher");
    text(vector, "compact").to_owned()
}

fn expectations() -> Expectations {
    let manifest = json("vouchers.json");
    let expected = &manifest["expected"];
    let of = |name: &str| text(expected, name).to_owned();
    Expectations {
        issuer: of("iss"),
        audiences: vec![of("own_audience")],
        producer_id: of("producerId"),
        eservice_ids: vec![of("eserviceId")],
        descriptor_ids: vec![of("descriptorId")],
        ..Expectations::default()
    }
}

async fn code(keys: &PlatformKeys, token: &str, seconds: i64) -> &'static str {
    let verdict = keys.verify(token.into(), &expectations(), at_seconds(seconds)).await;
    verdict.map_or_else(|refusal| refusal.code(), |_| "ok")
}

#[tokio::test]
async fn an_unknown_key_is_fetched_once_a_minute_and_old_keys_serve_meanwhile() {
    let server = MockServer::start().await;
    let keys = PlatformKeys::new(&format!("{}/.well-known/jwks.json", server.uri()), &HttpSettings::new(""));
    let keys = keys.expect("keys");
    let good = token("ok-bearer");
    // Nothing is there yet: nobody can be judged, and that is not the caller's fault.
    assert_eq!(code(&keys, &good, NOW - 100).await, "platform_keys");
    assert_eq!(code(&keys, &good, NOW - 99).await, "platform_keys");
    let jwks = ResponseTemplate::new(200).set_body_bytes(bytes("keys/pdnd-jwks.json"));
    let mock = Mock::given(method("GET")).and(path("/.well-known/jwks.json")).respond_with(jwks);
    let mounted = mock.mount_as_scoped(&server).await;
    assert_eq!(code(&keys, &good, NOW).await, "ok");
    assert_eq!(code(&keys, &token("ok-next-key"), NOW).await, "ok");
    assert_eq!(code(&keys, &token("bad-unknown-kid"), NOW).await, "unknown_kid");
    assert_eq!(code(&keys, &token("bad-unknown-kid"), NOW + 59).await, "unknown_kid");
    assert_eq!(mounted.received_requests().await.len(), 1);
    assert_eq!(code(&keys, &token("bad-unknown-kid"), NOW + 60).await, "unknown_kid");
    assert_eq!(mounted.received_requests().await.len(), 2);
    drop(mounted);
    assert_eq!(code(&keys, &token("bad-unknown-kid"), NOW + 200).await, "unknown_kid");
    assert_eq!(code(&keys, &good, NOW + 200).await, "ok");
}
