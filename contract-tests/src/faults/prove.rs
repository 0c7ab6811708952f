//! The proof that the programme can fail: bugs planted in the program, or in the database that it
//! left behind, each of which must be found.

use anyhow::{Result, ensure};

use super::oracle::Allowed;
use super::place::Place;
use super::programme::{Database, Ended, Figures, Inject, Plan};
use super::{answers, keyless, kills, replicas, stalled};

/// Bugs planted in the program (`RACCORDO_PLANTED_BUG`), the fault that must find each, and the
/// invariant that it breaks.
const IN_THE_PROGRAM: &[(&str, &str, Inject, &str)] = &[
    ("answer_before_commit", "F1", kills::random_kills, "I1"),
    ("resend_without_look", "F14b", answers::lost_answers_without_keys, "I4"),
    ("resend_without_waiting", "F14b", answers::lost_answers_without_keys, "I4"),
    ("attempt_number_in_key", "F14", answers::lost_answers, "I4"),
    ("outcome_without_reason", "F12", answers::failing_target, "I8"),
    ("no_fence", "F27", stalled::past_the_lease, "I3"),
    ("skipped_audit_entry", "F14", answers::lost_answers, "I9"),
];

/// Those that only a database with several daemons can show.
const BETWEEN_PROCESSES: &[(&str, &str, Inject, &str)] = &[
    ("resend_without_waiting", "F1b", keyless::slow_target, "I4"),
    ("no_presence", "F26", replicas::three_daemons, "I14"),
];

/// What a bug inside the store would leave behind: its name, the statements that leave it, and the
/// invariant that it breaks.
const IN_THE_DATABASE: &[(&str, &str, &str)] = &[
    (
        "no_fence: a late outcome written a second time",
        "insert into receipt (delivery, revision, attempt, remote_id, status, answer_digest, warnings, received_at)
         select delivery, revision, null, remote_id, status, answer_digest, warnings, received_at from receipt limit 1",
        "I5",
    ),
    (
        "skipped_audit_entry: the last outcome never entered the chain",
        "drop trigger audit_is_append_only_d;
         delete from audit where seq >= (select max(seq) from audit where kind = 'delivery_state')",
        "I9",
    ),
    (
        "an audit entry changed",
        "drop trigger audit_is_append_only_u; update audit set detail = detail || ' ' where seq = 2",
        "I9",
    ),
    ("an audit entry taken out", "drop trigger audit_is_append_only_d; delete from audit where seq = 2", "I9"),
    (
        "two audit entries swapped",
        "drop trigger audit_is_append_only_u; update audit set seq = -2 where seq = 2;
         update audit set seq = 2 where seq = 3; update audit set seq = 3 where seq = -2",
        "I9",
    ),
    (
        "a stored version lost",
        "drop trigger record_version_is_append_only_d;
         delete from record_version where id = (select max(id) from record_version)",
        "I1",
    ),
    ("a delivery forgotten", "delete from delivery_member where record = (select max(id) from record)", "I3"),
];

/// One proof.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The bug.
    pub bug: &'static str,
    /// What found it, or none.
    pub found: Option<String>,
}

/// Plants each bug, or one of them by its name, and looks whether it is found.
pub fn prove(plan: &Plan, only: Option<&str>, say: &(dyn Fn(&str) + Sync)) -> Result<Vec<Proof>> {
    let is_wanted = |bug: &str| only.is_none_or(|only| bug.split(':').next() == Some(only));
    let between = if plan.database == Database::Postgres { BETWEEN_PROCESSES } else { &[] };
    let in_the_program = IN_THE_PROGRAM.iter().chain(between).map(|(bug, ..)| *bug);
    let mut known = in_the_program.chain(IN_THE_DATABASE.iter().map(|(bug, ..)| *bug));
    ensure!(known.any(is_wanted), "there is no bug {} on this database", only.unwrap_or_default());
    let mut proofs = Vec::new();
    let mut told = |bug: &'static str, found: Option<String>| {
        say(&format!("{bug}: {}", found.as_deref().unwrap_or("NOT FOUND")));
        proofs.push(Proof { bug, found });
    };
    for (bug, fault, inject, invariant) in IN_THE_PROGRAM.iter().chain(between).filter(|(bug, ..)| is_wanted(bug)) {
        let planted = Plan { planted: Some(bug), ..plan.clone() };
        let found = match inject(&planted)? {
            Ended::Ran(figures) => first(&figures, invariant),
            Ended::NotAvailable(_) => None,
        };
        told(bug, found.map(|violation| format!("{fault}: {violation}")));
    }
    for (bug, statements, invariant) in IN_THE_DATABASE.iter().filter(|(bug, ..)| is_wanted(bug)) {
        told(bug, left_behind(plan, statements, invariant)?);
    }
    Ok(proofs)
}

/// `PostgreSQL` wants to be told the table of a trigger, from which the trigger here has its name.
fn in_the_words_of(database: Database, statements: &str) -> String {
    const DROP: &str = "drop trigger ";
    const NAME: &str = "_is_append_only";
    if database == Database::Sqlite {
        return statements.to_owned();
    }
    let one = |statement: &str| match statement.strip_prefix(DROP).and_then(|trigger| trigger.split_once(NAME)) {
        Some((table, _)) => format!("{statement} on {table}"),
        None => statement.to_owned(),
    };
    statements.split(';').map(|statement| one(statement.trim())).collect::<Vec<_>>().join("; ")
}

fn first(figures: &Figures, invariant: &str) -> Option<String> {
    figures.violations.iter().find(|violation| violation.starts_with(invariant)).cloned()
}

fn left_behind(plan: &Plan, statements: &str, invariant: &str) -> Result<Option<String>> {
    let mut place = Place::new(plan)?;
    let ids = place.client.change(&mut plan.chance("prove"), 0, 8);
    place.import(&ids, "first.ndjson")?;
    place.converge(&Allowed::default())?;
    let mut sound = Figures::default();
    place.judge(&mut sound, &Allowed::default())?;
    ensure!(sound.violations.is_empty(), "something is wrong before the bug: {:?}", sound.violations);
    place.store.execute(&in_the_words_of(plan.database, statements))?;
    let mut figures = Figures::default();
    let reading = place.store.read()?;
    super::oracle::judge(&place.client, &place.target, &reading, &Allowed::default(), &mut figures);
    Ok(first(&figures, invariant))
}
