//! A daemon that is killed while a partner has the message and nobody has noted it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::limits::Daemon;
use super::{code, json, raccordo, samples};

const FILE: &str = "sito-2022-200lotti.xml";

/// A request of a daemon, read to its end and not answered: its name, and its body.
fn next(listener: &TcpListener) -> (TcpStream, String, String) {
    let (connection, _) = listener.accept().expect("a connection");
    let mut reader = BufReader::new(connection.try_clone().expect("two ends"));
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("webhook-id:") {
            value.trim().clone_into(&mut id);
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (connection, id, String::from_utf8(body).expect("text"))
}

fn configure(folder: &Path, port: u16) {
    let arriving = folder.join("in-arrivo");
    std::fs::create_dir(&arriving).expect("a folder");
    std::fs::copy(samples().join(FILE), arriving.join(FILE)).expect("copied");
    let secret = folder.join("segreto");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("written");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("set");
    let text = format!(
        "[systems.file-drop]\nsettings = {{ folder = \"in-arrivo\" }}\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [exchange.partners.osservatorio]\nclient_id = \"c\"\nroles = [\"read\"]\neverything = true\n\
         webhook = {{ url = \"http://127.0.0.1:{port}/\", secret_file = \"segreto\", allow_private = true }}\n"
    );
    std::fs::write(folder.join("raccordo.toml"), text).expect("written");
}

#[test]
fn a_kill_between_sending_and_noting_brings_the_same_message_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    configure(folder, listener.local_addr().expect("an address").port());
    let daemon = Daemon::start(folder, None);
    let (connection, id, body) = next(&listener);
    // Dropped, it is killed as by the machine: nothing is noted any more.
    drop(daemon);
    drop(connection);
    let list = raccordo(folder, &["webhooks", "list", "--json"]);
    assert_eq!(json(&list)["message"]["id"], id.as_str());

    let daemon = Daemon::start(folder, None);
    let (mut connection, again, same) = next(&listener);
    assert_eq!((&again, &same), (&id, &body));
    connection.write_all(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("an answer");
    drop(connection);
    daemon.until("/", |page| page.contains("Avvisi ai partner") && page.contains("(410)"));
    daemon.stop();

    let list = raccordo(folder, &["webhooks", "list", "--json"]);
    assert_eq!(json(&list)["stopped_why"], "gone");
    let resume = ["webhooks", "resume", "osservatorio", "--reason", "indirizzo corretto", "--by", "anna"];
    assert_eq!(code(&raccordo(folder, &resume)), 0);
    assert_eq!(code(&raccordo(folder, &resume)), 1, "nobody is stopped any more");
    assert_eq!(code(&raccordo(folder, &["audit", "verify"])), 0);

    let daemon = Daemon::start(folder, None);
    let (mut connection, again, same) = next(&listener);
    assert_eq!((&again, &same), (&id, &body), "the message that was not taken");
    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("an answer");
    drop(connection);
    daemon.until("/", |page| page.contains("In pari"));
    daemon.stop();
}

#[test]
fn without_the_secret_of_a_partner_nothing_starts_and_the_setting_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    configure(folder, 9);
    std::fs::set_permissions(folder.join("segreto"), std::fs::Permissions::from_mode(0o644)).expect("set");
    let serve = raccordo(folder, &["serve"]);
    let told = String::from_utf8_lossy(&serve.stderr);
    assert_eq!(code(&serve), 3, "{told}");
    assert!(told.contains("osservatorio.webhook") && told.contains("0600") && !told.contains("whsec_M"), "{told}");
}
