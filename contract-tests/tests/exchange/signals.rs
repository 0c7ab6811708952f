//! Signal Hub: readers of our e-service are told of every change once, whatever the hub answers; and what
//! others tell of theirs is a reason to look there.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use canonical::values::UtcInstant;
use contract_tests::records::cig;
use contract_tests::signal_hub::{Fault, Hub as Double, pem};
use kit::Secret;
use kit::pdnd::signal_hub::pseudonym::PseudonymRule;
use raccordo::clock::{Clock as _, SystemClock};
use raccordo::jobs::signals::{Hub, Running, start};
use raccordo::storage::signals::{Listening, Signalling};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bench::{Bench, FOREIGN, OURS, PERSON, line};

const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
/// Longer than any pause of these tests.
const PATIENCE: Duration = Duration::from_secs(40);

/// A node, and the hub that it speaks with.
struct Scene {
    bench: Bench,
    hub: Double,
    folder: TempDir,
}

impl Scene {
    /// With more of the configuration of the hub; `{hub}` and `{folder}` stand for where they are.
    async fn with(more: &str) -> Self {
        let (hub, folder) = (Double::start().await, TempDir::new().unwrap());
        let key = folder.path().join("api.pem");
        std::fs::write(&key, pem("api")).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "[pdnd.servizi]\nenvironment = \"uat\"\nclient_id = \"{CLIENT}\"\nis_api_client = true\n\
             private_key_file = \"{{folder}}/api.pem\"\ntoken_url = \"http://{{hub}}/token.oauth2\"\n\
             [signal_hub]\nclient = \"servizi\"\nurl = \"http://{{hub}}/1.0\"\n{more}"
        );
        let text = text.replace("{hub}", &hub.address).replace("{folder}", &folder.path().display().to_string());
        let bench = Bench::made(&text, true, "").await;
        Self { bench, hub, folder }
    }

    fn start(&self) -> Running {
        let node = &self.bench.node;
        start(&node.flow, Hub::of(&node.config, &node.flow.systems).expect("a hub"))
    }

    /// How far readers were told. Asked for the first time, they begin at the end of what there is.
    async fn told(&self) -> Signalling {
        self.bench.node.flow.store.signalling("e1").await.expect("where they stand")
    }

    async fn until_told(&self, is_expected: impl Fn(&Signalling) -> bool) -> Signalling {
        let end = Instant::now() + PATIENCE;
        loop {
            let state = self.told().await;
            if is_expected(&state) {
                return state;
            }
            assert!(Instant::now() < end, "{state:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_told_all(&self) -> Signalling {
        let end = self.bench.node.flow.store.feed_end().await.expect("the end");
        self.until_told(|state| state.told == end).await
    }

    async fn until_heard(&self, system: &str, is_expected: impl Fn(&Listening) -> bool) -> Listening {
        let end = Instant::now() + PATIENCE;
        loop {
            let state = self.bench.node.flow.store.listening(Some(system)).await.expect("states").pop();
            if let Some(state) = state.clone().filter(&is_expected) {
                return state;
            }
            assert!(Instant::now() < end, "{state:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn change(&self, numbers: std::ops::RangeInclusive<u32>, body: &str, value: &str) {
        let lots = numbers.map(|number| {
            line("lotto", json!({ "cig": cig(number), "stazione_appaltante": body, "importo_totale": value }))
        });
        self.bench.read(&lots.collect::<Vec<_>>()).await;
    }

    async fn has(&self, number: u32) -> bool {
        self.bench.node.flow.store.is_any_known(&[cig(number).as_str().to_owned()]).await.expect("an answer")
    }
}

fn now() -> UtcInstant {
    SystemClock.now()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_of_every_change_once_and_in_order_whatever_the_hub_answers() {
    let scene = Scene::with("tell = true\n").await;
    scene.bench.fill().await;
    scene.told().await;
    let begin = scene.bench.json("fa-tutto", "/api/v1/changes?limit=500").await["next_cursor"].clone();
    scene.hub.held(|held| {
        let says = |status, code| Fault::Says(status, code);
        let faults = [
            Fault::LosesAnswer,
            says(503, "x"),
            says(429, "10004"),
            Fault::DoesAndSays(504, "x"),
            says(400, "0003"),
            Fault::LosesAnswer,
            Fault::LosesAnswer,
        ];
        // What is tried again after one of them succeeds.
        held.push_faults.extend(faults.into_iter().flat_map(|fault| [fault, Fault::Works]));
    });
    let running = scene.start();
    // Lots that are new, of ours and of others, and a person; then two of ours change.
    scene.change(10..=39, OURS, "1.00").await;
    scene.change(40..=49, FOREIGN, "1.00").await;
    let person = line("operatore_economico", json!({ "codice_fiscale": PERSON, "denominazione": "ALTRO NOME" }));
    scene.bench.read(&[person]).await;
    scene.until_told_all().await;
    scene.change(10..=11, OURS, "2.00").await;
    scene.until_told_all().await;
    running.stop().await;

    // The partner of the platform reads by the names that he was told.
    let begin = begin.as_str().expect("a cursor");
    let page = scene.bench.json("fa-tutto", &format!("/api/v1/changes?limit=500&cursor={begin}")).await;
    let read = |item: &Value| {
        let kind = if item["change"] == "created" { "CREATE" } else { "UPDATE" };
        (item["record_id"].to_string(), item["kind"].as_str().expect("a kind").to_owned(), kind.to_owned())
    };
    let expected: Vec<_> = page["items"].as_array().expect("items").iter().map(read).collect();
    assert_eq!(expected.len(), 32);
    let (signals, pushes, most) = scene.hub.held(|held| {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let told = |it: &Value| (text(&it["objectId"]), text(&it["objectType"]), text(&it["signalType"]));
        let signals: Vec<_> = held.of("e1").into_iter().map(|(_, it)| told(it)).collect();
        (signals, held.pushes.clone(), held.most_in_a_second)
    });
    assert_eq!(signals, expected, "each once, in the order in which they changed");
    let different: BTreeSet<_> = pushes.iter().collect();
    assert_eq!((pushes.len(), different.len()), (32 + 7, 32), "sent again to the byte");
    assert!(most <= 25, "{most} requests in a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_somebody_else_numbers_the_signals_the_change_is_told_under_a_higher_number() {
    let scene = Scene::with("tell = true\n").await;
    scene.told().await;
    // By microseconds, and ours are milliseconds.
    let theirs = now().unix_micros();
    scene.hub.held(|held| held.put("e1", theirs, "UPDATE", "x"));
    let running = scene.start();
    scene.change(10..=10, OURS, "1.00").await;
    scene.until_told(|state| state.failed.as_ref().is_some_and(|(_, code)| code == "number_passed")).await;
    scene.until_told_all().await;
    running.stop().await;
    let numbers: Vec<i64> = scene.hub.held(|held| held.of("e1").into_iter().map(|(number, _)| number).collect());
    assert!(numbers.len() == 2 && numbers[0] == theirs, "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_person_can_mend_is_shown_and_not_asked_for_again_and_again() {
    let scene = Scene::with("tell = true\n").await;
    scene.told().await;
    scene.hub.held(|held| held.push_faults.push_back(Fault::Says(403, "0004")));
    let running = scene.start();
    scene.change(10..=11, OURS, "1.00").await;
    let state = scene.until_told(|state| state.failed.is_some()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    running.stop().await;
    let pending = state.pending.expect("a signal");
    let (failed_at, code) = state.failed.expect("a failure");
    assert_eq!(code, "eservice_not_enabled");
    assert!(pending.due_at.unix_micros() - failed_at.unix_micros() > 3_000 * 1_000_000, "in an hour");
    assert_eq!(scene.hub.held(|held| held.pushes.len()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_ours_only_where_an_answer_may_have_been_lost() {
    let scene = Scene::with("tell = true\n").await;
    scene.told().await;
    // Nobody got it, and then somebody else has that very number; a proxy says yes to everything.
    scene.hub.held(|held| held.push_faults.extend([Fault::Says(503, "x"), Fault::Says(400, "0002"), Fault::SaysYes]));
    let running = scene.start();
    scene.change(10..=10, OURS, "1.00").await;
    scene.until_told(|state| state.failed.as_ref().is_some_and(|(_, code)| code == "not_the_hub")).await;
    running.stop().await;
    let (pushes, held) = scene.hub.held(|held| (held.pushes.clone(), held.of("e1").len()));
    assert_eq!((pushes.len(), held), (3, 0));
    assert!(pushes[0] == pushes[1] && pushes[1] != pushes[2], "told again under a number of our own: {pushes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_makes_the_system_behind_it_be_read() {
    let more = "[signal_hub.listen.ascoltato]\neservice_id = \"e2\"\nevery_seconds = 1\n\
                [systems.ascoltato]\nadapter = \"file-drop\"\nsettings = { folder = \"{folder}/arrivi\" }\n";
    let arriving = |scene: &Scene| scene.folder.path().join("arrivi");
    let scene = Scene::with(more).await;
    std::fs::create_dir_all(arriving(&scene)).unwrap();
    let write = |name: &str, number: u32| {
        let lot = line("lotto", json!({ "cig": cig(number), "stazione_appaltante": OURS }));
        std::fs::write(arriving(&scene).join(name), format!("{lot}\n")).unwrap();
    };
    write("primo.ndjson", 50);
    let running = scene.start();
    scene.until_heard("ascoltato", |state| state.heard_at.is_some()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!scene.has(50).await, "nobody said that something changed");

    scene.hub.held(|held| (1..=250).for_each(|number| held.put("e2", number * 3, "CREATE", "x")));
    let state = scene.until_heard("ascoltato", |state| state.heard == 750 && state.stale_since.is_none()).await;
    assert!(state.failed.is_none() && scene.has(50).await);
    let asked: Vec<i64> = scene.hub.held(|held| held.pulls.clone());
    assert!(asked.windows(3).any(|three| three == [0, 300, 600]), "page after page: {asked:?}");

    write("secondo.ndjson", 51);
    scene.hub.held(|held| {
        held.pull_faults.extend([Fault::Says(500, "x"), Fault::LosesAnswer]);
        held.put("e2", 900, "UPDATE", "x");
    });
    scene.until_heard("ascoltato", |state| state.failed.is_some()).await;
    let state = scene.until_heard("ascoltato", |state| state.heard == 900 && state.stale_since.is_none()).await;
    assert!(state.failed.is_none() && scene.has(51).await);

    // Believed, any of these would make us deaf to all that follows.
    let foreign =
        json!({ "signalId": 901, "objectType": "x", "objectId": "x", "eserviceId": "e9", "signalType": "UPDATE" });
    let before =
        json!({ "signalId": 3, "objectType": "x", "objectId": "x", "eserviceId": "e2", "signalType": "UPDATE" });
    for (status, signals) in [(200, vec![foreign]), (200, vec![before]), (206, vec![])] {
        let page = json!({ "signals": signals, "lastSignalId": i64::MAX });
        scene.hub.held(|held| held.pages.push_back((status, page)));
        scene.until_heard("ascoltato", |state| state.failed.is_some()).await;
        scene.until_heard("ascoltato", |state| state.failed.is_none()).await;
    }
    scene.hub.held(|held| held.pages.push_back((200, json!({ "signals": [], "lastSignalId": i64::MAX }))));
    let heard_at = scene.until_heard("ascoltato", |_| scene.hub.held(|held| held.pages.is_empty())).await.heard_at;
    let state = scene.until_heard("ascoltato", |state| state.heard_at > heard_at).await;
    assert_eq!(state.heard, 900);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_pseudonyms_those_of_our_records_are_a_reason_to_look_under_every_seed() {
    let more = format!(
        "[signal_hub.listen.lontano]\neservice_id = \"e3\"\nevery_seconds = 1\nabout = \"known_records\"\n\
         pseudonyms = {{ seed_url = \"http://{{hub}}/seme\" }}\n\
         [systems.lontano]\nadapter = \"scp-esecuzione\"\n\
         settings = {{ base_url = \"http://127.0.0.1:9/rest\", key_file = \"{{folder}}/api.pem\" }}\n\
         [systems.lontano.pdnd]\nenvironment = \"uat\"\nclient_id = \"{CLIENT}\"\npurpose_id = \"{PURPOSE}\"\n\
         private_key_file = \"{{folder}}/api.pem\"\ntoken_url = \"http://{{hub}}/token.oauth2\"\n"
    );
    let scene = Scene::with(&more).await;
    scene.change(60..=60, OURS, "1.00").await;
    let named = |seed: &str, number: u32| PseudonymRule::default().pseudonym(cig(number).as_str(), &Secret::new(seed));
    scene.hub.held(|held| {
        held.seed.0 = "primo".to_owned();
        held.put("e3", 1, "UPDATE", &named("primo", 61));
        held.put("e3", 2, "UPDATE", cig(60).as_str());
    });
    let running = scene.start();
    let state = scene.until_heard("lontano", |state| state.heard == 2).await;
    assert_eq!(state.stale_since, None, "of others, and a name that is no pseudonym");
    scene.hub.held(|held| held.put("e3", 3, "UPDATE", &named("primo", 60)));
    let state = scene.until_heard("lontano", |state| state.heard == 3).await;
    assert!(state.stale_since.is_some(), "a reason");
    // Where nothing answers there is nothing to see: the reason stays, and the page says so.
    scene.until_heard("lontano", |state| state.not_looked.is_some() && state.stale_since.is_some()).await;
    scene.bench.node.flow.store.looked("lontano", 3).await.unwrap();
    // Names from before the new seed can be told no more: one look for all of them.
    scene.hub.held(|held| {
        held.seed.0 = "secondo".to_owned();
        held.put("e3", 4, "SEEDUPDATE", "-");
    });
    let state = scene.until_heard("lontano", |state| state.heard == 4).await;
    assert!(state.stale_since.is_some(), "a reason");
    scene.bench.node.flow.store.looked("lontano", 4).await.unwrap();
    scene.hub.held(|held| held.put("e3", 5, "UPDATE", &named("primo", 60)));
    assert_eq!(scene.until_heard("lontano", |state| state.heard == 5).await.stale_since, None);
    scene.hub.held(|held| held.put("e3", 6, "DELETE", &named("secondo", 60)));
    assert!(scene.until_heard("lontano", |state| state.heard == 6).await.stale_since.is_some());
    running.stop().await;
    assert_eq!(scene.hub.held(|held| held.seed.1), 2, "asked for once under each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_with_which_nothing_can_be_done_is_not_listened_to() {
    let more = "[signal_hub.listen.programmi]\neservice_id = \"e4\"\n[systems.programmi]\nadapter = \"scp-programmi\"\n\
                settings = { base_url = \"http://127.0.0.1:9/rest\", login_url = \"http://127.0.0.1:9/accesso\", \
                client_id_file = \"{folder}/api.pem\", client_key_file = \"{folder}/api.pem\", \
                username_file = \"{folder}/api.pem\", password_file = \"{folder}/api.pem\" }\n";
    let scene = Scene::with(more).await;
    let node = &scene.bench.node;
    let problem = Hub::of(&node.config, &node.flow.systems).expect_err("neither read nor compared").to_string();
    assert!(
        problem.contains("signal_hub.listen.programmi") && problem.contains("neither read nor compared"),
        "{problem}"
    );
}
