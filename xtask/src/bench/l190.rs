//! An L190 file of any size, written as it is made.
//!
//! The lots are invented and shaped like published ones: three generations of CIG with right check
//! digits, one to seven participants, a group now and then, entities and accents in the texts,
//! empty elements where a source has nothing to say. The same size always gives the same bytes.

use std::io::{self, Write};

/// Writes a file of at least `size` bytes. Returns how many lots it has.
pub(super) fn write(mut out: impl Write, size: u64) -> io::Result<u64> {
    let mut made = Made { invented: Invented(0x9E37_79B9_7F4A_7C15), text: String::with_capacity(8 * 1024), number: 0 };
    out.write_all(HEAD.as_bytes())?;
    let mut written = (HEAD.len() + TAIL.len()) as u64;
    while written < size {
        made.text.clear();
        made.lotto();
        out.write_all(made.text.as_bytes())?;
        written += made.text.len() as u64;
    }
    out.write_all(TAIL.as_bytes())?;
    out.flush()?;
    Ok(made.number)
}

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<legge190:pubblicazione xsi:schemaLocation="legge190_1_0 datasetAppaltiL190.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:legge190="legge190_1_0">
  <metadata>
    <titolo>Pubblicazione legge 190</titolo>
    <abstract>Pubblicazione legge 190 anno 2022</abstract>
    <dataPubblicazioneDataset>2023-01-31</dataPubblicazioneDataset>
    <entePubblicatore>Provincia di Prova</entePubblicatore>
    <dataUltimoAggiornamentoDataset>2023-01-30</dataUltimoAggiornamentoDataset>
    <annoRiferimento>2022</annoRiferimento>
    <urlFile>https://provincia.example/dataset-2022.xml</urlFile>
    <licenza>IODL 2.0</licenza>
  </metadata>
  <data>
"#;

const TAIL: &str = "  </data>\n</legge190:pubblicazione>\n";

const SCELTE: &[&str] = &[
    "01-PROCEDURA APERTA",
    "02-PROCEDURA RISTRETTA",
    "04-PROCEDURA NEGOZIATA SENZA PREVIA PUBBLICAZIONE",
    "08-AFFIDAMENTO IN ECONOMIA - COTTIMO FIDUCIARIO",
    "17-AFFIDAMENTO DIRETTO EX ART. 5 DELLA LEGGE 381/91",
    "23-AFFIDAMENTO DIRETTO",
    "26-AFFIDAMENTO DIRETTO IN ADESIONE AD ACCORDO QUADRO/CONVENZIONE",
];

const OGGETTI: &[&str] = &[
    "Lavori di manutenzione straordinaria delle pavimentazioni stradali della S.P. ",
    "Servizio di sgombero neve e trattamento antighiaccio sulle strade provinciali, stagione ",
    "Fornitura di arredi per gli istituti d&apos;istruzione superiore di secondo grado, plesso ",
    "Adeguamento sismico dell'edificio scolastico &quot;G. Galilei&quot; - 1° stralcio funzionale, lotto ",
    "Incarico per verifica di vulnerabilità &amp; progettazione definitiva del ponte al km ",
    "Affidamento dei servizi cimiteriali di manutenzione, inumazioni, esumazioni, tumulazioni, per l'anno ",
];

const DITTE: &[&str] = &[
    "Costruzioni Generali S.r.l. ",
    "IMPRESA EDILE F.LLI ROSSI &amp; C. S.N.C. ",
    "Cooperativa Sociale La Città ",
    "Studio Tecnico Associato ",
    "ELETTROIMPIANTI S.P.A. ",
];

const RUOLI: &[&str] = &["02-MANDATARIA", "01-MANDANTE"];

struct Made {
    invented: Invented,
    text: String,
    number: u64,
}

impl Made {
    fn lotto(&mut self) {
        self.number += 1;
        let cig = cig(self.number);
        let oggetto = self.invented.one_of(OGGETTI);
        let scelta = self.invented.one_of(SCELTE);
        let number = self.number;
        self.push(&format!(
            "    <lotto>\n      <cig>{cig}</cig>\n      <strutturaProponente>\n        \
             <codiceFiscaleProp>80000150278</codiceFiscaleProp>\n        \
             <denominazione>Provincia di Prova</denominazione>\n      </strutturaProponente>\n      \
             <oggetto>{oggetto}{number}</oggetto>\n      <sceltaContraente>{scelta}</sceltaContraente>\n"
        ));

        let ditte: Vec<u64> = (0..=self.invented.below(7)).map(|_| self.invented.below(90_000)).collect();
        let is_group = ditte.len() > 2 && self.invented.below(6) == 0;
        self.push("      <partecipanti>\n");
        self.operators(&ditte, is_group, ["raggruppamento", "partecipante"]);
        self.push("      </partecipanti>\n");

        if self.invented.below(12) == 0 {
            self.push("      <aggiudicatari/>\n      <importoAggiudicazione>0.00</importoAggiudicazione>\n");
            self.push("      <tempiCompletamento/>\n      <importoSommeLiquidate>0.00</importoSommeLiquidate>\n");
        } else {
            let winners = if is_group { &ditte[..] } else { &ditte[..1] };
            self.push("      <aggiudicatari>\n");
            self.operators(winners, is_group, ["aggiudicatarioRaggruppamento", "aggiudicatario"]);
            self.push("      </aggiudicatari>\n");
            self.outcome();
        }
        self.push("    </lotto>\n");
    }

    fn operators(&mut self, ditte: &[u64], is_group: bool, [group, single]: [&str; 2]) {
        if is_group {
            self.push(&format!("        <{group}>\n"));
        }
        for (place, ditta) in ditte.iter().enumerate() {
            let element = if is_group { "membro" } else { single };
            let codice_fiscale = partita_iva(*ditta);
            let ragione_sociale = at(DITTE, *ditta);
            self.push(&format!("        <{element}>\n          <codiceFiscale>{codice_fiscale}</codiceFiscale>\n"));
            self.push(&format!("          <ragioneSociale>{ragione_sociale}{ditta}</ragioneSociale>\n"));
            if is_group {
                self.push(&format!("          <ruolo>{}</ruolo>\n", RUOLI[usize::from(place > 0)]));
            }
            self.push(&format!("        </{element}>\n"));
        }
        if is_group {
            self.push(&format!("        </{group}>\n"));
        }
    }

    fn outcome(&mut self) {
        let cents = 50_000 + self.invented.below(90_000_000);
        let paid = self.invented.below(cents);
        let (month, day) = (1 + self.invented.below(12), 1 + self.invented.below(28));
        self.push(&format!(
            "      <importoAggiudicazione>{}.{:02}</importoAggiudicazione>\n",
            cents / 100,
            cents % 100
        ));
        self.push(&format!("      <tempiCompletamento>\n        <dataInizio>2022-{month:02}-{day:02}</dataInizio>\n"));
        if self.invented.below(3) > 0 {
            self.push(&format!("        <dataUltimazione>2023-{month:02}-{day:02}</dataUltimazione>\n"));
        }
        self.push("      </tempiCompletamento>\n");
        self.push(&format!("      <importoSommeLiquidate>{}.{:02}</importoSommeLiquidate>\n", paid / 100, paid % 100));
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

/// A CIG that verifies: one in four from the later generation, one in six a `SmartCIG`.
fn cig(number: u64) -> String {
    match number % 12 {
        0 | 4 | 8 => {
            let body = number % 0x0100_0000;
            format!("A{body:06X}{:03X}", (body + 1) * 211 % 4091)
        }
        3 | 9 => {
            let body = number % 0x1000_0000;
            format!("Z{:02X}{body:07X}", body * 211 % 251)
        }
        _ => {
            let body = number % 10_000_000;
            format!("{body:07}{:03X}", body * 211 % 4091)
        }
    }
}

/// Eleven digits whose last one verifies.
fn partita_iva(number: u64) -> String {
    let body = format!("{number:07}027");
    let sum: u32 = (0..)
        .zip(body.chars())
        .map(|(place, digit): (u32, char)| {
            let value = digit.to_digit(10).unwrap_or_default() * (1 + place % 2);
            value / 10 + value % 10
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// Numbers that look random and are always the same (xorshift).
struct Invented(u64);

impl Invented {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        let number = self.below(u64::MAX);
        at(texts, number)
    }
}

/// One of the texts, always the same one for the same number.
fn at(texts: &[&'static str], number: u64) -> &'static str {
    let place = number % texts.len() as u64;
    texts[usize::try_from(place).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use canonical::identifiers::{Cig, CodiceFiscale};

    use super::*;

    #[test]
    fn every_code_verifies() {
        for number in 1..5_000 {
            assert!(Cig::parse(&cig(number)).unwrap().is_verified(), "{}", cig(number));
            assert!(CodiceFiscale::parse(&partita_iva(number)).unwrap().is_verified(), "{}", partita_iva(number));
        }
    }

    #[test]
    fn a_cig_is_given_once() {
        let all: std::collections::BTreeSet<String> = (1..100_000).map(cig).collect();
        assert_eq!(all.len(), 99_999);
    }

    #[test]
    fn the_size_is_kept_and_every_lot_is_read() {
        let mut bytes = Vec::new();
        let lots = write(&mut bytes, 300_000).unwrap();
        assert!((300_000..310_000).contains(&bytes.len()));
        let inspection = file_drop::inspect(bytes.as_slice(), "prova.xml");
        let file_drop::Counts::Lotti(counts) = inspection.counts else { panic!("refused: {:?}", inspection.refused) };
        assert_eq!(counts.lotti, lots);
        assert_eq!((counts.cig.non_valido, counts.cig_ripetuti_righe_in_eccesso), (0, 0));
        assert!(counts.lotti_senza_aggiudicatario > 0);
        assert_eq!(counts.aggiudicatari_non_fra_i_partecipanti, 0);
    }
}
