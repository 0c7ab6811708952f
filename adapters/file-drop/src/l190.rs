//! From XML to [`LottoL190`]: the reader of Legge 190/2012 datasets and of their indexes.
//!
//! The same parser reads a whole file, lot by lot, and one stored lot again. Inside a lot nothing
//! is fatal: what the schema does not have is noted as a stranger. Outside, the envelope must be
//! the published one, because an element that we took for something else could be a thousand lots.
//!
//! Where we differ from the schema: a root that declares its namespace as the default one, without
//! a prefix, is accepted, although its children are then not the schema's, which have none.

use canonical::code_lists::L190Version;
use canonical::code_lists::scelta_contraente::earliest_l190_version;
use contract::Refusal;

use crate::strict_xml::{At, Event, Handler, Tag, parse_text};
use crate::wire::{Campo, CampoOperatore, Elenco, LottoL190, MetadataL190};
use kit::shown;

/// The namespace of the root of a dataset.
const NAMESPACE: &str = "legge190_1_0";
/// How long a lot may be, in bytes of text. The longest real ones have a few thousand.
const LONGEST_LOTTO: u64 = 4 * 1024 * 1024;
/// How a lot that holds bytes of Windows-1252 says so once it is decoded.
const REPAIRED: &str = "raccordo windows-1252 ";

/// Which of the two documents it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    /// A dataset of lots.
    Dataset,
    /// An index of datasets.
    Indice,
}

/// Who is given what the parser reads.
pub(crate) trait Receiver {
    /// Whether the text of each lot is wanted too.
    const WANTS_TEXT: bool;

    /// The envelope, before the first lot; the version is the one that the envelope tells.
    fn envelope(&mut self, document: Document, metadata: &MetadataL190, version: L190Version) -> Result<(), Refusal>;

    /// A lot, the line on which it begins, and its text if wanted.
    fn lotto(&mut self, lotto: &LottoL190, line: u64, text: &str) -> Result<(), Refusal>;
}

/// Where the parser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Pubblicazione,
    Indici,
    Metadata,
    MetadataField(MetadataField),
    Data,
    Indice,
    Dataset,
    Lotto,
    StrutturaProponente,
    TempiCompletamento,
    Elenco(Elenco),
    Raggruppamento(Elenco),
    Operatore(Elenco),
    Field(Campo),
    OperatoreField(Elenco, CampoOperatore),
    /// Something that is not read, whose children are not looked at.
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MetadataField {
    DataPubblicazione,
    EntePubblicatore,
    DataUltimoAggiornamento,
    AnnoRiferimento,
}

/// The parser of datasets, indexes and single lots.
#[derive(Debug)]
pub(crate) struct Parser<R> {
    receiver: R,
    is_fragment: bool,
    stack: Vec<Inside>,
    document: Option<Document>,
    metadata: MetadataL190,
    has_metadata: bool,
    has_begun_data: bool,
    highest: L190Version,
    lotto: LottoL190,
    /// How many bytes of the current text are the lot's.
    field_from: u32,
    groups: u32,
    raw: String,
    line: u64,
    offset: u64,
    repaired: u64,
    /// What a stored lot says of its own bytes of Windows-1252.
    stored_repairs: u64,
    listed: u64,
}

impl<R: Receiver> Parser<R> {
    /// A parser of whole documents.
    pub(crate) fn new(receiver: R) -> Self {
        Self {
            receiver,
            is_fragment: false,
            stack: Vec::with_capacity(8),
            document: None,
            metadata: MetadataL190::default(),
            has_metadata: false,
            has_begun_data: false,
            highest: L190Version::V1_0,
            lotto: LottoL190::default(),
            field_from: 0,
            groups: 0,
            raw: String::new(),
            line: 0,
            offset: 0,
            repaired: 0,
            stored_repairs: 0,
            listed: 0,
        }
    }

    /// Who was given what was read.
    pub(crate) fn into_receiver(self) -> R {
        self.receiver
    }

    /// Which document it is, once its root was read.
    pub(crate) fn document(&self) -> Option<Document> {
        self.document
    }

    /// How many datasets the index lists, up to here.
    pub(crate) fn listed(&self) -> u64 {
        self.listed
    }

    /// The version of the schema, as far as the document tells up to here.
    ///
    /// The misspelt date tag is 1.0, whatever the codes. With the right one, a code 39 is 1.3;
    /// anything else is 1.1, the least version that the document may be of, also where nothing
    /// decides between 1.1 and 1.3.
    pub(crate) fn version(&self) -> L190Version {
        if self.metadata.is_misspelt || self.document == Some(Document::Indice) {
            L190Version::V1_0
        } else {
            self.highest.max(L190Version::V1_1)
        }
    }

    /// Closes a document that was read to its end.
    pub(crate) fn finish(&mut self) -> Result<(), Refusal> {
        if self.has_begun_data {
            return Ok(());
        }
        let element = if self.document == Some(Document::Indice) { "indice" } else { "data" };
        Err(kit::refuse("missing_data", format!("the document has no <{element}>: produce it again")))
    }

    fn start(&mut self, tag: Tag<'_>, at: &At<'_>) -> Result<(), Refusal> {
        let inside = match self.stack.last() {
            Some(inside) => self.child(*inside, tag, at)?,
            None if self.is_fragment && tag.name() == "lotto" => Inside::Lotto,
            None => self.root(tag, at)?,
        };
        match inside {
            Inside::Lotto => self.begin_lotto(at),
            Inside::Field(_) | Inside::OperatoreField(..) => self.field_from = self.lotto.begin(),
            Inside::Operatore(elenco) => {
                let is_member = matches!(self.stack.last(), Some(Inside::Raggruppamento(_)));
                self.lotto.add(elenco, is_member.then_some(self.groups));
            }
            Inside::Elenco(_) => self.groups = 0,
            Inside::Raggruppamento(_) => self.groups += 1,
            _ => {}
        }
        self.stack.push(inside);
        Ok(())
    }

    fn root(&mut self, tag: Tag<'_>, at: &At<'_>) -> Result<Inside, Refusal> {
        let (prefix, name) =
            tag.name().split_once(':').map_or((None, tag.name()), |(prefix, name)| (Some(prefix), name));
        let namespace = match prefix {
            Some(prefix) => tag.attribute(&format!("xmlns:{prefix}")),
            None => tag.attribute("xmlns"),
        };
        let namespace = namespace.unwrap_or_default();
        match (name, namespace) {
            ("pubblicazione", NAMESPACE) => {
                self.document = Some(Document::Dataset);
                Ok(Inside::Pubblicazione)
            }
            ("indici", "") if prefix.is_none() => {
                self.document = Some(Document::Indice);
                Ok(Inside::Indici)
            }
            ("pubblicazione" | "indici", _) => Err(at.refuse(
                "wrong_namespace",
                format!(
                    "<{}> is not in its namespace: <pubblicazione> must be in {NAMESPACE}, <indici> in none",
                    shown(tag.name())
                ),
            )),
            ("html", _) => Err(at.refuse("html_page", "the file is an HTML page: download the dataset again")),
            _ => Err(at.refuse(
                "wrong_root",
                format!("the root is <{}> and not <pubblicazione>: drop a Legge 190/2012 dataset", shown(tag.name())),
            )),
        }
    }

    /// What a child is, by its parent and its name.
    fn child(&mut self, parent: Inside, tag: Tag<'_>, at: &At<'_>) -> Result<Inside, Refusal> {
        use CampoOperatore as O;
        use Inside as I;
        let is_foreign = tag.attribute("xmlns").is_some_and(|xmlns| !matches!(xmlns, "" | NAMESPACE));
        let name = if is_foreign { "" } else { tag.name() };
        let known = match parent {
            I::Lotto => match name {
                "cig" => Some(I::Field(Campo::Cig)),
                "strutturaProponente" => Some(I::StrutturaProponente),
                "oggetto" => Some(I::Field(Campo::Oggetto)),
                "sceltaContraente" => Some(I::Field(Campo::SceltaContraente)),
                "partecipanti" => Some(I::Elenco(Elenco::Partecipanti)),
                "aggiudicatari" => Some(I::Elenco(Elenco::Aggiudicatari)),
                "importoAggiudicazione" => Some(I::Field(Campo::ImportoAggiudicazione)),
                "tempiCompletamento" => Some(I::TempiCompletamento),
                "importoSommeLiquidate" => Some(I::Field(Campo::ImportoSommeLiquidate)),
                _ => None,
            },
            I::StrutturaProponente => match name {
                "codiceFiscaleProp" => Some(I::Field(Campo::CodiceFiscaleProp)),
                "denominazione" => Some(I::Field(Campo::Denominazione)),
                _ => None,
            },
            I::TempiCompletamento => match name {
                "dataInizio" => Some(I::Field(Campo::DataInizio)),
                "dataUltimazione" => Some(I::Field(Campo::DataUltimazione)),
                _ => None,
            },
            I::Elenco(elenco) => match (elenco, name) {
                (Elenco::Partecipanti, "partecipante") | (Elenco::Aggiudicatari, "aggiudicatario") => {
                    Some(I::Operatore(elenco))
                }
                (Elenco::Partecipanti, "raggruppamento") | (Elenco::Aggiudicatari, "aggiudicatarioRaggruppamento") => {
                    Some(I::Raggruppamento(elenco))
                }
                _ => None,
            },
            I::Raggruppamento(elenco) => (name == "membro").then_some(I::Operatore(elenco)),
            I::Operatore(elenco) => match name {
                "codiceFiscale" => Some(I::OperatoreField(elenco, O::CodiceFiscale)),
                "ragioneSociale" => Some(I::OperatoreField(elenco, O::RagioneSociale)),
                "identificativoFiscaleEstero" => Some(I::OperatoreField(elenco, O::IdentificativoFiscaleEstero)),
                "ruolo" if self.is_in_group() => Some(I::OperatoreField(elenco, O::Ruolo)),
                _ => None,
            },
            I::Data if name == "lotto" => Some(I::Lotto),
            I::Pubblicazione | I::Indici | I::Metadata | I::Data | I::Indice | I::Dataset => {
                return self.envelope_child(parent, name, tag, at);
            }
            I::MetadataField(_) | I::Ignored => return Ok(I::Ignored),
            I::Field(_) | I::OperatoreField(..) => None,
        };
        let Some(inside) = known else {
            self.lotto.add_stranger(&shown(tag.name()), "unknown_element");
            return Ok(I::Ignored);
        };
        let is_repeated = match inside {
            I::Field(campo) => self.lotto.get(campo).is_some(),
            I::OperatoreField(elenco, campo) => self.lotto.has_of(elenco, campo),
            _ => false,
        };
        if is_repeated {
            self.lotto.add_stranger(tag.name(), "repeated_element");
            return Ok(I::Ignored);
        }
        Ok(inside)
    }

    fn envelope_child(&mut self, parent: Inside, name: &str, tag: Tag<'_>, at: &At<'_>) -> Result<Inside, Refusal> {
        use MetadataField as M;
        let inside = match (parent, name) {
            (Inside::Pubblicazione | Inside::Indici, "metadata") if !self.has_metadata && !self.has_begun_data => {
                self.has_metadata = true;
                Inside::Metadata
            }
            (Inside::Pubblicazione, "data") | (Inside::Indici, "indice") if !self.has_begun_data => {
                self.has_begun_data = true;
                self.give_envelope(parent)?;
                if parent == Inside::Pubblicazione { Inside::Data } else { Inside::Indice }
            }
            (Inside::Indice, "dataset") => {
                self.listed += 1;
                Inside::Dataset
            }
            (Inside::Metadata, "dataPubbicazioneDataset") => {
                self.metadata.is_misspelt = true;
                Inside::MetadataField(M::DataPubblicazione)
            }
            (Inside::Metadata, "dataPubblicazioneDataset" | "dataPubblicazioneIndice") => {
                Inside::MetadataField(M::DataPubblicazione)
            }
            (Inside::Metadata, "dataUltimoAggiornamentoDataset" | "dataUltimoAggiornamentoIndice") => {
                Inside::MetadataField(M::DataUltimoAggiornamento)
            }
            (Inside::Metadata, "entePubblicatore") => Inside::MetadataField(M::EntePubblicatore),
            (Inside::Metadata, "annoRiferimento") => Inside::MetadataField(M::AnnoRiferimento),
            (Inside::Metadata | Inside::Dataset, _) => Inside::Ignored,
            _ => {
                let message =
                    format!("<{}> has no place here in the published schema: correct the file", shown(tag.name()));
                return Err(at.refuse("unexpected_element", message));
            }
        };
        if let Inside::MetadataField(field) = inside {
            *self.metadata_field(field) = Some(String::new());
        }
        Ok(inside)
    }

    fn metadata_field(&mut self, field: MetadataField) -> &mut Option<String> {
        match field {
            MetadataField::DataPubblicazione => &mut self.metadata.data_pubblicazione,
            MetadataField::EntePubblicatore => &mut self.metadata.ente_pubblicatore,
            MetadataField::DataUltimoAggiornamento => &mut self.metadata.data_ultimo_aggiornamento,
            MetadataField::AnnoRiferimento => &mut self.metadata.anno_riferimento,
        }
    }

    fn give_envelope(&mut self, parent: Inside) -> Result<(), Refusal> {
        let document = if parent == Inside::Indici { Document::Indice } else { Document::Dataset };
        self.receiver.envelope(document, &self.metadata, self.version())
    }

    fn begin_lotto(&mut self, at: &At<'_>) {
        self.lotto.clear();
        self.raw.clear();
        self.line = at.line();
        self.offset = at.offset();
        // The tag itself may hold such a byte, in an attribute.
        self.repaired = at.repaired;
    }

    fn text(&mut self, text: &str, at: &At<'_>) -> Result<(), Refusal> {
        match self.stack.last() {
            Some(Inside::Field(_) | Inside::OperatoreField(..)) => self.lotto.push(text),
            Some(Inside::MetadataField(field)) => {
                let field = *field;
                self.metadata_field(field).get_or_insert_default().push_str(text);
            }
            Some(Inside::Ignored | Inside::Dataset | Inside::Metadata) | None => {}
            _ if text.trim_ascii().is_empty() => {}
            Some(Inside::Pubblicazione | Inside::Indici | Inside::Data | Inside::Indice) => {
                return Err(at.refuse(
                    "unexpected_text",
                    "there is text between the elements of the envelope: correct the file",
                ));
            }
            Some(_) => self.lotto.add_stranger("", "unexpected_text"),
        }
        Ok(())
    }

    fn end(&mut self, at: &At<'_>) -> Result<(), Refusal> {
        match self.stack.pop() {
            Some(Inside::Field(campo)) => {
                self.lotto.set(campo, self.field_from);
                if campo == Campo::SceltaContraente {
                    self.note_version();
                }
            }
            Some(Inside::OperatoreField(elenco, campo)) => self.lotto.set_of(elenco, campo, self.field_from),
            Some(Inside::Lotto) => {
                self.lotto.repaired_bytes = self.stored_repairs.saturating_add(at.repaired - self.repaired);
                if R::WANTS_TEXT && self.lotto.repaired_bytes > 0 {
                    self.raw.insert_str(0, &format!("<?{REPAIRED}{}?>", self.lotto.repaired_bytes));
                }
                self.receiver.lotto(&self.lotto, self.line, &self.raw)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The code of the procedure type may tell a later version of the schema.
    fn note_version(&mut self) {
        if self.highest < L190Version::V1_3
            && let Some(version) = self.lotto.get(Campo::SceltaContraente).and_then(earliest_l190_version)
        {
            self.highest = self.highest.max(version);
        }
    }

    /// True when the operator that is being read is a member of a group.
    fn is_in_group(&self) -> bool {
        matches!(self.stack.iter().nth_back(1), Some(Inside::Raggruppamento(_)))
    }

    fn is_in_lotto(&self) -> bool {
        self.is_fragment || self.stack.get(2) == Some(&Inside::Lotto)
    }
}

impl<R: Receiver> Handler for Parser<R> {
    fn event(&mut self, event: Event<'_>, at: &At<'_>) -> Result<(), Refusal> {
        let was_in_lotto = self.is_in_lotto();
        if was_in_lotto && at.offset() - self.offset > LONGEST_LOTTO {
            return Err(at.refuse("lotto_too_long", "a lot is longer than 4 MB: an end tag is probably missing"));
        }
        if R::WANTS_TEXT && was_in_lotto {
            self.raw.push_str(at.raw);
        }
        match event {
            Event::Start(tag) => {
                self.start(tag, at)?;
                if R::WANTS_TEXT && !was_in_lotto && self.is_in_lotto() {
                    self.raw.push_str(at.raw);
                }
                Ok(())
            }
            Event::Text(text) => self.text(text, at),
            Event::End => self.end(at),
            Event::Instruction(instruction) => {
                // Inside the lot it is the text of whoever wrote the file, and says nothing.
                let is_ours = self.is_fragment && self.stack.is_empty();
                if let (true, Some(count)) = (is_ours, instruction.strip_prefix(REPAIRED)) {
                    self.stored_repairs = count.parse().unwrap_or_default();
                }
                Ok(())
            }
            Event::Comment => Ok(()),
        }
    }
}

/// Reads one lot again, from its stored text.
pub(crate) fn parse_lotto<T>(text: &str, make: impl FnMut(&LottoL190) -> T) -> Result<T, Refusal> {
    let mut parser = Parser::new(Fragment { make, made: None });
    parser.is_fragment = true;
    parse_text(text, &mut parser)?;
    parser.receiver.made.ok_or_else(|| kit::refuse("wrong_root", "the stored text is not that of a lot"))
}

struct Fragment<F, T> {
    make: F,
    made: Option<T>,
}

impl<F: FnMut(&LottoL190) -> T, T> Receiver for Fragment<F, T> {
    const WANTS_TEXT: bool = false;

    fn envelope(&mut self, _: Document, _: &MetadataL190, _: L190Version) -> Result<(), Refusal> {
        Ok(())
    }

    fn lotto(&mut self, lotto: &LottoL190, _: u64, _: &str) -> Result<(), Refusal> {
        self.made = Some((self.make)(lotto));
        Ok(())
    }
}
