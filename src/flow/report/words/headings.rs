//! The headings and labels of reports, in both languages.

use super::Language;

macro_rules! headings {
    ($( $name:ident: $it:literal, $en:literal; )+) => {
        /// The headings of one language.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "the text of each stands beside its name")]
        pub struct Headings { $( pub $name: &'static str, )+ }

        const ITALIAN: Headings = Headings { $( $name: $it, )+ };
        const ENGLISH: Headings = Headings { $( $name: $en, )+ };
    };
}

/// The headings of a language.
pub const fn headings(language: Language) -> &'static Headings {
    match language {
        Language::Italian => &ITALIAN,
        Language::English => &ENGLISH,
    }
}

headings! {
    title: "Riconciliazione", "Reconciliation";
    summary: "Riepilogo", "Summary";
    trend: "Andamento", "Trend";
    made_at: "Preparato il", "Made at";
    filter: "Filtro", "Filter";
    no_filter: "nessuno: tutte le discordanze", "none: all discrepancies";
    chain_head: "Testa della catena di controllo", "Head of the audit chain";
    runs: "Confronti", "Comparisons";
    run: "Confronto n.", "Comparison no.";
    comparison: "Confronto", "Comparison";
    finished_at: "Concluso il", "Finished at";
    completeness: "Completezza delle due parti", "Completeness of both sides";
    system: "Sistema", "System";
    rows_read: "Righe lette", "Rows read";
    complete: "Letta tutta", "Read completely";
    yes: "sì", "yes";
    no: "NO", "NO";
    because: "Perché", "Because";
    no_runs: "Nessun confronto ancora.", "No comparison yet.";
    incomplete: "Il confronto non è completo: ciò che non è stato letto non può dirsi mancante.",
        "The comparison is not complete: what was not read cannot be called missing.";
    not_known: "non si sa: un confronto non è completo", "not known: a comparison is not complete";
    not_counted: "fra le fonti non si conta", "not counted between the sources";
    nothing_to_compare: "non c'era nulla da confrontare: nessuna riga da una parte e dall'altra",
        "there was nothing to compare: no row on either side";
    no_source_here: "nessuna fonte di qui", "no source here";
    row_numbers: "Righe confrontate", "Rows compared";
    rows_in_all: "Righe in tutto", "Rows in all";
    rows_of_sources: "Fra le fonti una riga è tutto ciò che si dice di una cosa: dove una fonte non ne dice nulla la riga è diversa o \
                      spiegata, e ciò che manca si conta fra le discordanze.",
        "Between the sources a row is all that is said of one thing: where a source says nothing of it the row is different or \
         explained, and what is missing is counted among the discrepancies.";
    equal: "Uguali", "Equal";
    different: "Diverse", "Different";
    explained: "Spiegate", "Explained";
    only_here: "Mancano là", "Missing there";
    only_there: "Mancano qui", "Missing here";
    skipped: "Non confrontate", "Not compared";
    reason: "Motivo", "Reason";
    rows: "Righe", "Rows";
    count: "Quante", "Count";
    new: "Nuove", "New";
    at_stake: "Importo in gioco", "Amount at stake";
    at_stake_chosen: "Importo delle discordanze scelte", "Amount of the discrepancies chosen";
    groups: "Gruppi per causa", "Groups by cause";
    other_groups: "Altri gruppi", "Other groups";
    cause: "Causa", "Cause";
    rule: "Regola", "Rule";
    shape: "Come si presenta", "How it shows";
    oldest: "La più vecchia", "The oldest";
    by_body: "Per Provincia o ente", "By province or body";
    by_office: "Per ufficio", "By office";
    by_system: "Per sistema che discorda", "By system that disagrees";
    by_state: "Per stato", "By state";
    ageing: "Da quanto aspettano, in giorni lavorativi", "How long they wait, in working days";
    days: "Giorni lavorativi", "Working days";
    nobody: "nessuno ancora", "nobody yet";
    no_body: "ente non indicato", "body not given";
    signing: "Chiusura del periodo", "Sign-off of the period";
    signed: "Periodo firmato", "Period signed";
    signed_by: "Firmato da", "Signed by";
    signed_at: "Il", "At";
    note: "Nota", "Note";
    to_sign: "Nome, data e firma", "Name, date and signature";
    not_signed: "Il periodo non è ancora stato firmato.", "The period was not signed yet.";
    items: "Discordanze", "Discrepancies";
    none: "Nessuna discordanza con questo filtro.", "No discrepancy with this filter.";
    open: "Aperte", "Open";
    total: "Totale", "Total";
    chart: "Andamento delle discordanze nei confronti", "Discrepancies over the comparisons";
    number: "N.", "No.";
    unit: "Unità", "Unit";
    row: "Riga", "Row";
    field: "Campo", "Field";
    whole_row: "riga intera", "whole row";
    severity: "Gravità", "Severity";
    owner: "Titolare", "Owner";
    owner_value: "Valore del titolare", "Value of the owner";
    against: "Altro sistema", "Other system";
    against_value: "Valore dell'altro", "Value of the other";
    other_sides: "Altre fonti", "Other sources";
    body: "Ente", "Body";
    deadline: "Scadenza", "Deadline";
    overdue: "scaduta", "overdue";
    act: "Che cosa fare", "What to do";
    state: "Stato", "State";
    until: "Accettata fino al", "Accepted until";
    first_seen: "Vista la prima volta", "First seen";
    last_seen: "Vista l'ultima volta", "Last seen";
    changed_at: "Cambiata il", "Changed at";
    reopened: "Riaperture", "Reopened";
    office: "Ufficio", "Office";
    escalated_at: "Sollecitata il", "Escalated at";
    happened: "Che cosa è successo", "What happened";
    why: "Perché", "Why";
    causes_codes: "Codice della causa", "Code of the cause";
    read_with: "Stesso filtro, stessi dati: ogni forma del rapporto riporta gli stessi fatti.",
        "Same filter, same data: every form of the report gives the same facts.";
}
