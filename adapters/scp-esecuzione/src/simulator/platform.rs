//! What the simulated platform holds and by which rules. Pure: a decision gives its effect, and
//! the same effects in the same order always give the same platform.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use canonical::Digest;
use canonical::identifiers::{Cig, CigClass};
use canonical::kinds::Fase;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schede::{OURS, Scheda};
use crate::wire::{BozzaAccolta, BozzaInviata, BozzaTenuta, Esito, PaginaBozze};
use crate::{official, rome};

/// The reason of the one refusal with a status of its own.
pub(super) const NEWER: &str = "VERSIONE_SUPERATA";

/// One effect, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "effetto", rename_all = "snake_case")]
pub(super) enum Effect {
    /// A draft was written, or written again in a newer version.
    Bozza {
        /// `cig/award/phase/progressive`.
        key: String,
        /// The version.
        versione: u64,
        /// SHA-256 of the received bytes.
        impronta: String,
        /// The key of the request.
        idempotency_key: String,
        /// The identifier given.
        #[serde(rename = "idBozza")]
        id_bozza: String,
        /// The received body.
        body: BozzaInviata,
    },
    /// A draft changed state.
    Stato {
        /// `cig/award/phase/progressive`.
        key: String,
        /// The new state.
        stato: String,
        /// When, in the platform's local time.
        il: String,
        /// Why, when it is rejected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        codice: Option<String>,
    },
    /// An award was put into a tender.
    Gara {
        /// `cig/award`.
        lane: String,
        /// The tender.
        gara: String,
    },
}

/// Why the platform says no.
#[derive(Debug, Clone)]
pub(super) struct No {
    pub(super) code: &'static str,
    pub(super) esiti: Vec<Esito>,
}

impl No {
    pub(super) fn because(code: &'static str) -> Self {
        Self { code, esiti: Vec::new() }
    }

    fn at(code: &'static str, campo: &str, messaggio: &str) -> Self {
        Self { code, esiti: vec![Esito::error(code, Some(campo), messaggio)] }
    }
}

/// A draft held.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) body: BozzaInviata,
    pub(super) id_bozza: String,
    pub(super) stato: String,
    /// When its state changed last, in local time; never for a draft that nobody touched.
    pub(super) il: Option<String>,
    /// What the platform has to say of it.
    esiti: Vec<Esito>,
}

/// What becomes of the drafts when nobody says otherwise: who follows one sees it advance by one
/// state each time, up to the end that is planned for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// Which drafts: a key, a scheda, or `*`.
    bozza: String,
    /// The end.
    esito: End,
    /// The code of a rejection.
    codice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Accettata,
    Scartata,
    /// It stays where it is.
    Ferma,
}

impl Draft {
    /// Only what was sent to the authority can be read by others.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self.stato.as_str(), "trasmessa" | "accettata")
    }

    fn accolta(&self) -> BozzaAccolta {
        BozzaAccolta {
            id_bozza: self.id_bozza.clone(),
            stato: self.stato.clone(),
            versione: self.body.versione,
            esiti: self.esiti.clone(),
        }
    }
}

/// The states of a draft, each with those that may follow.
const STATES: &[(&str, &[&str])] = &[
    ("bozza", &["in_verifica"]),
    ("in_verifica", &["confermata"]),
    ("confermata", &["trasmessa"]),
    ("trasmessa", &["accettata", "scartata"]),
    ("accettata", &[]),
    ("scartata", &[]),
];

/// When the clock of the platform begins. It moves by a minute with every change of state: the
/// same effects always give the same times.
const BEGINNING: &str = "2026-01-01T08:00:00";
/// The code of a rejection that the plan does not name.
const GENERIC: &str = "ERR40";

/// What the platform holds.
#[derive(Debug, Default)]
pub(super) struct Platform {
    pub(super) plans: Vec<Plan>,
    /// The time of the last change of state.
    last_change: Option<String>,
    pub(super) drafts: BTreeMap<String, Draft>,
    /// Tender of each `cig/award` that was put into one.
    pub(super) gare: BTreeMap<String, String>,
    /// What was asked and answered under each idempotency key: draft, digest, answer.
    answered: HashMap<String, (String, String, BozzaAccolta)>,
}

impl Platform {
    /// Has an effect.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Bozza { key, impronta, idempotency_key, id_bozza, body, .. } => {
                // A newer version opens the draft again: the person has to look at it again.
                let draft = Draft { body, id_bozza, stato: "bozza".to_owned(), il: None, esiti: Vec::new() };
                self.answered.insert(idempotency_key, (key.clone(), impronta, draft.accolta()));
                self.drafts.insert(key, draft);
            }
            Effect::Stato { key, stato, il, codice } => {
                self.last_change = self.last_change.take().max(Some(il.clone()));
                if let Some(draft) = self.drafts.get_mut(&key) {
                    draft.stato = stato;
                    draft.il = Some(il);
                    let esito = |codice: &String| Esito::error(codice, None, "esito negativo di prova");
                    draft.esiti = codice.as_ref().map(esito).into_iter().collect();
                }
            }
            Effect::Gara { lane, gara } => {
                self.gare.insert(lane, gara);
            }
        }
    }

    /// Decides on a draft: whether it is a new one, what to answer, which effect it has.
    pub(super) fn submit(
        &self,
        key: &str,
        idempotency_key: &str,
        bytes: &[u8],
        body: BozzaInviata,
    ) -> Result<(bool, BozzaAccolta, Option<Effect>), No> {
        let impronta = Digest::of(bytes).to_string();
        if let Some((key_before, before, accolta)) = self.answered.get(idempotency_key) {
            let same = key_before == key && *before == impronta;
            return if same { Ok((false, accolta.clone(), None)) } else { Err(No::because("IDEMPOTENCY_MISMATCH")) };
        }
        self.check(key, &body)?;
        let held = self.drafts.get(key);
        if let Some(held) = held.filter(|held| held.body.versione >= body.versione) {
            let same = held.body.scheda == body.scheda && held.body.contenuto() == body.contenuto();
            return if same { Ok((false, held.accolta(), None)) } else { Err(No::because(NEWER)) };
        }
        let id_bozza = held.map_or_else(|| format!("B{:08}", self.drafts.len() + 1), |held| held.id_bozza.clone());
        let versione = body.versione;
        let accolta = BozzaAccolta { id_bozza, stato: "bozza".to_owned(), versione, esiti: Vec::new() };
        let effect = Effect::Bozza {
            key: key.to_owned(),
            versione,
            impronta,
            idempotency_key: idempotency_key.to_owned(),
            id_bozza: accolta.id_bozza.clone(),
            body,
        };
        Ok((held.is_none(), accolta, Some(effect)))
    }

    /// The rules on the content of a draft.
    fn check(&self, key: &str, body: &BozzaInviata) -> Result<(), No> {
        let mut parts = key.split('/');
        let (cig, award) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let cig = Cig::parse(cig).ok().filter(|cig| !cig.is_null());
        let cig = cig.ok_or_else(|| No::at("CIG_NON_VALIDO", "cig", "il CIG non ha la struttura prevista"))?;
        if cig.class() == CigClass::SmartCig {
            return Err(No::at("SMARTCIG", "cig", "uno SmartCIG non ha fase di esecuzione su questa piattaforma"));
        }
        let phase = parts.next().and_then(|phase| phase.parse().ok()).and_then(Fase::from_code);
        let progressive = parts.next().unwrap_or_default();
        let phase = phase.filter(|_| is_number(award) && is_number(progressive));
        let phase = phase.ok_or(No::because("CHIAVE_NON_VALIDA"))?;
        let scheda = Scheda::of_fase(phase).find(|scheda| scheda.code == body.scheda);
        let scheda = scheda.ok_or(No::at("SCHEDA_NON_COERENTE", "scheda", "la scheda non appartiene alla fase"))?;
        let esiti = problems(scheda, body);
        if body.versione == 0 || !body.anac_form.is_object() || !esiti.is_empty() {
            return Err(No { code: "BOZZA_NON_VALIDA", esiti });
        }
        if matches!(scheda.fase, Fase::SuperamentoQuarto | Fase::Ripresa) {
            let field = "integrazioni.progressivoSospensione";
            let number = body.integrazioni.get("progressivoSospensione").and_then(Value::as_u64);
            let suspension = number.map(|number| format!("{cig}/{award}/{}/{number}", Fase::Sospensione.code()));
            if suspension.is_none_or(|suspension| !self.drafts.contains_key(&suspension)) {
                return Err(No::at("SEQUENZA", field, "la sospensione a cui la scheda si riferisce non esiste"));
            }
        }
        Ok(())
    }

    /// The draft of a key.
    pub(super) fn draft(&self, key: &str) -> Result<BozzaTenuta, No> {
        self.drafts.get(key).map(|draft| held(key, draft)).ok_or(No::because("NOT_FOUND"))
    }

    /// The state of a draft, by the identifier given to it.
    pub(super) fn state(&self, id: &str) -> Result<BozzaAccolta, No> {
        let draft = self.drafts.values().find(|draft| draft.id_bozza == id);
        draft.map(Draft::accolta).ok_or(No::because("NOT_FOUND"))
    }

    /// A page of the inventory: the drafts after a key, in ascending order.
    pub(super) fn page(&self, after: Option<&str>, limit: usize) -> PaginaBozze {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.drafts.range::<str, _>((start, Bound::Unbounded));
        let bozze: Vec<_> = rest.by_ref().take(limit).map(|(key, draft)| held(key, draft)).collect();
        let last = bozze.last().map(|bozza| bozza.chiave.clone());
        PaginaBozze { dopo: last.filter(|_| rest.next().is_some()), bozze }
    }

    /// Decides on a change of state. Without a state: the first that may follow.
    pub(super) fn advance(&self, key: &str, stato: Option<&str>, il: &str) -> Result<Effect, No> {
        let draft = self.drafts.get(key).ok_or(No::because("NOT_FOUND"))?;
        let following = STATES.iter().find(|(state, _)| *state == draft.stato).map_or(&[][..], |(_, next)| next);
        let next = following.iter().find(|next| stato.is_none_or(|stato| stato == **next));
        let stato = (*next.ok_or(No::because("TRANSIZIONE_NON_AMMESSA"))?).to_owned();
        let codice = (stato == "scartata").then(|| GENERIC.to_owned());
        Ok(Effect::Stato { key: key.to_owned(), stato, il: il.to_owned(), codice })
    }

    /// The next state of a draft whose state was asked for; none when it stays.
    pub(super) fn step(&self, id: &str) -> Option<Effect> {
        let (key, draft) = self.drafts.iter().find(|(_, draft)| draft.id_bozza == id)?;
        let is_for = |plan: &&Plan| plan.bozza == "*" || plan.bozza == *key || plan.bozza == draft.body.scheda;
        let plan = self.plans.iter().find(is_for);
        let end = plan.map_or(End::Accettata, |plan| plan.esito);
        let is_last = draft.stato == "trasmessa";
        let (stato, codice) = match end {
            End::Ferma => return None,
            End::Scartata if is_last => {
                let codice = plan.and_then(|plan| plan.codice.clone()).unwrap_or_else(|| GENERIC.to_owned());
                (Some("scartata"), Some(codice))
            }
            End::Accettata | End::Scartata => (None, None),
        };
        let effect = self.advance(key, stato, &rome::minute_after(self.now())?).ok()?;
        Some(match effect {
            Effect::Stato { key, stato, il, .. } => Effect::Stato { key, stato, il, codice },
            other => other,
        })
    }

    /// The local time of the platform.
    pub(super) fn now(&self) -> &str {
        self.last_change.as_deref().unwrap_or(BEGINNING)
    }
}

fn held(key: &str, draft: &Draft) -> BozzaTenuta {
    BozzaTenuta {
        chiave: key.to_owned(),
        id_bozza: draft.id_bozza.clone(),
        stato: draft.stato.clone(),
        versione: draft.body.versione,
        scheda: draft.body.scheda.clone(),
        anac_form: draft.body.anac_form.clone(),
        integrazioni: draft.body.integrazioni.clone(),
    }
}

/// A whole number from one, written in its only way.
fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|number| number > 0 && number.to_string() == text)
}

/// What in a draft does not follow its scheda: the official form, and our fields beside it. What is
/// missing is not looked at: the person who confirms completes it.
fn problems(scheda: &Scheda, body: &BozzaInviata) -> Vec<Esito> {
    let wrong = official::problems_of_draft(scheda.code, &body.anac_form).into_iter();
    let mut esiti: Vec<_> = wrong
        .filter(|problem| !problem.is_missing())
        .map(|problem| {
            let codice = if problem.rule == "additionalProperties" { "CAMPO" } else { "TIPO" };
            Esito::error(codice, Some(&problem.path), "la scheda nazionale non ammette questo campo o questo valore")
        })
        .collect();
    for (name, value) in body.integrazioni.as_object().into_iter().flatten() {
        let path = format!("{OURS}{name}");
        match scheda.all_fields().find(|field| field.path == path) {
            Some(field) if field.admits(value) => {}
            Some(_) => esiti.push(Esito::error("TIPO", Some(&path), "il valore non ha il tipo previsto")),
            None => esiti.push(Esito::error("CAMPO", Some(&path), "la scheda non ha questo campo")),
        }
    }
    esiti
}
