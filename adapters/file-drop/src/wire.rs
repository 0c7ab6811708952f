//! What a Legge 190/2012 dataset says, in its own words: texts as received, nothing understood.
//!
//! A [`LottoL190`] is filled again for each lot. Its texts stand one after the other in one buffer,
//! and its fields are places in it: once the buffers have grown, a lot costs no allocation.

/// A field of a `<lotto>`, by its element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Campo {
    /// `cig`.
    Cig,
    /// `codiceFiscaleProp` of `strutturaProponente`.
    CodiceFiscaleProp,
    /// `denominazione` of `strutturaProponente`.
    Denominazione,
    /// `oggetto`.
    Oggetto,
    /// `sceltaContraente`.
    SceltaContraente,
    /// `importoAggiudicazione`.
    ImportoAggiudicazione,
    /// `dataInizio` of `tempiCompletamento`.
    DataInizio,
    /// `dataUltimazione` of `tempiCompletamento`.
    DataUltimazione,
    /// `importoSommeLiquidate`.
    ImportoSommeLiquidate,
}

impl Campo {
    const COUNT: usize = 9;

    /// The path of the element inside the lot.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Cig => "cig",
            Self::CodiceFiscaleProp => "strutturaProponente/codiceFiscaleProp",
            Self::Denominazione => "strutturaProponente/denominazione",
            Self::Oggetto => "oggetto",
            Self::SceltaContraente => "sceltaContraente",
            Self::ImportoAggiudicazione => "importoAggiudicazione",
            Self::DataInizio => "tempiCompletamento/dataInizio",
            Self::DataUltimazione => "tempiCompletamento/dataUltimazione",
            Self::ImportoSommeLiquidate => "importoSommeLiquidate",
        }
    }
}

/// A field of an operator, by its element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CampoOperatore {
    /// `codiceFiscale`.
    CodiceFiscale,
    /// `identificativoFiscaleEstero`.
    IdentificativoFiscaleEstero,
    /// `ragioneSociale`.
    RagioneSociale,
    /// `ruolo`, of the members of a group only.
    Ruolo,
}

impl CampoOperatore {
    /// The name of the element.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CodiceFiscale => "codiceFiscale",
            Self::IdentificativoFiscaleEstero => "identificativoFiscaleEstero",
            Self::RagioneSociale => "ragioneSociale",
            Self::Ruolo => "ruolo",
        }
    }
}

/// One of the two lists of operators of a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elenco {
    /// `partecipanti`.
    Partecipanti,
    /// `aggiudicatari`.
    Aggiudicatari,
}

impl Elenco {
    /// The name of the element.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Partecipanti => "partecipanti",
            Self::Aggiudicatari => "aggiudicatari",
        }
    }
}

/// A place in the buffer of a lot. A lot is far shorter than 4 GB.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u32,
    to: u32,
}

/// An operator: a participant or a winner, alone or inside a group.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OperatoreL190 {
    campi: [Option<Span>; 4],
    /// The number of the group in its list, counted from one; none for a single operator.
    pub raggruppamento: Option<u32>,
}

/// How many strangers of one lot are noted: who has so many has another schema.
const MOST_STRANGERS: usize = 100;

/// An element that the schema does not have where it stands.
#[derive(Debug, Clone, Copy)]
struct Stranger {
    name: Span,
    reason: &'static str,
}

/// A lot as received.
#[derive(Clone, Default)]
pub(crate) struct LottoL190 {
    testo: String,
    campi: [Option<Span>; Campo::COUNT],
    partecipanti: Vec<OperatoreL190>,
    aggiudicatari: Vec<OperatoreL190>,
    strangers: Vec<Stranger>,
    /// How many bytes of Windows-1252 stood among its UTF-8.
    pub repaired_bytes: u64,
}

impl std::fmt::Debug for LottoL190 {
    /// The texts of a lot may hold personal codes and names: they never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LottoL190")
            .field("cig", &self.get(Campo::Cig))
            .field("partecipanti", &self.partecipanti.len())
            .field("aggiudicatari", &self.aggiudicatari.len())
            .finish_non_exhaustive()
    }
}

impl LottoL190 {
    /// The text of a field: none when its element is absent, empty when it stands there empty.
    pub(crate) fn get(&self, campo: Campo) -> Option<&str> {
        self.campi[campo as usize].map(|span| self.text(span))
    }

    /// The operators of a list, in order.
    pub(crate) fn elenco(&self, elenco: Elenco) -> &[OperatoreL190] {
        match elenco {
            Elenco::Partecipanti => &self.partecipanti,
            Elenco::Aggiudicatari => &self.aggiudicatari,
        }
    }

    /// The text of a field of one of the lot's operators.
    pub(crate) fn of(&self, operatore: &OperatoreL190, campo: CampoOperatore) -> Option<&str> {
        operatore.campi[campo as usize].map(|span| self.text(span))
    }

    /// Elements that the schema does not have where they stand, with a stable code for the reason.
    pub(crate) fn strangers(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.strangers.iter().map(|stranger| (self.text(stranger.name), stranger.reason))
    }

    fn text(&self, span: Span) -> &str {
        self.testo.get(span.from as usize..span.to as usize).unwrap_or_default()
    }
}

/// How the parser fills a lot.
impl LottoL190 {
    pub(crate) fn clear(&mut self) {
        self.testo.clear();
        self.campi = [None; Campo::COUNT];
        self.partecipanti.clear();
        self.aggiudicatari.clear();
        self.strangers.clear();
        self.repaired_bytes = 0;
    }

    fn here(&self) -> u32 {
        u32::try_from(self.testo.len()).unwrap_or(u32::MAX)
    }

    /// Begins a text: what is pushed belongs to it until it is given to a field.
    pub(crate) fn begin(&self) -> u32 {
        self.here()
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.testo.push_str(text);
    }

    /// Gives the text that began at `from` to a field.
    pub(crate) fn set(&mut self, campo: Campo, from: u32) {
        self.campi[campo as usize] = Some(Span { from, to: self.here() });
    }

    /// Gives the text that began at `from` to a field of the last operator of a list.
    pub(crate) fn set_of(&mut self, elenco: Elenco, campo: CampoOperatore, from: u32) {
        let span = Span { from, to: self.here() };
        if let Some(operatore) = self.elenco_mut(elenco).last_mut() {
            operatore.campi[campo as usize] = Some(span);
        }
    }

    /// True when a field of the last operator of a list stands there already.
    pub(crate) fn has_of(&self, elenco: Elenco, campo: CampoOperatore) -> bool {
        self.elenco(elenco).last().is_some_and(|operatore| operatore.campi[campo as usize].is_some())
    }

    pub(crate) fn add(&mut self, elenco: Elenco, raggruppamento: Option<u32>) {
        self.elenco_mut(elenco).push(OperatoreL190 { raggruppamento, ..OperatoreL190::default() });
    }

    pub(crate) fn add_stranger(&mut self, name: &str, reason: &'static str) {
        if self.strangers.len() == MOST_STRANGERS {
            return;
        }
        let from = self.here();
        self.testo.push_str(name);
        self.strangers.push(Stranger { name: Span { from, to: self.here() }, reason });
    }

    fn elenco_mut(&mut self, elenco: Elenco) -> &mut Vec<OperatoreL190> {
        match elenco {
            Elenco::Partecipanti => &mut self.partecipanti,
            Elenco::Aggiudicatari => &mut self.aggiudicatari,
        }
    }
}

/// What the `<metadata>` of a dataset or of an index say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MetadataL190 {
    /// `dataPubblicazioneDataset`, or its misspelt twin of version 1.0, or that of an index.
    pub data_pubblicazione: Option<String>,
    /// The misspelt `dataPubbicazioneDataset` was there.
    pub is_misspelt: bool,
    /// `entePubblicatore`.
    pub ente_pubblicatore: Option<String>,
    /// `dataUltimoAggiornamentoDataset`, or that of an index.
    pub data_ultimo_aggiornamento: Option<String>,
    /// `annoRiferimento`.
    pub anno_riferimento: Option<String>,
}
