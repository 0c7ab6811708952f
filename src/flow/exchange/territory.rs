//! Which supra-municipal units lie in a region, by the codes of ISTAT: those of today, those of the
//! metropolitan cities and of the free consortia, and the former ones under which bodies still stand.

/// Code of the region, its name, codes of its units.
const REGIONS: &[(&str, &str, &[&str])] = &[
    ("01", "Piemonte", &["001", "002", "003", "004", "005", "006", "096", "103", "201"]),
    ("02", "Valle d'Aosta", &["007"]),
    ("03", "Lombardia", &["012", "013", "014", "015", "016", "017", "018", "019", "020", "097", "098", "108", "215"]),
    ("04", "Trentino-Alto Adige", &["021", "022"]),
    ("05", "Veneto", &["023", "024", "025", "026", "027", "028", "029", "227"]),
    ("06", "Friuli-Venezia Giulia", &["030", "031", "032", "093"]),
    ("07", "Liguria", &["008", "009", "010", "011", "210"]),
    ("08", "Emilia-Romagna", &["033", "034", "035", "036", "037", "038", "039", "040", "099", "237"]),
    ("09", "Toscana", &["045", "046", "047", "048", "049", "050", "051", "052", "053", "100", "248"]),
    ("10", "Umbria", &["054", "055"]),
    ("11", "Marche", &["041", "042", "043", "044", "109"]),
    ("12", "Lazio", &["056", "057", "058", "059", "060", "258"]),
    ("13", "Abruzzo", &["066", "067", "068", "069"]),
    ("14", "Molise", &["070", "094"]),
    ("15", "Campania", &["061", "062", "063", "064", "065", "263"]),
    ("16", "Puglia", &["071", "072", "073", "074", "075", "110", "272"]),
    ("17", "Basilicata", &["076", "077"]),
    ("18", "Calabria", &["078", "079", "080", "101", "102", "280"]),
    ("19", "Sicilia", &["081", "082", "083", "084", "085", "086", "087", "088", "089", "282", "283", "287"]),
    (
        "20",
        "Sardegna",
        &[
            "090", "091", "092", "095", "104", "105", "106", "107", "111", "112", "113", "114", "115", "116", "117",
            "118", "119", "292", "312", "318",
        ],
    ),
];

/// The units of a region. None where there is no such region.
pub fn units(region: &str) -> Option<&'static [&'static str]> {
    REGIONS.iter().find(|row| row.0 == region).map(|row| row.2)
}

/// Every region, for who wrote one that does not exist.
pub fn regions() -> String {
    REGIONS.iter().map(|(code, name, _)| format!("{code} {name}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_the_registry_lies_in_its_region() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/samples/registry/province.csv");
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_path(path).unwrap();
        let mut checked = 0;
        for row in rows.records() {
            let row = row.unwrap();
            assert!(units(&row[5]).unwrap().contains(&&row[0]), "{} is not in {}", &row[2], &row[6]);
            checked += 1;
        }
        assert!(checked > 100);
        assert_eq!(units("21"), None);
    }

    #[test]
    fn no_unit_lies_in_two_regions() {
        let mut all: Vec<_> = REGIONS.iter().flat_map(|row| row.2).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
