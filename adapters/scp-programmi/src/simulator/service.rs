//! What the simulated service holds and by which rules. Pure: a decision gives its effect, and the
//! same effects in the same order always give the same service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::campi::{
    ACQUISTO, ADOZIONE, Campo, INTERVENTO, NON_RIPROPOSTO, OPERA_INCOMPIUTA, PROGRAMMA, TECNICO, Tipo, Valore,
};
use crate::wire::{Genere, ID_RICEVUTO, OPERE_INCOMPIUTE, ValidateEntry, Voce};

/// One publication, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Effect {
    /// The identifier of the publication.
    pub(super) id: i64,
    /// The programme as sent.
    programma: Voce,
}

/// Why the service says no.
#[derive(Debug)]
pub(super) enum No {
    /// The remarks, some of which block.
    Validation(Vec<ValidateEntry>),
    /// There is no publication with the identifier sent.
    NotFound,
}

/// The publications, by identifier.
#[derive(Debug, Default)]
pub(super) struct Service {
    held: BTreeMap<i64, Voce>,
}

impl Service {
    /// The same publication again takes the place of the one before.
    pub(super) fn apply(&mut self, effect: Effect) {
        self.held.insert(effect.id, effect.programma);
    }

    /// A publication as it is read back: with its identifier.
    pub(super) fn programma(&self, genere: Genere, id: i64) -> Option<Voce> {
        let mut programma = self.held.get(&id)?.clone();
        if !text(&programma, "id").is_some_and(|held| held.starts_with(genere.prefisso())) {
            return None;
        }
        programma.insert(ID_RICEVUTO.to_owned(), to_raw_value(&id).ok()?);
        Some(programma)
    }

    /// Checks a programme; gives the warnings, and what its publication would do.
    pub(super) fn check(&self, genere: Genere, body: &[u8]) -> Result<(Vec<ValidateEntry>, Effect), No> {
        let Ok(programma) = serde_json::from_slice::<Voce>(body) else {
            return Err(No::Validation(vec![remark("E", "programma", "il corpo non è un oggetto JSON")]));
        };
        let mut remarks = Vec::new();
        let mut fields = lines(PROGRAMMA);
        if genere == Genere::Lavori {
            fields.extend(lines(ADOZIONE));
        }
        check_voce("", &programma, &fields, &mut remarks);
        check_person("referente", &programma, true, &mut remarks);
        if !text(&programma, "id").is_some_and(|id| id.starts_with(genere.prefisso())) {
            remarks.push(remark("E", "id", "l'identificativo non è di questo programma"));
        }
        let mut fields = lines(INTERVENTO);
        if genere == Genere::FornitureServizi {
            fields.extend(lines(ACQUISTO));
        }
        for (number, item) in items(&programma, genere.interventi(), &mut remarks).iter().enumerate() {
            let place = format!("{}[{number}].", genere.interventi());
            check_voce(&place, item, &fields, &mut remarks);
            check_person("rup", item, false, &mut remarks);
            if text(item, "cup").is_none() && text(item, "esenteCup").as_deref() != Some("1") {
                remarks.push(remark("W", &format!("{place}cup"), "il CUP non è valorizzato"));
            }
        }
        for item in items(&programma, genere.non_riproposti(), &mut remarks) {
            check_voce(genere.non_riproposti(), &item, &lines(NON_RIPROPOSTO), &mut remarks);
        }
        for item in items(&programma, OPERE_INCOMPIUTE, &mut remarks) {
            check_voce(OPERE_INCOMPIUTE, &item, &lines(OPERA_INCOMPIUTA), &mut remarks);
        }
        if remarks.iter().any(|remark| remark.tipo.as_deref() == Some("E")) {
            return Err(No::Validation(remarks));
        }
        let id = self.id_of(&programma)?;
        Ok((remarks, Effect { id, programma }))
    }

    /// The identifier under which a programme is published: the one it carries, or the next. A
    /// programme that does not carry its own is published once more.
    fn id_of(&self, programma: &Voce) -> Result<i64, No> {
        let Some(sent) = programma.get(ID_RICEVUTO) else {
            return Ok(self.held.keys().next_back().map_or(1, |last| last + 1));
        };
        let id = serde_json::from_str::<i64>(sent.get()).map_err(|_| No::NotFound)?;
        let held = self.held.get(&id).ok_or(No::NotFound)?;
        if text(held, "id") != text(programma, "id") {
            let problem = "l'identificativo ricevuto è di un altro programma";
            return Err(No::Validation(vec![remark("E", ID_RICEVUTO, problem)]));
        }
        Ok(id)
    }
}

/// What the service looks at in a field.
struct Line {
    nome: &'static str,
    tipo: Tipo,
    massimo: usize,
    obbligatorio: bool,
}

fn lines<T>(campi: &'static [Campo<T>]) -> Vec<Line> {
    let line = |campo: &Campo<T>| Line {
        nome: campo.nome,
        tipo: campo.tipo,
        massimo: campo.massimo,
        obbligatorio: campo.obbligatorio,
    };
    campi.iter().map(line).collect()
}

fn check_voce(place: &str, voce: &Voce, fields: &[Line], remarks: &mut Vec<ValidateEntry>) {
    for line in fields {
        let mut no = |problem: &str| remarks.push(remark("E", &format!("{place}{}", line.nome), problem));
        let null = RawValue::NULL;
        match line.tipo.read(voce.get(line.nome).map_or(null, Box::as_ref)) {
            Err(()) => no("il formato non è valido"),
            Ok(None) if line.obbligatorio => no("il campo è obbligatorio"),
            Ok(Some(valore)) if line.massimo > 0 && valore.length() > line.massimo => no("il testo è troppo lungo"),
            Ok(Some(Valore::Testo(text)))
                if matches!(line.nome, "esenteCup" | "lottoFunzionale" | "delega")
                    && !["1", "2"].contains(&text.as_str()) =>
            {
                no("il valore non è nel tabellato SN");
            }
            Ok(_) => {}
        }
    }
}

fn check_person(name: &str, voce: &Voce, is_needed: bool, remarks: &mut Vec<ValidateEntry>) {
    match voce.get(name).map(|person| serde_json::from_str::<Voce>(person.get())) {
        Some(Ok(person)) => check_voce(&format!("{name}."), &person, &lines(TECNICO), remarks),
        Some(Err(_)) => remarks.push(remark("E", name, "il formato non è valido")),
        None if is_needed => remarks.push(remark("E", name, "il campo è obbligatorio")),
        None => {}
    }
}

fn items(voce: &Voce, list: &str, remarks: &mut Vec<ValidateEntry>) -> Vec<Voce> {
    let read = voce.get(list).map(|items| serde_json::from_str::<Vec<Voce>>(items.get()));
    read.unwrap_or(Ok(Vec::new())).unwrap_or_else(|_| {
        remarks.push(remark("E", list, "il formato non è valido"));
        Vec::new()
    })
}

fn text(voce: &Voce, field: &str) -> Option<String> {
    voce.get(field).and_then(|value| serde_json::from_str(value.get()).ok())
}

fn remark(tipo: &str, nome: &str, messaggio: &str) -> ValidateEntry {
    ValidateEntry { nome: Some(nome.to_owned()), messaggio: Some(messaggio.to_owned()), tipo: Some(tipo.to_owned()) }
}
