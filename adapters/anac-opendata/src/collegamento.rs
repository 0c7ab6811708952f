//! The links between CUP and CIG, from dataset `cup` and from the document of a CIG.

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::kinds::CollegamentoCupCig;
use canonical::{Finding, Rule};
use contract::DraftRecord;

use crate::draft::Draft;
use crate::read::{Mapped, aside, cig, left_out};
use crate::values::Values;

/// A row of dataset `cup`: the two ends and nothing else.
pub(crate) fn row(values: &dyn Values, findings: &mut Vec<Finding>) -> Mapped {
    let cig = cig(values, "cig", findings)?;
    let mut draft = Draft::on(values, "", findings);
    let cup =
        draft.cup("/cup", "cup").ok_or_else(|| aside(Rule::R13, "the CUP of the record is absent or malformed"))?;
    Ok(vec![draft.record(CollegamentoCupCig::new(cup, Some(cig)))])
}

/// One link for each CUP of a lot, with what the document says of the procedure.
pub(crate) fn of_lotto(
    values: &dyn Values,
    cig: Cig,
    ente: Option<CodiceFiscale>,
    findings: &mut Vec<Finding>,
) -> Vec<DraftRecord> {
    let mut records = Vec::new();
    for (place, one) in values.objects("CUP").iter().enumerate() {
        let Some(cup) = Draft::on(one, "bando.CUP.", findings).cup("/cup", "CUP") else {
            findings.push(left_out(Rule::R13, format!("bando.CUP[{place}]")));
            continue;
        };
        let mut draft = Draft::on(values, "", findings);
        let link = CollegamentoCupCig {
            ente,
            oggetto: draft.words("/oggetto", "oggetto_lotto"),
            importo_base: draft.importo("/importo_base", "importo_lotto"),
            data_pubblicazione: draft.giorno("/data_pubblicazione", "data_pubblicazione"),
            ..CollegamentoCupCig::new(cup, Some(cig))
        };
        records.push(draft.record(link));
    }
    records
}
