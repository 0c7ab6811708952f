//! Which fields of each kind are compared, how, and to which group of ownership they belong.
//!
//! A table, and nothing else. What only its own source can know, such as a remote identifier or the
//! order inside a document, is not compared.

use canonical::Body;
use canonical::Kind;
use canonical::identifiers::{CodiceFiscale, Cup};
use canonical::kinds::{Aggiudicazione, CollegamentoCupCig, Contratto, Ente, Intervento, Lotto, Pagamento};
use canonical::kinds::{Procedura, Progetto, Qualificazione, Territorio};

use super::super::judge::FieldKind;
use super::super::judge::{Codes, Operators, Value};
use super::owners::Group;

/// A comparable field of a kind.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name in the canonical schema.
    pub name: &'static str,
    /// The group of ownership.
    pub group: Group,
    /// How two values of it are compared.
    pub kind: FieldKind,
    /// Its value in a body of the kind.
    pub of: for<'a> fn(&'a Body) -> Option<Value<'a>>,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Field").field("name", &self.name).field("group", &self.group).finish_non_exhaustive()
    }
}

/// The comparable fields of a kind, in the order of its schema.
pub fn fields_of(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Procedura => PROCEDURA,
        Kind::Lotto => LOTTO,
        Kind::Aggiudicazione => AGGIUDICAZIONE,
        Kind::Contratto => CONTRATTO,
        Kind::Pagamento => PAGAMENTO,
        Kind::Intervento => INTERVENTO,
        Kind::Progetto => PROGETTO,
        Kind::CollegamentoCupCig => COLLEGAMENTO,
        Kind::Qualificazione => QUALIFICAZIONE,
        Kind::Ente => ENTE,
        Kind::Territorio => TERRITORIO,
        _ => &[],
    }
}

macro_rules! fields {
    ($kind:ident: $( $name:literal $group:ident $field_kind:ident |$it:ident| $value:expr; )+) => {
        &[ $( Field {
            name: $name,
            group: Group::$group,
            kind: FieldKind::$field_kind,
            of: {
                fn value(body: &Body) -> Option<Value<'_>> {
                    let Body::$kind($it) = body else { return None };
                    let $it: &$kind = $it;
                    $value
                }
                value
            },
        }, )+ ]
    };
}

fn text(text: Option<&String>) -> Option<Value<'_>> {
    text.map(|text| Value::Text(text))
}

fn code<T: AsRef<str>>(code: Option<&T>) -> Option<Value<'_>> {
    code.map(|code| Value::Code(code.as_ref()))
}

fn plain(code: Option<&String>) -> Option<Value<'_>> {
    code.map(|code| Value::Code(code))
}

fn body(code: Option<&CodiceFiscale>) -> Option<Value<'_>> {
    code.map(|code| Value::Code(code.as_str()))
}

fn cup(cup: Option<&Cup>) -> Option<Value<'_>> {
    cup.map(|cup| Value::Codes(Codes::One(cup.as_str())))
}

const PROCEDURA: &[Field] = fields!(Procedura:
    "oggetto" Lot Text |it| text(it.oggetto.as_ref());
    "stazione_appaltante" Lot Operator |it| body(it.stazione_appaltante.as_ref());
    "ente_delegante" Lot Operator |it| body(it.ente_delegante.as_ref());
    "scelta_contraente" Lot ProcedureType |it| it.scelta_contraente.as_ref().map(|it| Value::Code(it.as_str()));
    "importo" Lot Amount |it| it.importo.map(Value::Amount);
    "oneri_sicurezza" Lot Amount |it| it.oneri_sicurezza.map(Value::Amount);
    "pubblicata_il" Lot Published |it| it.pubblicata_il.map(Value::Instant);
    "scadenza_offerte" Lot Date |it| it.scadenza_offerte.map(Value::Instant);
);

const LOTTO: &[Field] = fields!(Lotto:
    "oggetto" Lot Text |it| text(it.oggetto.as_ref());
    "stazione_appaltante" Lot Operator |it| body(it.stazione_appaltante.as_ref());
    "scelta_contraente" Lot ProcedureType |it| it.scelta_contraente.as_ref().map(|it| Value::Code(it.as_str()));
    "cup" Cup Cups |it| Some(Value::Codes(Codes::Cups(&it.cup)));
    "cui" Programme Cui |it| it.cui.as_ref().map(|it| Value::Code(it.as_str()));
    "cpv" Lot Code |it| it.cpv.as_ref().map(|it| Value::Code(it.digits()));
    "categoria" Lot Text |it| text(it.categoria.as_ref());
    "importo_netto" Lot Amount |it| it.importo_netto.map(Value::Amount);
    "oneri_sicurezza" Lot Amount |it| it.oneri_sicurezza.map(Value::Amount);
    "importo_totale" Lot Amount |it| it.importo_totale.map(Value::Amount);
    "luogo_istat" Lot Territory |it| it.luogo_istat.as_ref().map(|it| Value::Code(it.as_str()));
    "luogo_nuts" Lot Code |it| it.luogo_nuts.as_ref().map(|it| Value::Code(it.as_str()));
    "cig_accordo_quadro" Cig Code |it| it.cig_accordo_quadro.as_ref().map(|it| Value::Code(it.as_str()));
);

const AGGIUDICAZIONE: &[Field] = fields!(Aggiudicazione:
    "data" Award Date |it| it.data.map(Value::Date);
    "importo" Award Amount |it| it.importo.map(Value::Amount);
    "ribasso" Award Code |it| plain(it.ribasso.as_ref());
    "esito" Award Code |it| plain(it.esito.as_ref());
    "aggiudicatari" Award Operators |it| Some(Value::Operators(Operators::Parties(&it.aggiudicatari)));
    "partecipanti" Participants Operators |it| Some(Value::Operators(Operators::Parties(&it.partecipanti)));
);

const CONTRATTO: &[Field] = fields!(Contratto:
    "data_stipula" Contract Date |it| it.data_stipula.map(Value::Date);
    "importo" Contract Amount |it| it.importo.map(Value::Amount);
    "data_inizio" Contract Date |it| it.data_inizio.map(Value::Date);
    "data_fine" Contract Date |it| it.data_fine.map(Value::Date);
    "somme_liquidate" Paid Amount |it| it.somme_liquidate.map(Value::Amount);
    "piattaforma_esecuzione" Contract Code |it| plain(it.piattaforma_esecuzione.as_ref());
);

const PAGAMENTO: &[Field] = fields!(Pagamento:
    "data" Paid Date |it| it.data.map(Value::Date);
    "beneficiario" Paid Operators |it| it.beneficiario.as_ref().map(|it| Value::Operators(Operators::One(it)));
    "cup" Cup Cups |it| cup(it.cup.as_ref());
    "importo" Paid Amount |it| it.importo.map(Value::Amount);
    "iva" Paid Amount |it| it.iva.map(Value::Amount);
    "importo_netto" Paid Amount |it| it.importo_netto.map(Value::Amount);
    "importo_pagato" Paid Amount |it| it.importo_pagato.map(Value::Amount);
    "importo_da_pagare" Paid Amount |it| it.importo_da_pagare.map(Value::Amount);
);

const INTERVENTO: &[Field] = fields!(Intervento:
    "descrizione" Programme Text |it| Some(Value::Text(&it.descrizione));
    "anno" Programme Code |it| Some(Value::Number(i64::from(it.anno)));
    "cup" Cup Cups |it| cup(it.cup.as_ref());
    "cpv" Programme Code |it| it.cpv.as_ref().map(|it| Value::Code(it.digits()));
    "luogo_istat" Programme Territory |it| it.luogo_istat.as_ref().map(|it| Value::Code(it.as_str()));
    "luogo_nuts" Programme Code |it| it.luogo_nuts.as_ref().map(|it| Value::Code(it.as_str()));
    "priorita" Programme Code |it| plain(it.priorita.as_ref());
    "rup" Programme Person |it| it.rup.as_ref().map(Value::Person);
    "delegato" Programme Identifier |it| code(it.delegato.as_ref());
    "spese_sostenute" Programme Amount |it| it.spese_sostenute.map(Value::Amount);
    "importo_totale" Programme Amount |it| it.importo_totale.map(Value::Amount);
);

const PROGETTO: &[Field] = fields!(Progetto:
    "titolo" Cup Text |it| text(it.titolo.as_ref());
    "ente" Cup Operator |it| body(it.ente.as_ref());
    "costo" Cup Amount |it| it.costo.map(Value::Amount);
    "finanziamento" Cup Amount |it| it.finanziamento.map(Value::Amount);
    "pagato" Paid Amount |it| it.pagato.map(Value::Amount);
    "data_generazione" Cup Date |it| it.data_generazione.map(Value::Date);
    "data_chiusura" Cup Date |it| it.data_chiusura.map(Value::Date);
);

const COLLEGAMENTO: &[Field] = fields!(CollegamentoCupCig:
    "oggetto" Lot Text |it| text(it.oggetto.as_ref());
    "importo_base" Lot Amount |it| it.importo_base.map(Value::Amount);
    "importo_aggiudicazione" Award Amount |it| it.importo_aggiudicazione.map(Value::Amount);
    "data_pubblicazione" Lot Published |it| it.data_pubblicazione.map(Value::Date);
    "data_aggiudicazione" Award Date |it| it.data_aggiudicazione.map(Value::Date);
);

const QUALIFICAZIONE: &[Field] = fields!(Qualificazione:
    "codice_ausa" Identity Identifier |it| code(it.codice_ausa.as_ref());
    "livello" Qualification Code |it| Some(Value::Code(it.livello.code()));
    "punteggio" Qualification Code |it| plain(it.punteggio.as_ref());
    "valida_al" Qualification Date |it| it.valida_al.map(Value::Date);
);

const ENTE: &[Field] = fields!(Ente:
    "denominazione" Identity Text |it| text(it.denominazione.as_ref());
    "codice_ausa" Identity Identifier |it| code(it.codice_ausa.as_ref());
    "codice_ipa" Identity Identifier |it| code(it.codice_ipa.as_ref());
    "codice_istat" Identity Territory |it| it.codice_istat.as_ref().map(|it| Value::Code(it.as_str()));
);

const TERRITORIO: &[Field] = fields!(Territorio:
    "denominazione" Identity Text |it| Some(Value::Text(&it.denominazione));
    "codice_catastale" Identity Code |it| plain(it.codice_catastale.as_ref());
    "provincia" Identity Territory |it| it.provincia.as_ref().map(|it| Value::Code(it.as_str()));
    "nuts" Identity Code |it| it.nuts.as_ref().map(|it| Value::Code(it.as_str()));
);
