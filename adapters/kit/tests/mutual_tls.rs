//! Mutual TLS (`ID_AUTH_CHANNEL_02`): an e-service that demands a certificate, and takes those of one
//! authority alone. What it does not take is told as such, and nothing is in doubt that it has not read.

#[path = "certificates/mod.rs"]
mod certificates;
#[allow(dead_code, reason = "each test takes what it needs of the platform")]
#[path = "platform/mod.rs"]
mod platform;
#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use kit::answer::Answer;
use kit::http::{HttpClient, HttpSettings, Method};
use rstest::rstest;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ConnectionTrafficSecrets, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
};
use tokio_rustls::server::TlsStream;
use wiremock::MockServer;

use certificates::{Authority, Certificate, ENDED, GOOD};
use platform::Mode;
use samples::{json, text};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const BODY: &str = "{\"pratica\":1}";

/// Whose certificate opened a connection, and what came over it.
type Seen = Arc<Mutex<Vec<(Vec<u8>, String)>>>;

/// An e-service that shows this certificate and takes those of this authority.
struct Eservice {
    address: SocketAddr,
    seen: Seen,
}

impl Eservice {
    async fn start(
        own: &Certificate,
        taken: &Authority,
        version: &'static SupportedProtocolVersion,
        protocol: &str,
    ) -> Self {
        let config = config(own, taken, version, protocol);
        let (acceptor, seen) = (TlsAcceptor::from(Arc::new(config)), Seen::default());
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&all)));
            }
        });
        Self { address, seen }
    }

    /// One that answers a request, reads another over the same connection, and only then says that we may
    /// not come in. It takes no other connection.
    async fn start_to_think_better_of_it(own: &Certificate, taken: &Authority) -> Self {
        let mut config = config(own, taken, &TLS13, "http/1.1");
        config.enable_secret_extraction = true;
        let (acceptor, seen) = (TlsAcceptor::from(Arc::new(config)), Seen::default());
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut stream = acceptor.accept(stream).await.expect("let in");
            let first = read(&mut stream).await.expect("a request");
            all.lock().expect("what was seen").push(first);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.expect("answered");
            stream.flush().await.expect("answered");
            let second = read(&mut stream).await.expect("another request");
            all.lock().expect("what was seen").push(second);
            let (mut stream, connection) = stream.into_inner();
            stream.write_all(&access_denied(connection)).await.expect("said");
            stream.shutdown().await.expect("ended");
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<(Vec<u8>, String)> {
        self.seen.lock().expect("what was seen").clone()
    }
}

fn config(
    own: &Certificate,
    taken: &Authority,
    version: &'static SupportedProtocolVersion,
    protocol: &str,
) -> ServerConfig {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from(taken.own.der.clone())).expect("an authority");
    let provider = Arc::new(default_provider());
    let demand = WebPkiClientVerifier::builder_with_provider(authorities.into(), Arc::clone(&provider));
    let key = PrivateKeyDer::try_from(own.key.clone()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_client_cert_verifier(demand.build().expect("a demand"))
        .with_single_cert(vec![CertificateDer::from(own.der.clone())], key)
        .expect("a certificate");
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    config
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, seen: Seen) {
    let mut stream = match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => stream,
        // What still arrives is taken off the wire unread, so that what was said reaches the client.
        Err((_, mut refused)) => return drop(tokio::io::copy(&mut refused, &mut tokio::io::sink()).await),
    };
    let Some(request) = read(&mut stream).await else { return };
    seen.lock().expect("what was seen").push(request);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    stream.write_all(answer.as_bytes()).await.expect("answered");
    stream.shutdown().await.expect("ended");
}

/// One request, and whose certificate opened its connection; none where the connection ends before.
async fn read(stream: &mut TlsStream<TcpStream>) -> Option<(Vec<u8>, String)> {
    let shown = stream.get_ref().1.peer_certificates().expect("it was demanded")[0].to_vec();
    let (mut request, mut bytes) = (Vec::new(), [0; 4096]);
    while !request.ends_with(BODY.as_bytes()) {
        match stream.read(&mut bytes).await {
            Ok(count @ 1..) => request.extend_from_slice(&bytes[..count]),
            _ => return None,
        }
    }
    Some((shown, String::from_utf8(request).expect("a text")))
}

/// The alert `access_denied` as the next record of a connection (RFC 8446, 5.2): the library itself says
/// none so late.
fn access_denied(connection: ServerConnection) -> Vec<u8> {
    let (number, secrets) = connection.dangerous_extract_secrets().expect("the secrets").tx;
    let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else { panic!("another cipher was chosen") };
    let iv: &[u8] = iv.as_ref();
    let mut nonce = <[u8; 12]>::try_from(iv).expect("twelve bytes");
    for (byte, of_number) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
        *byte ^= of_number;
    }
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).expect("a key"));
    // It is fatal, its number, and that it is an alert; sealed, with sixteen bytes more.
    let (head, mut sealed): ([u8; 5], Vec<u8>) = ([0x17, 3, 3, 0, 19], vec![2, 49, 0x15]);
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(head), &mut sealed).expect("sealed");
    [head.to_vec(), sealed].concat()
}

fn write(folder: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let file = folder.path().join(name);
    std::fs::write(&file, text).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
    file
}

/// A client of the e-service that trusts this authority and shows this certificate. Its files are in the
/// folder.
fn client(
    folder: &TempDir,
    eservice: &Eservice,
    platform: &MockServer,
    trusted: &Authority,
    shown: Option<&Certificate>,
) -> HttpClient {
    let mut connection = platform::connection(platform);
    let key = json("keys/keys.json");
    connection.private_key_file = write(folder, "chiave.pem", text(&key["keys"]["eservice"], "private_pem_pkcs8"));
    connection.client_certificate_file = shown.map(|shown| write(folder, "tls.pem", &shown.pem_with_key()));
    let settings = HttpSettings {
        ca_file: Some(write(folder, "ca.pem", &trusted.own.pem())),
        pdnd: Some(Box::new(connection)),
        ..HttpSettings::new(format!("https://{}/rest/appalti/v1", eservice.address))
    };
    HttpClient::new("eservice", &settings).expect("a client")
}

async fn post_by(client: &HttpClient) -> Result<Answer, AdapterError> {
    client.exchange(client.request(Method::POST, &["pratiche"], &[]).json_body(BODY)).await
}

/// A request to the e-service by such a client.
async fn post(
    eservice: &Eservice,
    platform: &MockServer,
    trusted: &Authority,
    shown: Option<&Certificate>,
) -> Result<Answer, AdapterError> {
    let folder = TempDir::new().expect("a folder");
    post_by(&client(&folder, eservice, platform, trusted, shown)).await
}

/// All that an error tells, whoever prints it.
fn told(error: &AdapterError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(format!("{error} {error:?}"), |told, cause| format!("{told} {cause}"))
}

#[rstest]
#[tokio::test]
async fn an_e_service_that_demands_a_certificate_sees_ours(
    #[values(&TLS12, &TLS13)] version: &'static SupportedProtocolVersion,
) {
    let (platform, _) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let authority = Authority::new("Autorità della prova");
    let server = authority.issue("erogatore", HERE, GOOD);
    let ours = authority.issue("fruitore", HERE, GOOD);
    let eservice = Eservice::start(&server, &authority, version, "http/1.1").await;
    let answer = post(&eservice, &platform, &authority, Some(&ours)).await.expect("an answer");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
    let seen = eservice.seen();
    let [(shown, request)] = &seen[..] else { panic!("one request, and not {}", seen.len()) };
    assert_eq!(*shown, ours.der);
    assert!(request.starts_with("POST /rest/appalti/v1/pratiche ") && request.contains("Bearer eyJ"), "{request}");
}

/// What a client shows that is not let in.
#[derive(Clone, Copy)]
enum Shown {
    Nothing,
    /// A certificate of another authority, of this name.
    OfAnother(&'static str),
    Ended,
}

#[rstest]
#[case::none(Shown::Nothing, "certificate_required")]
#[case::of_an_authority_that_it_does_not_know(Shown::OfAnother("Autorità di altri"), "unknown_ca")]
#[case::of_an_authority_that_only_has_the_name(Shown::OfAnother("Autorità della prova"), "decrypt_error")]
#[case::one_that_has_ended(Shown::Ended, "certificate_expired")]
#[tokio::test]
async fn a_certificate_that_is_not_taken_is_for_the_configuration_and_leaves_nothing_in_doubt(
    #[case] shown: Shown,
    #[case] code: &str,
    #[values((&TLS12, "http/1.1"), (&TLS13, "http/1.1"), (&TLS13, "h2"))] by: (&'static SupportedProtocolVersion, &str),
) {
    let (platform, _) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let authority = Authority::new("Autorità della prova");
    let shown = match shown {
        Shown::Nothing => None,
        Shown::OfAnother(name) => Some(Authority::new(name).issue("fruitore", HERE, GOOD)),
        Shown::Ended => Some(authority.issue("fruitore", HERE, ENDED)),
    };
    let server = authority.issue("erogatore", HERE, GOOD);
    let eservice = Eservice::start(&server, &authority, by.0, by.1).await;
    let error = post(&eservice, &platform, &authority, shown.as_ref()).await.expect_err("refused");
    assert_eq!((error.kind, error.phase), (ErrorKind::Authentication, Phase::Refused), "{error:?}");
    assert_eq!((error.advice, error.remote_code.as_deref()), (Advice::FixConfiguration, Some(code)));
    assert!(eservice.seen().is_empty(), "it never read the request");
    let told = told(&error);
    let secret = |der: &[u8]| STANDARD.encode(der).chars().take(40).collect::<String>();
    for part in shown.iter().flat_map(|shown| [secret(&shown.der), secret(&shown.key)]) {
        assert!(!told.contains(&part), "{told}");
    }
    assert!(["BEGIN", "eyJ", "fruitore"].iter().all(|word| !told.contains(word)), "{told}");
}

#[tokio::test]
async fn an_alert_over_a_connection_that_has_answered_leaves_the_request_in_doubt() {
    let (platform, _) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let authority = Authority::new("Autorità della prova");
    let server = authority.issue("erogatore", HERE, GOOD);
    let ours = authority.issue("fruitore", HERE, GOOD);
    let eservice = Eservice::start_to_think_better_of_it(&server, &authority).await;
    let folder = TempDir::new().expect("a folder");
    let client = client(&folder, &eservice, &platform, &authority, Some(&ours));
    assert_eq!(post_by(&client).await.expect("an answer").status, 200);
    let error = post_by(&client.clone()).await.expect_err("refused");
    assert_eq!((error.kind, error.phase), (ErrorKind::Authentication, Phase::Unknown), "{error:?}");
    assert_eq!((error.advice, error.remote_code.as_deref()), (Advice::FixConfiguration, Some("access_denied")));
    assert_eq!(eservice.seen().len(), 2, "it read the request before it said so");
}

#[rstest]
#[case::of_another_authority("Autorità di altri", HERE, GOOD)]
#[case::for_another_address("Autorità della prova", Ipv4Addr::new(127, 0, 0, 2), GOOD)]
#[case::one_that_has_ended("Autorità della prova", HERE, ENDED)]
#[tokio::test]
async fn an_e_service_whose_certificate_is_wrong_is_not_spoken_with(
    #[case] name: &'static str,
    #[case] address: Ipv4Addr,
    #[case] until: &str,
) {
    let (platform, _) = platform::start(Mode::Gives { expires_in: 600 }).await;
    let (trusted, of_server) = (Authority::new("Autorità della prova"), Authority::new(name));
    let signer = if name == "Autorità della prova" { &trusted } else { &of_server };
    let server = signer.issue("erogatore", address, until);
    let ours = trusted.issue("fruitore", HERE, GOOD);
    let eservice = Eservice::start(&server, &trusted, &TLS13, "http/1.1").await;
    let error = post(&eservice, &platform, &trusted, Some(&ours)).await.expect_err("not spoken with");
    assert_eq!((error.kind, error.phase), (ErrorKind::Unreachable, Phase::BeforeSending), "{error:?}");
    assert!(eservice.seen().is_empty() && told(&error).contains("certificate"), "{error:?}");
}
