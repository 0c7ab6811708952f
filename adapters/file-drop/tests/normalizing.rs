//! From a lot as received to canonical records.

use std::sync::Arc;

use canonical::kinds::{IdentificativoOperatore, RuoloRaggruppamento};
use canonical::{Body, Kind, Rule, Severity};
use contract::{DocumentHeader, Normalized, RawRecord, Source};
use file_drop::{FileDrop, Settings};
use serde_json::json;

const LOTTO: &str = "<lotto>
<cig>5044003AF1</cig>
<strutturaProponente><codiceFiscaleProp>00246180590</codiceFiscaleProp><denominazione>Comune di Terracina</denominazione></strutturaProponente>
<oggetto>manutenzione  sw</oggetto>
<sceltaContraente>23-UNA ETICHETTA SBAGLIATA</sceltaContraente>
<partecipanti>
<raggruppamento>
<membro><codiceFiscale>01763870225</codiceFiscale><ragioneSociale>DEDAGROUP</ragioneSociale><ruolo>02-MANDATARIA</ruolo></membro>
<membro><codiceFiscale>rssmra85t10a562s</codiceFiscale><ragioneSociale>ROSSI MARIO</ragioneSociale><ruolo>09-ALTRO</ruolo></membro>
</raggruppamento>
<partecipante><identificativoFiscaleEstero>ATU12345678</identificativoFiscaleEstero><ragioneSociale>Zeta GmbH</ragioneSociale></partecipante>
</partecipanti>
<aggiudicatari><aggiudicatario><codiceFiscale>1763870225</codiceFiscale><ragioneSociale>DEDAGROUP</ragioneSociale></aggiudicatario></aggiudicatari>
<importoAggiudicazione>40188,64</importoAggiudicazione>
<tempiCompletamento><dataInizio>01/02/2013</dataInizio><dataUltimazione>2013-01-31+01:00</dataUltimazione></tempiCompletamento>
<importoSommeLiquidate>40188.65</importoSommeLiquidate>
</lotto>";

fn normalize(text: &str, occurrence: u32) -> Normalized {
    let header = DocumentHeader {
        remote_id: "a.xml".into(),
        digest: String::new(),
        format: "l190".into(),
        version: "1.1".into(),
        as_of: None,
        context: json!({"anno_riferimento": 2013}),
    };
    let raw = RawRecord { document: Arc::new(header), line: 1, occurrence, text: text.to_owned() };
    FileDrop::new(Settings::default()).normalize(&raw)
}

/// Rule, field and detail of each finding.
fn told(normalized: &Normalized) -> Vec<String> {
    let text = |part: Option<&str>| part.unwrap_or("-").to_owned();
    let tell = |finding: &canonical::Finding| {
        let field = finding.field.as_ref().map(canonical::FieldPath::as_str);
        format!("{} {} {}", finding.rule.code(), text(field), text(finding.detail.as_deref()))
    };
    normalized.findings.iter().map(tell).collect()
}

#[test]
fn a_lot_becomes_records_in_the_order_in_which_they_are_stored() {
    let normalized = normalize(LOTTO, 0);
    let kinds: Vec<_> = normalized.records.iter().map(|draft| draft.body.kind()).collect();
    assert_eq!(
        kinds,
        [
            Kind::Ente,
            Kind::OperatoreEconomico,
            Kind::OperatoreEconomico,
            Kind::Lotto,
            Kind::Aggiudicazione,
            Kind::Contratto
        ]
    );
    assert_eq!(normalized.set_aside, None);
}

#[test]
fn a_lot_maps_its_code_by_number_and_keeps_what_it_received() {
    let normalized = normalize(LOTTO, 0);
    let draft = &normalized.records[3];
    let Body::Lotto(lotto) = &draft.body else { panic!("a lot") };
    assert_eq!(lotto.oggetto.as_deref(), Some("manutenzione sw"));
    assert_eq!(lotto.scelta_contraente.as_ref().map(canonical::code_lists::SceltaContraente::as_str), Some("24"));
    assert_eq!((lotto.anno_riferimento, lotto.stazione_appaltante.unwrap().as_str()), (Some(2013), "00246180590"));
    let raw: Vec<_> = draft.raw.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(raw, [("/oggetto", "manutenzione  sw"), ("/scelta_contraente", "23-UNA ETICHETTA SBAGLIATA")]);
}

#[test]
fn an_award_numbers_its_groups_and_keeps_unreadable_texts() {
    let normalized = normalize(LOTTO, 2);
    let draft = &normalized.records[4];
    let Body::Aggiudicazione(aggiudicazione) = &draft.body else { panic!("an award") };
    assert_eq!((aggiudicazione.id_aggiudicazione, aggiudicazione.importo.unwrap().cents()), (3, 4_018_864));
    let groups: Vec<_> =
        aggiudicazione.partecipanti.iter().map(|one| (one.raggruppamento, one.ruolo.clone())).collect();
    assert_eq!(
        groups,
        [
            (Some(1), Some(RuoloRaggruppamento::Mandataria)),
            (Some(1), Some(RuoloRaggruppamento::Altro("09-ALTRO".into()))),
            (None, None)
        ]
    );
    assert_eq!(aggiudicazione.partecipanti[2].operatore, IdentificativoOperatore::Estero("ATU12345678".into()));
    assert_eq!(draft.raw["/importo"], "40188,64");
    assert_eq!(draft.raw["/aggiudicatari/0/operatore"], "1763870225");
    assert_eq!(draft.raw["/partecipanti/1/operatore"], "rssmra85t10a562s");
}

#[test]
fn a_contract_follows_an_award_to_somebody() {
    let normalized = normalize(LOTTO, 0);
    let Body::Contratto(contratto) = &normalized.records[5].body else { panic!("a contract") };
    assert_eq!(contratto.importo, None, "the amount is that of the award");
    assert_eq!(contratto.somme_liquidate.unwrap().cents(), 4_018_865);
    assert_eq!(contratto.data_inizio.unwrap().to_string(), "2013-02-01");
    assert_eq!(contratto.data_fine.unwrap().to_string(), "2013-01-31");
    let without = LOTTO.replace(
        "<codiceFiscale>1763870225</codiceFiscale><ragioneSociale>DEDAGROUP</ragioneSociale></aggiudicatario>",
        "</aggiudicatario>",
    );
    let kinds: Vec<_> = normalize(&without, 0).records.iter().map(|draft| draft.body.kind()).collect();
    assert!(kinds.contains(&Kind::Aggiudicazione) && !kinds.contains(&Kind::Contratto));
}

#[test]
fn what_is_noticed_is_told_in_the_order_of_the_document() {
    assert_eq!(
        told(&normalize(LOTTO, 1)),
        [
            "R06 cig repeated_in_document",
            "N06 oggetto trimmed",
            "N06 partecipanti/2/codiceFiscale trimmed",
            "N05 partecipanti/2/ruolo ruolo",
            "R26 aggiudicatari/1/codiceFiscale zero_padded",
            "R19 aggiudicatari/1/codiceFiscale not_among_participants",
            "N01 importoAggiudicazione decimal_comma",
            "N02 tempiCompletamento/dataInizio date_not_iso",
            "N02 tempiCompletamento/dataUltimazione date_with_zone",
            "R25 tempiCompletamento/dataUltimazione end_before_start",
            "R17 importoSommeLiquidate paid_above_awarded",
        ]
    );
}

#[test]
fn a_finding_never_shows_a_personal_code_or_name() {
    let findings = serde_json::to_string(&normalize(LOTTO, 0).findings).unwrap().to_uppercase();
    assert!(!findings.contains("RSSMRA") && !findings.contains("ROSSI"));
}

#[test]
fn a_personal_code_is_not_shown_wherever_it_stands() {
    for place in [
        "<cig>5044003AF1",
        "<sceltaContraente>23-UNA ETICHETTA SBAGLIATA",
        "<ruolo>09-ALTRO",
        "<importoAggiudicazione>40188,64",
        "<importoSommeLiquidate>40188.65",
        "<dataInizio>01/02/2013",
        "<dataUltimazione>2013-01-31+01:00",
    ] {
        let element = place.split_once('>').unwrap().0;
        for code in ["RSSMRA85T10A562S", "rss mra  85t10\n-a562s", "xRSSMRA85T10A562S"] {
            let normalized = normalize(&LOTTO.replace(place, &format!("{element}>{code}")), 0);
            let told = serde_json::to_string(&normalized.findings).unwrap().to_uppercase();
            let reason = normalized.set_aside.map(|aside| aside.reason.to_uppercase()).unwrap_or_default();
            assert!(!told.contains("A562S") && !reason.contains("A562S"), "{element} {told} {reason}");
        }
    }
    for text in ["<RSSMRA85T10A562S/>", "<lotto><cig>5044003AF1</cig><RSSMRA85T10A562S/></lotto>"] {
        let normalized = normalize(text, 0);
        assert!(!serde_json::to_string(&normalized.findings).unwrap().contains("RSSMRA"));
        assert!(!normalized.set_aside.is_some_and(|aside| aside.reason.contains("RSSMRA")));
    }
}

#[test]
fn what_is_shown_of_a_received_text_is_short() {
    let normalized = normalize(&LOTTO.replace("40188,64", &"x".repeat(10_000)), 0);
    let longest = normalized.findings.iter().filter_map(|finding| finding.received.as_ref()).map(String::len).max();
    assert!(longest.is_some_and(|longest| longest <= 42), "{longest:?}");
}

/// A lot with so many members of a group, of whom nothing is said.
fn crowded(members: usize) -> String {
    let members = "<membro/>".repeat(members);
    LOTTO.replace("<raggruppamento>\n", &format!("<raggruppamento>{members}"))
}

#[test]
fn a_hostile_lot_keeps_few_findings_and_no_record() {
    let text = crowded(440_000);
    let normalized = normalize(&text, 0);
    assert_eq!(normalized.set_aside.as_ref().map(|aside| aside.rule), Some(Rule::N03));
    assert_eq!(normalized.set_aside.unwrap().reason, "the lot has more than 5000 operators");
    assert!(normalized.records.is_empty());
    assert!(normalized.findings.len() < 1_100, "{} findings", normalized.findings.len());
    let last = normalized.findings.iter().rfind(|finding| finding.rule == Rule::N08).unwrap();
    assert_eq!(last.detail.as_deref(), Some("and_more:1319000"));

    let document = format!("<l:pubblicazione xmlns:l='legge190_1_0'><data>{text}</data></l:pubblicazione>");
    let inspection = file_drop::inspect(document.as_bytes(), "a.xml");
    assert_eq!((inspection.refused, inspection.findings[&Rule::N08]), (None, 1_320_000));
}

#[test]
fn a_crowded_lot_is_read_up_to_five_thousand_operators() {
    // The lot has three participants and a winner of its own.
    let normalized = normalize(&crowded(4_996), 0);
    assert_eq!((normalized.set_aside, normalized.records.len()), (None, 6));
    let noticed = normalized.findings.iter().filter(|finding| finding.rule == Rule::N08).count();
    assert_eq!(noticed, 1_001);
    assert!(normalize(&crowded(4_997), 0).set_aside.is_some());
}

#[test]
fn a_lot_without_a_usable_cig_stands_aside() {
    for (cig, rule) in [("0000000000", Rule::R05), ("", Rule::R05), (" ", Rule::R05), ("NOCIG14587", Rule::R04)] {
        let normalized = normalize(&LOTTO.replace("5044003AF1", cig), 0);
        assert_eq!(normalized.set_aside.map(|aside| aside.rule), Some(rule), "{cig:?}");
        assert!(normalized.records.is_empty());
        assert!(normalized.findings.iter().any(|finding| finding.rule == rule));
    }
}

#[test]
fn a_wrong_check_digit_is_an_error_and_not_an_obstacle() {
    let normalized = normalize(&LOTTO.replace("5044003AF1", "5044003AF2"), 0);
    assert_eq!((normalized.set_aside, normalized.records.len()), (None, 6));
    let finding = normalized.findings.iter().find(|finding| finding.rule == Rule::R04).unwrap();
    assert_eq!((finding.severity, finding.received.as_deref()), (Severity::Error, Some("5044003AF2")));
}

#[test]
fn a_masked_person_is_nobody_and_no_error() {
    let normalized = normalize(&LOTTO.replace("rssmra85t10a562s", "****************"), 0);
    assert!(told(&normalized).contains(&"R22 partecipanti/2/codiceFiscale masked".to_owned()));
    let Body::Aggiudicazione(aggiudicazione) = &normalized.records[3].body else { panic!("an award") };
    assert_eq!(aggiudicazione.partecipanti[1].operatore, IdentificativoOperatore::Assente);
}

#[test]
fn an_ambiguous_amount_is_kept_as_text_only() {
    let normalized = normalize(&LOTTO.replace("40188,64", "40.188"), 0);
    let draft = &normalized.records[4];
    let Body::Aggiudicazione(aggiudicazione) = &draft.body else { panic!("an award") };
    assert_eq!((aggiudicazione.importo, draft.raw["/importo"].as_str()), (None, "40.188"));
    assert!(told(&normalized).contains(&"N03 importoAggiudicazione ambiguous_amount".to_owned()));
}

#[test]
fn a_stored_text_that_is_no_lot_stands_aside() {
    for text in ["", "nonsense", "<altro/>", "<lotto>", "<lotto/><lotto/>"] {
        assert_eq!(normalize(text, 0).set_aside.map(|aside| aside.rule), Some(Rule::N03), "{text:?}");
    }
}

#[test]
fn a_lot_that_was_repaired_says_so_when_it_is_read_again() {
    let normalized = normalize("<?raccordo windows-1252 2?><lotto><cig>5044003AF1</cig></lotto>", 0);
    assert!(told(&normalized).contains(&"N06 - windows_1252_bytes".to_owned()));
}

#[test]
fn only_what_stands_in_front_of_a_stored_lot_says_that_it_was_repaired() {
    let inside = "<lotto><?raccordo windows-1252 2?><cig>5044003AF1<?raccordo windows-1252 3?></cig></lotto>";
    assert!(!told(&normalize(inside, 0)).contains(&"N06 - windows_1252_bytes".to_owned()));
    let greedy = "<?raccordo windows-1252 18446744073709551615?><lotto><cig>5044003AF1</cig></lotto>";
    assert!(told(&normalize(greedy, 0)).contains(&"N06 - windows_1252_bytes".to_owned()));
}
