//! `raccordo webhooks`: how it stands with telling partners of changes, and telling again whom nobody
//! told any more.

use std::sync::Arc;

use super::Exit;
use super::output::Output;
use super::parked::who;
use super::table::{name, sentence};
use crate::clock::{Clock as _, SystemClock};
use crate::http::told;
use crate::storage::webhooks::WebhookState;
use crate::storage::{Person, Store};

/// How it stands with telling partners of changes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show how it stands with every partner who is told of changes
    List,
    /// Tell a partner again who was stopped, from the message that he did not take
    Resume(Resume),
}

/// Tell a partner again who was stopped.
#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// The partner, as named in `[exchange.partners.NAME]`
    #[arg(value_name = "NAME")]
    partner: String,
    /// Why, for the audit chain
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who decides, for the audit chain [default: the user that runs the command]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub(super) async fn run(store: Arc<dyn Store>, command: &Command, output: &Output) -> anyhow::Result<Exit> {
    let exit = match command {
        Command::List => list(store.as_ref(), output).await?,
        Command::Resume(resume) => again(store.as_ref(), resume, output).await?,
    };
    store.close().await;
    Ok(exit)
}

async fn list(store: &dyn Store, output: &Output) -> anyhow::Result<Exit> {
    let states = store.webhooks(None).await?;
    let words = output.words;
    if output.is_json() {
        for state in &states {
            output.json(&facts(state));
        }
    } else if states.is_empty() {
        output.note(words.nobody_is_told);
    } else {
        let rows = states.iter().map(|state| vec![state.partner.clone(), told(state, words.language())]);
        let columns = [name(words.partner), sentence(words.result)];
        output.table(words.partners_told, &columns, &rows.collect::<Vec<_>>());
    }
    Ok(Exit::Done)
}

fn facts(state: &WebhookState) -> serde_json::Value {
    let at = |instant: canonical::values::UtcInstant| instant.to_string();
    serde_json::json!({
        "partner": state.partner,
        "told_until": state.told.version,
        "message": state.message.as_ref().map(|message| serde_json::json!({
            "id": message.id, "until": message.until.version, "attempts": message.attempts, "due_at": at(message.due_at),
        })),
        "taken_at": state.taken_at.map(at),
        "failed_at": state.failed.as_ref().map(|(failed_at, _)| at(*failed_at)),
        "failed_code": state.failed.as_ref().map(|(_, code)| code),
        "stopped_at": state.stopped.map(|(stopped_at, _)| at(stopped_at)),
        "stopped_why": state.stopped.map(|(_, why)| why.code()),
    })
}

async fn again(store: &dyn Store, resume: &Resume, output: &Output) -> anyhow::Result<Exit> {
    let name = resume.by.clone().unwrap_or_else(who::name);
    let by = Person { name, reason: resume.reason.trim().to_owned() };
    if by.reason.is_empty() {
        output.note("error: write why, in a few words");
        return Ok(Exit::Usage);
    }
    if store.resume_webhook(&resume.partner, &by, SystemClock.now()).await? {
        output.note(output.words.told_again);
        return Ok(Exit::Done);
    }
    output.note(output.words.was_not_stopped);
    Ok(Exit::Failed)
}
