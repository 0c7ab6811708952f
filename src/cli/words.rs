//! The words of tables and messages: Italian first, English on request.

use super::Language;
use crate::http;

macro_rules! words {
    ($( $name:ident: $it:literal, $en:literal; )+) => {
        /// The words of one language.
        #[derive(Debug)]
        pub(super) struct Words { language: Language, $( pub(super) $name: &'static str, )+ }

        const ITALIAN: Words = Words { language: Language::It, $( $name: $it, )+ };
        const ENGLISH: Words = Words { language: Language::En, $( $name: $en, )+ };
    };
}

words! {
    no_pdnd_client: "La configurazione non ha alcun client della piattaforma nazionale: aggiungere a raccordo.toml una sezione \
                     [pdnd.NOME] con environment, client_id, purpose_id e private_key_file (docs/guida/pdnd.md).",
        "The configuration has no client of the national platform: add to raccordo.toml a section [pdnd.NAME] with \
         environment, client_id, purpose_id and private_key_file (docs/guida/pdnd.md).";
    no_client_of_this_name: "Nessun client della configurazione si chiama", "No client of the configuration is called";
    it_may_be: "Può essere", "It may be";
    name_one_client: "Indicare quale client si intende", "Name the client that is meant";
    no_such_client: "Nella configurazione manca", "The configuration lacks";
    any_client: "un client", "a client";
    client_with_purpose: "un client con una finalità (purpose_id)", "a client with a purpose (purpose_id)";
    client_that_asks: "un client api interop (is_api_client = true, scheme = \"dpop\") da nominare in --by",
        "a client api interop (is_api_client = true, scheme = \"dpop\") to be named in --by";
    client_that_traces: "un client api interop (is_api_client = true) con tracing_url, da nominare in --by",
        "a client api interop (is_api_client = true) with a tracing_url, to be named in --by";
    file_checked: "File di tracciamento corretto, giorno", "Tracing file in order, day";
    rows_of_it: "righe", "rows";
    calls_of_it: "chiamate", "calls";
    nothing_sent: "Nulla è stato inviato.", "Nothing was sent.";
    taken: "La piattaforma ha preso il file e lo guarda dopo: che cosa ne dice si chiede con «raccordo pdnd tracing days».",
        "The platform took the file and looks at it later: what it makes of it is asked by `raccordo pdnd tracing days`.";
    taken_with_errors: "La piattaforma ha preso il file e vi trova errori: si leggono con «raccordo pdnd tracing errors», e questo \
                        nome.",
        "The platform took the file and finds errors in it: read them by `raccordo pdnd tracing errors` with this name.";
    day_not_over: "La giornata in Italia non è finita: sono le chiamate contate finora.",
        "The day in Italy is not over: these are the calls counted so far.";
    nobody_is_told: "Nessun partner riceve avvisi.", "No partner is told of changes.";
    partners_told: "Avvisi ai partner", "Partners told of changes";
    partner: "Partner", "Partner";
    told_again: "Si riprende dall'avviso che non ha preso.", "He is told again, from the message that he did not take.";
    was_not_stopped: "Nessun avviso sospeso a quel nome: niente è cambiato.",
        "Nobody of that name was stopped: nothing has changed.";
    signals: "Segnali (Signal Hub)", "Signals (Signal Hub)";
    signals_of: "E-service o sistema", "E-service or system";
    no_signals: "Nessun segnale finora: Signal Hub non è configurato, o il servizio non è mai partito da allora.",
        "No signals so far: Signal Hub is not configured, or the daemon was never started since.";
    planted: "Discordanze piantate apposta, e trovate?", "Discrepancies planted on purpose: were they found?";
    what_happened: "Che cosa è successo", "What happened";
    found: "Trovata", "Found";
    mended: "Corrette con una nuova consegna: le due parti concordano di nuovo.",
        "Mended by a new delivery: both sides agree again.";
    not_mended: "Dopo la correzione le due parti non concordano ancora.", "After the repair the sides still disagree.";
    columns_of_zeros: "Colonne di soli zeri, non mostrate", "Columns of zeros alone, not shown";
    sources_agree: "Anche le fonti dicono tutte le stesse cose.", "The sources, too, all say the same.";
    sources_differ: "Le fonti invece non dicono tutte le stesse cose: sono dati veri, pubblicati da enti diversi. Per questo \
                     «raccordo reconcile» su questi dati esce con 5. Discordanze fra le fonti",
        "The sources, however, do not all say the same: these are real data, published by different bodies. For that \
         `raccordo reconcile` on these data ends with exit code 5. Discrepancies between the sources";
    where_they_stand: "Si leggono con «raccordo discrepancies list», o sulla pagina.",
        "Read them with `raccordo discrepancies list`, or on the page.";
    not_in_time: "Le consegne non sono finite nel tempo concesso (--wait): la demo non è completa. «raccordo demo» o \
                  «raccordo sync» sulla stessa cartella (--folder) le portano a termine.",
        "The deliveries did not end in the time they were given (--wait): the demo is not complete. `raccordo demo` or \
         `raccordo sync` on the same folder (--folder) finish them.";
    fields_on_stderr: "Questa tabella non dice da sé di quando è né quante righe ha. Chi la confronta aggiunga",
        "This table does not say of which moment it is, nor how many rows it has. Whoever compares it must add";
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
    rows_written: "righe scritte", "rows written";
    units_left_out: "unità non scritte, perché ancora in viaggio o non componibili: con questo elenco nulla risulterà mancante",
        "units not written, still on their way or not composed: by this list nothing will be missing";
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
    do_both_agree: "Le due parti concordano? (righe)", "Do both sides agree? (rows)";
    comparison: "Confronto", "Comparison";
    rows_in_all: "In tutto", "In all";
    rows_add_up: "In tutto = uguali + diverse + spiegate + mancano là + mancano qui + in viaggio + ferme + non lette.",
        "In all = equal + different + explained + missing there + missing here + on their way + stopped + not read.";
    discrepancies: "Discordanze (una riga diversa può averne più d'una)",
        "Discrepancies (a row that differs may have more than one)";
    open: "Aperte", "Open";
    explained: "Spiegate", "Explained";
    accepted: "Accettate", "Accepted";
    of_discrepancies: "Discordanze", "Discrepancies";
    expected: "Attese", "Expected";
    observed: "Presenti", "Observed";
    equal: "Uguali", "Equal";
    different: "Diverse", "Different";
    missing_there: "Mancano là", "Missing there";
    missing_here: "Mancano qui", "Missing here";
    on_its_way: "In viaggio", "On their way";
    stopped: "Ferme", "Stopped";
    not_read: "Non lette", "Not read";
    complete: "Completo", "Complete";
    first_discrepancies: "Prime discordanze", "First discrepancies";
    rule: "Regola", "Rule";
    unit: "Unità", "Unit";
    row: "Riga", "Row";
    line: "riga", "line";
    field: "Campo", "Field";
    ours: "Da noi", "Ours";
    theirs: "Da loro", "Theirs";
    signed_off_by: "firmato da", "signed off by";
    left_open: "aperte", "open";
    left_explained: "spiegate", "explained";
    left_accepted: "accettate", "accepted";
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
    nothing_known: "Nessuna informazione su", "Nothing is known about";
    versions: "Versioni", "Versions";
    kind: "Tipo", "Kind";
    key: "Chiave", "Key";
    number: "N.", "No.";
    stored_at: "Registrata il", "Stored at";
    origin: "Provenienza", "Origin";
    findings: "Rilievi", "Findings";
    attempts: "Consegne e tentativi", "Deliveries and attempts";
    attempt: "tentativo", "attempt";
    stands_now: "adesso", "now";
    no_outcome: "in corso, o interrotto", "under way, or cut short";
    state_or_outcome: "Stato, o esito", "State, or outcome";
    revision: "Revisione", "Revision";
    started_or_decided_at: "Iniziato o deciso il", "Started or decided at";
    italian_time: "ora italiana", "Italian time";
    not_before: "non prima del", "not before";
    asked_on: "si chiede il", "asked on";
    outcome: "Esito", "Outcome";
    first_one: "la prima:", "the first:";
    receipt: "Ricevuta", "Receipt";
    aside: "In quarantena", "Set aside";
    format: "Formato", "Format";
    page_at: "Pagina di riepilogo su", "Overview page at";
    stop_hint: "Ctrl+C per terminare", "Ctrl+C to stop";
    folder: "Cartella", "Folder";
    listening: "in ascolto su", "listening on";
    still_open: "consegne non ancora concluse: proseguono con il servizio, o con il prossimo «raccordo sync»",
        "deliveries not finished yet: they go on with the daemon, or with the next `raccordo sync`";
    still_deciding: "consegne prese in carico: il destinatario deve ancora decidere, e gli si chiede di nuovo a intervalli",
        "deliveries taken: the target has yet to decide, and is asked again at intervals";
    still_held: "consegne trattenute: partono quando è ammesso il passo che attendono («raccordo trace CHIAVE» dice quale)",
        "deliveries held: they leave when the step they wait for is admitted (`raccordo trace KEY` says which)";
    not_a_demo: "la cartella ha già una sua configurazione; la demo scrive solo in cartelle nuove o sue",
        "the folder has a configuration of its own; the demo writes only in new folders or its own";
    no_systems: "La configurazione non nomina alcun sistema: vedi README.md, «Configuration»",
        "The configuration names no system: see README.md, Configuration";
    not_yet: "Le righe «in viaggio» sono di consegne non ancora concluse: da inviare, in attesa di una decisione del destinatario, \
              o trattenute fino al passo che attendono. Le segue il servizio, o un altro «raccordo sync»; quelle che \
              attendono altri possono restare così a lungo. Nel confronto con un altro nodo sono record più recenti di \
              «grace_hours».",
        "Rows on their way are of deliveries not finished yet: to be sent, waiting for a decision of the target, or held \
         until the step they wait for. The daemon follows them, or another `raccordo sync`; those that wait for \
         others may stay so for long. In a comparison with another node they are records newer than `grace_hours`.";
    not_yet_in_list: "Le righe «in viaggio» sono di consegne non concluse al momento dell'elenco, o concluse dopo: le dirà un \
                      elenco più recente.",
        "Rows on their way are of deliveries that were not finished at the moment of the list, or were finished later: a \
         newer list will tell of them.";
    rows_not_compared: "Righe non confrontate", "Rows not compared";
    list_is_incomplete: "Elenco incompleto: ciò che non vi si trova non si può dire mancante. Serve un elenco intero, che dica \
                         quante righe ha.",
        "The list is incomplete: what is not in it cannot be called missing. Ask for a whole list, which says how many rows \
         it has.";
    side_is_incomplete: "L'altra parte non è stata letta per intero: ciò che non si è letto non si può dire mancante. Ripetere il \
                         confronto quando il sistema risponde.",
        "The other side was not read completely: what was not read cannot be called missing. Compare again when the system \
         answers.";
    told_in_english: "Il testo originale dei motivi è in --json.", "The original words of the reasons are in --json.";
    waits_for_a_person: "Che cosa aspetta una persona", "What waits for a person";
    nothing_waits: "Nulla aspetta una persona.", "Nothing waits for a person.";
    nothing_chosen: "Nulla di ciò che aspetta corrisponde alla scelta.", "Nothing that waits is of those chosen.";
    would_do: "Che cosa si farebbe (nulla è cambiato)", "What would be done (nothing was changed)";
    will_do: "Che cosa si sta per fare", "What is about to be done";
    was_done: "Che cosa è stato fatto", "What was done";
    key_or_unit: "Chiave o unità", "Key or unit";
    since: "dal", "since";
    result: "Risultato", "Result";
    a_delivery: "consegna", "delivery";
    a_doubtful_delivery: "consegna in dubbio", "delivery in doubt";
    a_record: "riga", "record";
    a_document: "documento", "document";
    proceed: "Procedere? [s/N]", "Go on? [y/N]";
    nobody_answers: "Nessuno può rispondere qui: aggiungere --yes per procedere, --dry-run per vedere soltanto.",
        "Nobody can answer here: add --yes to go on, --dry-run to look only.";
    left_alone: "Nulla è stato cambiato.", "Nothing was changed.";
    filter_needs_all: "I filtri valgono con --all: aggiungere --all, o togliere i filtri e dare i numeri.",
        "Filters go with --all: add --all, or take the filters away and give the numbers.";
    not_waiting: "niente con questo numero aspetta una persona: vedi «raccordo parked list»",
        "nothing of this number waits for a person: see `raccordo parked list`";
    then_sync: "Le consegne partono con «raccordo sync» o con il servizio.",
        "Deliveries leave with `raccordo sync` or with the daemon.";
    is_there: "il testo non è conservato, il file è", "its text is not kept, the file is";
    then_read: "correggerlo, poi", "correct it, then";
    is_elsewhere: "il testo non è conservato: correggere il file dove si trova, poi",
        "its text is not kept: correct the file where it is, then";
    is_asked_again: "il testo non è conservato, il documento viene dal sistema: si chiede di nuovo con",
        "its text is not kept, the document comes from the system: it is asked for again by";
    documents_left_out: "documenti rifiutati non sono fra questi: il loro testo non è conservato («raccordo parked list --kind \
                         document» dice come rileggerli)",
        "refused documents are not among them: their text is not kept (`raccordo parked list --kind document` says how to \
         read them again)";
    understood: "compresa con le mappature di oggi", "understood with today's mappings";
    not_configured: "la sua fonte non è nella configurazione di oggi", "its source is not in today's configuration";
    only_doubtful: "--sent e --not-sent valgono per le consegne in dubbio", "--sent and --not-sent are for deliveries in doubt";
    say_first: "si sta ancora chiedendo al destinatario: dire prima se è arrivata (replay --sent o --not-sent)",
        "the target is still being asked: say first whether it arrived (replay --sent or --not-sent)";
    will_be_asked: "si richiede al destinatario se è arrivata", "the target is asked again whether it arrived";
    will_be_sent: "da inviare di nuovo, come nuova revisione", "to be sent again, as a new revision";
    same_bytes: "da inviare di nuovo, con la stessa chiave e gli stessi byte", "to be sent again, same key and same bytes";
    declared: "segnata come arrivata, per dichiarazione", "marked as arrived, by declaration";
    read_again: "riletta con le mappature di oggi", "read again with today's mappings";
    understood_new: "compresa: nuova versione", "understood: a new version";
    understood_same: "compresa: non dice nulla di nuovo", "understood: it says nothing new";
    still_aside: "resta in quarantena", "stays in quarantine";
    unknown_format: "non riconosciuto", "not recognised";
    roles_source: "fonte", "source";
    roles_target: "destinatario", "target";
    roles_observer: "si può interrogare", "observer";
    no_discrepancies: "Nessuna discordanza in questo elenco.", "No discrepancy in this list.";
    none_of_these: "Nessuna discordanza.", "No discrepancy.";
    none_chosen: "Nessuna discordanza scelta.", "No discrepancy was chosen.";
    no_such_item: "Nessuna discordanza ha il numero", "No discrepancy has the number";
    by_cause: "Discordanze per causa", "Discrepancies by cause";
    groups: "gruppi", "groups";
    severity: "Gravità", "Severity";
    shape: "Forma", "Shape";
    against: "Contro", "Against";
    cause: "Causa", "Cause";
    how_many: "Quante", "Count";
    how_many_new: "Nuove", "New";
    amount: "Importo", "Amount";
    from_day: "Dal", "Since";
    working_days: "giorni lavorativi", "working days";
    to_do: "Da fare", "To do";
    open_for: "Aperta da", "Open for";
    since_day: "dal", "since";
    reopened: "Riaperta", "Reopened";
    times: "volte", "times";
    body: "Ente", "Body";
    deadline: "Scadenza", "Deadline";
    office: "Ufficio", "Office";
    escalated: "Segnalata in alto", "Escalated";
    discrepancy_number: "Discordanza n.", "Discrepancy no.";
    what_sides_say: "Che cosa dicono le parti", "What the sides say";
    owner: "Titolare", "Owner";
    as_of: "Dati al", "As of";
    when: "Quando", "When";
    what: "Che cosa", "What";
    who: "Chi", "Who";
    why: "Perché", "Why";
    of_comparison: "confronto", "comparison";
    repairs: "Riparazioni", "Repairs";
    unit_and_row: "Unità e riga", "Unit and row";
    holds_today: "Oggi tiene", "Holds today";
    would_hold: "Terrebbe", "Would hold";
    sent_whole: "unità da inviare, ognuna intera: cambiano tutti i campi elencati, anche quelli fuori dalla scelta («–»)",
        "units to send, each as a whole: all listed fields change, also those outside the choice (`–`)";
    outside_choice: "campi fuori dalla scelta", "fields outside the choice";
    not_read_so_far: "Una destinazione non è stata letta fin lì: per le sue unità vale l'ultimo confronto.",
        "A target was not read so far: for its units the last comparison holds.";
    for_people: "solo per persone: niente da riparare da qui", "for people only: nothing to repair from here";
    to_approve: "in attesa di approvazione da un'altra persona", "waiting for the approval of another person";
    sent_again: "unità da inviare di nuovo", "units to be sent again";
    sources_read_again: "fonti da rileggere dall'inizio", "sources to be read again from the beginning";
    segnalazioni: "segnalazioni aperte", "Segnalazioni opened";
    postponed: "decise e da completare quando la destinazione sarà leggibile",
        "decided, to be finished when the target can be read";
    not_done_because: "non fatte", "not done";
    items_updated: "discordanze aggiornate", "discrepancies updated";
    no_by_with_four_eyes: "Con four_eyes decide chi esegue il comando: --by non è ammesso, ognuno usa la propria utenza.",
        "With four_eyes whoever runs the command decides: --by is not allowed, everybody uses their own login.";
    halves_done: "Prima sono state completate le riparazioni decise e rimaste a metà.",
        "Repairs that were decided and left half done were finished first.";
    nobody_to_ask: "Nessuno a cui chiedere: aggiungere --yes, oppure --dry-run per vedere soltanto.",
        "Nobody to ask: add --yes, or --dry-run to look only.";
    proceed_with: "Procedere? Discordanze [s/N]:", "Go on? Discrepancies [y/N]:";
    discarded: "scartata, con il motivo; nulla è cancellato", "discarded, with the reason; nothing is deleted";
    not_done: "non fatto", "not done";
    chain_stands: "La catena di controllo è integra.", "The audit chain stands.";
    chain_broken: "La catena di controllo NON è integra", "The audit chain does NOT stand";
    chain_what_to_do: "Fermare il servizio, non cancellare nulla, confrontare con l'ultimo backup: ciò che precede è integro.",
        "Stop the daemon, delete nothing, compare with the last backup: what comes before stands.";
    entries: "Voci", "Entries";
    chain_head: "Testa", "Head";
    clean: "Tutto quadra: nulla è andato perso e ogni destinatario tiene ciò che deve.",
        "All balances: nothing was lost and every target holds what it should.";
    not_clean: "Qualcosa non quadra: vedi le tabelle qui sopra.", "Something does not balance: see the tables above.";
}

impl Words {
    /// Whether people read Italian.
    pub(super) fn are_italian(&self) -> bool {
        self.language == Language::It
    }

    /// A name inside a sentence.
    pub(super) fn quoted(&self, name: &str) -> String {
        if self.are_italian() { format!("«{name}»") } else { format!("`{name}`") }
    }

    /// The language of sentences about discrepancies.
    pub(super) fn language(&self) -> crate::flow::report::words::Language {
        use crate::flow::report::words;
        match self.language {
            Language::It => words::Language::Italian,
            Language::En => words::Language::English,
        }
    }

    /// The state of one delivery, in words.
    pub(super) fn state(&self, state: &str) -> &'static str {
        let words = http::state(state);
        if self.are_italian() { words.one } else { words.english }
    }

    /// The state of several, in the words of the page.
    pub(super) fn states(&self, state: &str) -> &'static str {
        let words = http::state(state);
        if self.are_italian() { words.many } else { words.english }
    }

    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::It => &ITALIAN,
            Language::En => &ENGLISH,
        }
    }
}
