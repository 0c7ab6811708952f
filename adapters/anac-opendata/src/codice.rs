//! The code tables of the portal: what a code of its datasets means. One layout for all of them, and
//! the name of the list in each row.

use canonical::kinds::Codice;
use canonical::{Finding, Rule};

use crate::draft::Draft;
use crate::read::{Context, Mapped, aside};
use crate::values::Values;

/// Where the tables are published.
const FONTE: &str = "ANAC, dati aperti";

/// A row of dataset `codici`. Codes are opaque: their zeros and blanks are part of them.
pub(crate) fn row(values: &dyn Values, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let is_absent = |name: &str| values.text(name).is_none_or(|text| text.trim().is_empty());
    let (Some(lista), Some(codice), false) =
        (values.text("tabella"), values.text("codice"), is_absent("tabella") || is_absent("codice"))
    else {
        return Err(aside(Rule::N08, "the row has no list or no code"));
    };
    if context.occurrence > 0 {
        // Old and new wordings of a category, usually: one code means one thing.
        return Err(aside(
            Rule::R06,
            "an earlier row of the table has the same code: its meaning is the one written there",
        ));
    }
    let mut draft = Draft::on(values, "", findings);
    let descrizione = draft.words("/descrizione", "denominazione");
    Ok(vec![draft.record(Codice {
        lista: lista.to_owned(),
        codice: codice.to_owned(),
        descrizione,
        valido_dal: None,
        valido_al: None,
        fonte: Some(FONTE.to_owned()),
    })])
}
