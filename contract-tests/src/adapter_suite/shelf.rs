//! The lists of a system, kept by the suite, which cuts their pages itself: the rows and the shape of
//! a page are those that the simulator gave, what changes between two pages is up to the suite.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::evidence::{List, Paging};
use super::openapi::fits;
use super::proxy::Exchange;

/// What happens to a list after its first page was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shift {
    /// A row appears: before those that were given, or at the end where rows are changes.
    Appears,
    /// The first row goes.
    Goes,
}

/// A list, and the rows it has for each way of asking for it.
#[derive(Debug)]
pub(super) struct Shelf {
    list: List,
    by_question: BTreeMap<Question, Shelved>,
    shift: Option<Shift>,
    pages_given: usize,
    /// How many rows more than there are every page announces.
    overstated: u64,
}

/// What is asked of a list, beside where the page begins.
type Question = Vec<(String, String)>;

#[derive(Debug)]
struct Shelved {
    /// An answer of the system, whose rows are replaced.
    page: Value,
    rows: Vec<Shown>,
    /// Since when the first reading asked.
    since: Option<String>,
}

#[derive(Debug, Clone)]
struct Shown {
    row: Value,
    change: u64,
    is_hidden: bool,
    is_new: bool,
}

impl Shelved {
    /// Adds copies of the last row, each with values of its own.
    fn add(&mut self, copies: &[BTreeMap<String, Value>]) {
        let Some(last) = self.rows.last().cloned() else { return };
        for (change, values) in (last.change + 1..).zip(copies) {
            let mut copy = Shown { change, ..last.clone() };
            for (place, value) in values {
                put(&mut copy.row, place, value.clone());
            }
            self.rows.push(copy);
        }
    }
}

/// Parameters that say how long a page is.
const LENGTHS: &[&str] = &["limite", "$limit", "limit"];

impl Shelf {
    /// The list as a whole reading met it. The error says why it is not known whole.
    pub(super) fn of(list: &List, exchanges: &[Exchange]) -> Result<Self, String> {
        let mut by_question: BTreeMap<Question, Shelved> = BTreeMap::new();
        for exchange in exchanges.iter().filter(|it| it.status == 200 && fits(&list.path, &it.path)) {
            let page: Value = serde_json::from_slice(&exchange.answer).map_err(|_| "a page is not JSON".to_owned())?;
            let rows =
                page.pointer(&list.rows).and_then(Value::as_array).ok_or("a page has no rows where they stand")?;
            let rows = rows.clone();
            let since = since_of(list, &exchange.query);
            let shelved = by_question.entry(question(list, &exchange.query)).or_insert_with(|| Shelved {
                page: Value::Null,
                rows: Vec::new(),
                since,
            });
            for row in rows {
                if shelved.rows.iter().all(|shown| shown.row != row) {
                    let change = shelved.rows.len() as u64 + 1;
                    shelved.rows.push(Shown { row, change, is_hidden: false, is_new: false });
                }
            }
            shelved.page = page;
        }
        if by_question.is_empty() {
            return Err(format!("nobody asked for {}", list.path));
        }
        if let Some(longest) = by_question.values_mut().max_by_key(|shelved| shelved.rows.len()) {
            longest.add(&list.copies);
        }
        let goes_on = by_question.values().any(|shelved| goes_on(list, &shelved.page));
        if goes_on {
            Err("the last page read says that there are others".to_owned())
        } else {
            Ok(Self { list: list.clone(), by_question, shift: None, pages_given: 0, overstated: 0 })
        }
    }

    /// From here on the list changes so, once its first page was given. True when that is possible:
    /// there are rows for two pages at least.
    pub(super) fn begin(&mut self, shift: Option<Shift>) -> bool {
        (self.shift, self.pages_given) = (shift, 0);
        let page_rows = self.list.page_rows;
        let Some(longest) = self.longest() else { return false };
        for (place, shown) in longest.rows.iter_mut().enumerate() {
            (shown.is_hidden, shown.is_new) = (place == 0 && shift == Some(Shift::Appears), false);
            shown.change = place as u64 + 1;
        }
        longest.rows.iter().filter(|shown| !shown.is_hidden).count() > page_rows
    }

    /// From here on every page announces so many rows more than there are, where pages say a total.
    pub(super) fn overstate(&mut self, rows: u64) {
        self.overstated = rows;
    }

    /// Whether the list changed.
    pub(super) fn has_shifted(&self) -> bool {
        self.shift.is_none() && self.pages_given > 1
    }

    /// The rows that stay whatever happens: all but the first.
    pub(super) fn stay(&mut self) -> Vec<Value> {
        self.longest()
            .map(|longest| longest.rows.iter().skip(1).map(|shown| shown.row.clone()).collect())
            .unwrap_or_default()
    }

    /// All rows.
    pub(super) fn rows(&self) -> Vec<Value> {
        self.by_question.values().flat_map(|shelved| shelved.rows.iter().map(|shown| shown.row.clone())).collect()
    }

    /// Hides the row that changed last.
    pub(super) fn hide_newest(&mut self) {
        let list = self.list.clone();
        let Some(longest) = self.longest() else { return };
        let changed = |shown: &Shown| list.since.as_ref().and_then(|since| text_at(&shown.row, since.row.as_deref()?));
        if let Some(newest) = longest.rows.iter_mut().max_by_key(|shown| (changed(shown), shown.change)) {
            newest.is_hidden = true;
        }
    }

    /// Shows what is hidden, as what changed last.
    pub(super) fn show(&mut self) {
        for shelved in self.by_question.values_mut() {
            show(&mut shelved.rows);
        }
    }

    /// The page that is asked for; none when it is none of this list.
    pub(super) fn answer(&mut self, path: &str, query: &[(String, String)]) -> Option<Vec<u8>> {
        if !fits(&self.list.path, path) {
            return None;
        }
        let list = self.list.clone();
        let is_longest = {
            let longest = self.by_question.values().map(|shelved| shelved.rows.len()).max();
            self.by_question.get(&question(&list, query)).map(|shelved| shelved.rows.len()) == longest
        };
        let shelved = self.by_question.get_mut(&question(&list, query))?;
        let mut page = page(&list, shelved, path, query)?;
        if let Paging::Number { total, .. } = &list.paging
            && let Some(announced) = page.pointer(total).and_then(Value::as_u64)
        {
            put(&mut page, total, (announced + self.overstated).into());
        }
        self.pages_given += usize::from(is_longest);
        if let Some(shift) = self.shift.take_if(|_| is_longest) {
            match shift {
                Shift::Appears => show(&mut shelved.rows),
                Shift::Goes => shelved.rows.iter_mut().take(1).for_each(|shown| shown.is_hidden = true),
            }
        }
        serde_json::to_vec(&page).ok()
    }

    /// The rows of the question that has most.
    fn longest(&mut self) -> Option<&mut Shelved> {
        self.by_question.values_mut().max_by_key(|shelved| shelved.rows.len())
    }
}

fn show(rows: &mut [Shown]) {
    let last = rows.iter().map(|shown| shown.change).max().unwrap_or_default();
    for shown in rows.iter_mut().filter(|shown| shown.is_hidden) {
        (shown.is_hidden, shown.is_new, shown.change) = (false, true, last + 1);
    }
}

/// Cuts a page.
fn page(list: &List, shelved: &Shelved, path: &str, query: &[(String, String)]) -> Option<Value> {
    let asked = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let since = since_of(list, query);
    let mut shown: Vec<&Shown> = shelved
        .rows
        .iter()
        .filter(|shown| !shown.is_hidden && is_inside(list, shelved, shown, since.as_deref()))
        .collect();
    let total = shown.len();
    let begin = match &list.paging {
        Paging::Key { param, behind, key, .. } => {
            let after = asked(param).map(|text| after_key(text, behind.as_deref()));
            let is_before =
                |shown: &&Shown| after.as_deref().is_some_and(|after| order(&joined(&shown.row, key), after).is_le());
            shown.iter().take_while(|shown| is_before(shown)).count()
        }
        Paging::Change { param, .. } => {
            shown.sort_by_key(|shown| shown.change);
            let after: u64 = asked(param).map_or(Some(0), |text| text.parse().ok())?;
            shown.iter().take_while(|shown| shown.change <= after).count()
        }
        Paging::Offset { param } => asked(param).map_or(Some(0), |text| text.parse().ok())?,
        Paging::Number { .. } => (page_number(&list.path, path)?.checked_sub(1)?) * list.page_rows,
        Paging::Whole => 0,
    };
    let length = if list.paging == Paging::Whole { total } else { list.page_rows };
    let cut: Vec<&Shown> = shown.into_iter().skip(begin).take(length).collect();
    let has_more = begin + cut.len() < total;
    let mut page = shelved.page.clone();
    match &list.paging {
        Paging::Key { key, next: Some(next), .. } => {
            let begins_after = cut.last().filter(|_| has_more);
            put(&mut page, next, begins_after.map_or(Value::Null, |shown| joined(&shown.row, key).into()));
        }
        Paging::Change { param, next, more } => {
            let stays = asked(param).unwrap_or("0").to_owned();
            put(&mut page, next, cut.last().map_or(stays, |last| last.change.to_string()).into());
            put(&mut page, more, has_more.into());
        }
        Paging::Number { number, total: all, last } => {
            put(&mut page, number, (begin / list.page_rows).into());
            put(&mut page, all, total.into());
            put(&mut page, last, (!has_more).into());
        }
        Paging::Key { .. } | Paging::Offset { .. } | Paging::Whole => {}
    }
    put(&mut page, &list.rows, cut.into_iter().map(|shown| shown.row.clone()).collect());
    Some(page)
}

/// Whether a row is one of those that a window asks for.
fn is_inside(list: &List, shelved: &Shelved, shown: &Shown, since: Option<&str>) -> bool {
    let Some(declared) = &list.since else { return true };
    let Some(since) = since else { return true };
    let changed = declared.row.as_deref().and_then(|row| text_at(&shown.row, row));
    let now = declared.now.as_deref().and_then(|now| text_at(&shelved.page, now));
    match (changed, now) {
        (Some(changed), _) => changed.as_str() >= since,
        (None, Some(now)) if shown.is_new => now.as_str() >= since,
        (None, _) => shelved.since.as_deref().is_none_or(|first| since <= first),
    }
}

fn since_of(list: &List, query: &[(String, String)]) -> Option<String> {
    let since = list.since.as_ref()?;
    query.iter().find(|(key, _)| *key == since.param).map(|(_, value)| value.clone())
}

/// The parameters that are left when those of the page and of the window are taken away.
fn question(list: &List, query: &[(String, String)]) -> Question {
    let of_page = match &list.paging {
        Paging::Key { param, .. } | Paging::Change { param, .. } | Paging::Offset { param } => Some(param.as_str()),
        Paging::Number { .. } | Paging::Whole => None,
    };
    let of_window = list.since.as_ref().map(|since| since.param.as_str());
    let is_other = |name: &str| Some(name) != of_page && Some(name) != of_window && !LENGTHS.contains(&name);
    query.iter().filter(|(name, _)| is_other(name)).cloned().collect()
}

/// Whether a page says that others follow.
fn goes_on(list: &List, page: &Value) -> bool {
    match &list.paging {
        Paging::Key { next: Some(next), .. } => page.pointer(next).is_some_and(|next| !next.is_null()),
        Paging::Change { more, .. } => page.pointer(more) == Some(&Value::Bool(true)),
        Paging::Number { last, .. } => page.pointer(last) != Some(&Value::Bool(true)),
        // Nothing says it but a page that is not full.
        Paging::Key { .. } | Paging::Offset { .. } => {
            page.pointer(&list.rows).and_then(Value::as_array).is_none_or(|rows| rows.len() >= list.page_rows)
        }
        Paging::Whole => false,
    }
}

fn page_number(template: &str, path: &str) -> Option<usize> {
    let place = template.trim_matches('/').split('/').position(|segment| segment == "{page}")?;
    path.trim_matches('/').split('/').nth(place)?.parse().ok()
}

/// The key inside a parameter.
fn after_key(text: &str, behind: Option<&str>) -> String {
    let Some(behind) = behind else { return text.to_owned() };
    let rest = text.split_once(behind).map_or("", |(_, rest)| rest);
    rest.chars().take_while(char::is_ascii_digit).collect()
}

/// The values at these places of a row, joined as keys are.
pub(super) fn joined(row: &Value, places: &[String]) -> String {
    let parts: Vec<String> = places.iter().filter_map(|place| text_at(row, place)).collect();
    parts.join("/")
}

/// Numbers in their own order, texts in that of their bytes.
fn order(one: &str, other: &str) -> Ordering {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => one.cmp(other),
    }
}

/// The text of a value at a place.
pub(super) fn text_at(value: &Value, place: &str) -> Option<String> {
    match value.pointer(place)? {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

/// Puts a value at a place, which is made when it is not there.
fn put(page: &mut Value, place: &str, value: Value) {
    if let Some(found) = page.pointer_mut(place) {
        *found = value;
    } else if let Some((parent, name)) = place.rsplit_once('/')
        && let Some(parent) = page.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        parent.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::HeaderMap;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn list(paging: &Value) -> List {
        let list = json!({
            "name": "righe", "read_by": "source", "path": "/righe/{page}", "rows": "/rows", "identity": ["/id"],
            "page_rows": 2, "paging": paging,
        });
        serde_json::from_value(list).unwrap()
    }

    fn exchange(answer: &Value) -> Exchange {
        Exchange {
            method: "GET".to_owned(),
            path: "/righe/1".to_owned(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            request: Bytes::new(),
            status: 200,
            content_type: None,
            answer: Bytes::from(answer.to_string()),
        }
    }

    /// The rows of every page, by a reader that believes what it is told.
    fn pages(
        shelf: &mut Shelf,
        next: impl Fn(&Value, usize) -> Option<(String, Vec<(String, String)>)>,
    ) -> Vec<Vec<u64>> {
        let (mut pages, mut asked) = (Vec::new(), Some(("/righe/1".to_owned(), Vec::new())));
        while let Some((path, query)) = asked {
            let page: Value = serde_json::from_slice(&shelf.answer(&path, &query).unwrap()).unwrap();
            pages.push(page["rows"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect());
            asked = next(&page, pages.len());
        }
        pages
    }

    fn rows(number: u64) -> Value {
        (1..=number).map(|id| json!({ "id": id })).collect()
    }

    fn after(key: &str) -> (String, Vec<(String, String)>) {
        ("/righe/1".to_owned(), vec![("dopo".to_owned(), key.to_owned())])
    }

    #[rstest]
    #[case(None, vec![vec![1, 2], vec![3, 4], vec![5]])]
    #[case(Some(Shift::Appears), vec![vec![2, 3], vec![4, 5]])]
    #[case(Some(Shift::Goes), vec![vec![1, 2], vec![3, 4], vec![5]])]
    fn pages_by_key_do_not_move(#[case] shift: Option<Shift>, #[case] expected: Vec<Vec<u64>>) {
        let list = list(&json!({"by": "key", "param": "dopo", "key": ["/id"], "next": "/next"}));
        let mut shelf = Shelf::of(&list, &[exchange(&json!({ "rows": rows(5), "next": null }))]).unwrap();
        assert!(shelf.begin(shift));
        let read = pages(&mut shelf, |page, _| Some(after(page["next"].as_str()?)));
        assert_eq!(read, expected);
    }

    #[rstest]
    #[case(None, vec![vec![1, 2], vec![3, 4], vec![5]])]
    #[case(Some(Shift::Appears), vec![vec![2, 3], vec![4, 5], vec![1]])]
    #[case(Some(Shift::Goes), vec![vec![1, 2], vec![3, 4], vec![5]])]
    fn what_appears_among_changes_comes_last(#[case] shift: Option<Shift>, #[case] expected: Vec<Vec<u64>>) {
        let list = list(&json!({"by": "change", "param": "dopo", "next": "/next", "more": "/more"}));
        let mut shelf = Shelf::of(&list, &[exchange(&json!({ "rows": rows(5), "next": "5", "more": false }))]).unwrap();
        assert!(shelf.begin(shift));
        let read = pages(&mut shelf, |page, _| Some(after(page["next"].as_str().filter(|_| page["more"] == true)?)));
        assert_eq!(read, expected);
    }

    #[rstest]
    #[case(None, vec![vec![1, 2], vec![3, 4], vec![5]])]
    #[case(Some(Shift::Appears), vec![vec![2, 3], vec![3, 4], vec![5]])]
    #[case(Some(Shift::Goes), vec![vec![1, 2], vec![4, 5], vec![]])]
    fn pages_by_number_move(#[case] shift: Option<Shift>, #[case] expected: Vec<Vec<u64>>) {
        let list = list(&json!({"by": "number", "number": "/number", "total": "/total", "last": "/last"}));
        let mut shelf = Shelf::of(&list, &[exchange(&json!({ "rows": rows(5), "last": true }))]).unwrap();
        assert!(shelf.begin(shift));
        let read = pages(&mut shelf, |_, read| (read < 3).then(|| (format!("/righe/{}", read + 1), Vec::new())));
        assert_eq!(read, expected);
        assert!(shelf.has_shifted() || shift.is_none());
    }

    #[test]
    fn a_list_of_which_the_end_was_not_read_is_not_known() {
        let list = list(&json!({"by": "change", "param": "dopo", "next": "/next", "more": "/more"}));
        assert!(Shelf::of(&list, &[exchange(&json!({ "rows": rows(2), "next": "2", "more": true }))]).is_err());
        assert!(Shelf::of(&list, &[]).is_err());
    }
}
