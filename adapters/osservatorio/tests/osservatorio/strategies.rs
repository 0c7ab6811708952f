//! Any canonical record, by the published schema of its kind: every field that the schema has, absent
//! and present, with the edges of amounts, days, numbers and texts. A field added to the model is
//! generated without anything being added here.

use std::sync::LazyLock;

use canonical::values::Importo;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::string::string_regex;

use super::*;

/// Whether the values may be those of persons.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum People {
    Nobody,
    Anybody,
}

/// The published schemas, by kind.
static SCHEMAS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let parsed = |(name, text): (String, String)| (name, serde_json::from_str(&text).unwrap());
    canonical::json_schema::all().into_iter().map(parsed).collect()
});

/// The schema of a kind.
pub(crate) fn schema(kind: Kind) -> &'static Value {
    let file = format!("{kind}.schema.json");
    SCHEMAS.iter().find(|(name, _)| *name == file).map(|(_, schema)| schema).unwrap()
}

/// Any body of a kind.
pub(crate) fn body(kind: Kind, people: People) -> BoxedStrategy<Value> {
    let root = schema(kind);
    Any { definitions: &root["$defs"], people }.value(root)
}

/// The name of the definition to which a schema refers, alone or beside null.
pub(crate) fn reference(schema: &Value) -> Option<&str> {
    let reference = schema["$ref"].as_str().or_else(|| schema["anyOf"][0]["$ref"].as_str())?;
    reference.rsplit('/').next()
}

struct Any {
    definitions: &'static Value,
    people: People,
}

impl Any {
    fn value(&self, schema: &'static Value) -> BoxedStrategy<Value> {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return self.defined(name);
        }
        for union in ["anyOf", "oneOf"] {
            if let Some(alternatives) = schema[union].as_array() {
                return proptest::strategy::Union::new(alternatives.iter().map(|one| self.value(one))).boxed();
            }
        }
        if let Some(constant) = schema.get("const") {
            return Just(constant.clone()).boxed();
        }
        if let Some(words) = schema["enum"].as_array() {
            return proptest::sample::select(words.clone()).boxed();
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            let unanchored = pattern.trim_start_matches('^').trim_end_matches('$');
            return string_regex(unanchored).unwrap().prop_map(Value::from).boxed();
        }
        match &schema["type"] {
            Value::Array(types) => {
                let mut present = schema.clone();
                present["type"] = types[0].clone();
                // Few schemas, made once each: the tests need them for as long as they run.
                let present = self.value(Box::leak(Box::new(present)));
                prop_oneof![1 => Just(Value::Null), 3 => present].boxed()
            }
            Value::String(name) => self.of_type(name, schema),
            _ => panic!("a schema without a type: {schema}"),
        }
    }

    fn of_type(&self, name: &str, schema: &'static Value) -> BoxedStrategy<Value> {
        match name {
            "null" => Just(Value::Null).boxed(),
            "boolean" => any::<bool>().prop_map(Value::from).boxed(),
            "integer" => match schema["format"].as_str().unwrap() {
                "uint8" => any::<u8>().prop_map(Value::from).boxed(),
                "uint16" => any::<u16>().prop_map(Value::from).boxed(),
                "uint32" => prop_oneof![Just(u32::MAX), 0..100_u32].prop_map(Value::from).boxed(),
                "int32" => prop_oneof![Just(i32::MIN), -100..100_i32].prop_map(Value::from).boxed(),
                other => panic!("an integer of another width: {other}"),
            },
            "string" => text(self.people),
            "array" => vec(self.value(&schema["items"]), 0..3).prop_map(Value::from).boxed(),
            "object" => self.object(schema),
            other => panic!("a type of another name: {other}"),
        }
    }

    fn object(&self, schema: &'static Value) -> BoxedStrategy<Value> {
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let properties = schema["properties"].as_object().unwrap().iter();
        let fields: Vec<_> = properties
            .map(|(name, property)| {
                let present = self.value(property).prop_map(move |value| Some((name.clone(), value)));
                if required.iter().any(|one| one == name) {
                    present.boxed()
                } else {
                    prop_oneof![1 => Just(None), 3 => present].boxed()
                }
            })
            .collect();
        fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect())).boxed()
    }

    fn defined(&self, name: &str) -> BoxedStrategy<Value> {
        let definition = &self.definitions[name];
        match name {
            "Importo" => amount(),
            "CalendarDate" => day(),
            // A code of zeros belongs to nobody.
            "CodiceAusa" => string_regex("[0-9]{9}[1-9]").unwrap().prop_map(Value::from).boxed(),
            "Cui" => string_regex("[LFSI][0-9]{19,23}[1-9]").unwrap().prop_map(Value::from).boxed(),
            "CodiceFiscale" => match self.people {
                People::Nobody => body_code().boxed(),
                People::Anybody => prop_oneof![body_code(), personal_code().prop_map(Value::from)].boxed(),
            },
            // Only a company is known by a verified code, or by digits alone.
            "IdentificativoOperatore" if self.people == People::Nobody => prop_oneof![
                body_code().prop_map(|code| json!({ "tipo": "codice_fiscale", "valore": code })),
                "[0-9]{1,12}".prop_map(|digits| json!({ "tipo": "estero", "valore": digits })),
                "[0-9]{0,12}".prop_map(|digits| json!({ "tipo": "non_valido", "valore": digits })),
            ]
            .boxed(),
            "Persona" if self.people == People::Nobody => Just(Value::Null).boxed(),
            // A name without the code of a company may be that of a person.
            "SoggettoEsecutore" if self.people == People::Nobody => (self.object(definition), body_code())
                .prop_map(|(mut subject, code)| {
                    subject["codice_fiscale"] = code;
                    subject
                })
                .boxed(),
            _ => self.value(definition),
        }
    }
}

fn amount() -> BoxedStrategy<Value> {
    let edges = prop_oneof![Just(0), Just(1), Just(-1), Just(i64::MAX), Just(i64::MIN)];
    let cents = prop_oneof![1 => edges, 1 => any::<i64>(), 3 => 0..10_000_000_000_i64];
    cents.prop_map(|cents| json!(Importo::from_cents(cents))).boxed()
}

fn day() -> BoxedStrategy<Value> {
    let any_day = (1900..=2200_u16, 1..=12_u8, 1..=28_u8).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let edges = ["1900-01-01", "2024-02-29", "2200-12-31"].map(str::to_owned);
    prop_oneof![1 => proptest::sample::select(edges.to_vec()), 3 => any_day].prop_map(Value::from).boxed()
}

fn body_code() -> impl Strategy<Value = Value> {
    "[0-9]{10}[1-9]".prop_map(Value::from)
}

fn personal_code() -> impl Strategy<Value = String> {
    "[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"
}

/// Texts with what quoting, lines and spreadsheets stumble over.
fn text(people: People) -> BoxedStrategy<Value> {
    let awkward =
        ["", " ", "1.00", "2025-01-01", "null", "=1+1", "\"\\\n\r\t\u{0}\u{2028}", "a\u{300} \u{1f600}", "{}"];
    let impersonal = prop_oneof![
        1 => proptest::sample::select(awkward.map(str::to_owned).to_vec()),
        3 => "[a-zàè0-9 .,'/-]{1,20}",
    ];
    match people {
        People::Nobody => impersonal.prop_map(Value::from).boxed(),
        People::Anybody => {
            let inside = (personal_code(), impersonal.clone()).prop_map(|(code, text)| format!("{text} {code}"));
            prop_oneof![2 => impersonal, 1 => personal_code(), 1 => inside].prop_map(Value::from).boxed()
        }
    }
}
