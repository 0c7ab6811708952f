//! The source role: hands over what a test gave, and understands a format of its own: one line of
//! canonical JSON, `{"kind": …, "body": …}`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use canonical::{Body, Digest, Rule};
use contract::{
    AdapterError, DocumentHeader, DraftRecord, ErrorKind, Normalized, RawRecord, RawSink, ReadRequest, Received,
    SetAside, Source,
};

use crate::system::Simulated;

/// A raw record that contains this text makes the mapping panic.
pub const PANIC: &str = "simulated-panic";

/// A raw record that contains this text is set aside.
pub const SET_ASIDE: &str = "simulated-set-aside";

#[async_trait]
impl Source for Simulated {
    /// Hands over what was given, from after the cursor when it was among it.
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let (given, limit) = {
            let state = self.state();
            (state.given.clone(), state.items_before_failure)
        };
        let error = |kind| AdapterError::new(kind, "simulated read");
        let is_cursor = |item: &Received| matches!(item, Received::Cursor(at) if Some(at) == request.cursor.as_ref());
        let start = given.iter().rposition(is_cursor).map_or(0, |cursor| cursor + 1);
        for (n, item) in given.into_iter().skip(start).enumerate() {
            if limit == Some(n) {
                return Err(error(ErrorKind::Broken));
            }
            sink.send(item).await.map_err(|_| error(ErrorKind::Local))?;
        }
        Ok(())
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        assert!(!raw.text.contains(PANIC), "a panic was asked for");
        let set_aside = |reason: &str| Normalized {
            set_aside: Some(SetAside { rule: Rule::N03, reason: reason.to_owned() }),
            ..Normalized::default()
        };
        if raw.text.contains(SET_ASIDE) {
            return set_aside("asked for");
        }
        match serde_json::from_str::<Body>(&raw.text) {
            Ok(body) => {
                Normalized { records: vec![DraftRecord { body, raw: BTreeMap::new() }], ..Normalized::default() }
            }
            Err(_) => set_aside("not a line of canonical JSON"),
        }
    }
}

/// The header of a document with these lines.
pub fn header(remote_id: &str, lines: &[String]) -> DocumentHeader {
    DocumentHeader {
        remote_id: remote_id.to_owned(),
        digest: Digest::of_parts(lines.iter().map(String::as_bytes)).to_string(),
        format: "simulated".to_owned(),
        version: "1".to_owned(),
        as_of: None,
        context: serde_json::Value::Null,
    }
}

/// A whole document with these lines, ready to be given.
pub fn document(remote_id: &str, lines: &[String]) -> Vec<Received> {
    let document = Arc::new(header(remote_id, lines));
    let mut seen = HashMap::<String, u32>::new();
    let records = (1..).zip(lines).map(|(line, text)| {
        let key = serde_json::from_str::<Body>(text)
            .map_or_else(|_| text.clone(), |body| format!("{}/{}", body.kind(), body.key()));
        let earlier = seen.entry(key).or_default();
        let occurrence = *earlier;
        *earlier += 1;
        Received::Record(RawRecord { document: Arc::clone(&document), line, occurrence, text: text.clone() })
    });
    let mut items = vec![Received::Begin(Arc::clone(&document))];
    items.extend(records);
    items.push(Received::End);
    items
}

#[cfg(test)]
mod tests {
    use canonical::identifiers::Cig;
    use canonical::kinds::Lotto;
    use tokio::sync::mpsc;

    use super::*;

    fn line(cig: &str) -> String {
        serde_json::to_string(&Body::from(Lotto::new(Cig::parse(cig).unwrap()))).unwrap()
    }

    async fn read(system: &Simulated, cursor: Option<&str>) -> (Vec<Received>, Result<(), AdapterError>) {
        let (sink, mut received) = mpsc::channel(100);
        let request = ReadRequest { files: None, cursor: cursor.map(str::to_owned) };
        let result = system.read(request, sink).await;
        let mut items = Vec::new();
        while let Some(item) = received.recv().await {
            items.push(item);
        }
        (items, result)
    }

    #[tokio::test]
    async fn what_was_given_is_handed_over_every_time() {
        let system = Simulated::new();
        let items = document("a.ndjson", &[line("B000001279"), line("B000001279")]);
        system.give(items.clone());
        assert_eq!(read(&system, None).await.0, items);
        assert_eq!(read(&system, None).await.0, items);
        let Received::Record(second) = &items[2] else { panic!("no record") };
        assert_eq!((second.line, second.occurrence), (2, 1));
    }

    #[tokio::test]
    async fn a_read_starts_after_its_cursor() {
        let system = Simulated::new();
        let later = document("b", &[line("B000001279")]);
        let items = document("a", &[]).into_iter().chain([Received::Cursor("1".to_owned())]).chain(later.clone());
        system.give(items);
        assert_eq!(read(&system, Some("1")).await.0, later);
        assert_eq!(read(&system, Some("9")).await.0.len(), 6);
    }

    #[tokio::test]
    async fn a_read_that_fails_has_handed_over_what_came_before() {
        let system = Simulated::new();
        system.give(document("a", &[line("B000001279")]));
        system.fail_read_after(Some(2));
        let (items, result) = read(&system, None).await;
        assert_eq!(items.len(), 2);
        assert!(result.is_err());
    }

    fn raw(text: &str) -> RawRecord {
        RawRecord { document: Arc::new(header("a", &[])), line: 1, occurrence: 0, text: text.to_owned() }
    }

    #[test]
    fn a_line_is_a_record_and_anything_else_is_set_aside() {
        let system = Simulated::new();
        let normalized = system.normalize(&raw(&line("B000001279")));
        assert_eq!(normalized.records[0].body, Lotto::new(Cig::parse("B000001279").unwrap()).into());
        for text in ["{}", &format!("{} {SET_ASIDE}", line("B000001279"))] {
            let normalized = system.normalize(&raw(text));
            assert!(normalized.set_aside.is_some() && normalized.records.is_empty());
        }
    }

    #[test]
    #[should_panic(expected = "asked for")]
    fn a_marked_line_panics() {
        Simulated::new().normalize(&raw(PANIC));
    }
}
