//! The table of formats: which column of which published table says what.

use canonical::kinds::Piano;
use canonical::values::date::DateFormat;

use super::{AsOf, Campo, Format, Gives, Repeated};

const PHASE: &str = "fase_di_avanzamento_al_*";

/// One row of the table of formats: what it says otherwise than [`plain`], its key and its columns.
macro_rules! table {
    (
        $name:literal $version:literal $path:literal $gives:ident key [$($key:literal),*]
        with { $( $field:ident: $value:expr, )* }
        columns { $( $campo:ident = $column:literal, )+ }
        $( beginnings { $( $begun:ident = $beginning:expr, )+ } )?
    ) => {
        Format {
            $( $field: $value, )*
            key: &[$($key),*],
            columns: &[ $( (Campo::$campo, $column), )+ $( $( (Campo::$begun, $beginning), )+ )? ],
            required: &[ $( $column, )+ ],
            ..plain($name, $version, $path, Gives::$gives)
        }
    };
}

const fn plain(name: &'static str, version: &'static str, path: &'static str, gives: Gives) -> Format {
    Format {
        name,
        version,
        path,
        gives,
        piano: None,
        as_of: AsOf::Nowhere,
        empty: &[],
        dates: DateFormat::Iso,
        repeated: Repeated::Other,
        grouped_by: None,
        columns: &[],
        required: &[],
        key: &[],
    }
}

/// Every table, the more telling header first.
pub(crate) static FORMATS: &[Format] = &[
    table! {
        "opencup" "1" "opencup.csv" Progetto key ["CODICE_CUP"]
        with {}
        columns {
            Cup = "CODICE_CUP",
            Titolo = "DESCRIZIONE_AGGREGATA",
            CodiceEnte = "PIVA_SOGGETTO",
            NomeEnte = "SOGGETTO_TITOLARE",
            Programma = "STRUMENTO_PROGRAMMAZIONE",
            Natura = "DESC_DESCRIZIONE_NATURA",
            Stato = "STATO_PROGETTO",
            Costo = "IMPO_COSTO_PROGETTO",
            Finanziamento = "IMPO_IMPORTO_FINANZIATO",
            DataGenerazione = "DATA_GENERAZIONE_COMPLETO",
            Comune = "CODI_CODICE_COMUNE",
        }
    },
    table! {
        "opencup-estratto" "1" "opencup-estratto.csv" Progetto key ["cup"]
        with { empty: &["ASSENTE-"], }
        columns {
            Cup = "cup",
            Titolo = "descrizione_cup",
            CodiceEnte = "cf_piva_soggetto",
            NomeEnte = "soggetto_titolare",
            Programma = "strumento",
            Natura = "natura",
            Costo = "importo_costo_progetto",
            Finanziamento = "importo_finanziamento",
        }
    },
    table! {
        "openbdap-cup" "1" "openbdap-cup.csv" Progetto key ["CUP"]
        with { empty: &["-"], dates: DateFormat::DayFirstShortYear, }
        columns {
            Cup = "CUP",
            Titolo = "Descrizione CUP",
            CodiceEnte = "Codice Fiscale Soggetto",
            NomeEnte = "Denominazione Soggetto",
            Natura = "Natura",
            Stato = "Stato Opera",
            Fase = "Fase Raggiunta",
            Costo = "Costo Previsto (€)",
            Finanziamento = "Finanziamento Pubblico Previsto (€)",
            Pagato = "Pagamenti (€)",
            DataGenerazione = "Data Inizio Validità",
            DataChiusura = "Data Fine Validità",
        }
    },
    table! {
        "openbdap-cig" "1" "openbdap-cig.csv" Collegamento key ["CUP", "CIG"]
        with { empty: &["-"], dates: DateFormat::DayFirstShortYear, }
        columns {
            Cup = "CUP",
            Cig = "CIG",
            Titolo = "Descrizione Oggetto Lotto",
            ImportoBase = "Importo Base Asta (€)",
            ImportoAggiudicazione = "Importo Aggiudicazione (€)",
            DataPubblicazione = "Data Pubblicazione",
            DataAggiudicazione = "Data Aggiudicazione",
        }
    },
    table! {
        "opere" "2024" "opere.csv" Progetto key ["cup"]
        with { as_of: AsOf::Header(PHASE), }
        columns {
            Cup = "cup",
            Opera = "eu_es",
            Programma = "ordinanza_attuale",
            Titolo = "intervento_nome",
            Costo = "importo_programmato",
            Comune = "pro_com_t",
        }
        beginnings { FaseNumerata = PHASE, }
    },
    table! {
        "opere" "2026" "opere.csv" Progetto key ["cupxall"]
        with { as_of: AsOf::Header(PHASE), }
        columns {
            Cup = "cupxall",
            Opera = "eues_id",
            Programma = "ordinanza_attuale",
            Titolo = "denominazione_interventoxall",
            Costo = "importo_programmato_esclusi_oc_126",
            Comune = "cod_istat_comune",
            CodiceEnte = "cf_piva_soggetto_attuatore",
            NomeEnte = "soggetto_attuatore",
        }
        beginnings { FaseNumerata = PHASE, }
    },
    table! {
        "gare" "1" "gare.csv" Collegamento key ["cup", "cig"]
        with { repeated: Repeated::Same, }
        columns {
            Cup = "cup",
            Cig = "cig",
            Titolo = "oggetto_gara",
            DataPubblicazione = "data_pubblicazione_gara",
            ImportoBase = "importo_base_asta",
            ImportoAggiudicazione = "importo_aggiudicazione",
            CodiceOperatore = "cf_aggiudicatario",
            NomeOperatore = "aggiudicatario",
        }
    },
    table! {
        "pagamenti" "1" "pagamenti.csv" Progetto key ["cup"]
        with { grouped_by: Some("cup"), }
        columns {
            Cup = "cup",
            PagatoAnno = "importo_pagato",
            Anno = "anno",
        }
    },
    table! {
        "enti" "1" "enti.csv" Ente key ["cf_piva_soggetto_attuatore"]
        with {}
        columns {
            CodiceEnte = "cf_piva_soggetto_attuatore",
            NomeEnte = "denominazione_ipa",
            CodiceIpa = "cod_ipa",
        }
    },
    table! {
        "pnc-progetti" "1" "pnc-progetti.csv" Progetto key ["cup"]
        with { piano: Some(&Piano::Pnc), as_of: AsOf::Column("data_di_estrazione"), }
        columns {
            Cup = "cup",
            Titolo = "titolo_unita_di_rilevazione",
            CodiceEnte = "codice_fiscale_soggetto_attuatore",
            NomeEnte = "soggetto_attuatore",
            Programma = "programma",
            Misura = "codice_intervento",
            Stato = "stato_cup",
            Natura = "natura_investimento",
            FinanziamentoPnc = "finanziamento_pnc",
        }
    },
    table! {
        "pnc-gare" "1" "pnc-gare.csv" Collegamento key ["cup", "cig"]
        with { piano: Some(&Piano::Pnc), as_of: AsOf::Column("data_di_estrazione"), }
        columns {
            Cup = "cup",
            Cig = "cig",
            CodiceEnte = "codice_fiscale_stazione_appaltante",
            NomeEnte = "stazione_appaltante",
            Misura = "codice_intervento",
            Programma = "intervento",
            Titolo = "descrizione_oggetto_gara",
            ImportoBase = "importo_base_dasta_cig",
            ImportoAggiudicazione = "importo_aggiudicazione",
            DataPubblicazione = "data_pubblicazione_cig",
            DataAggiudicazione = "data_aggiudicazione_definitiva",
        }
    },
    table! {
        "pnc-localizzazione" "1" "pnc-localizzazione.csv" Progetto key ["cup"]
        with { piano: Some(&Piano::Pnc), as_of: AsOf::Column("data_di_estrazione"), grouped_by: Some("cup"), }
        columns {
            Cup = "cup",
            Misura = "codice_intervento",
            Provincia = "codice_provincia",
            ComuneNellaProvincia = "codice_comune",
        }
    },
    table! {
        "pnc-aggiudicatari" "1" "pnc-aggiudicatari.csv" Collegamento key ["cup", "cig"]
        with { piano: Some(&Piano::Pnc), as_of: AsOf::Column("data_di_estrazione"), repeated: Repeated::Same, }
        columns {
            Cup = "cup",
            Cig = "cig",
            Misura = "codice_intervento",
            CodiceOperatore = "codice_fiscale_p_iva_soggetto_aggiudicatario",
            NomeOperatore = "denominazione_soggetto_aggiudicatario",
        }
    },
    table! {
        "pnc-subappaltatori" "1" "pnc-subappaltatori.csv" Collegamento key ["cup", "cig"]
        with { piano: Some(&Piano::Pnc), as_of: AsOf::Column("data_di_estrazione"), repeated: Repeated::Same, }
        columns {
            Cup = "cup",
            Cig = "cig",
            Misura = "codice_intervento",
            CodiceOperatore = "codice_fiscale_p_iva_soggetto_subappaltatore",
            NomeOperatore = "soggetto_subappaltatore",
        }
    },
    table! {
        "regis-gare-universo" "1" "regis-gare-universo.csv" Collegamento key ["cup", "cig"]
        with { piano: Some(&Piano::Pnrr), as_of: AsOf::Column("data_di_estrazione"), }
        columns {
            Cup = "cup",
            Cig = "cig",
            IdProcedura = "codice_interno_pda",
            MotivoAssenzaCig = "codice_motivo_assenza_cig",
            Misura = "codice_univoco_submisura",
            Programma = "descrizione_submisura",
            Titolo = "oggetto_gara",
            ImportoBase = "importo_complessivo_gara",
            ImportoAggiudicazione = "importo_aggiudicazione",
            DataPubblicazione = "data_pubblicazione_del_cig",
            DataAggiudicazione = "data_aggiudicazione_definitiva",
            CodiceOperatore = "codice_fiscale_p_iva_aggiudicatario",
            NomeOperatore = "denominazione_aggiudicatario",
        }
    },
    table! {
        "regis-gare-validati" "1" "regis-gare-validati.csv" Collegamento key ["cup", "cig"]
        with { piano: Some(&Piano::Pnrr), }
        columns {
            Cup = "cup",
            Cig = "cig",
            IdProcedura = "codice_interno_pda",
            MotivoAssenzaCig = "codice_motivo_assenza_cig",
            Misura = "codice_univoco_submisura",
            Programma = "descrizione_submisura",
            Titolo = "oggetto_gara",
            ImportoBase = "importo_complessivo_gara",
            ImportoAggiudicazione = "importo_aggiudicazione",
            DataPubblicazione = "data_pubblicazione_del_cig",
            DataAggiudicazione = "data_aggiudicazione_definitiva",
            CodiceOperatore = "codice_fiscale_p_iva_aggiudicatario",
            NomeOperatore = "denominazione_aggiudicatario",
        }
    },
    table! {
        "regis-aggiudicatari" "1" "regis-aggiudicatari.csv" Collegamento key ["cup", "cig"]
        with { piano: Some(&Piano::Pnrr), as_of: AsOf::Column("data_di_estrazione"), repeated: Repeated::Same, }
        columns {
            Cup = "cup",
            Cig = "cig",
            IdProcedura = "codice_interno_pda",
            Misura = "codice_univoco_submisura",
            Programma = "descrizione_submisura",
            CodiceOperatore = "codice_fiscalepiva",
            NomeOperatore = "denominazione_aggiudicatario",
        }
    },
    table! {
        "regis-subappaltatori" "1" "regis-subappaltatori.csv" Collegamento key ["cup", "cig"]
        with { piano: Some(&Piano::Pnrr), empty: &["DENOMINAZIONE DEL SOGGETTO NON PRESENTE"], as_of: AsOf::Column("data_di_estrazione"), repeated: Repeated::Same, }
        columns {
            Cup = "cup",
            Cig = "cig",
            IdProcedura = "codice_interno_pda",
            Misura = "codice_univoco_submisura",
            Programma = "descrizione_submisura",
            CodiceOperatore = "codice_fiscalepiva_subappaltatore",
            NomeOperatore = "denominazione_subappaltatore",
        }
    },
    table! {
        "regis-pagamenti" "1" "regis-pagamenti.csv" Progetto key ["cup"]
        with { piano: Some(&Piano::Pnrr), as_of: AsOf::Column("data_di_estrazione"), grouped_by: Some("cup"), }
        columns {
            Cup = "cup",
            Misura = "codice_univoco_submisura",
            Programma = "descrizione_submisura",
            Finanziamento = "finanziamento_totale",
            FinanziamentoPnrr = "finanziamento_pnrr",
            Pagato = "pagamenti_totali",
        }
    },
    table! {
        "cup-cig" "1" "cup-cig.csv" Collegamento key ["cup", "cig"]
        with { repeated: Repeated::Same, }
        columns {
            Cup = "cup",
            Cig = "cig",
        }
    },
];
