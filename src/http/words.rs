//! The Italian sentences behind stable codes and states: one source for tables, pages and explanations.
//!
//! Adapters and stations say in English what happened, for logs and machines; whoever reads a table
//! finds the sentence of the code here. A test reads the sources and fails for a code without one.

/// The state of one delivery, of several, and in English.
pub(crate) struct StateWords {
    pub(crate) one: &'static str,
    pub(crate) many: &'static str,
    pub(crate) english: &'static str,
}

/// The words of a state.
pub(crate) fn state(state: &str) -> StateWords {
    let (one, many, english) = match state {
        "due" => ("da inviare", "da inviare", "due"),
        "sent" => ("inviata, in attesa di risposta", "inviate, in attesa di risposta", "sent, no answer yet"),
        "acknowledged" => ("consegnata con ricevuta", "consegnate con ricevuta", "acknowledged, with receipt"),
        "refused" => ("rifiutata dal destinatario", "rifiutate dal destinatario", "refused by the target"),
        "in_doubt" => (
            "in dubbio: si chiede al destinatario",
            "in dubbio: si chiede al destinatario",
            "in doubt: the target is asked",
        ),
        "retry" => ("da ritentare", "da ritentare", "to be tried again"),
        "submitted" => (
            "presa in carico, in attesa di decisione",
            "prese in carico, in attesa di decisione",
            "taken, waiting for a decision",
        ),
        "held" => (
            "trattenuta: passo non ancora ammesso",
            "trattenute: passo non ancora ammesso",
            "held: step not admitted yet",
        ),
        "parked" => ("ferma: serve una persona", "ferme: serve una persona", "parked: a person must look"),
        _ => ("altro", "altro", "other"),
    };
    StateWords { one, many, english }
}

/// Why a delivery is where it is: what our own side says of it. What a target says in its own codes
/// and words is none of these.
pub(crate) fn delivery_reason(code: &str) -> Option<&'static str> {
    Some(match code {
        "unreachable" => "il sistema non si raggiunge",
        "timeout" => "il sistema non ha risposto in tempo",
        "broken" => "la connessione si è interrotta durante l'invio",
        "authentication" => "le credenziali non sono accettate",
        "permission" => "il sistema non permette l'operazione a questa utenza",
        "rate_limited" => "il sistema chiede di rallentare",
        "unavailable" => "il sistema non è disponibile",
        "not_understood" => "la risposta del sistema non è comprensibile",
        "local" => "un problema di questa installazione",
        "interrupted" => "l'invio è stato interrotto",
        "asked_again" | "reopened" | "changed" => "il destinatario è stato interrogato di nuovo",
        "in_doubt" => "non si sa se l'invio è arrivato",
        "parked" => "messa da parte",
        "taken" => "presa in carico",
        "senza_adesione" => "l'ente non ha un'adesione in vigore",
        "newer_draft" => "la piattaforma tiene al suo posto una bozza più recente",
        "draft_gone" => "la piattaforma non conosce più la bozza",
        "reason_without_code" => "la piattaforma rifiuta senza dare un codice",
        "idempotency_mismatch" => "la stessa chiave è già servita per un contenuto diverso",
        _ => return None,
    })
}

/// The fixed sentences with which our own side sets a delivery aside, and those of refusals without
/// words of the target.
pub(crate) fn delivery_sentence(told: &str) -> Option<String> {
    let fixed = match told {
        "a person must look" => "deve guardare una persona",
        "in doubt without a stored shipment" => "in dubbio, e ciò che era stato inviato non è conservato",
        "submitted without a stored shipment and receipt" => {
            "presa in carico, ma l'invio e la ricevuta non sono conservati"
        }
        "the check of the order of steps stopped on this unit" => {
            "il controllo dell'ordine dei passi si è fermato su questa unità: serve uno sviluppatore"
        }
        "the mapping stopped on this unit" => "la mappatura si è fermata su questa unità: serve uno sviluppatore",
        "a delivery stopped the program: a developer must look" => {
            "la consegna ha fermato il programma: serve uno sviluppatore"
        }
        "the work on it ended again and again without an answer" => {
            "il lavoro si è interrotto più volte senza una risposta"
        }
        "declared as not arrived" => "dichiarata come non arrivata",
        "the platform does not know the draft any more" => "la piattaforma non conosce più la bozza",
        "the platform holds a newer draft in its place" => "la piattaforma tiene al suo posto una bozza più recente",
        "the platform holds a newer draft with other content" => {
            "la piattaforma tiene una bozza più recente, con un altro contenuto"
        }
        "another request had this key" => "un'altra richiesta aveva la stessa chiave",
        _ => "",
    };
    if !fixed.is_empty() {
        return Some(fixed.to_owned());
    }
    if told.starts_with("the ledger refused a step") {
        return Some("l'archivio ha rifiutato un passo: serve uno sviluppatore, il motivo è nel registro".to_owned());
    }
    let attempts = told.strip_prefix("given up after ").and_then(|rest| rest.strip_suffix(" attempts"));
    attempts.map(|attempts| format!("rinuncia dopo {attempts} tentativi"))
}

/// What is wrong with a line of canonical records, where our own side said it.
pub(crate) fn line_reason(told: &str) -> Option<String> {
    let (told, column) = match told.split_once("see column ") {
        Some((told, column)) => (told.trim_end_matches([' ', ',', ':']), format!(" (colonna {column})")),
        None => (told, String::new()),
    };
    let missing = told.strip_prefix(NOT_A_RECORD).and_then(|rest| rest.strip_prefix("the field "));
    if let Some(field) = missing.and_then(|rest| rest.strip_suffix(" is missing")) {
        return Some(format!("la riga non è un record canonico, manca il campo {field}{column}"));
    }
    let (_, sentence) =
        LINES.iter().find(|(english, _)| *english == told.strip_prefix(NOT_A_RECORD).unwrap_or(told))?;
    Some(format!("{sentence}{column}"))
}

const NOT_A_RECORD: &str = "the line is not a canonical record: ";

const LINES: &[(&str, &str)] = &[
    ("the line is longer than 1 MB", "la riga è più lunga di 1 MB"),
    (
        "the line is not UTF-8, or lost characters before",
        "la riga non è in UTF-8, o ha perso dei caratteri prima di arrivare qui",
    ),
    ("the line is not JSON", "la riga non è JSON"),
    ("a field is unknown", "la riga non è un record canonico, un campo è sconosciuto"),
    ("a field is there twice", "la riga non è un record canonico, un campo è scritto due volte"),
    ("a value is not in its list", "la riga non è un record canonico, un valore non è nel suo elenco"),
    ("a value has another type", "la riga non è un record canonico, un valore è di un altro tipo"),
    ("a list has another length", "la riga non è un record canonico, un elenco ha un'altra lunghezza"),
    ("a value is not valid", "la riga non è un record canonico, un valore non è valido"),
    (
        "the mapping stopped on this record: the text is kept and can be replayed",
        "la lettura si è fermata su questa riga: serve uno sviluppatore, il testo è conservato",
    ),
];

/// Why a document was refused whole, and what to do about it.
pub(crate) fn document_reason(code: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, sentence)| *sentence)
}

const DOCUMENTS: &[(&[&str], &str)] = &[
    (&["not_readable"], "il file non si può leggere: controllare che ci sia e i permessi"),
    (&["not_a_file"], "non è un file, forse è una cartella: indicare i file che contiene"),
    (
        &["not_downloaded"],
        "il documento non si è potuto scaricare: correggere o togliere il suo percorso nelle impostazioni",
    ),
    (&["not_understood"], "la risposta del servizio non è comprensibile: chiedere a chi lo gestisce"),
    (&["soap_fault"], "il servizio ha risposto con un errore: chiedere a chi lo gestisce"),
    (
        &["changed_while_reading"],
        "il file è cambiato durante la lettura: scriverlo con un nome che finisce in .part, poi rinominarlo",
    ),
    (&["closed"], "la lettura è stata interrotta: ripeterla"),
    (&["empty_file"], "il file è vuoto: scaricarlo di nuovo"),
    (&["html_page"], "è una pagina HTML, forse di errore: scaricare di nuovo il documento"),
    (&["zip_archive"], "è un archivio ZIP o un documento d'ufficio: estrarre il file che contiene"),
    (&["signed_envelope"], "è un file firmato (.p7m): estrarre il documento"),
    (&["unknown_binary"], "è in un formato binario che non si legge: fornire XML, CSV o righe JSON"),
    (&["plain_text"], "è testo semplice e non XML: fornire il documento XML"),
    (&["table"], "è una tabella: si legge con pad-file e una mappatura, non da qui"),
    (&["json_array"], "è un elenco JSON: scrivere un record canonico per riga"),
    (&["not_json"], "il JSON non è completo, forse è stato troncato: scaricarlo di nuovo"),
    (&["malformed_json"], "il JSON non è ben formato: salvare di nuovo la risposta"),
    (&["not_xml"], "non è XML: salvare la risposta intera del servizio"),
    (&["malformed_xml"], "l'XML non è ben formato: produrlo di nuovo"),
    (&["malformed_encoding"], "un carattere non appartiene alla codifica dichiarata: salvare il file in UTF-8"),
    (&["encoding_mismatch"], "la codifica dichiarata non è quella del file: correggere la dichiarazione"),
    (&["unsupported_encoding"], "la codifica del file non si legge: salvarlo in UTF-8"),
    (&["forbidden_character"], "contiene un carattere che l'XML non ammette: toglierlo alla fonte"),
    (&["unknown_entity"], "contiene un'entità che l'XML non conosce: scriverla come carattere"),
    (&["doctype"], "contiene una dichiarazione DOCTYPE, che non si legge per sicurezza: toglierla"),
    (&["instruction"], "contiene istruzioni di elaborazione, che SOAP non ammette: toglierle"),
    (&["truncated"], "è troncato: scaricarlo di nuovo"),
    (&["unclosed_quote"], "le virgolette di una cella non si chiudono: correggere la riga"),
    (&["mismatched_tag"], "un elemento è chiuso con il nome di un altro: correggere il file"),
    (&["no_root"], "non contiene alcun elemento: produrlo di nuovo"),
    (&["second_root"], "contiene più documenti di seguito: tenerne uno"),
    (&["wrong_root"], "l'elemento principale non è quello atteso: fornire un documento della Legge 190/2012"),
    (&["wrong_namespace"], "l'elemento principale non è nello spazio dei nomi previsto: correggerlo"),
    (&["unexpected_element"], "un elemento sta dove non è previsto: produrre di nuovo il documento"),
    (&["missing_data"], "manca una parte obbligatoria del documento: produrlo di nuovo"),
    (
        &["text_outside_root", "text_outside_rows", "unexpected_text"],
        "c'è testo dove dovrebbero stare solo elementi: produrre di nuovo il documento",
    ),
    (&["too_deep"], "gli elementi sono annidati troppo a fondo: correggere il documento"),
    (&["too_many_attributes"], "un elemento ha troppi attributi: correggere il documento"),
    (&["too_large"], "è più grande di quanto si legge in una volta: dividerlo"),
    (&["too_many_rows"], "ha troppe righe: chiedere un anno per volta"),
    (
        &["element_too_long", "lotto_too_long", "row_too_long", "token_too_long"],
        "un elemento o una riga è troppo lunga: forse manca una chiusura",
    ),
    (&["not_a_dataset"], "non è un insieme di dati che si legge: vedere l'elenco nel README del sistema"),
    (
        &["unknown_dataset", "unknown_table", "unknown_document", "other_format"],
        "non è uno dei documenti che si leggono da questo sistema: vedere l'elenco nel suo README",
    ),
    (&["no_such_table"], "il servizio non ha una tabella con questo nome: correggere le impostazioni"),
    (&["no_header"], "la tabella non ha l'intestazione: scaricarla di nuovo"),
    (&["too_many_columns"], "la tabella ha troppe colonne: scaricarla di nuovo"),
    (&["missing_columns"], "mancano colonne nell'intestazione: confrontarla con quella prevista"),
    (&["repeated_columns"], "l'intestazione ripete una colonna: tenerne una sola"),
    (&["not_a_table"], "non è una tabella che si legge: fornire CSV o XLSX"),
    (&["not_an_xlsx"], "non è un foglio XLSX integro: salvarlo di nuovo"),
    (&["no_sheet"], "nel file non c'è il foglio che la mappatura nomina"),
    (
        &["no_mapping"],
        "nessuna mappatura corrisponde alle colonne del file: scriverne una, o correggere l'intestazione",
    ),
    (&["ambiguous_mapping"], "più mappature corrispondono al file: distinguerle"),
    (&["rows_apart"], "le righe di uno stesso soggetto non stanno insieme: ordinare il file"),
    (&["no_record"], "non contiene alcun record: non è stato pubblicato nulla"),
    (&["not_a_list"], "non è un elenco JSON: esportare la risorsa come JSON"),
    (&["not_a_page"], "non è una pagina del servizio: salvarla di nuovo"),
    (
        &["not_soap", "not_an_answer", "not_schede", "other_answer"],
        "non è la risposta attesa dal servizio: salvare la risposta intera",
    ),
    (&["no_success", "failure"], "è una risposta che dice di no: chiedere di nuovo e salvare quella"),
    (&["not_a_cig"], "il nome non è un CIG: correggere l'elenco"),
    (&["wrong_version", "unsupported_version"], "la versione del documento non si legge: vedere il README del sistema"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use contract::ErrorKind;

    use super::*;

    /// Where tokens and signatures are refused: towards a partner, in its protocol. No page shows those codes.
    const OF_TOKENS: [&str; 5] = ["jose", "pdnd", "modi", "oidc", "oidc.rs"];

    /// The sources of a folder, without their tests.
    fn sources(folder: &Path, texts: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if OF_TOKENS.contains(&name.as_str()) {
                continue;
            }
            if entry.is_dir() && !["tests", "testing", "target"].contains(&name.as_str()) {
                sources(&entry, texts);
            } else if entry.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&entry).expect("text");
                texts.push(text.split("\nmod tests {").next().unwrap_or_default().to_owned());
            }
        }
    }

    fn all_sources() -> Vec<String> {
        let mut texts = Vec::new();
        let house = Path::new(env!("CARGO_MANIFEST_DIR"));
        sources(&house.join("adapters"), &mut texts);
        sources(&house.join("src"), &mut texts);
        texts
    }

    /// The codes given as the first argument of calls like these.
    fn codes(texts: &[String], calls: &[&str]) -> BTreeSet<String> {
        let is_code = |code: &&str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let after = |text: &str| -> Vec<String> {
            let starts = calls.iter().flat_map(|call| text.match_indices(call).map(|(at, call)| at + call.len()));
            let quoted = starts.filter_map(|at| text[at..].trim_start().strip_prefix('"')?.split('"').next());
            quoted.filter(is_code).map(str::to_owned).collect()
        };
        texts.iter().flat_map(|text| after(text)).collect()
    }

    #[test]
    fn every_code_with_which_a_document_is_refused_has_its_italian_sentence() {
        let found = codes(&all_sources(), &["refuse(", "refused("]);
        assert!(found.len() > 50 && found.contains("html_page"), "the sources are not read: {found:?}");
        // Refusals of deliveries are written by the same word.
        let missing: Vec<_> =
            found.iter().filter(|code| document_reason(code).or(delivery_reason(code)).is_none()).collect();
        assert!(missing.is_empty(), "write a sentence in src/http/words.rs for {missing:?}");
        assert!(["truncated", "not_understood"].iter().all(|code| document_reason(code).is_some()));
    }

    #[test]
    fn every_code_that_our_own_side_gives_a_delivery_has_its_italian_sentence() {
        let calls = [
            "InDoubt { code: ",
            "Retry { code: ",
            "NotYet { code: ",
            "const TAKEN: &str = ",
            "const INTERRUPTED: &str = ",
            "const REOPENED: &str = ",
        ];
        let mut found = codes(&all_sources(), &calls);
        let calls = ["const ASKED: &str = ", "const WITHOUT_MEMBERSHIP: &str = ", "const WITHOUT_CODE: &str = "];
        found.append(&mut codes(&all_sources(), &calls));
        assert!(found.contains("interrupted") && found.len() >= 6, "the sources are not read: {found:?}");
        let kinds = [
            ErrorKind::Unreachable,
            ErrorKind::Timeout,
            ErrorKind::Broken,
            ErrorKind::Authentication,
            ErrorKind::Permission,
            ErrorKind::RateLimited,
            ErrorKind::Unavailable,
            ErrorKind::NotUnderstood,
            ErrorKind::Local,
        ];
        found.extend(kinds.map(|kind| kind.code().to_owned()));
        // The adapter of the tests of the flow is no system.
        found.remove("lotto_mancante");
        let missing: Vec<_> = found.iter().filter(|code| delivery_reason(code).is_none()).collect();
        assert!(missing.is_empty(), "write a sentence in src/http/words.rs for {missing:?}");
    }

    #[test]
    fn every_sentence_with_which_a_delivery_is_set_aside_is_known_in_italian() {
        let texts = all_sources().join("\n");
        for (at, call) in texts.match_indices(".park(\"") {
            let sentence = texts[at + call.len()..].split('"').next().unwrap_or_default();
            assert!(delivery_sentence(sentence).is_some(), "write a sentence in src/http/words.rs for {sentence:?}");
        }
        // What an adapter says of a refusal that has no words of the target.
        let starts = texts.match_indices("message: \"").map(|(at, begin)| at + begin.len());
        for sentence in starts.filter_map(|at| texts[at..].split('"').next()).filter(|told| told.starts_with("the ")) {
            assert!(delivery_sentence(sentence).is_some(), "write a sentence in src/http/words.rs for {sentence:?}");
        }
        assert_eq!(delivery_sentence("given up after 9 attempts").as_deref(), Some("rinuncia dopo 9 tentativi"));
        assert_eq!(delivery_sentence("importo non coerente"), None, "the words of a target are its own");
    }

    #[test]
    fn whatever_is_wrong_with_a_line_of_records_is_told_in_italian_with_its_place() {
        let text = include_str!("../../adapters/file-drop/src/ndjson.rs");
        let text = text.split("\nmod tests {").next().unwrap_or_default();
        for told in ["the line is longer", "the line is not UTF-8"] {
            let found = text.match_indices(told).next().expect("a sentence").0;
            let sentence = text[found..].split('"').next().unwrap_or_default();
            assert!(line_reason(sentence).is_some(), "write a sentence in src/http/words.rs for {sentence:?}");
        }
        let start = text.find("let what = [").expect("the list");
        let end = text[start..].find("];").expect("its end");
        let what = text[start..start + end].lines().filter_map(|line| line.split("\", \"").nth(1)?.split('"').next());
        let what: Vec<_> = what.chain(["a value is not valid"]).collect();
        assert!(what.len() == 6, "the source is not read: {what:?}");
        for what in what {
            let told = line_reason(&format!("the line is not a canonical record: {what}, see column 7"));
            let told = told.unwrap_or_else(|| panic!("write a sentence in src/http/words.rs for {what:?}"));
            assert!(told.ends_with(" (colonna 7)"), "{told}");
        }
        assert_eq!(
            line_reason("the line is not JSON: see column 3").as_deref(),
            Some("la riga non è JSON (colonna 3)")
        );
        let missing = line_reason("the line is not a canonical record: the field cig is missing, see column 9");
        assert_eq!(missing.as_deref(), Some("la riga non è un record canonico, manca il campo cig (colonna 9)"));
        assert_eq!(line_reason("words of somebody else"), None);
    }

    #[test]
    fn every_state_has_its_words() {
        for name in ["due", "sent", "acknowledged", "refused", "in_doubt", "retry", "submitted", "held", "parked"] {
            assert_ne!(state(name).one, "altro", "{name}");
        }
    }
}
