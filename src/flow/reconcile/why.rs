//! Why a side was not read to its end, in the words of people. What the machine said goes to the log.

use contract::{AdapterError, ErrorKind};

use super::inventory::Shortfall;

/// Its inventory contradicts itself.
pub(super) const NOT_IN_ORDER: &str =
    "l'inventario del sistema non è in ordine crescente: non si può dire che cosa manca";

/// What it lists is not what it announces in few words.
pub(super) const NOT_WHOLE: &str =
    "l'elenco del sistema non corrisponde al conteggio che il sistema stesso dichiara: non si può dire che cosa manca";

/// It tells a digest of what it lists, and lists something else.
pub(super) const NOT_AS_TOLD: &str =
    "l'elenco del sistema non corrisponde all'impronta che il sistema stesso dichiara: non si può dire che cosa manca";

/// It announced one extent first and another later.
pub(super) const CHANGED: &str =
    "il totale dichiarato dal sistema è cambiato durante la lettura: non si può dire che cosa manca";

/// It lists a unit and does not give it.
pub(super) const NOT_GIVEN: &str = "il sistema elenca un contenuto che poi non consegna";

/// More records than one comparison holds.
pub(super) const TOO_MANY: &str =
    "più di un milione di record: si confrontino meno enti alla volta (`bodies` del nodo)";

/// It says itself that it does not know everything.
pub(super) const INTERRUPTED_THERE: &str = "l'altro nodo dice di non conoscere tutto ciò che dovrebbe tenere";

/// What a side lacks of what it announced.
pub(super) fn short(shortfall: &Shortfall) -> String {
    match shortfall {
        Shortfall::Pages { expected, read } => format!("lette {read} pagine delle {expected} annunciate"),
        Shortfall::Total { expected, read } => format!("letti {read} elementi dei {expected} annunciati"),
        Shortfall::Watermark { expected, reached } => {
            let reached = reached.as_deref().unwrap_or("nessuna data");
            format!("i dati arrivano a {reached} e non a {expected}")
        }
        Shortfall::Unreadable { records } => format!("{records} righe non si possono leggere"),
        Shortfall::Interrupted { .. } => "la lettura si è interrotta".to_owned(),
    }
}

/// One sentence for each kind of error; the system's own code where it gave one.
pub(super) fn unread(error: &AdapterError) -> String {
    let why = match error.kind {
        ErrorKind::Unreachable => "il sistema non è raggiungibile",
        ErrorKind::Timeout => "il sistema non ha risposto in tempo",
        ErrorKind::Broken => "il collegamento si è interrotto durante la lettura",
        ErrorKind::Authentication => "il sistema non ha accettato le credenziali",
        ErrorKind::Permission => "le credenziali non permettono di leggere l'inventario",
        ErrorKind::RateLimited => "il sistema ha chiesto di rallentare",
        ErrorKind::Unavailable => "il sistema dice di non poter rispondere adesso",
        ErrorKind::NotUnderstood => "la risposta del sistema non è quella prevista dal contratto",
        ErrorKind::Local => "un errore di lettura o scrittura su questa macchina",
    };
    match &error.remote_code {
        Some(code) => format!("{why} (codice {code})"),
        None => why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_the_system_stands_behind_the_sentence() {
        let mut error = AdapterError::new(ErrorKind::Unavailable, "read the inventory");
        assert_eq!(unread(&error), "il sistema dice di non poter rispondere adesso");
        error.remote_code = Some("503".to_owned());
        assert_eq!(unread(&error), "il sistema dice di non poter rispondere adesso (codice 503)");
    }
}
