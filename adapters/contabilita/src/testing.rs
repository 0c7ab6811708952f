//! What the tests share: rows of our own making, and documents read to their end.

use std::path::Path;

use contract::{Adapter, AdapterError, RawRecord, ReadRequest, Received, Settings};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::wire::Riga;

pub(crate) const CIG: &str = "B000001279";

/// A payment order of one document.
pub(crate) fn mandato(codice: &str, importo: &str) -> Riga {
    Riga::parse(&format!(
        "<OutGetMandati><AttoNumero>1</AttoNumero><AttoData>2026-01-01T00:00:00</AttoData><CodiceCIG>{CIG}</CodiceCIG>\
         <BeneficiarioCF>{codice}</BeneficiarioCF><Importo>{importo}</Importo></OutGetMandati>"
    ))
    .unwrap()
}

/// The columns of a payment order that has nothing to be noted.
pub(crate) fn columns(changes: &Value) -> Map<String, Value> {
    let mut columns = json!({
        "Esercizio": "2026", "Numero": "55", "Subnumero": "0", "Capitolo": "2345", "BeneficiarioCF": "01894100302",
        "AttoTipologia": "LIQ", "AttoNumero": "31", "AttoData": "2026-02-20T00:00:00", "CodiceCIG": CIG,
        "Importo": "12000", "ImportoPagato": "12000", "ImportoDaPagare": "0",
    });
    for (column, value) in changes.as_object().unwrap() {
        columns[column] = value.clone();
    }
    columns.as_object().unwrap().clone()
}

/// Everything that one read hands over.
pub(crate) async fn read_all(
    adapter: &dyn Adapter,
    files: Option<&[&Path]>,
) -> (Result<(), AdapterError>, Vec<Received>) {
    let (sink, mut source) = mpsc::channel(4);
    let files = files.map(|files| files.iter().map(|file| file.to_path_buf()).collect());
    let request = ReadRequest { files, cursor: None };
    let reading = adapter.source().unwrap().read(request, sink);
    let taking = async {
        let mut received = Vec::new();
        while let Some(one) = source.recv().await {
            received.push(one);
        }
        received
    };
    tokio::join!(reading, taking)
}

pub(crate) fn adapter(settings: Settings) -> Box<dyn Adapter> {
    (crate::FACTORY.build)(settings).unwrap()
}

pub(crate) fn records(received: &[Received]) -> Vec<&RawRecord> {
    received.iter().filter_map(|one| if let Received::Record(record) = one { Some(record) } else { None }).collect()
}
