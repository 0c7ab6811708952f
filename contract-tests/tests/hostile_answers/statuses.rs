//! Answers whose status decides: failures, redirects, refusals, and the pauses that they ask for.

use contract::ErrorKind;

use super::Expect::{InDoubt, NothingDone, Taken};
use super::{Hostile, JSON, answer, raw};

/// The systems whose refusals are problem documents with a code.
const MANAGED: &[&str] = &["pico", "hub", "osservatorio"];

pub(super) fn all(elsewhere: &str) -> Vec<Hostile> {
    [statuses(), redirects(elsewhere), refusals(), pauses()].concat()
}

/// Every status that says no receipt, with the good receipt inside all the same.
fn statuses() -> Vec<Hostile> {
    let doubtful = [
        202, 203, 204, 205, 206, 207, 226, 300, 304, 305, 306, 400, 402, 406, 407, 408, 409, 410, 411, 412, 414, 415,
        416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 511, 520,
        599, 600, 999,
    ];
    let certain = [
        (401, ErrorKind::Authentication),
        (403, ErrorKind::Permission),
        (404, ErrorKind::NotUnderstood),
        (405, ErrorKind::NotUnderstood),
        (413, ErrorKind::NotUnderstood),
        (429, ErrorKind::RateLimited),
    ];
    let doubtful = doubtful.map(|status| (status, InDoubt));
    let certain = certain.map(|(status, kind)| (status, NothingDone(kind)));
    let mut all = Vec::new();
    for (status, expect) in doubtful.into_iter().chain(certain) {
        let around = raw(&format!("{status} around the receipt"), expect, move |good| {
            answer(status, good.content_type.as_deref(), "", &good.body)
        });
        let page = raw(&format!("{status} with a page"), expect, move |_| {
            answer(status, Some("text/html"), "", b"<html><title>Errore</title>")
        });
        let nothing = raw(&format!("{status} with nothing"), expect, move |_| answer(status, None, "", b""));
        all.extend([around.of_receipt(), page.of_receipt(), nothing]);
    }
    all.push(raw("202 with a place to ask", InDoubt, |good| {
        answer(202, good.content_type.as_deref(), "Location: /esito/1\r\n", &good.body)
    }));
    all.push(raw("503 with a pause", NothingDone(ErrorKind::Unavailable), |_| {
        answer(503, JSON, "Retry-After: 7\r\n", b"{}")
    }));
    all.push(raw("500 with a pause", InDoubt, |_| answer(500, JSON, "Retry-After: 7\r\n", b"{}")));
    all
}

/// Redirects, here and elsewhere. None is followed.
fn redirects(elsewhere: &str) -> Vec<Hostile> {
    let places = [("here", "/altrove".to_owned()), ("elsewhere", format!("http://{elsewhere}/altrove"))];
    let mut all = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        for (name, place) in &places {
            let extra = format!("Location: {place}\r\n");
            all.push(raw(&format!("{status} to {name}"), InDoubt, move |good| {
                answer(status, good.content_type.as_deref(), &extra, &good.body)
            }));
        }
    }
    all
}

/// Refusals in the words of one system, which are no words of the others.
fn refusals() -> Vec<Hostile> {
    let json = |name: &str, status: u16, body: &'static str, systems| {
        let expect = if status == 404 { NothingDone(ErrorKind::NotUnderstood) } else { InDoubt };
        raw(name, expect, move |_| answer(status, JSON, "", body.as_bytes())).refused_by(systems)
    };
    let problem = r#"{"type":"about:blank","title":"t","status":422,"codice":"x","messaggio":"no","dettagli":[]}"#;
    let esito = r#"{"esito":false,"errorData":"SEQUENZA","esiti":[]}"#;
    vec![
        json("400 with a code", 400, problem, MANAGED),
        json("409 with a code", 409, problem, MANAGED),
        json("422 with a code", 422, problem, MANAGED),
        json("422 with a code in a list", 422, r#"["x","no",[]]"#, &[]),
        json("400 with a message", 400, r#"{"message":"Richiesto almeno uno","details":[]}"#, &["pad-maggioli"]),
        json("404 with a message", 404, r#"{"message":"CIG sconosciuto"}"#, &["pad-maggioli"]),
        json("400 with remarks", 400, r#"{"validate":[{"nome":"a","messaggio":"b","tipo":"E"}]}"#, &["scp-programmi"]),
        json("404 with an error", 404, r#"{"error":"non trovato"}"#, &["scp-programmi"]),
        json("400 with an outcome", 400, esito, &["scp-esecuzione"]),
        json("500 with an outcome for good", 500, esito, &["scp-esecuzione"]),
        json("500 with an outcome for now", 500, r#"{"esito":false,"errorData":"TIMEOUT"}"#, &[]),
    ]
}

/// Every form of a pause, on a refusal and on an answer that was good.
fn pauses() -> Vec<Hostile> {
    const DATE: &str = "Date: Sat, 03 Jan 2026 10:00:00 GMT\r\n";
    let told = [
        ("in seconds", "Retry-After: 7\r\n", Some(7), Some(7)),
        ("of nothing", "Retry-After: 0\r\n", Some(0), Some(0)),
        ("by today's date", "Retry-After: Sat, 03 Jan 2026 10:00:09 GMT\r\n", Some(9), Some(9)),
        ("by an old date", "Retry-After: Saturday, 03-Jan-26 10:00:09 GMT\r\n", Some(9), Some(9)),
        ("by the date of C", "Retry-After: Sat Jan  3 10:00:09 2026\r\n", Some(9), Some(9)),
        ("by a past date", "Retry-After: Sat, 03 Jan 2026 09:00:00 GMT\r\n", Some(0), Some(0)),
        ("by a far date", "Retry-After: Thu, 03 Jan 2036 10:00:00 GMT\r\n", Some(86_400), Some(86_400)),
        ("negative", "Retry-After: -5\r\n", None, None),
        ("of garbage", "Retry-After: presto\r\n", None, None),
        ("huge", "Retry-After: 99999999999999999999\r\n", Some(86_400), Some(86_400)),
        ("twice", "Retry-After: 3\r\nRetry-After: 8\r\n", Some(8), Some(8)),
        ("of a quota", "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 6\r\n", Some(6), Some(6)),
        ("of a quota to an instant", "RateLimit-Remaining: 0\r\nRateLimit-Reset: 1767434406\r\n", Some(6), Some(6)),
        ("of a reset alone", "X-RateLimit-Reset: 6\r\n", None, Some(6)),
        ("of a quota not spent", "RateLimit-Remaining: 2\r\nRateLimit-Reset: 6\r\n", None, Some(6)),
    ];
    let mut all = Vec::new();
    for (name, lines, taken, refused) in told {
        let extra = format!("{DATE}{lines}");
        let same = extra.clone();
        let on_429 = raw(&format!("429 and a pause {name}"), NothingDone(ErrorKind::RateLimited), move |_| {
            answer(429, JSON, &extra, b"{}")
        });
        let on_good = raw(&format!("good and a pause {name}"), Taken, move |good| {
            answer(good.status, good.content_type.as_deref(), &same, &good.body)
        });
        all.extend([on_429.pause(refused), on_good.pause(taken).of_receipt()]);
    }
    all
}
