//! `raccordo audit`: whether anything was changed behind the back of the program.

use std::sync::Arc;

use canonical::Digest;

use super::Exit;
use super::output::Output;
use crate::flow::report::words::Language;
use crate::storage::{AuditHead, KeptHead, Store};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Recompute the chain from its first entry
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Print number and hash of the last entry, to be kept outside the database
    Head,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  raccordo audit head > /altrove/testa.txt        keep the head where the database is not
  raccordo audit verify --head \"$(cat /altrove/testa.txt)\"   a tail that was cut off is found too

The daemon writes the head into its log after every reconciliation and when it stops.";

/// Recompute the chain from its first entry.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// A head kept earlier, as `audit head` prints it (or its hash alone): the chain must still
    /// hold that entry, under its number
    #[arg(long, value_name = "HEAD", value_parser = kept_head)]
    head: Option<KeptHead>,
}

/// The hash of a head, with or without its number before it.
fn kept_head(text: &str) -> Result<KeptHead, String> {
    let wrong = |()| "write it as `audit head` prints it".to_owned();
    let (number, hash) = match text.trim().split_once(':') {
        Some((number, hash)) => (Some(number.parse().map_err(|_| wrong(()))?), hash),
        None => (None, text.trim()),
    };
    let hash = Digest::from_hex(&hash.to_lowercase()).ok_or(()).map_err(wrong)?;
    Ok(KeptHead { number, hash })
}

pub(super) async fn run(store: Arc<dyn Store>, command: &Command, output: &Output) -> anyhow::Result<Exit> {
    let exit = match command {
        Command::Head => head(&store.audit_head().await?, output),
        Command::Verify(arguments) => verify(store.as_ref(), arguments, output).await?,
    };
    store.close().await;
    Ok(exit)
}

fn head(head: &AuditHead, output: &Output) -> Exit {
    if output.is_json() {
        output.json(head);
    } else {
        output.line(&head.to_string());
    }
    Exit::Done
}

async fn verify(store: &dyn Store, arguments: &Verify, output: &Output) -> anyhow::Result<Exit> {
    let report = store.verify_audit(arguments.head).await?;
    let words = output.words;
    if output.is_json() {
        output.json(&serde_json::json!({
            "stands": report.broken.is_none(),
            "entries": report.entries,
            "head": report.head,
            "broken": report.broken,
        }));
    } else {
        output.line(&format!(
            "{}: {}\n{}: {}:{}",
            words.entries, report.entries, words.chain_head, report.entries, report.head
        ));
        match &report.broken {
            None => output.line(words.chain_stands),
            Some(problem) => {
                output.note(&format!("{}: {}", words.chain_broken, problem_in(problem, words.language())));
                output.note(words.chain_what_to_do);
            }
        }
    }
    Ok(if report.broken.is_none() { Exit::Done } else { Exit::Broken })
}

/// What is wrong with the chain, as the store says it, in the language of the reader.
fn problem_in(problem: &str, language: Language) -> String {
    if language == Language::English {
        return problem.to_owned();
    }
    WORDS.iter().fold(problem.to_owned(), |told, (english, italian)| told.replace(english, italian))
}

/// The longer before those that they contain.
const WORDS: [(&str, &str); 18] = [
    ("the ledger wrote entry", "l'ultima voce scritta dal registro è la"),
    (" last, and the chain ends at", ", la catena finisce alla"),
    ("its tail is not its own", "la coda non è la sua"),
    ("the entry after", "la voce dopo la"),
    ("is not readable", "non si legge"),
    (", and entry", ", e la voce"),
    ("the kept head is not in the chain", "la testa conservata non è nella catena"),
    ("what followed was cut off", "ciò che seguiva è stato tagliato"),
    ("it was written anew", "è stata riscritta"),
    ("what followed entry", "ciò che seguiva la voce"),
    ("was cut off, or all was written anew", "è stato tagliato, o tutto è stato riscritto"),
    ("is the last", "è l'ultima"),
    ("has another hash", "ha un'altra impronta"),
    ("does not follow the one before it", "non segue la precedente"),
    ("was changed", "è stata cambiata"),
    ("is missing", "manca"),
    ("it was entry", "era la voce"),
    ("entry", "voce"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_chain_is_told_in_italian_to_the_last_word() {
        let told = |problem: &str| problem_in(problem, Language::Italian);
        assert_eq!(
            told(
                "the kept head is not in the chain: it was entry 9, and entry 7 is the last: what followed was cut off"
            ),
            "la testa conservata non è nella catena: era la voce 9, e la voce 7 è l'ultima: ciò che seguiva è stato tagliato"
        );
        assert_eq!(told("entry 2 was changed"), "voce 2 è stata cambiata");
        assert_eq!(told("the entry after 3 is not readable"), "la voce dopo la 3 non si legge");
        assert_eq!(
            told("what followed entry 4 was cut off, or all was written anew"),
            "ciò che seguiva la voce 4 è stato tagliato, o tutto è stato riscritto"
        );
        assert_eq!(problem_in("entry 2 was changed", Language::English), "entry 2 was changed");
    }

    #[test]
    fn a_kept_head_is_read_as_it_was_printed_or_as_its_hash() {
        let hash = Digest::of(b"x").to_string();
        let printed = AuditHead { entries: 12, head: hash.clone() }.to_string();
        let hashed = KeptHead::from(Digest::of(b"x"));
        assert_eq!(kept_head(&printed).expect("a head"), KeptHead { number: Some(12), ..hashed });
        assert_eq!(kept_head(&format!(" {}\n", hash.to_uppercase())).expect("a hash"), hashed);
        for wrong in ["12", "12:", "x:12", &format!("x:{hash}"), &format!(":{hash}")] {
            assert!(kept_head(wrong).is_err(), "{wrong}");
        }
    }
}
