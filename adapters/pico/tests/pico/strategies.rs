//! Any members of a unit of each dataset, and of the sheets: every field that Pi.Co. takes, absent
//! and present, with the edges of amounts, days, instants, codes and texts.

use canonical::values::Importo;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::ENTE;

/// Which table the members are for, and their canonical documents.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    pub(crate) dataset: &'static str,
    pub(crate) documents: Vec<Value>,
}

/// Members of any unit.
pub(crate) fn members() -> impl Strategy<Value = Members> {
    let of = |dataset, documents: BoxedStrategy<Vec<Value>>| {
        documents.prop_map(move |documents| Members { dataset, documents }).boxed()
    };
    prop_oneof![
        of("appalti", appalti()),
        of("gare", vec(procedura(), 1..4).boxed()),
        of("progetti-pnrr-pnc", progetti(vec![json!("pnrr"), json!("pnc")])),
        of("progetti-europei", progetti(vec![json!("fondi_europei")])),
        of("programmazione", programmazione()),
        of("qualificazione", vec(qualificazione(), 1..4).boxed()),
        of("servizi-associati", vec(servizio(), 1..4).boxed()),
        of("personale", rilevazioni("personale")),
        of("formazione", rilevazioni("formazione")),
        of("piao", rilevazioni("piao")),
        of("rilevazioni-gare", rilevazioni("gare")),
        of("rilevazioni-progetti-europei", rilevazioni("progetti_europei")),
        of("risorse", vec(risorsa(), 1..=1).boxed()),
        of("segnalazioni", vec(segnalazione(), 1..=1).boxed()),
    ]
}

fn document(kind: &str, body: &Value) -> Value {
    json!({ "kind": kind, "body": body })
}

fn text() -> impl Strategy<Value = String> {
    let awkward = [
        "",
        " ",
        "-",
        "null",
        "1.00",
        "2026-01-01",
        "=1+1",
        "'=1+1",
        "+39",
        "@x",
        " -strada",
        "\"x\";,",
        "\\n",
        "riga\r\ne riga",
        "\t\u{0}\u{7f}",
        "\u{feff}x",
        "\u{2028}",
        "a\u{300} \u{1f600}",
        "{\"a\": [1]}",
    ];
    prop_oneof![2 => select(awkward.map(str::to_owned).to_vec()), 3 => "[a-zA-Zàè0-9 .,'/-]{1,30}"]
}

/// A text that says something.
fn words() -> impl Strategy<Value = String> {
    text().prop_filter("a text that says nothing", |text| !text.is_empty())
}

/// An identifier with what an address stumbles over.
fn identifier() -> impl Strategy<Value = String> {
    let awkward = ["a/b", "a//b/", "..x", "a b", "a%2Fb?x=1&y#z", "+1", "a\\b", "é:80", "~", ";v=1", "%", "A"];
    prop_oneof![1 => select(awkward.map(str::to_owned).to_vec()), 1 => "[a-zA-Z0-9-]{1,12}"]
}

fn amount() -> impl Strategy<Value = Value> {
    let edges = select(vec![0, 1, -1, 99, 100, 1_000_000_000_000_000, -1_000_000_000_000_000]);
    prop_oneof![1 => edges, 2 => 0..10_000_000_000_i64].prop_map(|cents| json!(Importo::from_cents(cents)))
}

fn day() -> impl Strategy<Value = String> {
    let edges = ["1900-01-01", "2200-12-31", "2024-02-29"].map(str::to_owned).to_vec();
    let any_day = (1900..2200_u16, 1..=12_u8, 1..=28_u8).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    prop_oneof![1 => select(edges), 3 => any_day]
}

fn instant() -> impl Strategy<Value = String> {
    let edges = ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-03-29T01:00:00.000001Z"];
    let any_instant = (day(), 0..24_u8, 0..60_u8).prop_map(|(day, h, m)| format!("{day}T{h:02}:{m:02}:00Z"));
    prop_oneof![1 => select(edges.map(str::to_owned).to_vec()), 2 => any_instant]
}

fn cig() -> impl Strategy<Value = String> {
    "[A-U][0-9A-F]{9}|[1-9][0-9]{6}[0-9A-F]{3}|[XYZ][0-9A-F]{9}"
}

fn cup() -> impl Strategy<Value = String> {
    "[A-Z][0-9]{2}[A-Z][0-9]{11}"
}

fn cpv() -> impl Strategy<Value = String> {
    "[0-9]{8}(-[0-9])?"
}

fn scelta() -> impl Strategy<Value = String> {
    prop_oneof!["[1-9]|[1-3][0-9]|121|122", "[0-9A-Za-z-]{1,10}"]
}

fn ente() -> impl Strategy<Value = String> {
    "[0-9]{10}[1-9]"
}

fn appalti() -> BoxedStrategy<Vec<Value>> {
    vec(cig().prop_flat_map(of_cig), 1..3).prop_map(|all| all.concat()).boxed()
}

/// What may be known of one CIG: the lot, its awards, their contracts, their events.
fn of_cig(cig: String) -> impl Strategy<Value = Vec<Value>> {
    let stato = prop_oneof![
        4 => Just(json!({ "stato": "attivo" })),
        1 => of(text()).prop_map(|motivo| json!({ "stato": "cancellato", "motivo": motivo })),
        1 => self::cig().prop_map(|da| json!({ "stato": "sostituito", "da": da })),
    ];
    let codes = (vec(cup(), 0..3), of(cpv()), of(scelta()));
    let lotto = (of(text()), codes, of(amount()), of(amount()), of(amount()), stato);
    let awarded = (of(amount()), of(day()), any::<bool>());
    let signed = (of(text()), of(day()), of(amount()));
    let happened = select(vec!["avvio", "sospensione", "conclusione", "collaudo"]);
    let all = (of(lotto), vec(awarded, 0..3), vec(signed, 0..3), vec(happened, 0..2));
    all.prop_filter_map("nobody speaks of the CIG", move |(lotto, awards, contratti, eventi)| {
        let ours = |mut body: Value| {
            body["cig"] = json!(cig);
            body["stazione_appaltante"] = json!(ENTE);
            body["anno_riferimento"] = json!(2025);
            body
        };
        let lotto = lotto.map(|(oggetto, (cup, cpv, scelta), totale, netto, oneri, stato)| {
            document(
                "lotto",
                &ours(json!({ "oggetto": oggetto, "cup": cup, "cpv": cpv, "scelta_contraente": scelta,
                "importo_totale": totale, "importo_netto": netto, "oneri_sicurezza": oneri, "stato_cig": stato })),
            )
        });
        let awards = (1..).zip(awards).map(|(n, (importo, data, has_winner))| {
            let winner = json!([{ "operatore": { "tipo": "codice_fiscale", "valore": "03456120983" } }]);
            document(
                "aggiudicazione",
                &ours(json!({ "id_aggiudicazione": n, "importo": importo, "data": data,
                "aggiudicatari": if has_winner { winner } else { json!([]) } })),
            )
        });
        let contratti = (1..).zip(contratti).map(|(n, (piattaforma, stipula, importo))| {
            document(
                "contratto",
                &ours(json!({ "id_aggiudicazione": n, "piattaforma_esecuzione": piattaforma,
                "data_stipula": stipula, "importo": importo })),
            )
        });
        let eventi = (1..).zip(eventi).map(|(n, evento)| {
            document(
                "evento_esecuzione",
                &ours(json!({ "id_aggiudicazione": 1, "progressivo": n,
                "stato": "confermato", "dettaglio": { "evento": evento } })),
            )
        });
        let all: Vec<Value> = lotto.into_iter().chain(awards).chain(contratti).chain(eventi).collect();
        (!all.is_empty()).then_some(all)
    })
}

/// A procedure published in 2025, at an hour whose Italian day is known whatever the season.
fn procedura() -> impl Strategy<Value = Value> {
    let published = (1..=12_u8, 1..=28_u8, select(vec![0, 5, 12, 20]))
        .prop_map(|(month, day, hour)| format!("2025-{month:02}-{day:02}T{hour:02}:59:59Z"));
    let late = Just("2024-12-31T23:00:00Z".to_owned());
    let codes = (of(ente()), of(scelta()), vec(cig(), 0..4));
    let all = (identifier(), of(text()), codes, of(amount()), prop_oneof![9 => published, 1 => late], of(instant()));
    all.prop_map(|(id, oggetto, (delegante, scelta, lotti), importo, pubblicata_il, scadenza)| {
        document(
            "procedura",
            &json!({ "id": format!("x/{id}"), "oggetto": oggetto, "stazione_appaltante": ENTE,
            "ente_delegante": delegante, "scelta_contraente": scelta, "lotti": lotti, "importo": importo,
            "pubblicata_il": pubblicata_il, "scadenza_offerte": scadenza }),
        )
    })
}

/// Projects of some plans, with their links or without, and links without a project.
fn progetti(of_dataset: Vec<Value>) -> BoxedStrategy<Vec<Value>> {
    let piani = move || {
        let more = vec(prop_oneof![Just(json!("fondi_europei")), text().prop_map(|it| json!({ "altro": it }))], 0..3);
        (select(of_dataset.clone()), more).prop_map(|(first, mut more)| {
            more.push(first);
            more
        })
    };
    let texts = (of(text()), of(text()), of(text()), of(text()));
    let progetto = (texts, piani(), of(amount()));
    let reference = prop_oneof![
        3 => (cig().prop_map(Some), of(words())),
        1 => (Just(None), words().prop_map(Some)),
    ];
    let link_texts = (of(text()), of(text()), of(text()), of(text()));
    let link = (reference, link_texts, piani(), of(amount()), of(amount()), of(amount()));
    let all = (cup(), of(progetto), vec(link, 0..3));
    let of_cup = all.prop_filter_map("nobody speaks of the CUP", |(cup, progetto, links)| {
        let progetto = progetto.map(|((titolo, programma, misura, fase), piani, finanziamento)| {
            document(
                "progetto",
                &json!({ "cup": cup, "ente": ENTE, "titolo": titolo, "programma": programma,
                "misura": misura, "fase_descrizione": fase, "piani": piani, "finanziamento": finanziamento }),
            )
        });
        let links = links.into_iter().map(|((cig, id), (motivo, programma, misura, fase), piani, a, b, c)| {
            document(
                "collegamento_cup_cig",
                &json!({ "cup": cup, "cig": cig, "id_procedura": id, "ente": ENTE,
                "motivo_assenza_cig": motivo, "programma": programma, "misura": misura, "fase": fase,
                "piani": piani, "finanziamento": a, "importo_aggiudicazione": b, "importo_avanzamento": c }),
            )
        });
        let all: Vec<Value> = progetto.into_iter().chain(links).collect();
        (!all.is_empty()).then_some(all)
    });
    vec(of_cup, 1..3).prop_map(|all| all.concat()).boxed()
}

fn programmazione() -> BoxedStrategy<Vec<Value>> {
    let programma = (select(vec!["lavori", "forniture_servizi"]), text(), of(day()));
    let risorse = vec((select(vec!["mutuo", "bilancio", "altro"]), amount()), 0..3);
    let codes = ("[LFSI][0-9]{19,23}[1-9]", of(cup()), of(cpv()));
    let tipo = select(vec!["lavori", "forniture", "servizi"]);
    let item = (tipo, text(), any::<u16>(), codes, of(text()), risorse, of(amount()), any::<bool>());
    let all = (select(vec!["LP", "FS"]), "[0-9]{3}", of(programma), vec(item, 0..4));
    let of_programme = all.prop_filter_map("nobody speaks of the programme", |(letters, n, programma, items)| {
        let id = format!("{letters}{ENTE}2026{n}");
        let programma = programma.map(|(tipo, descrizione, approvato)| {
            document(
                "programma",
                &json!({ "id": id, "tipo": tipo, "ente": ENTE, "anno": 2026,
                "descrizione": descrizione, "approvazione": { "data": approvato } }),
            )
        });
        let items =
            items.into_iter().map(|(tipo, descrizione, anno, (cui, cup, cpv), priorita, risorse, totale, primo)| {
                let row = |(fonte, importo)| json!({ "fonte": fonte, "annualita": "prima", "importo": importo });
                document(
                    "intervento",
                    &json!({ "cui": cui, "id_programma": id, "ente": ENTE, "tipo": tipo,
                "descrizione": descrizione, "anno": anno, "cup": cup, "cpv": cpv, "priorita": priorita,
                "risorse": risorse.into_iter().map(row).collect::<Vec<_>>(), "importo_totale": totale,
                "elenco_annuale": primo }),
                )
            });
        let all: Vec<Value> = programma.into_iter().chain(items).collect();
        (!all.is_empty()).then_some(all)
    });
    of_programme.boxed()
}

fn qualificazione() -> impl Strategy<Value = Value> {
    let livello = select(vec!["L1", "L2", "L3", "SF1", "SF2", "SF3"]);
    let fase = select(vec!["affidamento", "esecuzione"]);
    (of("[0-9]{9}[1-9]"), fase, livello, day(), of(day())).prop_map(|(ausa, fase, livello, dal, al)| {
        document(
            "qualificazione",
            &json!({ "ente": ENTE, "codice_ausa": ausa, "fase": fase, "livello": livello,
            "valida_dal": dal, "valida_al": al }),
        )
    })
}

fn servizio() -> impl Strategy<Value = Value> {
    let tipo = select(vec!["sua", "sit", "sape"]);
    (ente(), tipo, of(words()), of(day()), of(day())).prop_map(|(fruitore, tipo, servizio, dal, al)| {
        document(
            "servizio_associato",
            &json!({ "ente_erogatore": ENTE, "ente_fruitore": fruitore, "tipo": tipo,
            "servizio": servizio, "valido_dal": dal, "valido_al": al }),
        )
    })
}

fn rilevazioni(tema: &'static str) -> BoxedStrategy<Vec<Value>> {
    let periodo = prop_oneof![Just(String::new()), "-S[12]|-Q[1-4]|-0[1-9]|-1[0-2]"];
    let code = || "[a-z0-9_.-]{1,12}";
    let valore = prop_oneof![Just(0), Just(u64::MAX), 0..100_000_u64];
    let one = (periodo, code(), of(code()), valore).prop_map(move |(parte, indicatore, dimensione, valore)| {
        document(
            "rilevazione",
            &json!({ "ente": ENTE, "tema": tema, "periodo": format!("2026{parte}"),
            "indicatore": indicatore, "dimensione": dimensione, "valore": valore }),
        )
    });
    vec(one, 1..4).boxed()
}

fn risorsa() -> impl Strategy<Value = Value> {
    let tipo = select(vec!["linea_guida", "modulo", "strumento", "corso", "notizia"]);
    let texts = (words(), of(text()), of(text()), of(text()));
    let all = (select(vec!["hub", "x y"]), identifier(), tipo, texts, of(day()), of(day()), prop::bool::weighted(0.2));
    all.prop_map(|(origine, id, tipo, (titolo, descrizione, url, tema), dal, al, ritirata)| {
        document(
            "risorsa",
            &json!({ "origine": origine, "id": id, "tipo": tipo, "titolo": titolo,
            "descrizione": descrizione, "url": url, "tema": tema, "data_pubblicazione": dal, "data_scadenza": al,
            "ritirata": ritirata }),
        )
    })
}

fn segnalazione() -> impl Strategy<Value = Value> {
    let kinds = canonical::Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>();
    let rules = canonical::Rule::ALL.iter().map(|rule| rule.code()).collect::<Vec<_>>();
    let all = (identifier(), ente(), select(kinds), words(), select(rules), of(text()), text(), instant());
    all.prop_map(|(id, ente, tipo, chiave, regola, campo, descrizione, aperta_il)| {
        document(
            "segnalazione",
            &json!({ "id": id, "ente": ente, "tipo_record": tipo, "chiave_record": chiave,
            "regola": regola, "campo": campo, "descrizione": descrizione, "aperta_il": aperta_il, "stato": "aperta" }),
        )
    })
}
