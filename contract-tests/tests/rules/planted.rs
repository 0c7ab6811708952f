//! Planted discrepancies and near misses, written as a domain expert reads them: `valori.json` judges
//! two values of one field, `schede.json` records side by side.

use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::kinds::{IdentificativoOperatore, Persona, Piano};
use canonical::values::{CalendarDate, Importo, UtcInstant};
use canonical::{Body, Kind, Provenance, Record, Rule, Severity, SourceName};
use raccordo::discrepancy::{Cause, Discrepancy};
use raccordo::flow::reconcile::judge::{Around, CodeList, Codes, FieldKind, Known, Operators, Value, judge};
use raccordo::flow::reconcile::sides::{Context, Registry, SourceFacts, compare_family, compare_sides, stale_sources};
use raccordo::flow::route::ownership::Ownership;
use serde::Deserialize;

/// One case: what the two sides say, and what must come of it. Nothing expected: a near miss.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Valori {
    caso: String,
    campo: String,
    titolare: Option<String>,
    altro: Option<String>,
    #[serde(default)]
    intorno: Intorno,
    atteso: Option<Atteso>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Atteso {
    regola: Rule,
    gravita: Severity,
    causa: Option<Cause>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Intorno {
    righe: Option<u32>,
    oneri_sicurezza: Option<Importo>,
    somme_non_ribassabili: Option<Importo>,
    totale_gara: Option<Importo>,
    accordo_quadro: Option<Importo>,
    aggiudicatari: Option<u32>,
    modifiche: Option<Importo>,
    stesso_sistema: bool,
    elenchi: Option<(String, String)>,
    piani: Option<(BTreeSet<Piano>, BTreeSet<Piano>)>,
    cambiato_il: Option<CalendarDate>,
    stesso_operatore: Vec<(String, String)>,
    stesso_territorio: Vec<(String, String)>,
}

struct Pairs<'a>(&'a Intorno);

fn is_pair(pairs: &[(String, String)], one: &str, other: &str) -> bool {
    pairs.iter().any(|(a, b)| (a == one && b == other) || (a == other && b == one))
}

impl Known for Pairs<'_> {
    fn are_one_operator(&self, one: &str, other: &str) -> bool {
        is_pair(&self.0.stesso_operatore, one, other)
    }

    fn are_one_territory(&self, one: &str, other: &str) -> bool {
        is_pair(&self.0.stesso_territorio, one, other)
    }
}

fn field_kind(campo: &str) -> FieldKind {
    match campo {
        "importo" => FieldKind::Amount,
        "data" => FieldKind::Date,
        "data di pubblicazione" => FieldKind::Published,
        "testo" => FieldKind::Text,
        "codice" => FieldKind::Code,
        "scelta del contraente" => FieldKind::ProcedureType,
        "CUP" => FieldKind::Cups,
        "operatore" => FieldKind::Operator,
        "operatori" => FieldKind::Operators,
        "persona" | "persona con codice" => FieldKind::Person,
        "territorio" => FieldKind::Territory,
        "identificativo" => FieldKind::Identifier,
        "CUI" => FieldKind::Cui,
        other => panic!("{other}"),
    }
}

/// What a value owns while it is judged.
enum Owned {
    Amount(Importo),
    Date(CalendarDate),
    Instant(UtcInstant),
    Text(String),
    Codes(BTreeSet<String>),
    Person(Persona),
    Operators(Vec<canonical::kinds::Partecipazione>),
}

fn owned(campo: &str, text: &str) -> Owned {
    let list = || text.split(',').map(str::trim).filter(|one| !one.is_empty());
    match campo {
        "importo" => Owned::Amount(Importo::parse(text).unwrap()),
        "data" | "data di pubblicazione" if text.contains('T') => Owned::Instant(UtcInstant::parse(text).unwrap()),
        "data" | "data di pubblicazione" => Owned::Date(CalendarDate::parse(text).unwrap()),
        "CUP" => Owned::Codes(list().map(str::to_owned).collect()),
        "persona con codice" => {
            let (name, code) = text.split_once(" / ").unwrap();
            let codice_fiscale = Some(CodiceFiscale::parse(code).unwrap());
            Owned::Person(Persona { cognome: name.to_owned(), nome: None, codice_fiscale })
        }
        "operatori" => Owned::Operators(
            list()
                .map(|code| canonical::kinds::Partecipazione {
                    operatore: match code {
                        "mascherato" => IdentificativoOperatore::Assente,
                        code => IdentificativoOperatore::CodiceFiscale(CodiceFiscale::parse(code).unwrap()),
                    },
                    denominazione: None,
                    raggruppamento: None,
                    ruolo: None,
                })
                .collect(),
        ),
        _ => Owned::Text(text.to_owned()),
    }
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Amount(amount) => Value::Amount(*amount),
            Self::Date(day) => Value::Date(*day),
            Self::Instant(instant) => Value::Instant(*instant),
            Self::Text(text) => Value::Text(text),
            Self::Codes(codes) => Value::Codes(Codes::Texts(codes)),
            Self::Person(person) => Value::Person(person),
            Self::Operators(operators) => Value::Operators(Operators::Parties(operators)),
        }
    }
}

fn judged(case: &Valori) -> Option<Atteso> {
    let it = &case.intorno;
    let list = |name: &str| if name == "L190" { CodeList::L190 } else { CodeList::Anac };
    let known = Pairs(it);
    let around = Around {
        rows: it.righe.unwrap_or(1),
        security_costs: it.oneri_sicurezza,
        non_discountable: it.somme_non_ribassabili,
        tender_total: it.totale_gara,
        framework_total: it.accordo_quadro,
        winners: it.aggiudicatari.unwrap_or(1),
        modifications: it.modifiche,
        is_same_system: it.stesso_sistema,
        lists: it.elenchi.as_ref().map(|(one, other)| (list(one), list(other))).unwrap_or_default(),
        plans: it.piani.as_ref().map_or((None, None), |(one, other)| (Some(one), Some(other))),
        changed_on: it.cambiato_il,
        known: &known,
    };
    let [owner, other] = [&case.titolare, &case.altro].map(|text| text.as_deref().map(|text| owned(&case.campo, text)));
    let values = (owner.as_ref().map(Owned::value), other.as_ref().map(Owned::value));
    let found = judge(field_kind(&case.campo), values.0, values.1, &around);
    found.map(|found| Atteso { regola: found.rule, gravita: found.severity, causa: found.cause })
}

#[test]
fn every_planted_difference_of_values_is_found_and_no_near_miss_is() {
    let cases: Vec<Valori> = serde_json::from_str(include_str!("valori.json")).unwrap();
    let planted = cases.iter().filter(|case| case.atteso.is_some()).count();
    assert!(planted >= 60 && cases.len() - planted >= 40, "{planted} of {}", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let found = judged(case);
            (found != case.atteso).then(|| format!("{}: {found:?} and not {:?}", case.caso, case.atteso))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// One case of records: what several sources say of one thing or of a family.
#[expect(clippy::struct_field_names, reason = "the word of the file")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schede {
    pub(super) caso: String,
    pub(super) oggi: CalendarDate,
    #[serde(default)]
    pub(super) fonti: BTreeMap<String, Fonte>,
    #[serde(default)]
    pub(super) deleghe: Vec<(CodiceFiscale, CodiceFiscale)>,
    #[serde(default)]
    pub(super) accordi_quadro: BTreeMap<Cig, Importo>,
    pub(super) schede: Vec<Scheda>,
    /// `rule severity shape field against cause`, a hyphen for nothing.
    pub(super) attesi: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fonte {
    pub(super) adattatore: Option<String>,
    #[serde(default)]
    pub(super) letta_tutta: bool,
    #[serde(default)]
    pub(super) attesa_di: BTreeSet<Kind>,
    pub(super) dati_al: Option<CalendarDate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scheda {
    pub(super) fonte: String,
    pub(super) al: Option<CalendarDate>,
    pub(super) documento: Option<String>,
    pub(super) riga: Option<u64>,
    #[serde(default)]
    pub(super) ricevuto: BTreeMap<String, String>,
    pub(super) tipo: Kind,
    pub(super) dati: serde_json::Value,
}

impl Scheda {
    fn record(&self) -> Record {
        let body = Body::from_json(self.tipo, &self.dati.to_string()).unwrap();
        let provenance = Provenance {
            source: SourceName::parse(&self.fonte).unwrap(),
            remote_id: "caso".to_owned(),
            document_digest: self.documento.clone().unwrap_or_else(|| format!("{:?}", self.al)),
            line: self.riga,
            as_of: self.al,
            read_at: UtcInstant::parse("2026-01-15T08:00:00Z").unwrap(),
            raw: self.ricevuto.iter().map(|(path, text)| (path.as_str().into(), text.clone())).collect(),
        };
        Record::new(body, provenance)
    }
}

/// Everything that is found about some records: each kind and key, then the family, then the sources.
fn everything(case: &Schede, records: &[Record]) -> Vec<Discrepancy> {
    let names: BTreeSet<&str> =
        case.schede.iter().map(|one| one.fonte.as_str()).chain(case.fonti.keys().map(String::as_str)).collect();
    let facts = names.into_iter().map(|name| {
        let given = case.fonti.get(name);
        let adapter = given.and_then(|given| given.adattatore.as_deref()).unwrap_or(name);
        let mut facts = SourceFacts::of_adapter(adapter);
        if let Some(given) = given {
            facts.is_complete = given.letta_tutta;
            facts.expects.clone_from(&given.attesa_di);
            facts.as_of = given.dati_al;
        }
        (name.to_owned(), facts)
    });
    let sources: BTreeMap<String, SourceFacts> = facts.collect();
    let ownership = Ownership::of(raccordo::registry::PARTS.ownership);
    let registry = Registry::of(records);
    let mut context = Context::new(case.oggi, &sources, &ownership);
    context.known = &registry;
    context.delegations = case.deleghe.iter().copied().collect();
    context.lot_amounts.clone_from(&case.accordi_quadro);
    let mut keys: BTreeMap<_, Vec<&Record>> = BTreeMap::new();
    for record in records {
        keys.entry((record.kind(), record.key())).or_default().push(record);
    }
    let mut found = Vec::new();
    for records in keys.into_values() {
        found.extend(compare_sides(records, &context));
    }
    found.extend(compare_family(records, &context));
    found.extend(stale_sources(&context));
    found
}

pub(super) fn line(found: &Discrepancy) -> String {
    let severity = serde_json::to_value(found.severity).unwrap();
    format!(
        "{} {} {} {} {} {}",
        found.rule.code(),
        severity.as_str().unwrap(),
        found.shape.name(),
        found.field.as_deref().unwrap_or("-"),
        found.against,
        found.cause.map_or("-", Cause::code)
    )
}

fn cases() -> Vec<Schede> {
    serde_json::from_str(include_str!("schede.json")).unwrap()
}

#[test]
fn every_planted_discrepancy_of_records_is_found_and_no_near_miss_is() {
    let cases = cases();
    let planted = cases.iter().filter(|case| !case.attesi.is_empty()).count();
    assert!(planted >= 20 && cases.len() - planted >= 20, "{planted} of {}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let records: Vec<Record> = case.schede.iter().map(Scheda::record).collect();
        let mut found: Vec<String> = everything(case, &records).iter().map(line).collect();
        let mut expected = case.attesi.clone();
        found.sort();
        expected.sort();
        if found != expected {
            wrong.push(format!("{}: {found:#?} and not {expected:#?}", case.caso));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_is_planted() {
    let values: Vec<Valori> = serde_json::from_str(include_str!("valori.json")).unwrap();
    let mut planted: BTreeSet<String> =
        values.iter().filter_map(|case| case.atteso.as_ref()).map(|it| it.regola.code().to_owned()).collect();
    planted.extend(cases().iter().flat_map(|case| &case.attesi).map(|line| line[..3].to_owned()));
    let rules: BTreeSet<String> =
        Rule::ALL.iter().map(|rule| rule.code().to_owned()).filter(|code| code.starts_with('R')).collect();
    assert_eq!(planted, rules);
}

/// The same records in any order give the same discrepancies, in the same order.
#[test]
fn the_order_of_the_records_never_matters() {
    let mut random = fastrand::Rng::with_seed(27);
    for case in cases() {
        let mut records: Vec<Record> = case.schede.iter().map(Scheda::record).collect();
        let expected = everything(&case, &records);
        for _ in 0..12 {
            random.shuffle(&mut records);
            assert_eq!(everything(&case, &records), expected, "{}", case.caso);
        }
    }
}

#[test]
fn no_side_names_a_person_and_the_owner_comes_first() {
    for case in cases() {
        let records: Vec<Record> = case.schede.iter().map(Scheda::record).collect();
        for found in everything(&case, &records) {
            let text = serde_json::to_string(&found).unwrap();
            assert!(!canonical::identifiers::holds_personal_code(&text), "{}", case.caso);
            assert!(!text.contains("Bianchi") && !text.contains("BIANCHI"), "{}", case.caso);
            assert!(found.sides.iter().skip_while(|side| side.is_owner).all(|side| !side.is_owner), "{}", case.caso);
            assert!(!found.sides.is_empty(), "{}", case.caso);
        }
    }
}
