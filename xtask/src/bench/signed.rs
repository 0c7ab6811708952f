//! Signed deliveries over HTTP on loopback, through the client that carries vouchers, digests and
//! signatures, beside a bare loop that hashes, signs and posts the same bytes with the same kind of key.
//!
//! The voucher is asked for once and kept, as in a delivery. The last message of each side is verified
//! after each round: a fast client whose messages do not hold is no client.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kit::Secret;
use kit::http::{HttpClient, HttpSettings, Method};
use kit::jose::{KeySet, SigningKey, seconds, sign};
use kit::modi::sign::Signer;
use kit::modi::tokens::{KeyName, Rules, Trust};
use kit::modi::verify::{Message, verify};
use kit::pdnd::call::{Caller, Outgoing};
use kit::pdnd::client::{Quota, VoucherClient};
use kit::pdnd::settings::{Connection, ConnectionKeys};
use raccordo::clock::{Clock as _, SystemClock};
use serde_json::json;

use super::{decimal, verdict};

/// Our speed must be at least this part of the bare one, in per cent.
const BAR: u64 = 50;
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
const OURS: &str = "https://erogatore.example/rest/appalti/v1";
const CONTENT_TYPE: &str = "application/json";
/// Messages under way at the same time.
const PARALLEL: [u32; 2] = [1, 16];

pub(super) fn run(calls: u32, rounds: u32, body_kib: u32, is_report: bool) -> Result<bool> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{cores} cores, load {}", load.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
    println!("messages of {body_kib} KiB, {calls} a side and round, medians of {rounds} rounds");
    runtime.block_on(async {
        let mut is_met = true;
        for kind in [Kind::Rsa, Kind::Ec] {
            let bench = Arc::new(Bench::start(kind, body_kib).await?);
            for parallel in PARALLEL {
                is_met &= bench.compare(calls, rounds, parallel).await?;
            }
        }
        Ok(is_met || is_report)
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    Ec,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA 2048, RS256",
            Self::Ec => "P-256, ES256",
        }
    }
}

/// A private key as the library has it, for the bare loop.
enum Bare {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// A new key: for us, and the same for the bare loop.
fn key(kind: Kind) -> Result<(SigningKey, Bare)> {
    let (der, bare) = match kind {
        Kind::Rsa => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).context("no RSA key")?;
            (pair.as_der().context("no RSA key")?.as_ref().to_vec(), Bare::Rsa(pair))
        }
        Kind::Ec => {
            let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).context("no key")?;
            (pair.to_pkcs8v1().context("no key")?.as_ref().to_vec(), Bare::Ec(pair))
        }
    };
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    Ok((SigningKey::from_pem(&Secret::new(pem))?, bare))
}

/// The last message that came.
#[derive(Default)]
struct Last(Mutex<Option<(HeaderMap, Bytes)>>);

struct Bench {
    kind: Kind,
    caller: Caller,
    keys: KeySet,
    bare: Bare,
    kid: String,
    client: reqwest::Client,
    url: String,
    body: Bytes,
    last: Arc<Last>,
}

impl Bench {
    async fn start(kind: Kind, body_kib: u32) -> Result<Self> {
        let last = Arc::new(Last::default());
        // The platform gives one voucher, and whoever takes messages reads them whole.
        let (of_platform, _) = key(Kind::Rsa)?;
        let voucher = sign(
            &of_platform,
            &json!({ "alg": "RS256", "typ": "at+jwt" }),
            &json!({
                "client_id": CLIENT, "purposeId": PURPOSE, "jti": "00000000-0000-4000-8000-000000000001",
            }),
        )?;
        let given = json!({ "access_token": voucher, "token_type": "Bearer", "expires_in": 36_000 }).to_string();
        let router = Router::new()
            .route("/token.oauth2", post(|| async move { ([("content-type", CONTENT_TYPE)], given) }))
            .route("/rest/appalti/v1/pratiche", post(take))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&last));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        drop(tokio::spawn(async move { axum::serve(listener, router).await }));

        let (ours, bare) = key(kind)?;
        let (assertion, _) = key(Kind::Rsa)?;
        let keys = KeySet::default().with(ours.thumbprint(), ours.public().clone());
        let key_name = ours.thumbprint().to_owned();
        let connection: Connection = serde_json::from_value(json!({
            "environment": "uat", "client_id": CLIENT, "purpose_id": PURPOSE, "private_key_file": "unused",
            "token_url": format!("http://{address}/token.oauth2"), "message_audience": OURS,
        }))?;
        let vouchers = VoucherClient::new(connection, ConnectionKeys { assertion, dpop: None }, Quota::default())?;
        let signer = Signer {
            key: ours,
            key_name: KeyName::Registered,
            issuer: CLIENT.to_owned(),
            subject: Some(CLIENT.to_owned()),
            audiences: vec![OURS.to_owned()],
            life_seconds: 60,
            signs_empty: false,
        };
        let settings = HttpSettings::new(format!("http://{address}/rest/appalti/v1"));
        let target = HttpClient::new("eservice", &settings).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let text: String = "0123456789abcdef".chars().cycle().take(body_kib as usize * 1024).collect();
        Ok(Self {
            kind,
            caller: Caller::new(vouchers, target, Some(signer)),
            keys,
            bare,
            kid: key_name,
            client: reqwest::Client::builder().no_proxy().build()?,
            url: format!("http://{address}/rest/appalti/v1/pratiche"),
            body: Bytes::from(json!({ "oggetto": text }).to_string()),
            last,
        })
    }

    /// Both sides in turn, the first one changing with each round.
    async fn compare(self: &Arc<Self>, calls: u32, rounds: u32, parallel: u32) -> Result<bool> {
        let mut rates = [Vec::new(), Vec::new()];
        // Connections stand, the voucher is there, and the processor knows the way.
        self.side(Side::Bare, (calls / 10).max(parallel), parallel).await?;
        self.side(Side::Ours, (calls / 10).max(parallel), parallel).await?;
        for round in 0..rounds {
            let order = if round % 2 == 0 { [Side::Bare, Side::Ours] } else { [Side::Ours, Side::Bare] };
            for side in order {
                rates[side as usize].push(self.side(side, calls, parallel).await?);
            }
        }
        let [bare, ours] = &rates;
        let ratio = median(ours.iter().zip(bare).map(|(ours, bare)| ours * 100 / bare.max(&1)));
        println!(
            "{:<16} {parallel:>2} at a time: bare {:>6}/s, ours {:>6}/s, ours ÷ bare {} (bar {}): {}",
            self.kind.name(),
            median(bare.iter().copied()),
            median(ours.iter().copied()),
            decimal(ratio),
            decimal(BAR),
            verdict(ratio >= BAR)
        );
        Ok(ratio >= BAR)
    }

    /// Messages a second.
    async fn side(self: &Arc<Self>, side: Side, calls: u32, parallel: u32) -> Result<u64> {
        let each = calls / parallel;
        let began = Instant::now();
        let mut workers = Vec::new();
        for _ in 0..parallel {
            let bench = Arc::clone(self);
            workers.push(tokio::spawn(async move {
                match side {
                    Side::Bare => repeat(each, || bench.bare()).await,
                    Side::Ours => repeat(each, || bench.ours()).await,
                }
            }));
        }
        for worker in workers {
            worker.await.context("a worker ended")??;
        }
        let micros = began.elapsed().as_micros().max(1);
        self.check()?;
        Ok(u64::try_from(u128::from(each * parallel) * 1_000_000 / micros).unwrap_or(u64::MAX))
    }

    async fn ours(&self) -> Result<()> {
        let outgoing = Outgoing {
            method: Method::POST,
            path: &["pratiche"],
            query: &[],
            content_type: Some(CONTENT_TYPE),
            content_encoding: None,
            body: self.body.clone(),
            user: None,
        };
        let called = self.caller.send(&outgoing, || SystemClock.now()).await?;
        ensure!(called.answer.status == 200, "the server answered {}", called.answer.status);
        Ok(())
    }

    async fn bare(&self) -> Result<()> {
        let now = seconds(SystemClock.now());
        let digest = format!("SHA-256={}", STANDARD.encode(digest::digest(&digest::SHA256, &self.body)));
        let (algorithm, kid, name) = (self.algorithm(), &self.kid, kit::pdnd::client::random_name());
        let header = format!("{{\"alg\":\"{algorithm}\",\"typ\":\"JWT\",\"kid\":\"{kid}\"}}");
        let payload = format!(
            "{{\"iss\":\"{CLIENT}\",\"sub\":\"{CLIENT}\",\"aud\":\"{OURS}\",\"iat\":{now},\"nbf\":{now},\
             \"exp\":{},\"jti\":\"{name}\",\"signed_headers\":[{{\"digest\":\"{digest}\"}},\
             {{\"content-type\":\"{CONTENT_TYPE}\"}}]}}",
            now + 60
        );
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let value = URL_SAFE_NO_PAD.encode(self.signature(signed.as_bytes())?);
        let request = self.client.post(&self.url).header("content-type", CONTENT_TYPE).header("digest", digest);
        let request = request.header("agid-jwt-signature", format!("{signed}.{value}"));
        let response = request.body(self.body.clone()).send().await?;
        ensure!(response.status() == 200, "the server answered {}", response.status());
        response.bytes().await?;
        Ok(())
    }

    fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Rsa => "RS256",
            Kind::Ec => "ES256",
        }
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.bare {
            Bare::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut made).context("not signed")?;
                Ok(made)
            }
            Bare::Ec(pair) => Ok(pair.sign(&random, message).context("not signed")?.as_ref().to_vec()),
        }
    }

    /// Whether the last message is one that its receiver would take.
    fn check(&self) -> Result<()> {
        let last = self.last.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (headers, body) = last.context("no message came")?;
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
        let message = Message { headers: &headers, body: &body };
        let trust = Trust { keys: Some(&self.keys), certificates: None };
        let rules = Rules::for_audiences(vec![OURS.to_owned()]);
        let verified = verify(&message, trust, &rules, None, SystemClock.now());
        let verified = verified.map_err(|refusal| anyhow::anyhow!("a message is refused: {refusal}"))?;
        ensure!(verified.unclaimed().issuer.as_deref() == Some(CLIENT), "a message of somebody else");
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Bare,
    Ours,
}

async fn repeat<F: Future<Output = Result<()>>>(times: u32, one: impl Fn() -> F) -> Result<()> {
    for _ in 0..times {
        one().await?;
    }
    Ok(())
}

async fn take(
    State(last): State<Arc<Last>>,
    headers: HeaderMap,
    body: Bytes,
) -> ([(&'static str, &'static str); 1], &'static str) {
    *last.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((headers, body));
    ([("content-type", CONTENT_TYPE)], "{\"esito\":\"preso in carico\"}")
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
