//! A repair that only others can make: a Segnalazione, which goes where the routes of that kind lead.

use std::collections::BTreeMap;
use std::sync::Arc;

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{Segnalazione, StatoSegnalazione};
use canonical::{Body, Digest, Kind, Provenance, Record, RecordKey, SourceName};
use contract::DocumentHeader;

use super::Repairs;
use crate::discrepancy::WorkItem;
use crate::flow::route::Routes;
use crate::flow::route::membership::Members;
use crate::flow::{Flow, FlowError};
use crate::storage::{Arrival, BegunRepair, Destination, RoutedRecord, RunKind};

/// The source of the records that we make ourselves.
const OURSELVES: &str = "raccordo";
/// A Segnalazione that would stay with us.
const NOBODY_TAKES_IT: &str = "no configured system takes the Segnalazione";

/// Which work items ended how: the chain says what happened.
pub(super) type Ended = BTreeMap<&'static str, Vec<i64>>;

/// Opens a Segnalazione for each work item, which goes where the routes of that kind lead.
pub(super) async fn open(flow: &Flow, begun: Vec<BegunRepair>, repairs: &mut Repairs) -> Result<Ended, FlowError> {
    let source = SourceName::parse(OURSELVES).ok_or(FlowError::Interrupted { task: "opening a Segnalazione" })?;
    let mut records = Vec::new();
    let mut ended = Ended::new();
    for BegunRepair { item, at, .. } in begun {
        // The day of the decision: done once more, it says the same, and is the same record.
        match segnalazione(&item, at) {
            Ok(body) => records.push((item.id, body)),
            Err(why) => {
                repairs.refuse(why, 1);
                ended.entry(why).or_default().push(item.id);
            }
        }
    }
    if records.is_empty() {
        return Ok(ended);
    }
    let now = flow.clock.now();
    let routes = Routes::of(flow, &source, Arc::new(Members::load(flow).await?));
    let run = flow.store.begin_run(RunKind::Sync, &source, now).await?;
    for (item, body) in records {
        let text = Body::Segnalazione(body.clone()).to_json();
        let digest = Digest::of(text.as_bytes()).to_string();
        let remote_id = format!("discordanza/{item}");
        let header = DocumentHeader {
            remote_id: remote_id.clone(),
            digest: digest.clone(),
            format: "segnalazione".to_owned(),
            version: "1".to_owned(),
            as_of: None,
            context: serde_json::Value::Null,
        };
        let document = flow.store.register_document(run, &source, &header, now).await?;
        let provenance = Provenance {
            source: source.clone(),
            remote_id,
            document_digest: digest,
            line: Some(1),
            as_of: None,
            read_at: now,
            raw: BTreeMap::new(),
        };
        let record = Record::new(Body::Segnalazione(body), provenance);
        let places = routes.of_record(&record, now);
        let goes_somewhere = places.iter().any(|route| matches!(route.destination, Destination::Unit { .. }));
        if !goes_somewhere {
            repairs.refuse(NOBODY_TAKES_IT, 1);
            ended.entry(NOBODY_TAKES_IT).or_default().push(item);
            continue;
        }
        let said = RoutedRecord { rank: routes.rank(Kind::Segnalazione), record, routes: places };
        let arrival = Arrival {
            document,
            line: 1,
            occurrence: 0,
            text,
            records: vec![said],
            findings: Vec::new(),
            set_aside: None,
        };
        flow.store.store(run, vec![arrival], now).await?;
        repairs.segnalazioni += 1;
        ended.entry("segnalazione").or_default().push(item);
    }
    flow.store.finish_run(run, now).await?;
    Ok(ended)
}

fn segnalazione(item: &WorkItem, now: canonical::values::UtcInstant) -> Result<Segnalazione, &'static str> {
    let found = &item.discrepancy;
    let body = found.body.as_deref().and_then(|code| CodiceFiscale::parse(code).ok());
    let ente = body.filter(|code| !code.is_person()).ok_or("the body concerned is not known")?;
    let (kind, key) = found.unit.split_once('/').ok_or("the record concerned is not known")?;
    let tipo_record = Kind::from_name(kind).ok_or("the record concerned is not known")?;
    let campo = found.field.as_deref().map_or_else(String::new, |field| format!(", campo {field}"));
    Ok(Segnalazione {
        id: format!("discordanza-{}", item.id),
        ente,
        tipo_record,
        chiave_record: RecordKey::from_stored(key.to_owned()),
        regola: found.rule,
        campo: found.field.clone(),
        descrizione: format!("Discordanza n. {} con {}{campo}: regola {}.", item.id, found.against, found.rule.code()),
        aperta_il: now,
        stato: StatoSegnalazione::Aperta,
    })
}
