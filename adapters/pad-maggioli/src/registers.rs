//! The registers of the platform that can be read: where each is, how its rows are told apart, and
//! from where the next read begins.
//!
//! | register | operation | same row | next read |
//! |---|---|---|---|
//! | `bandi`, `esiti`, `avvisi` | `getElenco…` | `riferimentoProcedura` | a day before the latest `dataUltimaModifica` |
//! | `dati` | `trasp/getElencoDati` | `idanticorlotti` | the year before the latest `annoRiferimento` |
//! | `contratti` | `trasp/getElencoContrattiEsteso` | `riferimentoProcedura` | the whole list: it has no date of change |

use canonical::Digest;
use canonical::values::CalendarDate;
use serde::Deserialize;

use crate::config::Config;
use crate::wire::Testo;

/// One list of the platform. A configured system reads one of them: what two lists say of the same
/// lot stays apart, each under the name of its own source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Register {
    /// Notices.
    Bandi,
    /// Results.
    Esiti,
    /// Announcements.
    Avvisi,
    /// Rows of Legge 190/2012.
    Dati,
    /// Contracts, with their detail and their awards.
    Contratti,
}

/// Parameters of one scan. The word of the list itself is added to the path of each page.
pub(crate) type Query = Vec<(&'static str, String)>;

impl Register {
    /// Every register.
    pub(crate) const ALL: &'static [Self] = &[Self::Bandi, Self::Esiti, Self::Avvisi, Self::Dati, Self::Contratti];

    /// The name, as in the settings and in the format of documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bandi => "bandi",
            Self::Esiti => "esiti",
            Self::Avvisi => "avvisi",
            Self::Dati => "dati",
            Self::Contratti => "contratti",
        }
    }

    /// The register with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|register| register.name() == name)
    }

    /// The path of the list, version first.
    pub(crate) fn list(self) -> &'static [&'static str] {
        match self {
            Self::Bandi => &["v1.0", "getElencoBandi"],
            Self::Esiti => &["v1.0", "getElencoEsiti"],
            Self::Avvisi => &["v1.0", "getElencoAvvisi"],
            Self::Dati => &["v1.0", "trasp", "getElencoDati"],
            Self::Contratti => &["v1.0", "trasp", "getElencoContrattiEsteso"],
        }
    }

    /// The path of the detail of a row, where the row alone does not say enough.
    pub(crate) fn detail(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Esiti => Some(&["v1.0", "getDettaglioEsito"]),
            Self::Contratti => Some(&["v1.0", "trasp", "getDettaglioContrattoEsteso"]),
            // The detail of a notice names its lots without their CIG, and people by name.
            Self::Bandi | Self::Avvisi | Self::Dati => None,
        }
    }

    /// The scans that together give the whole register. A notice that expires between the first and
    /// the second is met twice, never missed.
    pub(crate) fn scans(self, config: &Config, cursor: Option<&str>) -> Vec<Query> {
        let mut common: Query = Vec::new();
        match self {
            Self::Dati => {
                let year = cursor.and_then(|text| text.parse::<u16>().ok()).map(|year| year.saturating_sub(1));
                common.push(("annorif", year.unwrap_or(config.first_year).max(config.first_year).to_string()));
                return vec![common];
            }
            Self::Contratti => return vec![common],
            Self::Bandi | Self::Esiti | Self::Avvisi => {}
        }
        common.push(("numAnniPubblicazione", config.publication_years.to_string()));
        let day = cursor.and_then(|text| CalendarDate::parse(text).ok()).and_then(day_before);
        common.extend(day.map(|day| ("dataUltimaModificaDA", day.to_string())));
        if self == Self::Esiti {
            return vec![common];
        }
        let of_state = |state: &str| {
            let mut query = common.clone();
            query.push(("statoInCorsoScaduto", state.to_owned()));
            query
        };
        vec![of_state("INCORSO"), of_state("SCADUTO")]
    }

    /// What tells a row from the others.
    pub(crate) fn key(self, row: &str) -> Result<RowKey, serde_json::Error> {
        let row_fields: KeyFields = serde_json::from_str(row)?;
        let text = |field: &Testo| field.trimmed().to_owned();
        let identity = match self {
            Self::Dati => text(&row_fields.idanticorlotti),
            _ => text(&row_fields.riferimento_procedura),
        };
        Ok(RowKey {
            document: if self == Self::Dati { text(&row_fields.anno_riferimento) } else { String::new() },
            natural: match self {
                Self::Dati | Self::Contratti => text(&row_fields.cig).to_uppercase(),
                _ => String::new(),
            },
            identity: if identity.is_empty() { Digest::of(row.as_bytes()).to_string() } else { padded(&identity) },
            changed: day_of(&row_fields.data_ultima_modifica),
            published: day_of(&row_fields.data_pubblicazione),
            reference: text(&row_fields.riferimento_procedura),
        })
    }

    /// Where the next read begins, when the rows say it. A row without its date of change would be
    /// left out by the filter: then everything is read again.
    pub(crate) fn cursor<'a>(self, keys: impl Iterator<Item = &'a RowKey>, before: Option<&str>) -> Option<String> {
        let mut latest = None;
        for key in keys {
            let mark = match self {
                Self::Contratti => return None,
                Self::Dati => Some(key.document.clone()).filter(|year| year.parse::<u16>().is_ok()),
                Self::Bandi | Self::Esiti | Self::Avvisi => Some(key.changed?.to_string()),
            };
            latest = latest.max(mark);
        }
        // A window without changes leaves the mark where it was.
        latest.or(before.filter(|_| self != Self::Contratti).map(str::to_owned))
    }
}

/// What tells a row from the others, in the order in which rows are handed over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    /// The document of the row inside its register: the year of `dati`.
    pub(crate) document: String,
    /// The CIG, where rows are about one: the rows of one CIG are counted.
    pub(crate) natural: String,
    /// The platform's own identifier, or else the digest of the row.
    pub(crate) identity: String,
    changed: Option<CalendarDate>,
    /// The day on which the platform published the row.
    pub(crate) published: Option<CalendarDate>,
    /// The reference under which the platform gives the detail; empty where it gives none.
    pub(crate) reference: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct KeyFields {
    anno_riferimento: Testo,
    cig: Testo,
    idanticorlotti: Testo,
    riferimento_procedura: Testo,
    data_ultima_modifica: Testo,
    data_pubblicazione: Testo,
}

/// Numbers in their own order, and not in that of their digits.
fn padded(identity: &str) -> String {
    if identity.bytes().all(|byte| byte.is_ascii_digit()) { format!("{identity:0>20}") } else { identity.to_owned() }
}

fn day_of(text: &Testo) -> Option<CalendarDate> {
    CalendarDate::parse(text.trimmed().get(..10)?).ok()
}

fn day_before(day: CalendarDate) -> Option<CalendarDate> {
    CalendarDate::try_from(day.to_date().previous_day()?).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::testing::config;

    fn query(register: Register, cursor: Option<&str>) -> Vec<Vec<String>> {
        let scans = register.scans(&config("http://127.0.0.1:1"), cursor);
        let words = |query: Query| query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        scans.into_iter().map(words).collect()
    }

    #[test]
    fn the_first_read_takes_everything_and_the_next_one_overlaps() {
        assert_eq!(query(Register::Dati, None), [["annorif=2012"]]);
        assert_eq!(query(Register::Dati, Some("2026")), [["annorif=2025"]]);
        assert_eq!(query(Register::Esiti, None), [["numAnniPubblicazione=6"]]);
        assert_eq!(query(Register::Contratti, Some("2026")), [Vec::<String>::new()]);
        let both = query(Register::Bandi, Some("2026-03-01"));
        assert_eq!(both[0][1..], ["dataUltimaModificaDA=2026-02-28", "statoInCorsoScaduto=INCORSO"]);
        assert_eq!(both[1][2], "statoInCorsoScaduto=SCADUTO");
    }

    #[test]
    fn a_cursor_that_cannot_be_read_reads_everything() {
        assert_eq!(query(Register::Dati, Some("2026-03-01")), [["annorif=2012"]]);
        assert_eq!(query(Register::Esiti, Some("ieri")), [["numAnniPubblicazione=6"]]);
    }

    #[rstest]
    #[case(Register::Dati, json!([{"annoRiferimento": 2024}, {"annoRiferimento": 2026}, {}]), Some("2026"))]
    #[case(Register::Esiti, json!([{"dataUltimaModifica": "2026-02-01 10:00:00"}, {"dataUltimaModifica": "2025-01-01 10:00:00"}]), Some("2026-02-01"))]
    #[case::a_row_without_date(Register::Esiti, json!([{"dataUltimaModifica": "2026-02-01 10:00:00"}, {}]), None)]
    #[case::nothing_new(Register::Esiti, json!([]), Some("2020-01-01"))]
    #[case::no_date_of_change(Register::Contratti, json!([{"riferimentoProcedura": "G1"}]), None)]
    fn the_cursor_is_the_latest_mark(
        #[case] register: Register,
        #[case] rows: serde_json::Value,
        #[case] cursor: Option<&str>,
    ) {
        let keys: Vec<_> = rows.as_array().unwrap().iter().map(|row| register.key(&row.to_string()).unwrap()).collect();
        assert_eq!(register.cursor(keys.iter(), Some("2020-01-01")).as_deref(), cursor);
    }

    #[test]
    fn rows_are_in_the_order_of_their_numbers() {
        let key = |id: u32| Register::Dati.key(&json!({"annoRiferimento": 2024, "idanticorlotti": id}).to_string());
        assert!(key(9).unwrap() < key(10).unwrap());
    }

    #[test]
    fn names_are_stable() {
        for register in Register::ALL {
            assert_eq!(Register::from_name(register.name()), Some(*register));
        }
    }
}
