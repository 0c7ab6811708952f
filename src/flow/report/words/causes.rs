//! The words of the known causes, and of the want of one.

use super::Language;
use crate::discrepancy::Cause;

/// The words of a cause.
#[derive(Debug, Clone, Copy)]
pub struct Causation {
    /// For tables: a few words.
    pub title: &'static str,
    /// For people who meet it for the first time.
    pub sentence: &'static str,
}

/// What is said where no known cause accounts for a difference.
pub const fn unexplained(language: Language) -> Causation {
    match language {
        Language::Italian => Causation {
            title: "non spiegata",
            sentence: "Nessuna causa nota rende conto di questa differenza: va guardata da una persona.",
        },
        Language::English => Causation {
            title: "unexplained",
            sentence: "No known cause accounts for this difference: a person must look at it.",
        },
    }
}

macro_rules! words {
    ($( $cause:ident: $it:literal, $it_sentence:literal; $en:literal, $en_sentence:literal; )+) => {
        /// The words of a cause.
        pub const fn cause(cause: Cause, language: Language) -> Causation {
            match (cause, language) { $(
                (Cause::$cause, Language::Italian) => Causation { title: $it, sentence: $it_sentence },
                (Cause::$cause, Language::English) => Causation { title: $en, sentence: $en_sentence },
            )+ }
        }
    };
}

words! {
    TooEarly: "troppo presto",
        "Il dato è recente: la fonte ha ancora tempo per pubblicarlo, e la differenza può chiudersi da sola.";
        "too early", "The data are recent: the source still has time to publish them, and the difference may end by itself.";
    NullAgainstZero: "vuoto contro zero",
        "Una parte non ha indicato l'importo e l'altra ha scritto zero: di solito non è ancora aggiudicato o dichiarato.";
        "null against zero", "One side gave no amount and the other wrote zero: usually not awarded or not declared yet.";
    Rounding: "arrotondamento",
        "Differenza di arrotondamento: al massimo un centesimo per ogni riga sommata.";
        "rounding", "Difference of rounding: at most a cent for each row that was summed.";
    Vat22: "IVA al 22 %",
        "Differenza spiegata dall'IVA al 22 %: una parte ha l'importo con l'IVA, l'altra senza.";
        "VAT at 22 %", "Difference explained by VAT at 22 %: one side gives the amount with VAT, the other without.";
    Vat10: "IVA al 10 %",
        "Differenza spiegata dall'IVA al 10 %: una parte ha l'importo con l'IVA, l'altra senza.";
        "VAT at 10 %", "Difference explained by VAT at 10 %: one side gives the amount with VAT, the other without.";
    Vat5: "IVA al 5 %",
        "Differenza spiegata dall'IVA al 5 %: una parte ha l'importo con l'IVA, l'altra senza.";
        "VAT at 5 %", "Difference explained by VAT at 5 %: one side gives the amount with VAT, the other without.";
    Vat4OrFund: "IVA o cassa al 4 %",
        "Differenza del 4 %: è l'IVA al 4 %, oppure il contributo alla cassa dei professionisti, che ha la stessa misura.";
        "VAT or fund of 4 %", "Difference of 4 %: VAT at 4 %, or the professional fund, which is the same figure.";
    FundAndVat22: "cassa 4 % e IVA 22 %",
        "Differenza spiegata dal contributo alla cassa del 4 % e dall'IVA al 22 %, come nelle parcelle dei professionisti.";
        "fund 4 % and VAT 22 %", "Difference explained by the professional fund of 4 % and VAT at 22 %, as in professionals' fees.";
    SecurityCosts: "oneri della sicurezza",
        "Una parte comprende gli oneri della sicurezza, l'altra no: la differenza è pari a quegli oneri.";
        "security costs", "One side includes the security costs, the other does not: they are the whole difference.";
    NonDiscountableSums: "somme non ribassabili",
        "Una parte comprende le somme non soggette a ribasso, l'altra no: la differenza è pari a quelle somme.";
        "sums without discount", "One side includes the sums that take no discount, the other does not: they are the whole difference.";
    LotAgainstTender: "lotto contro gara intera",
        "Una parte riporta l'importo del lotto, l'altra quello dell'intera gara.";
        "lot against whole tender", "One side gives the amount of the lot, the other that of the whole tender.";
    WinnersRepeated: "importo ripetuto per aggiudicatario",
        "L'importo intero è ripetuto per ogni aggiudicatario: sommando le righe si conta più volte.";
        "amount repeated per winner", "The whole amount is repeated for each winner: a sum over the rows counts it several times.";
    DecimalPointLost: "virgola persa",
        "Un importo è dieci, cento o mille volte l'altro: in una delle due parti si è persa la virgola dei decimali.";
        "decimal point lost", "One amount is ten, a hundred or a thousand times the other: one side lost the decimal point.";
    WithModifications: "con le modifiche del contratto",
        "Una parte comprende le modifiche del contratto, l'altra ha ancora l'importo iniziale.";
        "with modifications", "One side includes the modifications of the contract, the other still has the first amount.";
    PublicationLag: "pubblicata giorni dopo",
        "Le date distano pochi giorni: una parte riporta il giorno dell'atto, l'altra quello in cui è stato pubblicato.";
        "published days later", "The dates are a few days apart: one side gives the day of the act, the other that of publication.";
    Crosswalk: "stesso codice di due elenchi",
        "I codici sono diversi ma dicono la stessa cosa: vengono da due elenchi che si corrispondono.";
        "same code of two lists", "The codes differ and mean the same: they come from two lists that correspond.";
    RecodedTerritory: "territorio ricodificato",
        "Il Comune o la Provincia ha cambiato codice: una parte usa quello di prima, l'altra quello di oggi.";
        "recoded territory", "The municipality or province was given another code: one side uses the old one, the other today's.";
    CupSubset: "solo una parte dei CUP",
        "Una fonte riporta un solo CUP, o soltanto quelli del proprio piano: quelli che riporta concordano.";
        "some of the CUP only", "One source holds one CUP, or those of its plan only: those that it holds agree.";
    MaskedValue: "oscurato da una parte",
        "Una parte ha oscurato il valore: non c'è nulla da confrontare.";
        "masked on one side", "One side masked the value: there is nothing to compare.";
    SameOperator: "stessa impresa, altro codice",
        "È la stessa impresa: una parte usa il codice fiscale, l'altra la partita IVA.";
        "same company, other code", "It is the same company: one side uses its tax code, the other its VAT number.";
    SamePerson: "stessa persona",
        "È la stessa persona: cambiano l'ordine di nome e cognome, o il titolo davanti.";
        "same person", "It is the same person: the names stand in another order, or have a title before them.";
    SimilarText: "testi quasi uguali",
        "I testi sono quasi uguali: cambiano abbreviazioni, punteggiatura o poche parole.";
        "texts nearly the same", "The texts are nearly the same: abbreviations, punctuation or a few words differ.";
    ZeroPadding: "zeri iniziali",
        "È lo stesso codice, scritto da una parte con gli zeri davanti e dall'altra senza.";
        "zeros in front", "It is the same code, written with zeros in front on one side and without on the other.";
    FrameworkChild: "accordo quadro e suo contratto",
        "Una parte riporta l'accordo quadro, l'altra il contratto che ne deriva: gli importi sono due cose diverse.";
        "agreement and its contract", "One side gives the framework agreement, the other the contract under it: two different amounts.";
    ReplacedCig: "CIG sostituito",
        "Il CIG è stato annullato e un altro ha preso il suo posto: una parte ha ancora quello di prima.";
        "replaced CIG", "The CIG was cancelled and another took its place: one side still has the old one.";
    Delegation: "un ente per conto di un altro",
        "Un ente agisce per conto di un altro: una parte indica chi ha fatto la gara, l'altra chi la ha chiesta.";
        "one body for another", "One body acts for another: one side names who ran the tender, the other who asked for it.";
    StaleSource: "dati della fonte vecchi",
        "La fonte è più vecchia del periodo che dovrebbe coprire: il suo valore può essere superato.";
        "stale source", "The source is older than the period that it should cover: its value may be out of date.";
    ReasonGiven: "assenza motivata",
        "La fonte ha detto perché il dato manca: il motivo è fra i valori riportati.";
        "absence with a reason", "The source said why the value is absent: the reason is among the values given.";
    ChangedWithDate: "responsabile cambiato",
        "Il responsabile del progetto è cambiato in una data nota: una parte ha ancora quello di prima.";
        "person in charge changed", "The person in charge changed on a known day: one side still has the earlier one.";
}
