//! A stand-in for the accounting service: SOAP 1.1 over a small set of rows.
//!
//! The rows are ours (`simulator/campione.json`) and tell one story: a commitment, its remainder in
//! the next year, progress payments with split payment, and a professional. A file `cig.txt` in the
//! state folder gives the same story to other lots, one CIG a line. The service only answers
//! questions: there is no journal.
//!
//! Operations for faults: `GetImpegni`, `GetMandati`. A status 500 on request is answered as .NET does,
//! with a SOAP fault.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use canonical::identifiers::Cig;
use contract::{RunningSimulator, SimulatorOptions};
use kit::Secret;
use kit::simulator::{FaultAnswer, Faults, Key, serve};
use quick_xml::escape::escape;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::wire::{NAMESPACE, Operation, SOAP};

/// The body whose accounts are simulated.
const ENTE: &str = "80098765433";
const USER: &str = "raccordo";
/// The numbers of the story of one lot stay clear of those of the next.
const STEP: u64 = 1000;

/// Starts the simulator.
pub(crate) fn start(options: &SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let key = Key::open(options.state.as_deref())?;
    let password = Secret::from_file(key.path()).map_err(std::io::Error::other)?;
    let (rows, cig) = story(options.state.as_deref())?;
    let settings = json!({
        "ente": ENTE, "utente": USER, "password_file": key.path(), "autenticazione": "soap", "cig": cig,
    });
    let faults = Faults::from_json(options.faults.as_ref())?;
    let simulator = Arc::new(Simulator { rows, password, faults, _key: key });
    let router = Router::new().route("/FinanziariaAPK_service.asmx", post(answer)).with_state(simulator);
    serve(options, router, |address| {
        let mut settings = settings;
        settings["base_url"] = json!(format!("http://{address}/FinanziariaAPK_service.asmx"));
        settings
    })
}

#[derive(Debug)]
struct Simulator {
    rows: Vec<Row>,
    password: Secret,
    faults: Faults,
    /// Keeps the folder of the password.
    _key: Key,
}

/// A row of the service, texts by column.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    pub(crate) operation: Operation,
    pub(crate) campi: Map<String, Value>,
}

/// The rows and the lots they belong to.
fn story(state: Option<&Path>) -> std::io::Result<(Vec<Row>, Vec<Cig>)> {
    let sample: Vec<Row> = serde_json::from_str(include_str!("simulator/campione.json"))?;
    let list = state.map(|state| state.join("cig.txt")).filter(|path| path.exists());
    let Some(list) = list else {
        let cig = sample.iter().filter_map(|row| Cig::parse(row.campi.get("CodiceCIG")?.as_str()?).ok());
        let cig: std::collections::BTreeSet<Cig> = cig.collect();
        return Ok((sample, cig.into_iter().collect()));
    };
    let text = std::fs::read_to_string(list)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let cig = lines.map(|line| Cig::parse(line).map_err(|error| std::io::Error::other(format!("{line}: {error}"))));
    let cig = cig.collect::<std::io::Result<Vec<Cig>>>()?;
    let mut rows = Vec::new();
    for (n, cig) in (0..).zip(&cig) {
        for row in &sample {
            let mut row = row.clone();
            row.campi.insert("CodiceCIG".to_owned(), json!(cig));
            for column in ["Numero", "AttoNumero"] {
                let number = row.campi.get(column).and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok());
                if let Some(number) = number.filter(|number| *number != 0) {
                    row.campi.insert(column.to_owned(), json!((number + n * STEP).to_string()));
                }
            }
            rows.push(row);
        }
    }
    Ok((rows, cig))
}

async fn answer(State(simulator): State<Arc<Simulator>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let action = headers.get("soapaction").and_then(|value| value.to_str().ok()).unwrap_or_default().trim_matches('"');
    let operation = Operation::ALL.into_iter().find(|it| action == format!("{NAMESPACE}{}", it.name()));
    let Some(operation) = operation else {
        return fault("Client", "Server did not recognize the value of HTTP Header SOAPAction");
    };
    let body = String::from_utf8_lossy(&body);
    if !simulator.admits(&body) {
        return fault("Client.Authentication", "credenziali non valide");
    }
    let answer = async { simulator.rows_for(operation, &body) };
    match simulator.faults.next(operation.name()) {
        Some(due) if due.answer == FaultAnswer::Status(500) => fault("Server", "Server was unable to process request."),
        Some(due) => due.answer().await,
        None => answer.await,
    }
}

impl Simulator {
    fn admits(&self, body: &str) -> bool {
        let password = escape(self.password.expose());
        element(body, "UserName") == Some(USER) && element(body, "Password") == Some(&*password)
    }

    fn rows_for(&self, operation: Operation, body: &str) -> Response<Body> {
        // The whole numbers are mandatory, and zero does not filter.
        let mandatory: &[&str] = match operation {
            Operation::Impegni => &["Esercizio", "Anno", "Numero", "SubNumero", "Capitolo"],
            Operation::Mandati => &["Esercizio", "Numero", "SubNumero", "Capitolo"],
        };
        let numbers: Option<Vec<u64>> = mandatory.iter().map(|name| element(body, name)?.parse().ok()).collect();
        let Some(numbers) = numbers else {
            return fault("Client", "There is an error in XML document");
        };
        let wanted = |row: &&Row| {
            let text = |column: &str| row.campi.get(column).and_then(Value::as_str).unwrap_or_default();
            let by_number = mandatory.iter().zip(&numbers).all(|(name, number)| {
                let column = if *name == "SubNumero" { "Subnumero" } else { name };
                *number == 0 || text(column) == number.to_string()
            });
            let by_code = ["CodiceCIG", "CodiceCUP"]
                .iter()
                .all(|code| element(body, code).is_none_or(|asked| asked.is_empty() || text(code) == asked));
            row.operation == operation && by_number && by_code
        };
        let rows: Vec<&Row> = self.rows.iter().filter(wanted).collect();
        let headers = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
        (headers, envelope(operation, rows.iter().map(|row| &row.campi))).into_response()
    }
}

/// The text of the first element with this name. The questions are our own, without prefixes.
fn element<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// An answer as the service writes it: columns in the order of the document, absent ones left out.
pub(crate) fn envelope<'r>(operation: Operation, rows: impl Iterator<Item = &'r Map<String, Value>>) -> String {
    let (name, row) = (operation.name(), operation.row());
    let mut body = String::new();
    for campi in rows {
        let known = operation.columns().iter().filter_map(|column| Some((*column, campi.get(*column)?)));
        // Strangers come last: tests have them, the service does not.
        let strangers = campi.iter().filter(|(column, _)| !operation.columns().contains(&column.as_str()));
        let columns = known.chain(strangers.map(|(column, value)| (column.as_str(), value)));
        let cells = columns.map(|(column, value)| match value.as_str() {
            Some(text) => format!("\n          <{column}>{}</{column}>", escape(text)),
            None => format!("\n          <{column} xsi:nil=\"true\" />"),
        });
        body.push_str(&format_row(&row, &cells.collect::<String>()));
    }
    wrap(&format!(
        "\n    <{name}Response xmlns=\"{NAMESPACE}\">\n      <{name}Result>{body}\n      </{name}Result>\n    \
         </{name}Response>\n  "
    ))
}

fn format_row(row: &str, cells: &str) -> String {
    format!("\n        <{row}>{cells}\n        </{row}>")
}

fn fault(code: &str, words: &str) -> Response<Body> {
    let body = format!(
        "<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{words}</faultstring><detail /></soap:Fault>"
    );
    let headers = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
    (StatusCode::INTERNAL_SERVER_ERROR, headers, wrap(&body)).into_response()
}

fn wrap(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<soap:Envelope xmlns:soap=\"{}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n  <soap:Body>{body}</soap:Body>\n</soap:Envelope>",
        SOAP[0]
    )
}

#[cfg(test)]
mod tests;
