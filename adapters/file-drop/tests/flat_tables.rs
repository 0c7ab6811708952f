//! The flat tables of Legge 190/2012, read by the mapping that is shipped: against the counts that an
//! independent program made of them, and against the XML datasets of the same lots.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use canonical::identifiers::{CigClass, CodiceFiscale};
use canonical::kinds::{Aggiudicazione, IdentificativoOperatore, Partecipazione};
use canonical::values::text::has_html_entity;
use canonical::values::{CalendarDate, Importo, Note};
use canonical::{Body, FieldPath, Finding, Rule};
use contract::{Normalized, RawRecord, ReadRequest, Received, Source};
use file_drop::{FileDrop, PadFile, PadFileSettings, Settings};
use rstest::rstest;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

/// A CIG that is one, for the lots that have none.
const SOME_CIG: &str = "5044003AF1";

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn samples() -> PathBuf {
    manifest("../../schemas/samples/l190")
}

fn pad_file(mappings: PathBuf) -> PadFile {
    PadFile::new(PadFileSettings { mappings: Some(mappings), ..PadFileSettings::default() }).expect("good mappings")
}

fn read(source: impl Source + 'static, path: PathBuf) -> Vec<RawRecord> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (sink, mut received) = mpsc::channel(8);
        let request = ReadRequest { files: Some(vec![path]), cursor: None };
        let reading = tokio::spawn(async move { source.read(request, sink).await });
        let mut records = Vec::new();
        while let Some(received) = received.recv().await {
            match received {
                Received::Record(record) => records.push(record),
                Received::Refused { refusal, .. } => panic!("{refusal:?}"),
                Received::Begin(_) | Received::End | Received::Cursor(_) => {}
            }
        }
        reading.await.expect("the reading does not panic").expect("the file is read");
        records
    })
}

/// What a lot says, whatever the order of its operators. These have their names in the two lists.
fn comparable(source: &impl Source, raw: &RawRecord) -> (Vec<Value>, Option<Rule>) {
    let normalized = source.normalize(raw);
    let body = |body: &Body| match body {
        Body::Aggiudicazione(aggiudicazione) => {
            let mut aggiudicazione: Aggiudicazione = aggiudicazione.clone();
            for list in [&mut aggiudicazione.aggiudicatari, &mut aggiudicazione.partecipanti] {
                list.sort_by(|one, other| one.operatore.cmp(&other.operatore));
            }
            Some(json!(Body::from(aggiudicazione)))
        }
        Body::OperatoreEconomico(_) => None,
        other => Some(json!(other)),
    };
    let records = normalized.records.iter().filter_map(|record| body(&record.body)).collect();
    (records, normalized.set_aside.map(|set_aside| set_aside.rule))
}

#[rstest]
#[case("messina")]
#[case("monza")]
fn a_flat_table_gives_the_same_lots_as_the_dataset_in_xml(#[case] city: &str) {
    let (file_drop, shipped) = (FileDrop::new(Settings::default()), pad_file(manifest("mappings")));
    let from_xml = read(FileDrop::new(Settings::default()), samples().join(format!("ricostruito-2020-{city}.xml")));
    let from_table = read(shipped.clone(), samples().join(format!("csv-2020/{city}.csv")));
    assert_eq!(from_xml.len(), from_table.len());
    for (xml, table) in from_xml.iter().zip(&from_table) {
        assert_eq!(comparable(&file_drop, xml), comparable(&shipped, table), "line {}", table.line);
    }
}

/// Every count is compared, and those of which nothing is expected must not be there.
#[rstest]
#[case("ancona")]
#[case("messina")]
#[case("monza")]
#[case("palermo")]
#[case("perugia")]
#[case("rimini")]
fn every_flat_table_holds_what_is_expected_of_it(#[case] city: &str) {
    let expected = expected().remove(city).expect("the counts are there");
    let path = samples().join(format!("csv-2020/{city}.csv"));
    let records = read(pad_file(manifest("mappings")), path);
    let counter = Counter::new();
    let mut counts = Counts::default();
    for record in &records {
        counter.count(record, &mut counts);
    }
    assert_eq!(counts.into_value(), expected);
}

#[test]
fn every_flat_table_is_counted() {
    let expected = expected();
    let cities: Vec<_> = expected.keys().map(String::as_str).collect();
    assert_eq!(cities, ["ancona", "messina", "monza", "palermo", "perugia", "rimini"]);
}

fn expected() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(samples().join("csv-2020/attesi.json")).expect("the counts are there");
    serde_json::from_str(&text).expect("the counts are JSON")
}

/// Counts by their names in `attesi.json`; a class of codes stands after a slash.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn add(&mut self, name: &'static str, count: usize) {
        *self.0.entry(name).or_default() += count as u64;
    }

    /// Classes that do not occur are not written; other counts are.
    fn into_value(self) -> Value {
        let mut value = Map::new();
        for (name, count) in self.0 {
            match name.split_once('/') {
                None => _ = value.insert(name.to_owned(), count.into()),
                Some((group, class)) => {
                    let group = value.entry(group).or_insert_with(|| json!({}));
                    if count > 0 {
                        group[class] = count.into();
                    }
                }
            }
        }
        value.into()
    }
}

/// Counts what is made of a record. A lot without a CIG stands aside and one without a winner has no
/// contract; to see how the rest of them was read, such a lot is read a second time with a CIG, by
/// the same mapping without the condition of the contract.
struct Counter {
    shipped: PadFile,
    unconditional: PadFile,
}

impl Counter {
    fn new() -> Self {
        let text = std::fs::read_to_string(manifest("mappings/l190-tabella.toml")).expect("the mapping is there");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("when = ")).collect();
        assert_eq!(lines.len() + 1, text.lines().count(), "the contract alone has a condition");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("l190-tabella.toml"), lines.join("\n")).expect("written");
        Self { shipped: pad_file(manifest("mappings")), unconditional: pad_file(folder.path().to_owned()) }
    }

    fn count(&self, record: &RawRecord, counts: &mut Counts) {
        let rows = rows(&record.text);
        let (participants, winners): (Vec<&str>, Vec<&str>) =
            rows.iter().copied().partition(|row| is_of_participant(row));
        counts.add("lotti", 1);
        counts.add("righe", winners.len());
        counts.add("righe_partecipanti", participants.len());
        let first = self.shipped.normalize(record);
        let noticed = |rule, detail| usize::from(first.findings.iter().any(|finding| is(finding, rule, detail)));
        counts.add("cig_ripetuti_righe_in_eccesso", noticed(Rule::R06, "repeated_in_document"));
        let lotto = first.records.iter().find_map(|record| match &record.body {
            Body::Lotto(lotto) => Some(lotto),
            _ => None,
        });
        let wrong = noticed(Rule::R04, "malformed") + noticed(Rule::R04, "check_digit");
        let class = match lotto.map(|lotto| lotto.cig.class()) {
            _ if wrong > 0 => "cig/non_valido",
            Some(CigClass::Ordinary) => "cig/cig_simog",
            Some(CigClass::Pcp) => "cig/cig_pcp",
            Some(CigClass::SmartCig) => "cig/smartcig",
            Some(CigClass::Null) => panic!("a null CIG is no key"),
            None if noticed(Rule::R05, "null_cig") > 0 => "cig/cig_nullo",
            None => "cig/vuoto",
        };
        counts.add(class, 1);

        let read = if first.records.iter().any(|record| matches!(record.body, Body::Contratto(_))) {
            first
        } else {
            let with_cig: Vec<_> = rows.iter().map(|row| with_cig(row)).collect();
            self.unconditional.normalize(&RawRecord { text: with_cig.join("\n"), ..record.clone() })
        };
        count_lot(record.line, &read, winners.len(), participants.len(), counts);
    }
}

/// Counts what was read in a lot with its award and its contract.
fn count_lot(line: u64, read: &Normalized, winner_rows: usize, participant_rows: usize, counts: &mut Counts) {
    let mut lot = (None, None, None);
    for draft in &read.records {
        match &draft.body {
            Body::Lotto(lotto) => lot.0 = Some((lotto, &draft.raw)),
            Body::Aggiudicazione(aggiudicazione) => lot.1 = Some((aggiudicazione, &draft.raw)),
            Body::Contratto(contratto) => lot.2 = Some(contratto),
            _ => {}
        }
    }
    let (Some((lotto, raw_lotto)), Some((aggiudicazione, raw_award)), Some(contratto)) = lot else {
        panic!("line {line}: a lot, its award and its contract were expected");
    };
    let count = |rule, detail, columns: &[&str]| {
        let is_at = |finding: &&Finding| {
            is(finding, rule, detail) && columns.iter().any(|column| path(finding).ends_with(column))
        };
        read.findings.iter().filter(is_at).count()
    };
    let dates = ["dataInizio", "dataUltimazione"];
    let amounts = ["importoAggiudicazione", "importoSommeLiquidate"];
    // Some platforms write the first day of the year one for no day at all: a date to the program that
    // counted, and none to the reading, which says so.
    let [begin, end] = dates.map(|column| {
        let is_at = |finding: &&Finding| path(finding).ends_with(column) && is(finding, Rule::N03, "not_a_date");
        read.findings.iter().find(is_at).and_then(|finding| finding.received.as_deref())
    });
    let is_absent = |date: Option<CalendarDate>, refused: Option<&str>| date.is_none() && refused.is_none();
    counts.add("senza_data_inizio", usize::from(is_absent(contratto.data_inizio, begin)));
    counts.add("senza_data_fine", usize::from(is_absent(contratto.data_fine, end)));
    counts.add("date_con_fuso", count(Rule::N02, "date_with_zone", &dates));
    let others = ["date_not_iso", "date_with_time"].map(|detail| count(Rule::N02, detail, &dates));
    let no_dates = [begin, end].into_iter().flatten().filter(|text| !is_iso(text)).count();
    counts.add("date_non_iso", others.iter().sum::<usize>() + no_dates);
    let is_no_day_before = end.zip(contratto.data_inizio).is_some_and(|(end, begin)| end < &*begin.to_string());
    let before = count(Rule::R25, "end_before_start", &["data_fine"]) + usize::from(is_no_day_before);
    counts.add("fine_prima_di_inizio", before);
    let unreadable = ["not_an_amount", "ambiguous_amount", "negative_amount", "extra_decimals"];
    counts.add("importi_non_numerici", unreadable.map(|detail| count(Rule::N03, detail, &amounts)).iter().sum());
    counts.add("aggiudicazione_zero", usize::from(aggiudicazione.importo.is_some_and(Importo::is_zero)));
    counts.add("liquidato_oltre_aggiudicato", count(Rule::R17, "paid_above_awarded", &["somme_liquidate"]));
    counts.add("scelta_contraente_senza_codice", usize::from(lotto.scelta_contraente.is_none()));
    counts.add("oggetto_vuoto", usize::from(lotto.oggetto.is_none()));
    let oggetto = text(raw_lotto, "/oggetto").or(lotto.oggetto.as_deref()).unwrap_or_default();
    counts.add("oggetto_con_entita_html", usize::from(has_html_entity(oggetto)));

    let winners = &aggiudicazione.aggiudicatari;
    counts.add("lotti_senza_aggiudicatario", usize::from(winners.is_empty()));
    for (index, winner) in winners.iter().enumerate() {
        let operatore = json!(winner.operatore);
        let received = text(raw_award, &format!("/aggiudicatari/{index}/operatore"));
        let code = received.or(operatore["valore"].as_str()).unwrap_or_default();
        counts.add(class_of_code(operatore["tipo"].as_str(), code), 1);
    }
    // A row that names nobody is no winner.
    counts.add("codici_fiscali_aggiudicatari/vuoto", winner_rows - winners.len());
    let participants = &aggiudicazione.partecipanti;
    counts.add("partecipanti", participants.len());
    counts.add("righe_partecipanti_senza_nome", participant_rows - participants.len());
    let is_stranger = |winner: &&Partecipazione| {
        winner.operatore != IdentificativoOperatore::Assente
            && participants.iter().all(|participant| participant.operatore != winner.operatore)
    };
    counts.add("aggiudicatari_non_fra_i_partecipanti", winners.iter().filter(is_stranger).count());
}

/// The text that was received for a field, where it is not the canonical one.
fn text<'r>(raw: &'r BTreeMap<FieldPath, String>, path: &str) -> Option<&'r str> {
    raw.iter().find(|(field, _)| field.to_string() == path).map(|(_, text)| text.as_str())
}

fn path(finding: &Finding) -> String {
    finding.field.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn is(finding: &Finding, rule: Rule, detail: &str) -> bool {
    finding.rule == rule && finding.detail.as_deref() == Some(detail)
}

/// The class of the code of a winner, as received.
fn class_of_code(tipo: Option<&str>, text: &str) -> &'static str {
    let reading = CodiceFiscale::read(text);
    let code = reading.value.filter(|_| reading.note != Some(Note::ZeroPadded));
    match (tipo, code.map(|code| (code.as_str().len(), code.is_verified()))) {
        (Some("estero"), _) => "codici_fiscali_aggiudicatari/identificativo_estero",
        (Some("assente"), _) => "codici_fiscali_aggiudicatari/vuoto",
        (_, Some((11, true))) => "codici_fiscali_aggiudicatari/p_iva_valida",
        (_, Some((11, false))) => "codici_fiscali_aggiudicatari/p_iva_non_valida",
        (_, Some((_, true))) => "codici_fiscali_aggiudicatari/cf_persona_valido",
        (_, Some((_, false))) => "codici_fiscali_aggiudicatari/cf_persona_non_valido",
        // The digits agree, though nobody has that code and the reading refuses it.
        (_, None) if text == "00000000000" => "codici_fiscali_aggiudicatari/p_iva_valida",
        (_, None) => "codici_fiscali_aggiudicatari/altra_forma",
    }
}

/// Whether a text is a day as ISO writes it, of whatever year.
fn is_iso(text: &str) -> bool {
    let is_digit = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(is_digit)
}

/// The rows of a record: an end of line between quotes is none.
fn rows(text: &str) -> Vec<&str> {
    let mut is_quoted = false;
    text.split(|character| {
        is_quoted ^= character == '"';
        character == '\n' && !is_quoted
    })
    .collect()
}

/// Whether a row is of a participant: after its CIG it does not repeat the body.
fn is_of_participant(row: &str) -> bool {
    row.split(',').nth(1).is_some_and(str::is_empty)
}

/// A row, whose first value is its CIG, with another CIG.
fn with_cig(row: &str) -> String {
    let (cig, rest) = row.split_once(',').expect("a row of many values");
    assert!(!cig.contains('"'), "{cig}");
    format!("{SOME_CIG},{rest}")
}
