//! Expressions of mapping files, in CEL: a known language without loops, effects or time.
//!
//! An expression sees `row`, the texts of a row by column, and `rows`, those of all the rows that
//! were gathered. Two functions of ours keep money exact, since CEL has no decimal numbers:
//! `cents(text)` reads an amount as written in the file, `euro(cents)` writes it again.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use canonical::values::Importo;
use canonical::values::importo::NumberFormat;
use cel::{Context, ExecutionError, Program, Value};

/// The longest expression, in bytes: who needs more needs another export.
const LONGEST: usize = 1_000;
/// The most operators. The interpreter goes as deep as an expression has operators in a row, and a
/// stack that overflows ends the program.
const MOST_OPERATORS: usize = 40;
/// The most brackets inside one another.
const DEEPEST: usize = 10;
/// The most `exists`, `all`, `map` and `filter`: inside one another they multiply.
const MOST_LOOPS: usize = 2;
/// The stack of the parser, in bytes; only what is used is taken.
const STACK: usize = 64 << 20;

/// An expression that compiles.
pub(crate) struct Expression {
    program: Program,
    sees_rows: bool,
    columns: Vec<String>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expression").field("sees_rows", &self.sees_rows).finish_non_exhaustive()
    }
}

/// What an expression gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// Null.
    Nothing,
    /// A text, a whole number or a truth, as text.
    Text(String),
    /// A number in floating point: no amount can come of it.
    Inexact(String),
}

impl Expression {
    /// Compiles an expression, or says what is wrong with it.
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        if source.len() > LONGEST {
            return Err(format!("the expression is longer than {LONGEST} bytes"));
        }
        check_depth(source)?;
        let program = parse(source)?;
        let references = program.references();
        // The variables of `exists(r, …)` and the like are among them.
        let is_bound = |name: &str| name.starts_with('@') || source.replace(' ', "").contains(&format!("({name},"));
        let is_unknown = |name: &&str| !["row", "rows"].contains(name) && !is_bound(name);
        if let Some(unknown) = references.variables().into_iter().find(is_unknown) {
            return Err(format!("`{unknown}` is not known: `row` and `rows` are"));
        }
        let sees_rows = references.has_variable("rows");
        drop(references);
        Ok(Self { program, sees_rows, columns: indexed(source) })
    }

    /// The columns that it names as `row['Column']`; those named otherwise are not known.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// The texts that stand as an index: `['…']` and `["…"]`.
fn indexed(source: &str) -> Vec<String> {
    let index = |rest: &str| {
        let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (name, after) = rest[1..].split_once(quote)?;
        (after.starts_with(']') && !name.contains('\\')).then(|| name.to_owned())
    };
    source
        .match_indices(|character: char| character.is_alphanumeric() || matches!(character, '_' | ']' | ')'))
        .filter_map(|(at, before)| index(source[at + before.len()..].strip_prefix('[')?))
        .collect()
}

/// The generated parser takes a hundred kilobytes of stack for each bracket: it gets a stack of its
/// own. If it panics, the expression is refused.
fn parse(source: &str) -> Result<Program, String> {
    let source = source.to_owned();
    let parsing = std::thread::Builder::new().stack_size(STACK).spawn(move || Program::compile(&source));
    let parsed = parsing.map_err(|error| format!("the expression cannot be parsed ({})", error.kind()))?.join();
    parsed
        .map_err(|_| "the expression cannot be parsed".to_owned())?
        .map_err(|errors| errors.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

fn check_depth(source: &str) -> Result<(), String> {
    let loops = [".exists(", ".exists_one(", ".all(", ".map(", ".filter("];
    let tight: String = source.split_whitespace().collect();
    if loops.iter().map(|name| tight.matches(name).count()).sum::<usize>() > MOST_LOOPS {
        return Err(format!("the expression has more than {MOST_LOOPS} of exists, all, map and filter"));
    }
    let (mut operators, mut depth, mut ternaries) = (0_usize, 0_usize, 0_usize);
    let mut quote: Option<char> = None;
    let mut is_escaped = false;
    for character in source.chars() {
        if let Some(end) = quote {
            (quote, is_escaped) = match character {
                _ if is_escaped => (quote, false),
                '\\' => (quote, true),
                character if character == end => (None, false),
                _ => (quote, false),
            };
            continue;
        }
        match character {
            '\'' | '"' => quote = Some(character),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '?' => ternaries += 1,
            _ => {}
        }
        operators += usize::from("+-*/%!?&|<>=.".contains(character));
        // What follows `?` is one level deeper too.
        if depth + ternaries > DEEPEST || operators > MOST_OPERATORS {
            return Err(format!(
                "the expression is deeper than {DEEPEST} levels, or has more than {MOST_OPERATORS} operators"
            ));
        }
    }
    Ok(())
}

/// What the expressions of one raw record see.
pub(crate) struct Scope {
    base: Context<'static, 'static>,
    rows: Vec<Value>,
}

impl Scope {
    /// The rows, by column.
    pub(crate) fn new(rows: impl IntoIterator<Item = HashMap<String, String>>, format: NumberFormat) -> Self {
        let mut base = Context::default();
        let cents = move |text: Arc<String>| match Importo::read(&text, format).value {
            Some(importo) => Ok(importo.cents()),
            // The text stays out of the message: it may be personal.
            None => Err(ExecutionError::function_error("cents", "not an amount")),
        };
        let euro = move |cents: i64| {
            let text = Importo::from_cents(cents).to_string();
            if format == NumberFormat::Comma { text.replace('.', ",") } else { text }
        };
        // Neither name is one of the language's, so neither can be refused.
        let _ = base.add_function("cents", cents);
        let _ = base.add_function("euro", euro);
        Self { base, rows: rows.into_iter().map(Value::from).collect() }
    }

    /// What an expression gives for a row; none when it fails.
    pub(crate) fn evaluate(&self, expression: &Expression, row: usize) -> Option<Given> {
        let value = self.execute(expression, row)?;
        Some(match value {
            Value::Null => Given::Nothing,
            Value::String(text) => Given::Text(text.as_str().to_owned()),
            Value::Int(number) => Given::Text(number.to_string()),
            Value::UInt(number) => Given::Text(number.to_string()),
            Value::Bool(truth) => Given::Text(truth.to_string()),
            Value::Float(number) => Given::Inexact(number.to_string()),
            _ => return None,
        })
    }

    /// Whether a condition is true for a row; none when it fails.
    pub(crate) fn is_true(&self, condition: &Expression, row: usize) -> Option<bool> {
        match self.execute(condition, row)? {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    fn execute(&self, expression: &Expression, row: usize) -> Option<Value> {
        let row = self.rows.get(row)?.clone();
        // A panic of the interpreter would end the reading of every file: it is a failed expression.
        let execute = AssertUnwindSafe(|| {
            let mut context = self.base.new_inner_scope();
            context.add_variable_from_value("row", row);
            if expression.sees_rows {
                context.add_variable_from_value("rows", self.rows.clone());
            }
            expression.program.execute(&context).ok()
        });
        catch_unwind(execute).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let row = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let rows: [HashMap<_, _>; 2] =
            [row(&[("CIG", "5044003AF1"), ("netto", "1.000,10"), ("oneri", "0,05")]), row(&[("CIG", "")])];
        Scope::new(rows, NumberFormat::Comma)
    }

    #[track_caller]
    fn check(source: &str, expected: Option<&str>) {
        let given = scope().evaluate(&Expression::compile(source).unwrap(), 0);
        assert_eq!(given, expected.map(|text| Given::Text(text.to_owned())), "{source}");
    }

    #[test]
    fn an_expression_sees_its_row_and_the_others() {
        check("row['CIG'] + '/1'", Some("5044003AF1/1"));
        check("row.CIG.startsWith('504') ? 'si' : 'no'", Some("si"));
        check("size(rows.filter(r, r['CIG'] != ''))", Some("1"));
        check("row['CIG'].matches('^[0-9]{7}')", Some("true"));
    }

    #[test]
    fn the_columns_of_an_expression_are_known() {
        let columns = |source| Expression::compile(source).unwrap().columns;
        assert_eq!(columns("row['CIG'] + row[\"L'importo\"]"), ["CIG", "L'importo"]);
        assert_eq!(columns("rows.exists(r, r['CF'] in ['a', 'b'])"), ["CF"]);
        assert_eq!(columns("rows[0]['CIG'].startsWith(\"['\")"), ["CIG"]);
    }

    #[test]
    fn money_is_added_in_whole_cents() {
        check("euro(cents(row['netto']) + cents(row['oneri']))", Some("1000,15"));
        check("cents('uno')", None);
        check("cents('1') + 9223372036854775807", None);
    }

    #[test]
    fn null_is_nothing_and_a_fraction_is_not_exact() {
        let given = |source| scope().evaluate(&Expression::compile(source).unwrap(), 0);
        assert_eq!(given("null"), Some(Given::Nothing));
        assert_eq!(given("1.5"), Some(Given::Inexact("1.5".to_owned())));
        assert_eq!(given("[1]"), None);
    }

    #[test]
    fn what_fails_gives_nothing_and_never_panics() {
        for source in ["row['x']", "1/0", "row + 1", "int('a')", "nonsense(1)", "rows[7]"] {
            check(source, None);
        }
    }

    #[test]
    fn the_deepest_expressions_leave_room_on_the_stack() {
        let nested = format!("{}1{}", "(".repeat(DEEPEST), ")".repeat(DEEPEST));
        let listed = format!("{}1{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        let sizes = format!("{}'a'{}", "size(".repeat(DEEPEST), ")".repeat(DEEPEST));
        let ternary = format!("{}2", "true ? 1 : ".repeat(DEEPEST));
        let (sum, minus) = (format!("1{}", "+1".repeat(MOST_OPERATORS)), format!("{}1", "-".repeat(MOST_OPERATORS)));
        let (not, dots) =
            (format!("{}true", "!".repeat(MOST_OPERATORS)), format!("row{}", ".a".repeat(MOST_OPERATORS)));
        let loops = "rows.exists(r, rows.all(s, r != s || size(s) > 0))".to_owned();
        for source in [
            loops,
            nested,
            listed,
            sizes,
            ternary,
            sum,
            minus,
            not,
            dots,
            format!("{}true{}", "!(".repeat(DEEPEST), ")".repeat(DEEPEST)),
        ] {
            let expression = Expression::compile(&source).expect(&source);
            let _ = scope().evaluate(&expression, 0);
        }
    }

    #[test]
    fn what_does_not_compile_is_refused() {
        let deep = format!("{}1{}", "(".repeat(400), ")".repeat(400));
        for source in ["", "row[", "1 +", "riga['CIG']", "'", &"1+".repeat(2_000), &deep] {
            assert!(Expression::compile(source).is_err(), "{source}");
        }
    }
}
