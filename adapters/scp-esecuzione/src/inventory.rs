//! From the drafts that the platform holds to rows that can be compared. Pure.

use contract::{ObservedUnit, UnitKey};

use crate::schede;
use crate::wire::{BozzaInviata, BozzaTenuta, PaginaBozze, contenuto};

/// A page of the inventory as units; the error says what was wrong with it.
///
/// A page out of order, or one that leads back, would make a comparison call present things
/// missing: it is refused.
pub(crate) fn page(page: PaginaBozze, from: Option<&str>) -> Result<(Vec<ObservedUnit>, Option<String>), &'static str> {
    let mut last = from;
    for bozza in &page.bozze {
        if last.is_some_and(|last| last >= bozza.chiave.as_str()) {
            return Err("keys of the inventory not in ascending order");
        }
        last = Some(&bozza.chiave);
    }
    if page.dopo.is_some() && (page.bozze.is_empty() || page.dopo.as_deref() != last) {
        return Err("next page of the inventory does not follow this one");
    }
    Ok((page.bozze.into_iter().map(observed).collect(), page.dopo))
}

fn observed(bozza: BozzaTenuta) -> ObservedUnit {
    let row = schede::row(&bozza.chiave, &bozza.scheda, &contenuto(&bozza.anac_form, &bozza.integrazioni));
    ObservedUnit { key: UnitKey(bozza.chiave), revision: Some(bozza.versione), rows: vec![row] }
}

/// Whether the platform holds what was sent, or the same in a later version. Fields that the
/// platform added, and amounts or days that it spells in its own way, make no difference.
pub(crate) fn is_same(sent: &BozzaInviata, held: &BozzaTenuta) -> bool {
    held.versione >= sent.versione
        && held.scheda == sent.scheda
        && schede::is_same(&sent.scheda, &contenuto(&held.anac_form, &held.integrazioni), &sent.contenuto())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn held(chiave: &str, versione: u64) -> BozzaTenuta {
        BozzaTenuta {
            chiave: chiave.to_owned(),
            id_bozza: "B1".to_owned(),
            stato: "bozza".to_owned(),
            versione,
            scheda: "IR1".to_owned(),
            anac_form: json!({"ritardo": {"impSpese": 10, "protocollo": "a cura della piattaforma"}}),
            integrazioni: Value::Null,
        }
    }

    fn of(keys: &[&str], dopo: Option<&str>) -> PaginaBozze {
        PaginaBozze { bozze: keys.iter().map(|key| held(key, 1)).collect(), dopo: dopo.map(str::to_owned) }
    }

    #[rstest]
    #[case::descending(of(&["b", "a"], None), None)]
    #[case::repeated(of(&["a", "a"], None), None)]
    #[case::before_the_start(of(&["a"], None), Some("a"))]
    #[case::next_behind(of(&["b"], Some("a")), None)]
    #[case::next_of_an_empty_page(of(&[], Some("a")), Some("a"))]
    fn a_page_that_would_hide_units_is_refused(#[case] wire: PaginaBozze, #[case] from: Option<&str>) {
        assert!(page(wire, from).is_err());
    }

    #[test]
    fn a_page_leads_to_the_next_one() {
        let (units, next) = page(of(&["b", "c"], Some("c")), Some("a")).unwrap();
        assert_eq!(units.iter().map(|unit| unit.key.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(next.as_deref(), Some("c"));
        assert_eq!(page(of(&[], None), None).unwrap(), (Vec::new(), None));
    }

    #[test]
    fn another_person_in_a_task_is_another_content_though_rows_count_only() {
        let of = |cognome: &str| {
            let incarico = json!({"datiPersonaFisica": {"cognome": cognome, "codiceFiscale": "RSSMRA85T10A562S"}});
            json!({"elencoIncarichi": [{"cig": "B000001279", "incarichi": [incarico]}]})
        };
        let draft = |cognome: &str| BozzaInviata {
            versione: 1,
            scheda: "S3".to_owned(),
            anac_form: of(cognome),
            integrazioni: Value::Null,
        };
        let held = BozzaTenuta { scheda: "S3".to_owned(), anac_form: of("Rossi"), ..held("k", 1) };
        assert!(is_same(&draft("Rossi"), &held) && !is_same(&draft("Bianchi"), &held));
        let row = &observed(held).rows[0];
        assert_eq!(row.fields["elencoIncarichi"].to_string(), "cig=B000001279 incarichi=1");
    }

    #[rstest]
    #[case::the_same(3, json!(10), true)]
    #[case::other_spelling(3, json!("10.00"), true)]
    #[case::later_version(2, json!(10), true)]
    #[case::older_version_with_the_same_content(4, json!(10), false)]
    #[case::other_content(3, json!(11), false)]
    fn sameness_is_of_content_and_not_older(#[case] versione: u64, #[case] importo: Value, #[case] same: bool) {
        let anac_form = json!({"ritardo": {"impSpese": importo}});
        let sent = BozzaInviata { versione, scheda: "IR1".to_owned(), anac_form, integrazioni: Value::Null };
        assert_eq!(is_same(&sent, &held("k", 3)), same);
    }
}
