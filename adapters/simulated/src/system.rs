//! The system itself: what it holds, what it did, and what will go wrong, through one handle.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canonical::identifiers::CodiceFiscale;
use contract::{AdapterError, Advice, ErrorKind, FieldValue, Followed, Phase, Receipt, Received, Row, UnitKey};

/// A system in memory. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

/// One thing that the target did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The unit.
    pub unit: UnitKey,
    /// The revision that was sent.
    pub revision: u64,
    /// The key of the request.
    pub idempotency_key: String,
    /// The body, as it arrived.
    pub body: Vec<u8>,
}

/// What becomes of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing goes wrong: lets a script spare a request.
    None,
    /// Refused by the rules, with this code.
    Refuse(String),
    /// The effect takes place and the answer is lost.
    LoseAnswer,
    /// The request is lost on its way; the caller cannot tell it from a lost answer.
    LoseRequest,
    /// The system cannot be reached: nothing was sent.
    Unreachable,
    /// Too many requests, with the pause asked for.
    RateLimit(Duration),
    /// The system is closed for a while: nothing was done.
    Unavailable,
    /// The credentials are not accepted.
    Authentication,
    /// The adapter panics.
    Panic,
}

impl Fault {
    /// The error that the caller sees, for the faults that are errors.
    pub(crate) fn error(&self, attempted: &str) -> Option<AdapterError> {
        let error = |kind| Some(AdapterError::new(kind, attempted));
        match self {
            Self::None | Self::Refuse(_) => None,
            Self::LoseAnswer => error(ErrorKind::Broken),
            Self::LoseRequest => error(ErrorKind::Timeout),
            Self::Unreachable => error(ErrorKind::Unreachable),
            Self::RateLimit(pause) => {
                error(ErrorKind::RateLimited).map(|error| error.advice(Advice::Retry { after: Some(*pause) }))
            }
            Self::Unavailable => error(ErrorKind::Unavailable).map(|error| error.phase(Phase::Refused)),
            Self::Authentication => error(ErrorKind::Authentication),
            Self::Panic => panic!("{attempted}: a panic was asked for"),
        }
    }
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a stand-in, each for another fault")]
pub(crate) struct State {
    pub(crate) held: BTreeMap<UnitKey, HeldUnit>,
    pub(crate) effects: Vec<Effect>,
    /// What was sent under each idempotency key, and what was answered.
    pub(crate) answered: HashMap<String, (UnitKey, Vec<u8>, Receipt)>,
    pub(crate) attempts: usize,
    pub(crate) send_script: VecDeque<Fault>,
    pub(crate) look_up_script: VecDeque<Fault>,
    pub(crate) page_size: usize,
    /// Pages that an inventory gives before it fails.
    pub(crate) pages_before_failure: Option<usize>,
    pub(crate) pages_given: usize,
    /// Whether digests are offered, and how many units were given in full since it began.
    pub(crate) has_digests: bool,
    pub(crate) units_given: usize,
    /// Units that every answer leaves out without saying so, and whether totals are announced.
    pub(crate) silent: BTreeSet<UnitKey>,
    pub(crate) says_totals: bool,
    pub(crate) given: Vec<Received>,
    /// Items that a read hands over before it fails.
    pub(crate) items_before_failure: Option<usize>,
    /// Answers to questions about what was taken; set when the target decides later.
    pub(crate) follow_script: Option<VecDeque<Followed>>,
    pub(crate) is_ordered: bool,
    pub(crate) is_gated: bool,
    /// The pause that every answer asks for, and the one asked for since somebody looked.
    pub(crate) pause: Option<Duration>,
    pub(crate) asked: Option<Duration>,
    /// The bodies that units belong to by their keys.
    pub(crate) bodies: HashMap<UnitKey, CodiceFiscale>,
}

/// A unit as held, with the body it came in unless somebody changed it since.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldUnit {
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) rows: Vec<Row>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            effects: Vec::new(),
            answered: HashMap::new(),
            attempts: 0,
            send_script: VecDeque::new(),
            look_up_script: VecDeque::new(),
            page_size: 100,
            pages_before_failure: None,
            pages_given: 0,
            has_digests: true,
            units_given: 0,
            silent: BTreeSet::new(),
            says_totals: true,
            given: Vec::new(),
            items_before_failure: None,
            follow_script: None,
            is_ordered: false,
            is_gated: false,
            pause: None,
            asked: None,
            bodies: HashMap::new(),
        }
    }
}

impl Simulated {
    /// A system that holds nothing and does everything right.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state. A panic on request leaves it whole, so poison is no news.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the target did, in order.
    pub fn effects(&self) -> Vec<Effect> {
        self.state().effects.clone()
    }

    /// How many times something was sent, whatever became of it.
    pub fn attempts(&self) -> usize {
        self.state().attempts
    }

    /// What becomes of the next requests to send, one each; after them nothing goes wrong.
    pub fn on_send(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().send_script.extend(faults);
    }

    /// What becomes of the next look-ups, one each.
    pub fn on_look_up(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().look_up_script.extend(faults);
    }

    /// The units held, with their rows, in the order of their keys.
    pub fn held(&self) -> Vec<(UnitKey, Vec<Row>)> {
        self.state().held.iter().map(|(key, unit)| (key.clone(), unit.rows.clone())).collect()
    }

    /// Puts a unit behind the back of the flow.
    pub fn plant(&self, key: UnitKey, rows: Vec<Row>) {
        self.state().held.insert(key, HeldUnit { body: None, rows });
    }

    /// Changes, adds or takes away one field of every row of a held unit. True when it was held.
    pub fn tamper(&self, key: &UnitKey, field: &str, value: Option<&FieldValue>) -> bool {
        let mut state = self.state();
        let Some(unit) = state.held.get_mut(key) else { return false };
        unit.body = None;
        for row in &mut unit.rows {
            row.fields.remove(field);
            if let Some(value) = value {
                row.fields.insert(field.to_owned(), value.clone());
            }
        }
        true
    }

    /// Deletes a held unit. True when it was held.
    pub fn forget(&self, key: &UnitKey) -> bool {
        self.state().held.remove(key).is_some()
    }

    /// How many units a page of the inventory has.
    pub fn set_page_size(&self, units: usize) {
        self.state().page_size = units.max(1);
    }

    /// Every inventory fails after this many pages; none: no longer.
    pub fn fail_inventory_after(&self, pages: Option<usize>) {
        self.state().pages_before_failure = pages;
    }

    /// From now on digests of what is held are offered, or no longer.
    pub fn offer_digests(&self, offered: bool) {
        self.state().has_digests = offered;
    }

    /// How many units were given in full, to whoever asked what is held.
    pub fn units_given(&self) -> usize {
        self.state().units_given
    }

    /// From now on these units are held and stand in no answer about what is held, though totals and
    /// digests of ranges count them.
    pub fn keep_silent_about(&self, units: impl IntoIterator<Item = UnitKey>) {
        self.state().silent = units.into_iter().collect();
    }

    /// From now on every page of the inventory says how many units there are, or no longer.
    pub fn announce_totals(&self, announced: bool) {
        self.state().says_totals = announced;
    }

    /// What the source gives from now on, every time that it is read.
    pub fn give(&self, items: impl IntoIterator<Item = Received>) {
        self.state().given = items.into_iter().collect();
    }

    /// From now on the target takes what it is sent and decides later: these are its answers to the
    /// next questions, one each; after them everything is accepted.
    pub fn decide_later(&self, answers: impl IntoIterator<Item = Followed>) {
        self.state().follow_script = Some(answers.into_iter().collect());
    }

    /// From now on the target admits a contract only once it holds the lot of the same CIG.
    pub fn admit_in_order(&self) {
        self.state().is_ordered = true;
    }

    /// From now on the target takes only records of bodies with a membership in force.
    pub fn ask_for_membership(&self) {
        self.state().is_gated = true;
    }

    /// From now on every answer to a request to send asks for this pause before the next one, also
    /// that to a request that was taken; none: no longer.
    pub fn ask_for_pause(&self, pause: Option<Duration>) {
        self.state().pause = pause;
    }

    /// From now on the key of a unit says that it belongs to this body.
    pub fn belongs_to(&self, unit: UnitKey, ente: CodiceFiscale) {
        self.state().bodies.insert(unit, ente);
    }

    /// Every read fails after this many items; none: no longer.
    pub fn fail_read_after(&self, items: Option<usize>) {
        self.state().items_before_failure = items;
    }
}
