//! `raccordo discrepancies`: the list of what does not agree, and what people decide about it.
//!
//! Nobody closes a discrepancy by hand: it ends when a complete comparison does not see it any more.
//! Every decision leaves an entry in the audit chain: who, and why.

mod change;
mod identity;
mod show;

pub(super) use show::items as show_items;

use std::sync::Arc;

use canonical::values::CalendarDate;

use super::exit::Misused;
use super::output::Output;
use super::parked::who;
use super::{Exit, cycle};
use crate::clock::{Clock as _, SystemClock};
use crate::discrepancy::{SOURCES, WorkItem};
use crate::flow::report::standing::standing;
use crate::node::Node;
use crate::storage::work_items::Act;
use crate::storage::{Chosen, Decision, ItemFilter, Person, Store};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show groups of discrepancies with one cause, or every one of them
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Show one discrepancy with all that happened to it
    Show(Show),
    /// Live with discrepancies, until a day or until they change
    Accept(Accept),
    /// Say which office must act
    Assign(Assign),
    /// Tell somebody above
    Escalate(Decide),
    /// End an acceptance
    Reopen(Decide),
    /// Do what was proposed: send again, read again, open a Segnalazione
    #[command(after_help = REPAIR_EXAMPLES)]
    Repair(Decide),
    /// Approve repairs that somebody else asked for
    Approve(Decide),
}

const LIST_EXAMPLES: &str = "\
Examples:
  raccordo discrepancies list                              one line for each cause
  raccordo discrepancies list --cause unexplained --items  every one that nobody can explain
  raccordo discrepancies list --comparison hub --new last  what the last comparison found first
  raccordo discrepancies list --filter 'rule=R02&cause=unexplained'   as in the address of the page
  raccordo discrepancies list --items --json | jq .id      for other programs";

const REPAIR_EXAMPLES: &str = "\
Examples:
  raccordo discrepancies repair 12 --dry-run               all fields of the unit that would change
  raccordo discrepancies repair --all --comparison hub --yes --reason \"ripubblicazione\"

A unit is sent as a whole: --dry-run looks at the target and shows every field of it that would change,
also those that were not chosen. With four_eyes = true in [reconciliation] a repair waits until another
person approves it, from another login.";

/// Which of them.
#[derive(Debug, Clone, Default, clap::Args)]
struct Filter {
    /// Which discrepancies, as in the address of the page; the options beside it choose among them
    #[arg(long = "filter", value_name = "QUERY")]
    query: Option<String>,
    /// Of this comparison: the name of a target, or fonti
    #[arg(long, value_name = "NAME")]
    comparison: Option<String>,
    /// Under this rule, for instance R02
    #[arg(long, value_name = "CODE")]
    rule: Option<String>,
    /// With this cause; or explained, unexplained
    #[arg(long, value_name = "CODE")]
    cause: Option<String>,
    /// About this field; a hyphen for whole rows
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    field: Option<String>,
    /// `missing_there`, `missing_here`, `differs` or `breaks`
    #[arg(long, value_name = "SHAPE")]
    shape: Option<String>,
    /// Where this system disagrees
    #[arg(long, value_name = "SYSTEM")]
    against: Option<String>,
    /// Of the body with this tax code
    #[arg(long, value_name = "CODE")]
    body: Option<String>,
    /// On the turn of this office
    #[arg(long, value_name = "NAME")]
    office: Option<String>,
    /// open, explained, accepted, closed or any; all but the closed ones when absent
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// At least so grave: info, warning or error
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// First seen by the run with this number, or by the last
    #[arg(long, value_name = "RUN")]
    new: Option<String>,
    /// With this text in the unit or the row
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// Whose repair waits for a second person
    #[arg(long)]
    to_approve: bool,
}

impl Filter {
    fn read(&self) -> anyhow::Result<ItemFilter> {
        let mut filter = ItemFilter::from_query(self.query.as_deref().unwrap_or_default(), &[])?;
        let given = [
            ("comparison", &self.comparison),
            ("rule", &self.rule),
            ("cause", &self.cause),
            ("field", &self.field),
            ("shape", &self.shape),
            ("against", &self.against),
            ("body", &self.body),
            ("office", &self.office),
            ("state", &self.state),
            ("severity", &self.severity),
            ("new", &self.new),
            ("key", &self.key),
        ];
        for (name, value) in given {
            if let Some(value) = value
                && filter.set(name, value).is_none()
            {
                let problem = format!("--{name} {value} has no meaning; see raccordo discrepancies list --help");
                return Err(Misused(problem).into());
            }
        }
        filter.to_approve |= self.to_approve;
        Ok(filter)
    }
}

/// Show groups, or every one.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// Every one of them, not one line for each cause
    #[arg(long)]
    items: bool,
    /// How many to show; the count is of all
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    limit: usize,
}

/// Show one.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Its number, as the list gives it
    id: i64,
}

/// Which ones, and how carefully.
#[derive(Debug, clap::Args)]
pub(super) struct Decide {
    /// Numbers, as the list gives them
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<i64>,
    /// All that the filters choose
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// Show what would be done and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Why, for the audit chain
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Who decides, for the audit chain [default: the user that runs the command]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Decide {
    fn person(&self) -> Person {
        let reason = self.reason.clone().unwrap_or_default();
        Person { name: self.by.clone().unwrap_or_else(who::name), reason }
    }

    fn chosen(&self) -> anyhow::Result<Chosen> {
        let filter = self.filter.read()?;
        if self.all {
            return Ok(Chosen::Filter(Box::new(filter)));
        }
        if filter != ItemFilter::default() {
            return Err(Misused("filters choose together with --all, not beside numbers".to_owned()).into());
        }
        Ok(Chosen::Ids(self.ids.clone()))
    }
}

/// Live with them.
#[derive(Debug, clap::Args)]
pub(super) struct Accept {
    #[command(flatten)]
    decide: Decide,
    /// The last day of the acceptance, YYYY-MM-DD; until the values change when absent
    #[arg(long, value_name = "DAY", value_parser = day)]
    until: Option<CalendarDate>,
}

fn day(text: &str) -> Result<CalendarDate, String> {
    CalendarDate::parse(text).map_err(|error| error.to_string())
}

/// Say who must act.
#[derive(Debug, clap::Args)]
pub(super) struct Assign {
    #[command(flatten)]
    decide: Decide,
    /// The office
    #[arg(long, value_name = "NAME")]
    to: String,
}

/// Items read at once.
const PAGE: u32 = 1_000;

pub(super) async fn list(store: Arc<dyn Store>, arguments: &List, output: &Output) -> anyhow::Result<Exit> {
    let filter = arguments.filter.read()?;
    if arguments.items {
        list_items(store.as_ref(), &filter, arguments.limit, output).await?;
    } else {
        let groups = store.groups(&filter).await?;
        if output.is_json() {
            for group in &groups {
                output.json(group);
            }
        } else {
            let standing = standing(store.as_ref(), &filter).await?;
            show::groups(&groups, standing, arguments.limit, output);
        }
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn list_items(store: &dyn Store, filter: &ItemFilter, limit: usize, output: &Output) -> anyhow::Result<()> {
    let (mut shown, mut after) = (Vec::new(), None);
    loop {
        let page = store.items(filter, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for item in page.iter().map(WorkItem::for_people) {
            if output.is_json() {
                output.json(&item);
            } else if shown.len() < limit {
                shown.push(item);
            }
        }
        if !output.is_json() && shown.len() >= limit {
            break;
        }
    }
    if !output.is_json() {
        let count = store.count_items(filter).await?;
        show::items(&shown, count, SystemClock.now(), output);
    }
    Ok(())
}

pub(super) async fn show(store: Arc<dyn Store>, arguments: &Show, output: &Output) -> anyhow::Result<Exit> {
    let item = store.item(arguments.id).await?;
    let history = store.item_history(arguments.id).await?;
    store.close().await;
    let Some(item) = item.map(|item| item.for_people()) else {
        output.note(&format!("{} {}", output.words.no_such_item, arguments.id));
        return Ok(Exit::Failed);
    };
    if output.is_json() {
        output.json(&serde_json::json!({ "item": item, "history": history }));
    } else {
        show::one(&item, &history, SystemClock.now(), output);
    }
    Ok(Exit::Done)
}

/// Decides what changes nothing but the work items.
pub(super) async fn decide(store: Arc<dyn Store>, command: &Command, output: &Output) -> anyhow::Result<Exit> {
    let (decide, act) = match command {
        Command::Accept(accept) => (&accept.decide, Act::Accept { until: accept.until }),
        Command::Assign(assign) => (&assign.decide, Act::Assign { office: assign.to.clone() }),
        Command::Escalate(decide) => (decide, Act::Escalate),
        Command::Reopen(decide) => (decide, Act::Reopen),
        _ => anyhow::bail!("not a decision about work items alone"),
    };
    let decision = Decision { act, by: decide.person() };
    let exit = change::decide(store.as_ref(), decide, &decision, output).await;
    store.close().await;
    exit
}

/// Repairs, or approves repairs.
pub(super) async fn repair(node: Node, decide: &Decide, approves: bool, output: &Output) -> anyhow::Result<Exit> {
    let exit = change::repair(&node, decide, approves, output).await;
    node.close().await;
    exit
}

/// Makes comparisons and repairs what they found, as `raccordo reconcile --repair` does.
pub(super) async fn reconcile_and_repair(
    node: &Node,
    comparisons: &[String],
    dry_run: bool,
    output: &Output,
) -> anyhow::Result<Vec<crate::storage::Reconciliation>> {
    let results = cycle::compare(node, comparisons, false, output).await?;
    for result in &results {
        // Half a view is no reason to send anything; between sources, and to another node, nothing is sent.
        let is_target = result.target != SOURCES && !node.flow.nodes.contains_key(&result.target);
        if result.complete && is_target {
            change::of_target(node, &result.target, dry_run, output).await?;
        }
    }
    Ok(results)
}
