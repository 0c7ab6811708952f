//! The words of tables and messages: Italian first, English on request.

use super::Language;

macro_rules! words {
    ($( $name:ident: $it:literal, $en:literal; )+) => {
        /// The words of one language.
        #[derive(Debug)]
        pub(super) struct Words { $( pub(super) $name: &'static str, )+ }

        const ITALIAN: Words = Words { $( $name: $it, )+ };
        const ENGLISH: Words = Words { $( $name: $en, )+ };
    };
}

words! {
    planted: "Discordanze piantate apposta, e trovate?", "Discrepancies planted on purpose: were they found?";
    what_happened: "Che cosa è successo", "What happened";
    found: "Trovata", "Found";
    mended: "Corrette con una nuova consegna: le due parti concordano di nuovo.",
        "Mended by a new delivery: both sides agree again.";
    not_mended: "Dopo la correzione le due parti non concordano ancora.", "After the repair the sides still disagree.";
    withheld: "Che cosa non è stato dato, e perché", "What was not given, and why";
    code: "Codice", "Code";
    records: "Record", "Records";
    no_examples: "corretta; nessun esempio accanto", "sound; no example beside it";
    hidden_fields: "Campi lasciati vuoti e non mostrati", "Fields left empty and not shown";
    before_planting: "Prima: tutto ciò che è stato consegnato", "Before: all that was delivered";
    after_planting: "Dopo che altri hanno cambiato tre valori", "After others changed three values";
    not_compared: "Non confrontati, perché il sistema non offre un elenco", "Not compared, for the system offers no list";
    aside_newest: "Le righe messe da parte per ultime", "The rows set aside last";
    explained_there: "Che cosa deve avere", "What it should hold:";
    value: "Valore", "Value";
    comes_from: "Viene da", "Comes from";
    received: "Ricevuto", "Received";
    mapping_version: "Versione della mappatura", "Mapping version";
    nothing_there: "Nessuna consegna a quel destinatario riguarda", "No delivery to that target is about";
    mapping: "Mappatura", "Mapping";
    example: "Esempio", "Example";
    mappings_tested: "Mappature provate", "Mappings tested";
    no_mappings: "Nessuna mappatura trovata in", "No mapping found in";
    passed: "passato", "passed";
    reading: "Lettura di", "Reading";
    delivering: "Consegna", "Delivering";
    comparing: "Confronto con", "Comparing with";
    records_read: "righe lette", "rows read";
    to_deliver: "consegne in corso", "deliveries under way";
    what_was_read: "Che cosa è stato letto", "What was read";
    source: "Fonte", "Source";
    read: "Lette", "Read";
    new: "Nuove", "New";
    unchanged: "Invariate", "Unchanged";
    quarantined: "In quarantena", "Quarantined";
    refused: "Rifiutate", "Refused";
    balanced: "Quadratura", "Balance";
    yes: "sì", "yes";
    no: "NO", "NO";
    total: "totale", "total";
    where_it_went: "Dove è andato", "Where it went";
    target: "Destinatario", "Target";
    state: "Stato", "State";
    deliveries: "Consegne", "Deliveries";
    do_both_agree: "Le due parti concordano?", "Do both sides agree?";
    expected: "Attese", "Expected";
    observed: "Presenti", "Observed";
    equal: "Uguali", "Equal";
    different: "Diverse", "Different";
    missing_there: "Mancano là", "Missing there";
    missing_here: "Mancano qui", "Missing here";
    on_its_way: "In viaggio", "On their way";
    stopped: "Ferme", "Stopped";
    complete: "Completo", "Complete";
    first_discrepancies: "Prime discordanze", "First discrepancies";
    rule: "Regola", "Rule";
    unit: "Unità", "Unit";
    row: "Riga", "Row";
    field: "Campo", "Field";
    ours: "Da noi", "Ours";
    theirs: "Da loro", "Theirs";
    refused_documents: "Documenti rifiutati", "Refused documents";
    document: "Documento", "Document";
    reason: "Motivo", "Reason";
    systems: "Sistemi", "Systems";
    system: "Sistema", "System";
    roles: "Ruoli", "Roles";
    contract: "Contratto", "Contract";
    status: "Pubblico?", "Public?";
    what_it_is: "Che cos'è", "What it is";
    assumed_note: "ASSUMED: il sistema non pubblica un'interfaccia; il contratto v0 è una proposta di Raccordo, provata con un simulatore.",
        "ASSUMED: the system publishes no interface; contract v0 is Raccordo's proposal, tried on a simulator.";
    due: "da inviare", "due";
    sent: "inviata, senza ancora risposta", "sent, no answer yet";
    acknowledged: "consegnata, con ricevuta", "acknowledged, with receipt";
    submitted: "presa in carico, in attesa di decisione", "taken, waiting for a decision";
    held: "trattenuta: passo non ancora ammesso", "held: step not admitted yet";
    refused_there: "rifiutata dal destinatario", "refused by the target";
    in_doubt: "in dubbio: si chiede al destinatario", "in doubt: the target is asked";
    retry: "da ritentare", "to be tried again";
    parked: "ferma: serve una persona", "parked: a person must look";
    nothing_known: "Nessuna informazione su", "Nothing is known about";
    versions: "Versioni", "Versions";
    kind: "Tipo", "Kind";
    key: "Chiave", "Key";
    number: "N.", "No.";
    stored_at: "Registrata il (UTC)", "Stored at (UTC)";
    origin: "Provenienza", "Origin";
    findings: "Rilievi", "Findings";
    attempts: "Tentativi", "Attempts";
    revision: "Revisione", "Revision";
    started_at: "Iniziato il (UTC)", "Started at (UTC)";
    outcome: "Esito", "Outcome";
    receipt: "Ricevuta", "Receipt";
    aside: "In quarantena", "Set aside";
    format: "Formato", "Format";
    page_at: "Pagina di riepilogo su", "Overview page at";
    stop_hint: "Ctrl+C per terminare", "Ctrl+C to stop";
    folder: "Cartella", "Folder";
    listening: "in ascolto su", "listening on";
    still_open: "Consegne non ancora concluse allo scadere dell'attesa", "Deliveries still open when patience ended";
    not_a_demo: "la cartella ha già una sua configurazione; la demo scrive solo in cartelle nuove o sue",
        "the folder has a configuration of its own; the demo writes only in new folders or its own";
    no_systems: "La configurazione non nomina alcun sistema: vedi README.md, «Configuration»",
        "The configuration names no system: see README.md, Configuration";
    not_yet: "Ci sono consegne ancora in viaggio: «raccordo sync» le porta a termine",
        "Some deliveries are still on their way: `raccordo sync` brings them to their end";
    clean: "Tutto quadra: nulla è andato perso e le due parti concordano.",
        "All balances: nothing was lost and both sides agree.";
    not_clean: "Qualcosa non quadra: vedi le tabelle qui sopra.", "Something does not balance: see the tables above.";
}

impl Words {
    /// The state of a delivery, in words.
    pub(super) fn state<'a>(&'a self, state: &'a str) -> &'a str {
        match state {
            "due" => self.due,
            "sent" => self.sent,
            "acknowledged" => self.acknowledged,
            "refused" => self.refused_there,
            "in_doubt" => self.in_doubt,
            "retry" => self.retry,
            "submitted" => self.submitted,
            "held" => self.held,
            "parked" => self.parked,
            other => other,
        }
    }

    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::It => &ITALIAN,
            Language::En => &ENGLISH,
        }
    }
}
