//! The shapes of the service, in its own spelling: operations, questions, columns, rows.
//!
//! They follow `schemas/upstream/contabilita/v1/Contabilita_impegni_mandati.wsdl`. A row is kept as
//! texts by column: what they mean is for [`crate::read`].

use std::collections::BTreeMap;

use canonical::identifiers::{Cig, Cup};
use canonical::kinds::TipoPagamento;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use serde::{Deserialize, Serialize};

/// The namespace of the service.
pub(crate) const NAMESPACE: &str = "http://services.apkappa.it/";
/// The namespaces of the two versions of SOAP.
pub(crate) const SOAP: [&str; 2] =
    ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"];
/// How long the text of one column may be, in bytes.
pub(crate) const LONGEST_TEXT: usize = 64 * 1024;

/// An operation that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// Commitments.
    Impegni,
    /// Payment orders.
    Mandati,
}

impl Operation {
    pub(crate) const ALL: [Self; 2] = [Self::Impegni, Self::Mandati];

    /// The name in the WSDL. The other names of the operation are made of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Impegni => "GetImpegni",
            Self::Mandati => "GetMandati",
        }
    }

    /// The element of a row.
    pub(crate) fn row(self) -> String {
        format!("Out{}", self.name())
    }

    pub(crate) fn tipo(self) -> TipoPagamento {
        match self {
            Self::Impegni => TipoPagamento::Impegno,
            Self::Mandati => TipoPagamento::Mandato,
        }
    }

    /// The columns of a row, in the order of the document.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Impegni => IMPEGNI,
            Self::Mandati => MANDATI,
        }
    }
}

const IMPEGNI: &[&str] = &[
    "Esercizio",
    "Anno",
    "Numero",
    "Subnumero",
    "Descrizione",
    "Capitolo",
    "CapitoloDescrizione",
    "ServizioCodice",
    "ServizioDescrizione",
    "SpesaCodice",
    "SpesaDescrizione",
    "CodificaBilancio",
    "CodificaBilancioDescrizione",
    "CodificaPCFin",
    "CodificaPCFinDescrizione",
    "CodificaPCEco",
    "CodificaPCEcoDescrizione",
    "BeneficiarioCodice",
    "BeneficiarioNominativo",
    "BeneficiarioCF",
    "BeneficiarioPIVA",
    "AttoTipologia",
    "AttoNumero",
    "AttoData",
    "AttoDescrizione",
    "CodiceCIG",
    "CodiceCUP",
    "ImportoImpegno",
    "ImportoLiquidato",
    "ImportoMandati",
    "ImportoDaLiquidare",
    "ImportoMandatiDaEmettere",
];

const MANDATI: &[&str] = &[
    "Esercizio",
    "Numero",
    "Subnumero",
    "Descrizione",
    "Capitolo",
    "CapitoloDescrizione",
    "ServizioCodice",
    "ServizioDescrizione",
    "SpesaCodice",
    "SpesaDescrizione",
    "CodificaBilancio",
    "CodificaBilancioDescrizione",
    "CodificaPCFin",
    "CodificaPCFinDescrizione",
    "CodificaPCEco",
    "CodificaPCEcoDescrizione",
    "BeneficiarioCodice",
    "BeneficiarioNominativo",
    "BeneficiarioCF",
    "BeneficiarioPIVA",
    "AttoTipologia",
    "AttoNumero",
    "AttoData",
    "AttoDescrizione",
    "CodiceCIG",
    "CodiceCUP",
    "FinanziamentoCodice",
    "FinanziamentoDescrizione",
    "Importo",
    "ImportoPagato",
    "ImportoDaPagare",
];

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// A lot.
    Cig(Cig),
    /// A project: payment orders only, commitments cannot be asked by it.
    Cup(Cup),
}

/// One question to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) operation: Operation,
    pub(crate) code: Code,
    /// Financial year; none for all.
    pub(crate) esercizio: Option<u16>,
}

impl Question {
    /// The identifier of the answer, as it stands in the provenance.
    pub(crate) fn remote_id(&self) -> String {
        let code = match &self.code {
            Code::Cig(cig) => cig.as_str(),
            Code::Cup(cup) => cup.as_str(),
        };
        let year = self.esercizio.map_or("tutti".to_owned(), |year| year.to_string());
        format!("{}/{code}/{year}", self.operation.name())
    }

    /// The element of the question. The whole numbers are mandatory in the WSDL: zero stands for
    /// what is not asked.
    pub(crate) fn element(&self) -> String {
        let name = self.operation.name();
        let esercizio = self.esercizio.unwrap_or_default();
        let anno = if self.operation == Operation::Impegni { "<Anno>0</Anno>" } else { "" };
        let code = match &self.code {
            Code::Cig(cig) => format!("<CodiceCIG>{cig}</CodiceCIG>"),
            Code::Cup(cup) => format!("<CodiceCUP>{cup}</CodiceCUP>"),
        };
        format!(
            "<{name} xmlns=\"{NAMESPACE}\"><en><Esercizio>{esercizio}</Esercizio>{anno}<Numero>0</Numero>\
             <SubNumero>0</SubNumero><Capitolo>0</Capitolo>{code}</en></{name}>"
        )
    }
}

/// A row as received: texts by column.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Riga {
    columns: BTreeMap<String, String>,
    /// Columns that came more than once: the first is kept.
    pub(crate) repeated: Vec<String>,
    /// Whether the row is declared to be nothing.
    pub(crate) is_nil: bool,
}

impl std::fmt::Debug for Riga {
    /// The texts may be personal: only how many there are is told.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Riga").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}

impl Riga {
    /// Reads the element of a row. Its prefixes are declared outside of it, so that only local names
    /// count here; that the namespace is right was checked when the envelope was read.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const NOT_WELL_FORMED: &str = "the row is not well formed XML";
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut riga = Self::default();
        let (mut depth, mut column, mut value) = (0_u32, String::new(), String::new());
        loop {
            match reader.read_event().map_err(|_| NOT_WELL_FORMED)? {
                Event::Start(start) => {
                    depth += 1;
                    match depth {
                        1 => riga.is_nil = is_nil(start.attributes()),
                        2 => {
                            start.local_name().as_ref().clone_into(&mut column);
                            value.clear();
                        }
                        // A column holds no elements: what an unknown one holds is not read.
                        _ => {}
                    }
                }
                Event::End(_) => {
                    if depth == 2 && riga.columns.contains_key(&column) {
                        riga.repeated.push(std::mem::take(&mut column));
                    } else if depth == 2 {
                        riga.columns.insert(std::mem::take(&mut column), std::mem::take(&mut value));
                    }
                    depth = depth.checked_sub(1).ok_or(NOT_WELL_FORMED)?;
                }
                Event::Text(piece) if depth == 2 => value.push_str(&piece.xml10_content()),
                Event::CData(piece) if depth == 2 => value.push_str(&piece.xml10_content()),
                Event::GeneralRef(name) if depth == 2 => value.push(character(&name).ok_or(NOT_WELL_FORMED)?),
                Event::Eof if depth == 0 && !text.is_empty() => return Ok(riga),
                Event::Eof | Event::DocType(_) => return Err(NOT_WELL_FORMED),
                _ => {}
            }
            if value.len() > LONGEST_TEXT {
                return Err("a column of the row is too long");
            }
        }
    }

    /// The text of a column, without the blanks around it; none when it is absent or empty.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.columns.get(column).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// The columns that the document does not have.
    pub(crate) fn unknown(&self, operation: Operation) -> impl Iterator<Item = &str> {
        let known = operation.columns();
        self.columns.keys().map(String::as_str).filter(move |column| !known.contains(column))
    }
}

fn is_nil(attributes: quick_xml::events::attributes::Attributes<'_>) -> bool {
    attributes.flatten().any(|attribute| {
        attribute.key.local_name().as_ref() == "nil" && matches!(attribute.value.as_ref(), "true" | "1")
    })
}

/// The character of one of the five entities of XML, or of a numeric reference.
pub(crate) fn character(reference: &BytesRef<'_>) -> Option<char> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character).filter(|character| !is_forbidden(*character)),
        Ok(None) => resolve_xml_entity(&reference.xml10_content())?.chars().next(),
        Err(_) => None,
    }
}

/// Characters that XML does not admit.
pub(crate) fn is_forbidden(character: char) -> bool {
    matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_row_is_its_texts_by_column_whatever_the_prefix() {
        let text = "<a:OutGetMandati><a:Numero> 12 </a:Numero><b:Descrizione>Caff&#232; &amp; <![CDATA[<x>]]></b:Descrizione>\
                    <Vuota/><Numero>13</Numero><Altra><x>1</x></Altra></a:OutGetMandati>";
        let riga = Riga::parse(text).unwrap();
        assert_eq!(riga.get("Numero"), Some("12"));
        assert_eq!(riga.get("Descrizione"), Some("Caffè & <x>"));
        assert_eq!((riga.get("Vuota"), riga.get("Importo")), (None, None));
        assert_eq!(riga.repeated, ["Numero"]);
        assert_eq!(riga.unknown(Operation::Mandati).collect::<Vec<_>>(), ["Altra", "Vuota"]);
        assert!(!riga.is_nil);
        assert!(Riga::parse("<r xsi:nil=\"true\"/>").unwrap().is_nil);
    }

    #[rstest]
    #[case("")]
    #[case("<r><Numero>1</r>")]
    #[case("<r><Numero>&ignota;</Numero></r>")]
    #[case("<r><Numero>&#0;</Numero></r>")]
    #[case("<!DOCTYPE r><r/>")]
    #[case("<r>")]
    fn what_is_no_row_is_refused(#[case] text: &str) {
        assert!(Riga::parse(text).is_err());
    }

    #[test]
    fn the_columns_are_those_of_the_document_in_its_order() {
        let document = include_str!("../../../schemas/upstream/contabilita/v1/Contabilita_impegni_mandati.wsdl");
        for operation in Operation::ALL {
            let begin = format!("<s:complexType name=\"{}\">", operation.row());
            let (_, rest) = document.split_once(&begin).unwrap();
            let (shape, _) = rest.split_once("</s:complexType>").unwrap();
            let names: Vec<_> = shape.split(" name=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            assert_eq!(names, operation.columns());
            assert!(document.contains(&format!("soapAction=\"{NAMESPACE}{}\"", operation.name())));
        }
    }

    #[test]
    fn the_elements_of_a_question_are_those_of_the_document_in_its_order() {
        let document = include_str!("../../../schemas/upstream/contabilita/v1/Contabilita_impegni_mandati.wsdl");
        let codes = [Code::Cig(Cig::parse("B000001279").unwrap()), Code::Cup(Cup::parse("F91B21000010001").unwrap())];
        for (operation, code) in Operation::ALL.into_iter().flat_map(|it| codes.map(|code| (it, code))) {
            if (operation, &code) == (Operation::Impegni, &codes[1]) {
                continue;
            }
            let begin = format!("<s:complexType name=\"In{}\">", operation.name());
            let (shape, _) = document.split_once(&begin).unwrap().1.split_once("</s:complexType>").unwrap();
            let elements = shape.split("<s:element ").skip(1).map(|element| {
                let name = element.split_once(" name=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap();
                (name, element.contains("minOccurs=\"1\""))
            });
            let question = Question { operation, code, esercizio: None }.element();
            let (_, inner) = question.split_once("<en>").unwrap();
            let asked: Vec<_> = inner
                .split('<')
                .filter(|piece| !piece.is_empty() && !piece.starts_with('/'))
                .filter_map(|piece| piece.split('>').next())
                .collect();
            let expected: Vec<_> = elements
                .filter(|(name, is_mandatory)| *is_mandatory || asked.contains(name))
                .map(|(name, _)| name)
                .collect();
            assert_eq!(asked, expected, "{operation:?} {code:?}");
        }
    }

    #[test]
    fn a_question_has_every_mandatory_number_in_the_order_of_the_document() {
        let cig = Cig::parse("B000001279").unwrap();
        let mut question = Question { operation: Operation::Impegni, code: Code::Cig(cig), esercizio: Some(2026) };
        assert_eq!(
            question.element(),
            "<GetImpegni xmlns=\"http://services.apkappa.it/\"><en><Esercizio>2026</Esercizio><Anno>0</Anno>\
             <Numero>0</Numero><SubNumero>0</SubNumero><Capitolo>0</Capitolo><CodiceCIG>B000001279</CodiceCIG></en>\
             </GetImpegni>"
        );
        assert_eq!(question.remote_id(), "GetImpegni/B000001279/2026");
        question.operation = Operation::Mandati;
        question.esercizio = None;
        assert!(question.element().contains("<en><Esercizio>0</Esercizio><Numero>0</Numero>"));
        assert_eq!(question.remote_id(), "GetMandati/B000001279/tutti");
    }
}
