//! A system behind an authorization server: a client that is refused spoils no record, and what cannot
//! work stops the start at its line.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{code, json, raccordo};

/// A server that refuses every client, and keeps the first line of what it was asked.
fn refusing() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&asked);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { continue };
            let mut bytes = [0; 4096];
            let length = connection.read(&mut bytes).unwrap_or(0);
            let line = String::from_utf8_lossy(&bytes[..length]).lines().next().unwrap_or_default().to_owned();
            lines.lock().expect("lines").push(line);
            let body = r#"{"error":"invalid_client","error_description":"parola-segreta"}"#;
            let head = "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let _ = write!(connection, "{head}content-length: {}\r\n\r\n{body}", body.len());
        }
    });
    (address, asked)
}

fn write_secret(path: &Path, mode: u32) {
    std::fs::write(path, "parola-segreta").expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

/// The configuration and its files; `client` stands in place of the client, at line 7.
fn prepare(folder: &Path, address: SocketAddr, client: &str) {
    for name in ["segreto", "chiave"] {
        write_secret(&folder.join(name), 0o600);
    }
    std::fs::create_dir_all(folder.join("in-arrivo")).expect("a folder");
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/samples/esecuzione/storia.ndjson");
    std::fs::copy(story, folder.join("in-arrivo/storia.ndjson")).expect("copied");
    let text = format!(
        "[systems.file-drop]\nsettings = {{ folder = \"in-arrivo\" }}\n[systems.scp-esecuzione]\n\
         settings = {{ base_url = \"http://{address}/v0\", key_file = \"chiave\" }}\n\
         [systems.scp-esecuzione.oauth]\ntoken_url = \"http://{address}/token\"\n{client}\n"
    );
    std::fs::write(folder.join("raccordo.toml"), text).expect("written");
}

const CLIENT: &str = "client_id = \"raccordo\"\nclient_secret_file = \"segreto\"";

#[test]
fn while_the_client_is_refused_the_connection_stops_and_no_record_is_spoilt() {
    let (address, asked) = refusing();
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path(), address, CLIENT);
    let output = raccordo(folder.path(), &["sync", "--json", "--wait", "10"]);
    let (facts, said) = (json(&output), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_ne!(code(&output), 0, "{facts}");
    let asked = asked.lock().expect("lines").clone();
    assert!(!asked.is_empty() && asked.iter().all(|line| line.starts_with("POST /token ")), "{asked:?}");
    let states = facts["deliveries"]["scp-esecuzione"].as_object().cloned().unwrap_or_default();
    assert!(!states.is_empty(), "{facts}");
    let is_to_be_done = |state: &String| ["due", "retry"].contains(&state.as_str());
    assert!(
        states.keys().all(is_to_be_done),
        "what waits for a right secret is neither refused nor set aside: {facts}"
    );
    assert!(!said.contains("parola-segreta") && !facts.to_string().contains("parola-segreta"), "{said}");
}

#[test]
fn what_cannot_work_stops_the_start_at_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    for (client, line, word) in [
        ("client_id = \"raccordo\"".to_owned(), 5, "client_secret_file is missing"),
        (format!("{CLIENT}\nprivate_key_file = \"chiave\""), 9, "take one of them away"),
        (format!("{CLIENT}\nkid = \"k\""), 9, "goes with private_key_file"),
        (format!("{CLIENT}\nscope = \"a  b\""), 9, "one blank"),
        (format!("{CLIENT}\nsegreto = \"x\""), 9, "unknown field `segreto`"),
        ("client_id = \"raccordo\"\nprivate_key_file = \"chiave\"".to_owned(), 8, "PEM"),
    ] {
        prepare(folder.path(), address, &client);
        let output = raccordo(folder.path(), &["sync"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), 3, "{client}: {said}");
        assert!(said.contains(&format!("line {line}")) && said.contains(word), "{client}: {said}");
    }
    prepare(folder.path(), address, CLIENT);
    write_secret(&folder.path().join("segreto"), 0o644);
    let output = raccordo(folder.path(), &["sync"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 3 && said.contains("client_secret_file") && said.contains("line 8"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("raccordo.toml")).expect("read");
    let of_a_folder = text.replace("[systems.scp-esecuzione.oauth]", "[systems.file-drop.oauth]");
    std::fs::write(folder.path().join("raccordo.toml"), of_a_folder).expect("written");
    let output = raccordo(folder.path(), &["sync"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 3 && said.contains("[systems.file-drop.oauth] away"), "{said}");
}
