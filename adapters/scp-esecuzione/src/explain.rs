//! Why each field of a draft has its value: the same table and the same gathering that make it.

use canonical::Record;
use canonical::code_lists;
use canonical::kinds::Body;
use contract::{Explanation, UnitKey};
use serde_json::Value;

use crate::schede::{Field, FieldType, OF_CONTRATTO, When};
use crate::write::{Gathered, gather};

/// One explanation for each field of the scheda of a unit, given or not.
pub(crate) fn explain(unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
    let Ok(Gathered { scheda, values, members, .. }) = gather(unit, members) else { return Vec::new() };
    let record = |place: usize| members.get(place).map(|record| (record.body.kind(), record.body.key()));
    let code = Explanation {
        row: unit.0.clone(),
        field: "scheda".to_owned(),
        value: Some(contract::FieldValue::Code(scheda.code.to_owned())),
        record: record(0),
        path: "dettaglio.evento",
        rule: if scheda.evento == "modifica" { MODIFICA } else { "ogni fase ha la sua scheda" },
        code_list: None,
    };
    let mut explanations = vec![code];
    for field in scheda.all_fields() {
        if explanations.iter().any(|before: &Explanation| before.field == field.path) {
            continue;
        }
        let given = values.get(field.path);
        let by_contratto = given.is_some_and(|(_, place)| matches!(members[*place].body, Body::Contratto(_)));
        // Two fields may share a name, each in its own case: the one that applies explains it.
        let field = scheda.all_fields().filter(|other| other.path == field.path);
        let body = crate::write::canonical_json(&members[0].body);
        let mut field: Vec<_> = field.collect();
        field.sort_by_key(|field| !field.applies(&body));
        let field = if by_contratto { of_contratto(field[0]) } else { field[0] };
        explanations.push(Explanation {
            row: unit.0.clone(),
            field: field.path.to_owned(),
            value: given.and_then(|(value, _)| field.value(value)),
            record: given.and_then(|(_, place)| record(*place)),
            path: field.from,
            rule: field.rule(),
            code_list: given.and_then(|(value, _)| code_list(field.kind, value)),
        });
    }
    explanations
}

fn of_contratto(field: &'static Field) -> &'static Field {
    OF_CONTRATTO.iter().find(|other| other.path == field.path).unwrap_or(field)
}

const MODIFICA: &str = "M1 sopra soglia e M2 sotto, con _40 per le concessioni: lo dice l'evento o, se tace, \
                        lo dicono i dati che solo una delle schede può accogliere";

impl Field {
    /// How the value is made, for people.
    fn rule(&self) -> &'static str {
        match (self.when, self.kind) {
            (When::If(_) | When::Unless(_), FieldType::Date) => {
                "lo stesso giorno, con il nome che la scheda gli dà in questo caso; mezzanotte italiana"
            }
            (When::If(_) | When::Unless(_), FieldType::Cig) => "copiato solo dove non esiste un contratto",
            (When::If(_) | When::Unless(_), FieldType::Amount) => {
                "importo copiato al centesimo, nel quadro economico del contratto o della concessione"
            }
            (_, FieldType::Amount) => "importo copiato al centesimo",
            (_, FieldType::Decimal) => "percentuale copiata senza arrotondamenti",
            (_, FieldType::Date) => "il giorno, scritto come mezzanotte italiana con lo scarto vero di quel giorno",
            (_, FieldType::Code(_)) => "codice copiato, con il nome della sua lista",
            (_, FieldType::FirstCode(_)) => "il primo dei codici: la scheda ne accoglie uno solo",
            (_, FieldType::AllCodes) => "tutti i codici, dove sono più di uno",
            (_, FieldType::List(_)) => "elenco copiato nel suo ordine",
            (_, FieldType::HeadAndTail(..)) => "il primo valore e, di seguito, gli altri",
            (_, FieldType::Items(_)) => {
                "un elemento per ciascuno, campo per campo; qui è mostrato soltanto quanti sono"
            }
            (_, FieldType::Itself(_)) => "la scheda elenca i lotti: uno solo, quello dell'evento",
            (_, FieldType::Words(..)) => "vero o falso, con le parole della scheda",
            _ => "copiato senza modifiche",
        }
    }
}

/// The row of the list that a code names.
fn code_list(kind: FieldType, value: &Value) -> Option<String> {
    let (FieldType::Code(list) | FieldType::FirstCode(list)) = kind else { return None };
    let code = value.get("codice")?.as_str()?;
    Some(match code_lists::lookup(list, code, None) {
        Some(row) => format!("{list} {code}: {}", row.description),
        None => format!("{list} {code}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cases, records};
    use crate::write::compose;

    #[test]
    fn every_value_of_every_case_is_explained_by_the_field_it_comes_from() {
        for (name, case) in cases() {
            let unit = UnitKey(case["unita"].as_str().unwrap().to_owned());
            let members = records(&case);
            let composed = compose(&unit, 1, &members).unwrap();
            let explained = explain(&unit, &members);
            let row = &composed.rows[0];
            for explanation in &explained {
                assert_eq!(
                    explanation.value.as_ref(),
                    row.fields.get(&explanation.field),
                    "{name} {}",
                    explanation.field
                );
                assert_eq!(explanation.value.is_some(), explanation.record.is_some(), "{name} {}", explanation.field);
                assert_eq!(explanation.row, row.key);
            }
            let fields: std::collections::BTreeSet<_> = explained.iter().map(|it| it.field.as_str()).collect();
            assert_eq!(fields.len(), explained.len(), "{name} explains a field twice");
            assert!(row.fields.keys().all(|field| fields.contains(field.as_str())), "{name}");
        }
    }

    #[test]
    fn a_code_is_explained_with_its_meaning_and_a_contract_with_its_own_field() {
        let of = |name: &str| {
            let (_, case) = cases().into_iter().find(|(case, _)| case == name).unwrap();
            explain(&UnitKey(case["unita"].as_str().unwrap().to_owned()), &records(&case))
        };
        let sal = of("SA1");
        let code = sal.iter().find(|it| it.field == "avanzamento.avanzamento").unwrap();
        assert_eq!(code.code_list.as_deref(), Some("avanzamento 11: Ritardo"));
        assert_eq!(code.path, "dettaglio.avanzamento");
        let stipula = of("SC1");
        let numero = stipula.iter().find(|it| it.field == "integrazioni.numero").unwrap();
        assert_eq!((numero.record.as_ref().unwrap().0, numero.path), (canonical::Kind::Contratto, "numero"));
    }

    #[test]
    fn what_cannot_be_composed_has_nothing_to_explain() {
        assert!(explain(&UnitKey("B000001279/1/3/1".to_owned()), &[]).is_empty());
    }
}
