//! What the demo works on: its files, and the systems it configures.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::config::FILE_NAME;

/// Files by their place in the folder: real data as their bodies publish them, and the invented
/// Province of Valchiara, whose story goes from the programme to the test of the work.
const FILES: &[(&str, &[u8])] = &[
    ("in-arrivo/terracina-2013.xml", include_bytes!("../../../schemas/samples/l190/terracina-2013.xml")),
    ("in-arrivo/sito-2022-200lotti.xml", include_bytes!("../../../schemas/samples/l190/sito-2022-200lotti.xml")),
    ("in-arrivo/messina-2020.xml", include_bytes!("../../../schemas/samples/l190/ricostruito-2020-messina.xml")),
    ("in-arrivo/monza-2020.xml", include_bytes!("../../../schemas/samples/l190/ricostruito-2020-monza.xml")),
    ("in-arrivo/storia-esecuzione.ndjson", include_bytes!("../../../schemas/samples/esecuzione/storia.ndjson")),
    ("in-arrivo/valchiara.ndjson", include_bytes!("../../../schemas/samples/esecuzione/valchiara.ndjson")),
    ("tabelle/gare-valchiara.csv", include_bytes!("../../../schemas/samples/esecuzione/gare-valchiara.csv")),
    ("mappature/gare-esempio.toml", include_bytes!("../../../adapters/file-drop/mappings/gare-esempio.toml")),
];

const CONFIGURATION: &str = "\
# Written by `raccordo demo`: everything stays on this machine.

[http]
listen = \"127.0.0.1:0\"

[work]
collapse_seconds = 1

# Sources: folders first.

[systems.file-drop]
settings = { folder = \"in-arrivo\" }

[systems.pad-file]
settings = { folder = \"tabelle\", mappings = \"mappature\" }

[systems.registri]
simulated = true

[systems.contabilita]
simulated = true

[systems.anac-opendata]
simulated = true

[systems.scp-opendata]
simulated = true

[systems.scp-tabelle]
simulated = true

[systems.pnc]
adapter = \"mop-regis\"
simulated = true

# The platform of the Province is told what the accounting system paid, and nothing else.

[systems.pad-provincia]
adapter = \"pad-maggioli\"
simulated = true
deliver = { kinds = [\"pagamento\"], enti = [\"80098765433\"] }
settings = { register = \"contratti\" }

[systems.scp-programmi]
simulated = true

# Contracts to be executed come from the Province, not from open data about it.

[systems.scp-esecuzione]
simulated = true
deliver = { from = [\"file-drop\"] }

[systems.pico]
simulated = true

[systems.hub]
simulated = true
deliver = { enti = [\"80098765433\"] }

[systems.osservatorio]
simulated = true
deliver = { enti = [\"80098765433\"] }
";

/// Whether the folder belongs to a real installation: the demo brings invented and foreign records,
/// which must never reach one.
pub(super) fn is_somebodys(folder: &Path) -> bool {
    match std::fs::read(folder.join(FILE_NAME)) {
        Ok(bytes) => bytes != CONFIGURATION.as_bytes(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Writes configuration and data where they are not yet: a second run finds its own work.
pub(super) fn prepare(folder: &Path) -> std::io::Result<()> {
    let configuration = [(FILE_NAME, CONFIGURATION.as_bytes())];
    for (name, bytes) in configuration.iter().chain(FILES) {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        if !path.exists() {
            // Written aside and renamed: a run that is killed here leaves no half file behind.
            let aside = path.with_extension("part");
            write_private(&aside, bytes)?;
            std::fs::rename(&aside, &path)?;
        }
    }
    Ok(())
}

/// Writes a file that is its owner's alone when it is new, as everything beside the records is.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}
