//! What one row is made from: the unit, and the members that belong to the row.

use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{
    Aggiudicazione, CollegamentoCupCig, Contratto, EventoEsecuzione, Intervento, Lotto, Procedura, Progetto, Programma,
    Qualificazione, Rilevazione, Risorsa, Segnalazione, ServizioAssociato,
};
use canonical::{Body, Kind, Record};

use crate::cell::{BodyCode, Cell, CleanText, Impersonal};

/// What the key of the unit says of its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// The body of a package.
    Ente(BodyCode),
    /// The identifiers of a single sheet.
    Sheet(&'a [String]),
}

/// What one row is made from.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) origin: Origin<'a>,
    pub(crate) records: Vec<&'a Record>,
}

/// What a column took.
#[derive(Debug)]
pub(crate) struct Took<'a> {
    pub(crate) cell: Option<Cell>,
    /// The record that gave it; none when it comes from the unit.
    pub(crate) record: Option<&'a Record>,
    /// The fields of that record, where they are not those that the column names.
    pub(crate) path: Option<&'static str>,
    /// Whether the fiscal code of a person was left out.
    pub(crate) is_withheld: bool,
}

impl<'a> Took<'a> {
    /// A cell as it is.
    pub(crate) fn plain(cell: Cell, record: Option<&'a Record>) -> Self {
        Self { cell: Some(cell), record, path: None, is_withheld: false }
    }

    /// The same, decided by other fields than those that the column names.
    pub(crate) fn by(self, path: &'static str) -> Self {
        Self { path: Some(path), ..self }
    }
}

/// One member, with its body by type.
#[derive(Debug)]
pub(crate) struct Member<'a, T> {
    pub(crate) record: &'a Record,
    pub(crate) body: &'a T,
}

impl<T> Clone for Member<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Member<'_, T> {}

impl<'a, T> Member<'a, T> {
    /// A value that may leave as it is.
    pub(crate) fn cell<V: Impersonal>(self, value: impl FnOnce(&'a T) -> Option<V>) -> Option<Took<'a>> {
        Some(Took::plain(value(self.body)?.cell(), Some(self.record)))
    }

    /// A set of values that may leave as they are; none when it is empty.
    pub(crate) fn cells<V>(self, values: impl FnOnce(&'a T) -> BTreeSet<V>) -> Option<Took<'a>>
    where
        BTreeSet<V>: Impersonal,
    {
        self.cell(|body| Some(values(body)).filter(|values| !values.is_empty()))
    }

    /// A received text, which leaves without the fiscal codes of persons.
    pub(crate) fn text(self, value: impl FnOnce(&'a T) -> Option<&'a str>) -> Option<Took<'a>> {
        let (text, is_withheld) = CleanText::of(value(self.body).filter(|text| !text.is_empty())?);
        Some(Took { is_withheld, ..Took::plain(text.cell(), Some(self.record)) })
    }

    /// The fiscal code of a body; that of a person stays here.
    pub(crate) fn body_code(self, value: impl FnOnce(&'a T) -> Option<CodiceFiscale>) -> Option<Took<'a>> {
        let code = BodyCode::of(value(self.body)?);
        let (is_withheld, cell) = (code.is_none(), code.map(Impersonal::cell));
        Some(Took { cell, record: Some(self.record), path: None, is_withheld })
    }
}

macro_rules! members {
    ($( $kind:ident $one:ident; )+) => {
        $( #[doc = concat!("The first `", stringify!($kind), "`.")]
        pub(crate) fn $one(&self) -> Option<Member<'a, $kind>> {
            self.all(|body| if let Body::$kind(body) = body { Some(body) } else { None }).next()
        } )+
    };
}

impl<'a> Subject<'a> {
    members! {
        Procedura procedura;
        Lotto lotto;
        Programma programma;
        Intervento intervento;
        Progetto progetto;
        CollegamentoCupCig collegamento;
        Qualificazione qualificazione;
        ServizioAssociato servizio;
        Rilevazione rilevazione;
        Risorsa risorsa;
        Segnalazione segnalazione;
    }

    fn all<T: 'a>(&self, of: impl Fn(&'a Body) -> Option<&'a T>) -> impl Iterator<Item = Member<'a, T>> {
        self.records.iter().filter_map(move |record| Some(Member { record, body: of(&record.body)? }))
    }

    /// The first member of a kind.
    pub(crate) fn first(&self, kind: Kind) -> Option<&'a Record> {
        self.records.iter().copied().find(|record| record.kind() == kind)
    }

    /// The body of the package.
    pub(crate) fn ente(&self) -> Option<Took<'a>> {
        let Origin::Ente(ente) = self.origin else { return None };
        Some(Took::plain(ente.cell(), None))
    }

    /// An identifier of a single sheet, as its unit has it.
    pub(crate) fn identifier(&self, position: usize) -> Option<Took<'a>> {
        let Origin::Sheet(identifiers) = self.origin else { return None };
        let (text, is_withheld) = CleanText::of(identifiers.get(position)?);
        Some(Took { is_withheld, ..Took::plain(text.cell(), self.records.first().copied()) })
    }

    /// The awards, by number.
    pub(crate) fn aggiudicazioni(&self) -> Vec<Member<'a, Aggiudicazione>> {
        let of = |body: &'a Body| if let Body::Aggiudicazione(body) = body { Some(body) } else { None };
        by_award(self.all(of), |body| body.id_aggiudicazione)
    }

    /// The contracts, by number of their award.
    pub(crate) fn contratti(&self) -> Vec<Member<'a, Contratto>> {
        let of = |body: &'a Body| if let Body::Contratto(body) = body { Some(body) } else { None };
        by_award(self.all(of), |body| body.id_aggiudicazione)
    }

    /// The events.
    pub(crate) fn eventi(&self) -> impl Iterator<Item = Member<'a, EventoEsecuzione>> {
        self.all(|body| if let Body::EventoEsecuzione(body) = body { Some(body) } else { None })
    }
}

fn by_award<'a, T>(members: impl Iterator<Item = Member<'a, T>>, number: impl Fn(&T) -> u32) -> Vec<Member<'a, T>> {
    let mut members: Vec<Member<'a, T>> = members.collect();
    members.sort_by_key(|member| number(member.body));
    members
}

/// The one row of a sheet, also when no member is left.
pub(crate) fn whole<'a>(members: &[&'a Record]) -> Vec<Vec<&'a Record>> {
    vec![members.to_vec()]
}

/// Members that make a row together, when they have the same text.
pub(crate) fn together<'a>(members: &[&'a Record], by: impl Fn(&Body) -> Option<String>) -> Vec<Vec<&'a Record>> {
    let mut groups: BTreeMap<String, Vec<&'a Record>> = BTreeMap::new();
    for record in members {
        if let Some(text) = by(&record.body) {
            groups.entry(text).or_default().push(record);
        }
    }
    groups.into_values().collect()
}

/// Members that make a row each, beside what they refer to; what nobody refers to makes a row
/// alone. `name` names a member that others refer to, `refers` the one that a member refers to.
pub(crate) fn beside<'a>(
    members: &[&'a Record],
    name: impl Fn(&Body) -> Option<String>,
    refers: impl Fn(&Body) -> Option<String>,
) -> Vec<Vec<&'a Record>> {
    let named = |record: &&'a Record| Some((name(&record.body)?, *record));
    let by_name: BTreeMap<String, &'a Record> = members.iter().filter_map(named).collect();
    let mut referred = BTreeSet::new();
    let mut groups: Vec<Vec<&'a Record>> = Vec::new();
    for record in members {
        let Some(referred_to) = refers(&record.body) else { continue };
        groups.push(by_name.get(&referred_to).into_iter().chain([record]).copied().collect());
        referred.insert(referred_to);
    }
    groups.extend(by_name.into_iter().filter(|(name, _)| !referred.contains(name)).map(|(_, record)| vec![record]));
    groups
}
