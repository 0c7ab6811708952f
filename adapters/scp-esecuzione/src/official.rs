//! The official model of the schede (June 2026): whether a draft follows it.
//!
//! The schemas stand in `schemas/upstream/anac-pcp` and are compiled once, at the first use. A draft
//! may lack what only the person who confirms it knows; it may not hold what the scheda does not
//! admit. Messages are never repeated: they hold received values.

use std::collections::HashMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Value, json};

macro_rules! schemas {
    ($($code:literal),* $(,)?) => {
        &[$((
            $code,
            include_str!(concat!("../../../schemas/upstream/anac-pcp/2026-06/", $code, ".schema.json")),
        )),*]
    };
}

const SCHEMAS: &[(&str, &str)] = schemas![
    "SC1", "I1", "SA1", "SO1", "SQ1", "RI1", "M1", "M1_40", "M2", "M2_40", "RSU1", "ES1", "CS1", "AC1", "IR1", "CO1",
    "CO2", "CL1", "S3", "S4", "ID",
];

/// What is wrong with a scheda, by the official model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Where, as a path of names parted by points, without `anacForm`.
    pub(crate) path: String,
    /// What: the name of the rule of JSON Schema.
    pub(crate) rule: &'static str,
}

impl Problem {
    /// Whether something is missing, rather than wrong.
    pub(crate) fn is_missing(&self) -> bool {
        self.rule == "required"
    }
}

/// The problems of the body of a scheda, in order of place. An unknown scheda follows nothing.
pub(crate) fn problems(code: &str, body: &Value) -> Vec<Problem> {
    let Some(validator) = validators().get(code) else {
        return vec![Problem { path: String::new(), rule: "scheda" }];
    };
    let mut problems: Vec<_> = validator
        .iter_errors(body)
        .flat_map(|error| {
            let place = error.instance_path().to_string();
            let inside = |name: &str| path(&format!("{place}/{name}"));
            match error.kind() {
                ValidationErrorKind::Required { property } => {
                    vec![Problem { path: inside(property.as_str().unwrap_or_default()), rule: "required" }]
                }
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    unexpected.iter().map(|name| Problem { path: inside(name), rule: "additionalProperties" }).collect()
                }
                kind => vec![Problem { path: path(&place), rule: name(kind) }],
            }
        })
        .collect();
    problems.sort();
    problems.dedup();
    problems
}

/// The problems of a draft: its form in the envelope of a scheda. The documents that only the
/// person has (`eform`, `espd`) are not asked for.
pub(crate) fn problems_of_draft(code: &str, anac_form: &Value) -> Vec<Problem> {
    let mut problems = problems(code, &json!({"anacForm": anac_form}));
    problems.retain(|problem| !matches!(problem.path.as_str(), "eform" | "espd"));
    problems
}

fn name(kind: &ValidationErrorKind) -> &'static str {
    match kind {
        ValidationErrorKind::Type { .. } => "type",
        ValidationErrorKind::Constant { .. } => "const",
        ValidationErrorKind::Enum { .. } => "enum",
        ValidationErrorKind::Format { .. } => "format",
        ValidationErrorKind::Pattern { .. } => "pattern",
        ValidationErrorKind::ExclusiveMaximum { .. }
        | ValidationErrorKind::ExclusiveMinimum { .. }
        | ValidationErrorKind::Maximum { .. }
        | ValidationErrorKind::Minimum { .. } => "range",
        _ => "other",
    }
}

/// `/anacForm/elencoIncarichi/0/cig` is `elencoIncarichi.0.cig`.
fn path(pointer: &str) -> String {
    pointer.trim_start_matches("/anacForm").trim_start_matches('/').replace('/', ".")
}

fn validators() -> &'static HashMap<&'static str, Validator> {
    static VALIDATORS: OnceLock<HashMap<&'static str, Validator>> = OnceLock::new();
    VALIDATORS.get_or_init(|| SCHEMAS.iter().map(|(code, text)| (*code, compiled(text))).collect())
}

fn compiled(text: &str) -> Validator {
    let schema: Value = serde_json::from_str(text).unwrap_or_else(|never| unreachable!("a schema is JSON: {never}"));
    // The formats of instants and identifiers are part of what the scheda asks.
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schema).unwrap_or_else(|never| unreachable!("a schema compiles: {never}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::testing::{manifest, sample};

    #[test]
    fn what_the_manifest_calls_valid_is_valid_and_nothing_else_is() {
        let mut seen = 0;
        for (file, code, schema, is_valid) in manifest() {
            // The previous model of RSU1 is read, and never written.
            if schema.contains(".test-") {
                continue;
            }
            let (declared, body) = sample(&file);
            assert_eq!(declared, code, "{file}");
            let problems = problems(&code, &body);
            assert_eq!(problems.is_empty(), is_valid, "{file}: {problems:?}");
            seen += 1;
        }
        assert_eq!(seen, 47);
    }

    #[rstest]
    #[case::missing("SC1.senza-idPartecipante", "datiContratto.idPartecipante", "required")]
    #[case::empty_identifier("I1.idContratto-vuoto", "idContratto", "format")]
    #[case::unknown_field("I1.campo-non-previsto", "", "additionalProperties")]
    fn a_problem_has_its_place_and_its_rule(#[case] file: &str, #[case] path: &str, #[case] rule: &str) {
        let (code, body) = sample(&format!("negativi/{file}.json"));
        let problems = problems(&code, &body);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].rule, rule);
        assert!(problems[0].path.starts_with(path));
        assert_eq!(problems[0].is_missing(), rule == "required");
    }

    #[test]
    fn an_unknown_scheda_follows_nothing_and_documents_are_the_persons() {
        assert!(!problems("XX9", &json!({})).is_empty());
        let (code, body) = sample("richieste/crea-scheda.M1.json");
        assert_eq!(problems_of_draft(&code, &body["anacForm"]), []);
        assert_eq!(problems(&code, &json!({"anacForm": body["anacForm"]}))[0].path, "eform");
    }
}
