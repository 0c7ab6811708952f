//! A daemon that is killed while Signal Hub has a signal and nobody has noted it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::limits::Daemon;
use super::signal_hub::{Fault, Hub, pem};
use super::{code, json, raccordo, samples};

const FILE: &str = "sito-2022-200lotti.xml";
const SERVICE: &str = "b8c6d7ad-93fc-4eaf-9018-3cd8bf98163f";
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";

fn configure(folder: &Path, hub: &str) {
    std::fs::create_dir(folder.join("in-arrivo")).expect("a folder");
    std::fs::write(folder.join("api.pem"), pem("api")).expect("written");
    std::fs::set_permissions(folder.join("api.pem"), std::fs::Permissions::from_mode(0o600)).expect("set");
    let text = format!(
        "[systems.file-drop]\nsettings = {{ folder = \"in-arrivo\" }}\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [exchange.pdnd]\nissuer = \"uat.interop.pagopa.it\"\nkeys_url = \"http://{hub}/chiavi\"\naudience = \"a\"\n\
         eservice_id = \"{SERVICE}\"\nproducer_id = \"p\"\ndescriptor_ids = [\"d\"]\n\
         [exchange.partners.regione]\nconsumer_id = \"c\"\nroles = [\"read\"]\neverything = true\n\
         [pdnd.servizi]\nenvironment = \"uat\"\nclient_id = \"{CLIENT}\"\nis_api_client = true\n\
         private_key_file = \"api.pem\"\ntoken_url = \"http://{hub}/token.oauth2\"\n\
         [signal_hub]\nclient = \"servizi\"\nurl = \"http://{hub}/1.0\"\ntell = true\nrequests_per_second = 25\n"
    );
    std::fs::write(folder.join("raccordo.toml"), text).expect("written");
}

fn until(runtime: &Runtime, what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
    }
}

#[test]
fn kills_between_sending_and_noting_lose_no_signal_and_double_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let hub = runtime.block_on(Hub::start());
    configure(folder, &hub.address);
    let none = raccordo(folder, &["signals"]);
    assert!(code(&none) == 0 && String::from_utf8_lossy(&none.stderr).contains("Nessun segnale"));
    // Readers begin at the end of what there is: nothing yet.
    let daemon = Daemon::start(folder, None);
    daemon.until("/", |page| page.contains("Segnali (Signal Hub)") && page.contains("Nulla da segnalare"));
    daemon.stop();
    std::fs::copy(samples().join(FILE), folder.join("in-arrivo").join(FILE)).expect("copied");

    // The hub has the signal of this moment, and whoever sent it dies before he knows: each time after some
    // more that went well.
    for killed in 1..=5 {
        let faults = std::iter::repeat_n(Fault::Works, killed * 4).chain([Fault::NeverAnswers]);
        hub.held(|held| held.push_faults.extend(faults));
        let pushed = hub.held(|held| held.pushes.len());
        let daemon = Daemon::start(folder, None);
        until(&runtime, "a signal that is never answered", || hub.held(|held| held.push_faults.is_empty()));
        // Dropped, it is killed as by the machine.
        drop(daemon);
        let state = json(&raccordo(folder, &["signals", "--json"]));
        assert_eq!(state["pending"]["number"], last(&hub)["signalId"], "kill {killed}");
        assert!(hub.held(|held| held.pushes.len()) > pushed + killed * 4);
    }
    let daemon = Daemon::start(folder, None);
    let all = || json_of(&hub).len();
    daemon.until("/", |page| page.contains("In pari: ultimo segnale preso"));
    until(&runtime, "everything is read and told", || {
        let before = all();
        runtime.block_on(async { tokio::time::sleep(Duration::from_secs(3)).await });
        before > 0 && before == all()
    });
    daemon.stop();
    let state = json(&raccordo(folder, &["signals", "--json"]));
    assert!(state["pending"].is_null() && state["failed_code"].is_null(), "{state}");
    let objects: Vec<String> = json_of(&hub).iter().map(|signal| signal["objectId"].to_string()).collect();
    let different: std::collections::BTreeSet<_> = objects.iter().collect();
    assert_eq!(objects.len(), different.len(), "each record is new once");
    assert_eq!(state["until"], objects.len(), "all of them");
    assert_eq!(code(&raccordo(folder, &["audit", "verify"])), 0);
}

fn json_of(hub: &Hub) -> Vec<Value> {
    hub.held(|held| held.of(SERVICE).into_iter().map(|(_, signal)| signal.clone()).collect())
}

fn last(hub: &Hub) -> Value {
    json_of(hub).pop().expect("a signal")
}
