//! The one table of the schede: which fields each of them has, and of which type.
//!
//! Both directions go through it: a draft that we compose and a draft that the platform holds
//! become rows by the same function, so a field compared is a field in this table. Paths are the
//! published names of the national platform (`anacForm`); the few that it does not have are ours
//! and stand apart in each list. What is not in the table is not compared: the platform may add
//! fields of its own to a draft.

use std::collections::BTreeSet;

use canonical::kinds::Fase;
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::{CalendarDate, Importo};
use contract::{FieldValue, Row};
use serde_json::Value;

/// The type of a field: how it is written in JSON, and by which rule it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldType {
    /// Decimal text with two decimals.
    Amount,
    /// ISO day.
    Date,
    /// Free text.
    Text,
    /// Code or identifier, as text.
    Code,
    /// List of codes.
    Codes,
    /// Whole number.
    Number,
    /// True or false.
    Flag,
}

use FieldType::{Amount, Code, Codes, Date, Flag, Number, Text};

/// A scheda: its code and its own fields, by path under `dati`.
#[derive(Debug)]
pub(crate) struct Scheda {
    /// The published code.
    pub(crate) code: &'static str,
    /// The phase it belongs to.
    pub(crate) fase: Fase,
    /// The fields, apart from those of every scheda.
    pub(crate) fields: &'static [(&'static str, FieldType)],
}

/// Ours: the fields that every scheda may have.
pub(crate) const OF_EVERY_SCHEDA: &[(&str, FieldType)] = &[("codiceFiscaleSA", Code), ("dataEvento", Date)];

/// Every scheda, in the order of a contract's life.
pub(crate) const SCHEDE: &[Scheda] = &[
    Scheda {
        code: "SC1",
        fase: Fase::Stipula,
        fields: &[
            ("datiContratto.dataStipula", Date),
            ("datiContratto.dataDecorrenza", Date),
            ("datiContratto.dataScadenza", Date),
            ("datiContratto.importoCauzione", Amount),
            // Ours.
            ("datiContratto.numero", Text),
            ("datiContratto.importo", Amount),
        ],
    },
    Scheda {
        code: "I1",
        fase: Fase::Avvio,
        fields: &[
            ("datiInizio.consegnaFrazionata", Flag),
            ("datiInizio.dataVerbalePrimaConsegna", Date),
            ("datiInizio.dataVerbaleConsegnaDefinitiva", Date),
            ("datiInizio.consegnaSottoRiserva", Flag),
            ("datiInizio.dataEffettivoInizio", Date),
            ("datiInizio.dataFinePrevista", Date),
        ],
    },
    Scheda {
        code: "SA1",
        fase: Fase::Avanzamento,
        fields: &[
            ("avanzamento.denominazioneAvanzamento", Text),
            ("avanzamento.impAnticipazione", Amount),
            ("avanzamento.dataCertificatoAnticipazione", Date),
            ("avanzamento.dataAvanzamento", Date),
            ("avanzamento.impSal", Amount),
            ("avanzamento.dataCertificatoMandatoPagamento", Date),
            ("avanzamento.impCertificatoMandatoPagamento", Amount),
            ("avanzamento.avanzamento", Code),
            ("avanzamento.numGiorniScostamento", Number),
            ("avanzamento.numGiorniProroga", Number),
            // Ours: `impSal` is cumulative, this is the amount of the single progress.
            ("avanzamento.impSalSingolo", Amount),
        ],
    },
    Scheda {
        code: "SO1",
        fase: Fase::Sospensione,
        fields: &[
            ("sospensione.sospensioneParziale", Flag),
            ("sospensione.dataVerbaleSospensione", Date),
            ("sospensione.motivoSospensione", Code),
            // Published for RI1 only.
            ("sospensione.riserve", Flag),
        ],
    },
    Scheda {
        code: "SQ1",
        fase: Fase::SuperamentoQuarto,
        fields: &[
            ("sospensione.dataSuperamento", Date),
            // Ours: which SO1, in place of the published `idScheda`.
            ("sospensione.progressivoSospensione", Number),
        ],
    },
    Scheda {
        code: "RI1",
        fase: Fase::Ripresa,
        fields: &[
            ("sospensione.dataVerbaleRipresa", Date),
            ("sospensione.riserve", Flag),
            // Ours.
            ("sospensione.progressivoSospensione", Number),
            ("sospensione.nuovaDataFine", Date),
        ],
    },
    Scheda {
        code: "M1",
        fase: Fase::Modifica,
        fields: &[
            ("modificaContrattuale.dataApprovazione", Date),
            ("modificaContrattuale.cigNuovaProcedura", Code),
            // One code in the published scheda, a list here.
            ("modificaContrattuale.motivoRevisionePrezzi", Codes),
            ("modificaContrattuale.datiBaseModificaContrattuale.dataSottoscrizione", Date),
            ("modificaContrattuale.datiBaseModificaContrattuale.motiviModifica", Codes),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impLavori", Amount),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impServizi", Amount),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impForniture", Amount),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impTotaleSicurezza", Amount),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impProgettazione", Amount),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.ulterioriSommeNoRibasso", Amount),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.sommeADisposizione", Amount),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.numGiorniProroga", Number),
            // Ours.
            ("modificaContrattuale.impContratto", Amount),
            ("modificaContrattuale.quintoObbligo", Flag),
        ],
    },
    Scheda {
        code: "RSU1",
        fase: Fase::RichiestaSubappalto,
        fields: &[
            ("subappalto.oggetto", Text),
            ("subappalto.importoPresunto", Amount),
            ("subappalto.categoria", Code),
            ("subappalto.cpv", Codes),
            // The published name of the first model of RSU1.
            ("subappalto.codiciFiscaliOE", Codes),
            // Ours.
            ("subappalto.dataRichiesta", Date),
        ],
    },
    Scheda {
        code: "ES1",
        fase: Fase::EsitoSubappalto,
        fields: &[
            ("subappalto.dataAutorizzazione", Date),
            ("subappalto.motivoMancatoSubappalto", Code),
            // Ours: which RSU1, in place of the published `idScheda`, and the answer itself.
            ("subappalto.progressivoRichiesta", Number),
            ("subappalto.autorizzato", Flag),
        ],
    },
    Scheda {
        code: "CS1",
        fase: Fase::ConclusioneSubappalto,
        fields: &[
            ("subappalto.importoEffettivo", Amount),
            ("subappalto.dataUltimazione", Date),
            // Ours.
            ("subappalto.progressivoRichiesta", Number),
        ],
    },
    Scheda {
        code: "AC1",
        fase: Fase::AccordoBonario,
        fields: &[
            ("accordoBonario.dataAccordo", Date),
            ("accordoBonario.oneriDerivanti", Amount),
            // Ours.
            ("accordoBonario.motivo", Text),
        ],
    },
    Scheda { code: "CO1", fase: Fase::Conclusione, fields: CONCLUSIONE },
    Scheda { code: "CO2", fase: Fase::ConclusioneAffidamentoDiretto, fields: CONCLUSIONE },
    Scheda {
        code: "IR1",
        fase: Fase::Recesso,
        fields: &[
            ("ritardo.dataIstanzaRecesso", Date),
            ("ritardo.motivoSospensione", Text),
            ("ritardo.impSpese", Amount),
        ],
    },
    Scheda {
        code: "CL1",
        fase: Fase::Collaudo,
        fields: &[
            ("collaudo.dataCertificato", Date),
            ("collaudo.modoCollaudo", Code),
            ("collaudo.dataNomina", Date),
            ("collaudo.dataInizio", Date),
            ("collaudo.dataRedazioneCertificato", Date),
            ("collaudo.dataDeliberaAmmissibilita", Date),
            ("collaudo.esito", Code),
            ("collaudo.quadroEconomicoStandard.impLavori", Amount),
            ("collaudo.quadroEconomicoStandard.impServizi", Amount),
            ("collaudo.quadroEconomicoStandard.impForniture", Amount),
            ("collaudo.quadroEconomicoStandard.impTotaleSicurezza", Amount),
            // Ours.
            ("collaudo.riserve", Flag),
        ],
    },
];

/// The canonical event of a direct award says the same as that of any other contract, so CO2
/// takes the fields of CO1.
const CONCLUSIONE: &[(&str, FieldType)] = &[
    ("conclusione.causaInterruzioneAnticipata", Code),
    ("conclusione.motiviRisoluzione", Code),
    ("conclusione.dataInterruzioneAnticipata", Date),
    ("conclusione.oneriEconomiciRisoluzioneRecesso", Code),
    ("conclusione.dataUltimazione", Date),
    ("conclusione.numeroInfortuni", Number),
    ("conclusione.diCuiMortali", Number),
    // Ours: the platforms of this family keep them, the national scheda does not ask for them.
    ("conclusione.interruzioneAnticipata", Flag),
    ("conclusione.dataVerbaleConsegna", Date),
    ("conclusione.dataFineContrattuale", Date),
    ("conclusione.oreLavorate", Number),
];

impl Scheda {
    /// The scheda of a phase.
    pub(crate) fn of_fase(fase: Fase) -> Option<&'static Self> {
        SCHEDE.iter().find(|scheda| scheda.fase == fase)
    }

    /// The scheda with this code.
    pub(crate) fn of_code(code: &str) -> Option<&'static Self> {
        SCHEDE.iter().find(|scheda| scheda.code == code)
    }

    /// Every field of this scheda.
    pub(crate) fn all_fields(&self) -> impl Iterator<Item = (&'static str, FieldType)> {
        OF_EVERY_SCHEDA.iter().chain(self.fields).copied()
    }
}

/// The row of a draft, ours or theirs. A draft of an unknown scheda has its code only.
pub(crate) fn row(key: &str, code: &str, dati: &Value) -> Row {
    let fields = Scheda::of_code(code).into_iter().flat_map(Scheda::all_fields);
    let row = Row::new(key).with("scheda", Some(FieldValue::Code(code.to_owned())));
    fields.fold(row, |row, (path, field_type)| {
        let value = path.split('.').try_fold(dati, |value, name| value.get(name));
        row.with(path, value.and_then(|value| field_type.read(value)))
    })
}

impl FieldType {
    /// The value to compare. What does not have its type stays as a code, so that the difference
    /// shows; null and the empty list are absent.
    pub(crate) fn read(self, value: &Value) -> Option<FieldValue> {
        let text = match value {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            Value::Array(items) if items.is_empty() => return None,
            Value::Array(items) if self == Codes => {
                return Some(FieldValue::Codes(items.iter().map(as_text).collect::<BTreeSet<_>>()));
            }
            other => other.to_string(),
        };
        let typed = match self {
            Amount => Importo::read(&text, NumberFormat::Point).value.map(FieldValue::Amount),
            Date => CalendarDate::read(&text, DateFormat::Iso).value.map(FieldValue::Date),
            Text => Some(FieldValue::Text(text.clone())),
            Codes => Some(FieldValue::Codes(BTreeSet::from([text.clone()]))),
            Code | Number | Flag => None,
        };
        Some(typed.unwrap_or(FieldValue::Code(text)))
    }
}

impl FieldType {
    /// Whether a value is written as the contract wants it: what we send always is.
    pub(crate) fn admits(self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Amount => text.is_some_and(|text| Importo::parse(text).is_ok()),
            Date => text.is_some_and(|text| CalendarDate::parse(text).is_ok()),
            Text | Code => text.is_some(),
            Codes => value.as_array().is_some_and(|codes| codes.iter().all(Value::is_string)),
            Number => value.is_i64(),
            Flag => value.is_boolean(),
        }
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_phase_has_one_scheda_with_its_published_code() {
        for (_, fase, code) in Fase::ALL {
            let of_fase: Vec<_> = SCHEDE.iter().filter(|scheda| scheda.fase == *fase).collect();
            assert_eq!(of_fase.len(), 1, "{code}");
            assert_eq!(of_fase[0].code, *code);
        }
    }

    #[test]
    fn no_field_stands_twice_in_a_scheda_nor_under_a_field() {
        for scheda in SCHEDE {
            let mut paths: Vec<_> = scheda.all_fields().map(|(path, _)| path).collect();
            paths.sort_unstable();
            for pair in paths.windows(2) {
                assert!(pair[0] != pair[1] && !pair[1].starts_with(&format!("{}.", pair[0])), "{pair:?}");
            }
        }
    }

    #[rstest]
    #[case::an_amount_without_decimals(Amount, json!("1000"), "1000.00")]
    #[case::an_amount_as_number(Amount, json!(1000.5), "1000.50")]
    #[case::a_date_with_an_hour(Date, json!("2026-03-01T00:00:00"), "2026-03-01")]
    #[case::a_number(Number, json!(12), "12")]
    #[case::a_flag(Flag, json!(true), "true")]
    #[case::a_list_of_codes(Codes, json!(["b", "a"]), "a,b")]
    #[case::a_single_code_where_a_list_is_expected(Codes, json!("a"), "a")]
    fn a_value_is_read_by_its_type(#[case] field_type: FieldType, #[case] value: Value, #[case] shown: &str) {
        assert_eq!(field_type.read(&value).unwrap().to_string(), shown);
    }

    #[test]
    fn what_does_not_have_its_type_stays_visible() {
        assert_eq!(Amount.read(&json!("molto")), Some(FieldValue::Code("molto".to_owned())));
        assert_eq!(Date.read(&json!("presto")), Some(FieldValue::Code("presto".to_owned())));
        assert_eq!(Date.read(&Value::Null), None);
        assert_eq!(Codes.read(&json!([])), None);
    }

    #[test]
    fn fields_outside_the_table_are_not_compared() {
        let ours = json!({"ritardo": {"impSpese": "10.00"}});
        let theirs = json!({"ritardo": {"impSpese": "10.00", "protocollo": "7"}, "note": "x"});
        assert_eq!(row("k", "IR1", &ours), row("k", "IR1", &theirs));
        assert_eq!(row("k", "XX9", &theirs).fields.len(), 1);
    }
}
