//! The answers, and what each of them may mean to the flow.
//!
//! Most of them carry a receipt that would be good if it had come otherwise: an answer that is only
//! rubbish proves little. What an answer means is the same for every system; where it is not, the
//! exception stands in [`EXCEPTIONS`] with its reason.

#[path = "statuses.rs"]
mod statuses;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use contract::ErrorKind;
use serde_json::Value;

use crate::server::{Script, Step};

/// What must become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Taken: the answer is good, however it came.
    Taken,
    /// In doubt: the target must be asked before anything is sent again.
    InDoubt,
    /// Certain that nothing was done, for this reason.
    NothingDone(ErrorKind),
    /// Refused by the rules of the target, in its own words.
    Refused,
}

use Expect::{InDoubt, Taken};

/// The good answer to a request, as the system gives it.
#[derive(Debug, Clone)]
pub(crate) struct Good {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

type Make = dyn Fn(&Good) -> Option<Script> + Send + Sync;

/// One answer of the table.
#[derive(Clone)]
pub(crate) struct Hostile {
    pub(crate) name: String,
    pub(crate) expect: Expect,
    /// The systems in whose words it is a refusal.
    pub(crate) refused_by: &'static [&'static str],
    /// The pause in seconds that it asks for; none where that is not looked at.
    #[expect(clippy::option_option, reason = "to expect no pause is not to expect nothing")]
    pub(crate) pause: Option<Option<u64>>,
    /// Only the answer to the write itself: it says something about the receipt.
    pub(crate) of_receipt: bool,
    /// It takes longer than the deadlines, which are short for it.
    pub(crate) slow: bool,
    make: Arc<Make>,
}

impl Hostile {
    /// The bytes; none where the system's good answer has not what they are made of.
    pub(crate) fn script(&self, good: &Good) -> Option<Script> {
        (self.make)(good)
    }

    fn refused_by(self, systems: &'static [&'static str]) -> Self {
        Self { refused_by: systems, ..self }
    }

    fn of_receipt(self) -> Self {
        Self { of_receipt: true, ..self }
    }

    fn slow(self) -> Self {
        Self { slow: true, ..self }
    }

    fn pause(self, seconds: Option<u64>) -> Self {
        Self { pause: Some(seconds), ..self }
    }
}

/// An answer that means something else to one system, and why.
pub(crate) const EXCEPTIONS: &[(&str, &str, Expect, &str)] = &[
    ("pad-maggioli", "200 with neither body nor type", Taken, "its contract answers an update with nothing more"),
    ("pad-maggioli", "whole, ended by close", InDoubt, "an empty receipt has no end of its own"),
    ("pad-maggioli", "whole, over HTTP/1.0, ended by close", InDoubt, "an empty receipt has no end of its own"),
    ("pad-maggioli", "503 with a pause", InDoubt, "its contract names no 503: a gateway may have spoken"),
    ("scp-programmi", "503 with a pause", InDoubt, "its contract names no 503, and a second publication is another"),
    ("scp-esecuzione", "503 with a pause", InDoubt, "its contract tells every failure with a 500"),
];

/// The whole table. `elsewhere` is an address that nobody may be sent to.
pub(crate) fn all(elsewhere: &str) -> Vec<Hostile> {
    let mut all = ends();
    all.extend(framing());
    all.extend(heads());
    all.extend(encodings());
    all.extend(bodies());
    all.extend(receipts());
    all.extend(statuses::all(elsewhere));
    all.extend(slow());
    all
}

/// Connections that end.
fn ends() -> Vec<Hostile> {
    let cut = |good: &Good, length: usize| {
        let mut bytes = answer(good.status, good.content_type.as_deref(), "", &good.body);
        bytes.truncate(length);
        bytes
    };
    vec![
        of("reset before any byte", InDoubt, |_| vec![Step::Reset]),
        of("closed before any byte", InDoubt, |_| vec![]),
        raw("half a status line", InDoubt, move |good| cut(good, 10)),
        raw("half a header", InDoubt, move |good| cut(good, 24)),
        raw("headers without their end", InDoubt, |_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec()),
        of("reset after the headers", InDoubt, |good| {
            let head = head(good, "Content-Length: 500\r\n");
            vec![Step::Bytes(head), Step::Reset]
        }),
        of("reset inside the body", InDoubt, |good| {
            let head = head(good, "Content-Length: 500\r\n");
            vec![Step::Bytes([head, good.body.clone()].concat()), Step::Reset]
        }),
        raw("short of its length", InDoubt, |good| {
            let length = good.body.len() + 1;
            [head(good, &format!("Content-Length: {length}\r\n")), good.body.clone()].concat()
        }),
        raw("short of its last chunk", InDoubt, |good| {
            [head(good, CHUNKED), chunk(&[&good.body[..], b" "].concat())].concat()
        }),
        raw("short inside a chunk", InDoubt, |good| {
            let length = good.body.len() + 1;
            [head(good, CHUNKED), format!("{length:x}\r\n").into_bytes(), good.body.clone()].concat()
        }),
        content("short, ended by close", InDoubt, |good| {
            [head(good, ""), good.body[..good.body.len() - 1].to_vec()].concat()
        }),
        raw("whole, ended by close", Taken, |good| [head(good, ""), good.body.clone()].concat()),
        raw("whole, over HTTP/1.0, ended by close", Taken, |good| {
            let head = String::from_utf8(head(good, "")).expect("text").replace("HTTP/1.1", "HTTP/1.0");
            [head.into_bytes(), good.body.clone()].concat()
        }),
    ]
}

/// Good answers in unusual frames, and frames that lie.
fn framing() -> Vec<Hostile> {
    let with_length = |good: &Good, value: String| [head(good, &value), good.body.clone()].concat();
    vec![
        raw("whole, over HTTP/1.0, with its length", Taken, |good| {
            let answer = answer(good.status, good.content_type.as_deref(), "", &good.body);
            [b"HTTP/1.0", &answer[8..]].concat()
        }),
        raw("whole, in chunks", Taken, |good| {
            let whole = good.body.iter().flat_map(|byte| chunk(&[*byte])).collect::<Vec<_>>();
            [head(good, CHUNKED), whole, b"0\r\n\r\n".to_vec()].concat()
        }),
        raw("its length twice, the same", Taken, move |good| {
            with_length(good, format!("Content-Length: {0}\r\nContent-Length: {0}\r\n", good.body.len()))
        }),
        raw("bytes after its length", Taken, |good| {
            let answer = answer(good.status, good.content_type.as_deref(), "", &good.body);
            [answer, b"HTTP/1.1 500 No\r\n\r\n".to_vec()].concat()
        }),
        raw("its length twice, different", InDoubt, move |good| {
            let length = good.body.len();
            with_length(good, format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 7))
        }),
        raw("its length as a list of one", Taken, move |good| {
            with_length(good, format!("Content-Length: {0}, {0}\r\n", good.body.len()))
        }),
        raw("its length as a list of two", InDoubt, move |good| {
            with_length(good, format!("Content-Length: {}, {}\r\n", good.body.len(), good.body.len() + 7))
        }),
        raw("a negative length", InDoubt, move |good| with_length(good, "Content-Length: -1\r\n".to_owned())),
        raw("a length that is none", InDoubt, move |good| with_length(good, "Content-Length: all\r\n".to_owned())),
        raw("a length above every limit", InDoubt, move |good| {
            with_length(good, "Content-Length: 99999999999\r\n".to_owned())
        }),
        raw("a length beside chunks", InDoubt, |good| {
            let head = head(good, &format!("Content-Length: {}\r\n{CHUNKED}", good.body.len()));
            let whole = if good.body.is_empty() { Vec::new() } else { chunk(&good.body) };
            [head, whole, b"0\r\n\r\n".to_vec()].concat()
        }),
        raw("a chunk whose size is none", InDoubt, |good| {
            [head(good, CHUNKED), b"zz\r\n".to_vec(), good.body.clone(), b"\r\n0\r\n\r\n".to_vec()].concat()
        }),
        raw("a chunk of endless size", InDoubt, |good| {
            [head(good, CHUNKED), b"ffffffffffffffffff\r\n".to_vec(), good.body.clone()].concat()
        }),
        raw("another transfer encoding", InDoubt, |good| {
            let whole = if good.body.is_empty() { Vec::new() } else { chunk(&good.body) };
            [head(good, "Transfer-Encoding: gzip, chunked\r\n"), whole, b"0\r\n\r\n".to_vec()].concat()
        }),
        raw("100, then the answer", Taken, |good| [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), whole(good)].concat()),
        raw("103, then the answer", Taken, |good| {
            [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_vec(), whole(good)].concat()
        }),
        raw("100 and no more", InDoubt, |_| b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        raw("101", InDoubt, |_| b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_vec()),
    ]
}

/// Heads that are none.
fn heads() -> Vec<Hostile> {
    let instead = |line: &'static str| {
        move |good: &Good| {
            let whole = whole(good);
            let end = whole.windows(2).position(|window| window == b"\r\n").unwrap_or_default();
            [line.as_bytes(), &whole[end..]].concat()
        }
    };
    let with = |lines: String| {
        move |good: &Good| {
            let whole = whole(good);
            let end = whole.windows(2).position(|window| window == b"\r\n").unwrap_or_default() + 2;
            [&whole[..end], lines.as_bytes(), &whole[end..]].concat()
        }
    };
    let many = (0..500).fold(String::new(), |all, number| all + &format!("X-{number}: 1\r\n"));
    vec![
        raw("another protocol", InDoubt, instead("ICY 200 OK")),
        raw("a version that does not exist", InDoubt, instead("HTTP/9.1 200 OK")),
        raw("a status of letters", InDoubt, instead("HTTP/1.1 OK OK")),
        raw("a status of two digits", InDoubt, instead("HTTP/1.1 20 OK")),
        raw("no status line", InDoubt, |good| good.body.clone()),
        raw("the greeting of another service", InDoubt, |_| b"SSH-2.0-OpenSSH_9.7\r\n".to_vec()),
        raw("frames of HTTP/2", InDoubt, |_| b"\0\0\0\x04\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02".to_vec()),
        raw("NUL in a header", InDoubt, with("X-Trace: a\0b\r\n".to_owned())),
        raw("a header without a colon", InDoubt, with("X-Trace\r\n".to_owned())),
        raw("a header with a space in its name", InDoubt, with("X Trace: a\r\n".to_owned())),
        raw("a header over two lines", InDoubt, with("X-Trace: a\r\n b\r\n".to_owned())),
        raw("a header of a megabyte", InDoubt, with(format!("X-Trace: {}\r\n", "a".repeat(1 << 20)))),
        raw("five hundred headers", InDoubt, with(many)),
    ]
}

/// Bodies in encodings that nobody asked for.
fn encodings() -> Vec<Hostile> {
    let claims = |encoding: &'static str| {
        move |good: &Good| {
            let extra = format!("Content-Encoding: {encoding}\r\n");
            answer(good.status, good.content_type.as_deref(), &extra, &good.body)
        }
    };
    vec![
        raw("gzip that is none", InDoubt, claims("gzip")),
        raw("brotli that is none", InDoubt, claims("br")),
        raw("an encoding without a name", InDoubt, claims("")),
        raw("no encoding, said so", Taken, claims("identity")),
        raw("gzip", InDoubt, |good| {
            let extra = "Content-Encoding: gzip\r\n";
            answer(good.status, good.content_type.as_deref(), extra, &gzip(&good.body))
        }),
        raw("gzip without saying so", InDoubt, |good| {
            answer(good.status, good.content_type.as_deref(), "", &gzip(&good.body))
        }),
        raw("gzip of a hundred megabytes", InDoubt, |good| {
            let extra = "Content-Encoding: gzip\r\n";
            answer(good.status, good.content_type.as_deref(), extra, &gzip(&vec![b' '; 1 << 20]).repeat(100))
        }),
    ]
}

/// Bodies that are no receipt.
fn bodies() -> Vec<Hostile> {
    let page = "<!DOCTYPE html><title>Accesso</title>";
    let json = |name: &str, body: String| raw(name, InDoubt, move |_| answer(200, JSON, "", body.as_bytes()));
    vec![
        raw("a page", InDoubt, move |_| answer(200, Some("text/html"), "", page.as_bytes())),
        raw("a page with 201", InDoubt, move |_| answer(201, Some("text/html"), "", page.as_bytes())),
        json("a page that calls itself JSON", page.to_owned()),
        json("nothing that calls itself JSON", String::new()),
        json("blanks that call themselves JSON", " \r\n ".to_owned()),
        raw("201 with nothing", InDoubt, |_| answer(201, JSON, "", b"")),
        raw("200 with neither body nor type", InDoubt, |_| answer(200, None, "", b"")),
        json("an error", r#"{"error":"guasto"}"#.to_owned()),
        json("an error as a problem", r#"{"title":"guasto","status":500,"error":"guasto"}"#.to_owned()),
        json("null", "null".to_owned()),
        json("a number", "7".to_owned()),
        json("no text", "\u{0}\u{0}".to_owned()),
        json("two hundred lists inside each other", format!("{}{}", "[".repeat(200), "]".repeat(200))),
        json("two hundred objects inside each other", format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200))),
    ]
}

/// Receipts that are not quite.
fn receipts() -> Vec<Hostile> {
    let changed = |name: &str, change: fn(&mut serde_json::Map<String, Value>) -> Option<()>| {
        content_where(name, InDoubt, move |good| {
            let mut receipt = serde_json::from_slice::<Value>(&good.body).ok()?;
            change(receipt.as_object_mut()?)?;
            Some(answer(good.status, good.content_type.as_deref(), "", receipt.to_string().as_bytes()))
        })
        .of_receipt()
    };
    let body = |name: &str, expect, change: fn(&[u8]) -> Vec<u8>| {
        content(name, expect, move |good| answer(good.status, good.content_type.as_deref(), "", &change(&good.body)))
    };
    let typed = |name: &str, content_type: &'static str, extra: &'static str| {
        content(name, InDoubt, move |good| {
            answer(good.status, Some(content_type).filter(|it| !it.is_empty()), extra, &good.body)
        })
    };
    vec![
        body("with a byte order mark", Taken, |body| [b"\xef\xbb\xbf", body].concat()),
        body("between blanks", Taken, |body| [b"\r\n ", body, b" \r\n"].concat()),
        body("without its last byte, and a length to match", InDoubt, |body| body[..body.len() - 1].to_vec()),
        body("with rubbish after it", InDoubt, |body| [body, b"x"].concat()),
        body("twice", InDoubt, |body| body.repeat(2)),
        body("with a page after it", InDoubt, |body| [body, b"<html>"].concat()),
        body("inside a list", InDoubt, |body| [b"[", body, b"]"].concat()),
        body("as a text", InDoubt, |body| Value::from(String::from_utf8_lossy(body)).to_string().into_bytes()),
        body("in UTF-16", InDoubt, |body| body.iter().flat_map(|byte| [*byte, 0]).collect()),
        body("with half a character in a field that nobody reads", InDoubt, |body| {
            [&body[..body.len() - 1], b",\"nota\":\"\xc3\"}"].concat()
        }),
        typed("called text", "text/plain", ""),
        typed("called a page", "text/html; charset=utf-8", ""),
        typed("without a type", "", ""),
        typed("with a type that is no text", "application/json\u{fffd}", ""),
        typed("with two types", "application/json", "Content-Type: text/html\r\n"),
        changed("beside an error", |receipt| {
            receipt.insert("error".to_owned(), "guasto".into());
            Some(())
        }),
        changed("of a later version", |receipt| other_version(receipt, |version| version + 1)),
        changed("of an earlier version", |receipt| other_version(receipt, |version| version - 1)),
        changed("with its version as a text", |receipt| {
            let version = field(receipt, VERSIONS)?;
            *version = version.to_string().into();
            Some(())
        }),
        changed("without its version", |receipt| VERSIONS.iter().find_map(|name| receipt.remove(*name)).map(drop)),
        changed("of another content", |receipt| {
            *receipt.get_mut("impronta")? = "0".repeat(64).into();
            Some(())
        }),
        changed("in a state that does not exist", |receipt| {
            *receipt.get_mut("stato")? = "boh".into();
            Some(())
        }),
        changed("with no identifier in its place", |receipt| {
            let id = field(receipt, IDENTIFIERS)?;
            *id = if id.is_number() { 0.into() } else { "".into() };
            Some(())
        }),
        changed("without its identifier", |receipt| {
            IDENTIFIERS.iter().find_map(|name| receipt.remove(*name)).map(drop)
        }),
        content_where("with two identifiers", InDoubt, |good| {
            let name = IDENTIFIERS.iter().find(|name| {
                serde_json::from_slice::<Value>(&good.body).is_ok_and(|receipt| receipt.get(**name).is_some())
            })?;
            let twice = [&good.body[..good.body.len() - 1], format!(",\"{name}\":\"x\"}}").as_bytes()].concat();
            Some(answer(good.status, good.content_type.as_deref(), "", &twice))
        })
        .of_receipt(),
    ]
}

const VERSIONS: &[&str] = &["versione", "revisione"];
const IDENTIFIERS: &[&str] = &["id", "idBozza"];

/// The field of a receipt that has one of these names.
fn field<'a>(receipt: &'a mut serde_json::Map<String, Value>, names: &[&str]) -> Option<&'a mut Value> {
    let name = names.iter().find(|name| receipt.contains_key(**name))?;
    receipt.get_mut(*name)
}

fn other_version(receipt: &mut serde_json::Map<String, Value>, change: fn(u64) -> u64) -> Option<()> {
    let version = field(receipt, VERSIONS)?;
    *version = change(version.as_u64()?).into();
    Some(())
}

/// Answers that do not come in time.
fn slow() -> Vec<Hostile> {
    let apart = Duration::from_millis(150);
    vec![
        of("silence", InDoubt, |_| vec![Step::Silence]).slow(),
        of("headers, then silence", InDoubt, |good| {
            vec![Step::Bytes(head(good, "Content-Length: 500\r\n")), Step::Silence]
        })
        .slow(),
        of("half the body, then silence", InDoubt, |good| {
            vec![Step::Bytes(head(good, "Content-Length: 500\r\n")), Step::Bytes(good.body.clone()), Step::Silence]
        })
        .slow(),
        of("headers byte by byte", InDoubt, move |good| {
            vec![Step::Drip(head(good, &"X-Trace: a\r\n".repeat(90)), apart)]
        })
        .slow(),
        of("a body byte by byte", InDoubt, move |good| {
            vec![Step::Bytes(head(good, "Content-Length: 500\r\n")), Step::Drip(vec![b' '; 500], apart)]
        })
        .slow(),
        of("informational answers without an end", InDoubt, move |_| {
            vec![Step::Drip(b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20), apart / 10), Step::Silence]
        })
        .slow(),
    ]
}

const JSON: Option<&str> = Some("application/json");
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn hostile(name: &str, expect: Expect, make: impl Fn(&Good) -> Option<Script> + Send + Sync + 'static) -> Hostile {
    let (name, make) = (name.to_owned(), Arc::new(make));
    Hostile { name, expect, refused_by: &[], pause: None, of_receipt: false, slow: false, make }
}

/// An answer made of steps.
fn of(name: &str, expect: Expect, make: impl Fn(&Good) -> Vec<Step> + Send + Sync + 'static) -> Hostile {
    hostile(name, expect, move |good| Some(Script(make(good))))
}

/// An answer made of bytes.
fn raw(name: &str, expect: Expect, make: impl Fn(&Good) -> Vec<u8> + Send + Sync + 'static) -> Hostile {
    hostile(name, expect, move |good| Some(Script::bytes(make(good))))
}

/// An answer made of a receipt that has a body.
fn content(name: &str, expect: Expect, make: impl Fn(&Good) -> Vec<u8> + Send + Sync + 'static) -> Hostile {
    content_where(&format!("a receipt {name}"), expect, move |good| Some(make(good)))
}

fn content_where(
    name: &str,
    expect: Expect,
    make: impl Fn(&Good) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Hostile {
    hostile(name, expect, move |good| (!good.body.is_empty()).then(|| make(good).map(Script::bytes))?)
}

/// A head without its status line's usual company: what it says about the body is for the caller.
fn head(good: &Good, extra: &str) -> Vec<u8> {
    let content_type = good.content_type.as_deref().map(|it| format!("Content-Type: {it}\r\n")).unwrap_or_default();
    format!("HTTP/1.1 {} Eccolo\r\nConnection: close\r\n{content_type}{extra}\r\n", good.status).into_bytes()
}

/// A whole answer with its length.
fn answer(status: u16, content_type: Option<&str>, extra: &str, body: &[u8]) -> Vec<u8> {
    let good = Good { status, content_type: content_type.map(str::to_owned), body: Vec::new() };
    [head(&good, &format!("{extra}Content-Length: {}\r\n", body.len())), body.to_vec()].concat()
}

/// The good answer as it comes.
pub(crate) fn whole(good: &Good) -> Vec<u8> {
    answer(good.status, good.content_type.as_deref(), "", &good.body)
}

fn chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}
