//! The bodies of records as they leave: amounts with their currency, and nobody's name or tax code.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use canonical::identifiers::{CodiceFiscale, without_personal_codes};
use canonical::{Kind, json_schema};
use serde_json::{Map, Value, json};

/// In place of a tax code inside a text.
pub const OMITTED: &str = "[codice fiscale omesso]";
/// The only currency of the canonical model.
pub const CURRENCY: &str = "EUR";

/// What stands at a place of a body.
#[derive(Debug)]
pub enum Shape {
    /// Text, number, yes or no.
    Plain,
    /// An amount in euro.
    Money,
    /// A named person.
    Person,
    /// A tax code, of a body, a company or a person.
    Code,
    /// An operator, who may be a person.
    Operator,
    /// A list.
    List(Box<Shape>),
    /// An object.
    Fields(BTreeMap<String, Shape>),
    /// One of several objects, each known by some constant fields.
    OneOf(Vec<Choice>),
}

/// One of several objects.
#[derive(Debug)]
pub struct Choice {
    /// By what it is known.
    constants: Vec<(String, Value)>,
    fields: BTreeMap<String, Shape>,
}

impl Choice {
    fn is_of(&self, members: &Map<String, Value>) -> bool {
        self.constants.iter().all(|(name, value)| members.get(name) == Some(value))
    }
}

static SHAPES: LazyLock<BTreeMap<Kind, Shape>> = LazyLock::new(|| {
    let schemas: BTreeMap<String, Value> = json_schema::all()
        .into_iter()
        .filter_map(|(file, text)| Some((file, serde_json::from_str(&text).ok()?)))
        .collect();
    let shape = |kind: &Kind| {
        let schema = schemas.get(&format!("{}.schema.json", kind.name()))?;
        Some((*kind, of_schema(schema, schema)))
    };
    Kind::ALL.iter().filter_map(shape).collect()
});

/// The shape of the bodies of a kind.
pub fn of(kind: Kind) -> &'static Shape {
    static NOTHING: Shape = Shape::Fields(BTreeMap::new());
    SHAPES.get(&kind).unwrap_or(&NOTHING)
}

fn of_schema(schema: &Value, root: &Value) -> Shape {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return match name {
            "Importo" => Shape::Money,
            "Persona" => Shape::Person,
            "CodiceFiscale" => Shape::Code,
            "IdentificativoOperatore" => Shape::Operator,
            other => of_schema(&root["$defs"][other], root),
        };
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let mut real = choices.iter().filter(|choice| choice["type"] != "null");
        return real.next().map_or(Shape::Plain, |choice| of_schema(choice, root));
    }
    let own = fields(schema, root);
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = |choice: &Value| Choice { constants: constants(choice), fields: fields(choice, root) };
        let choices: Vec<_> = choices.iter().map(choice).filter(|choice| !choice.fields.is_empty()).collect();
        // What is fixed beside a choice has fields of its own only in the envelope, which is not a body.
        return if choices.is_empty() { Shape::Plain } else { Shape::OneOf(choices) };
    }
    if !own.is_empty() {
        return Shape::Fields(own);
    }
    match &schema["items"] {
        items @ Value::Object(_) => Shape::List(Box::new(of_schema(items, root))),
        _ => Shape::Plain,
    }
}

fn fields(schema: &Value, root: &Value) -> BTreeMap<String, Shape> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, schema)| (name.clone(), of_schema(schema, root))).collect()
}

fn constants(schema: &Value) -> Vec<(String, Value)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.filter_map(|(name, schema)| Some((name.clone(), schema.get("const")?.clone()))).collect()
}

/// A body as it leaves, and the paths of what was left out.
pub fn leaving(kind: Kind, body: Value) -> (Value, Vec<String>) {
    let mut omitted = Vec::new();
    let leaving = apply(body, of(kind), "", &mut omitted).unwrap_or_else(|| json!({}));
    // In whatever order the JSON library keeps the members of an object.
    omitted.sort_unstable();
    (leaving, omitted)
}

/// Whether a tax code is that of a body or of a company.
fn is_impersonal(code: &str) -> bool {
    CodiceFiscale::parse(code).is_ok_and(|code| !code.is_person())
}

fn is_impersonal_operator(operator: &Value) -> bool {
    let Some(code) = operator["valore"].as_str() else { return false };
    match operator["tipo"].as_str() {
        Some("codice_fiscale") => is_impersonal(code),
        Some("estero" | "non_valido") => !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

fn apply(value: Value, shape: &Shape, path: &str, omitted: &mut Vec<String>) -> Option<Value> {
    if value.is_null() {
        return Some(value);
    }
    match (shape, value) {
        (Shape::Money, Value::String(amount)) => Some(json!({ "amount": amount, "currency": CURRENCY })),
        (Shape::Code, Value::String(code)) if is_impersonal(&code) => Some(Value::String(code)),
        (Shape::Person | Shape::Code, _) => leave_out(path, omitted),
        (Shape::Operator, operator) if is_impersonal_operator(&operator) => Some(operator),
        (Shape::Operator, operator) => {
            // Nobody was named: nothing is left out.
            if operator["tipo"] != "assente" {
                omitted.push(path.to_owned());
            }
            Some(json!({ "tipo": "omesso" }))
        }
        (Shape::List(shape), Value::Array(items)) => {
            let numbered = items.into_iter().enumerate();
            let kept = numbered.filter_map(|(place, item)| apply(item, shape, &format!("{path}/{place}"), omitted));
            Some(Value::Array(kept.collect()))
        }
        (Shape::Fields(fields), Value::Object(members)) => Some(object(members, fields, path, omitted)),
        (Shape::OneOf(choices), Value::Object(members)) => match choices.iter().find(|choice| choice.is_of(&members)) {
            Some(choice) => Some(object(members, &choice.fields, path, omitted)),
            None => leave_out(path, omitted),
        },
        (_, value) => Some(plain(value, path, omitted)),
    }
}

fn leave_out(path: &str, omitted: &mut Vec<String>) -> Option<Value> {
    omitted.push(path.to_owned());
    None
}

/// An object. Where it tells who somebody is and that may be a person, his names stay here too; a
/// field that the schema does not know does as well.
fn object(
    members: Map<String, Value>,
    fields: &BTreeMap<String, Shape>,
    path: &str,
    omitted: &mut Vec<String>,
) -> Value {
    let names_person = may_name_person(&members, fields);
    let mut kept = Map::new();
    for (name, value) in members {
        let path = format!("{path}/{name}");
        let is_name = matches!(name.as_str(), "denominazione" | "altri_codici" | "id_partecipante");
        let Some(shape) = fields.get(&name) else {
            omitted.push(path);
            continue;
        };
        if is_name && names_person && !is_nothing(&value) {
            omitted.push(path);
        } else if let Some(value) = apply(value, shape, &path, omitted) {
            kept.insert(name, value);
        }
    }
    Value::Object(kept)
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn may_name_person(members: &Map<String, Value>, fields: &BTreeMap<String, Shape>) -> bool {
    match (fields.get("operatore"), fields.get("codice_fiscale")) {
        (Some(Shape::Operator), _) => !members.get("operatore").is_some_and(is_impersonal_operator),
        (_, Some(Shape::Code)) => !members.get("codice_fiscale").and_then(Value::as_str).is_some_and(is_impersonal),
        _ => false,
    }
}

/// What is a text wherever it stands: without the tax codes of persons.
fn plain(value: Value, path: &str, omitted: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) => {
            let clean = without_personal_codes(&text, OMITTED);
            if clean != text {
                omitted.push(path.to_owned());
            }
            Value::String(clean.into_owned())
        }
        Value::Array(items) => {
            let numbered = items.into_iter().enumerate();
            Value::Array(numbered.map(|(place, item)| plain(item, &format!("{path}/{place}"), omitted)).collect())
        }
        Value::Object(members) => {
            let members = members.into_iter();
            let kept = members.map(|(name, value)| {
                let value = plain(value, &format!("{path}/{name}"), omitted);
                (name, value)
            });
            Value::Object(kept.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: &str = "RSSMRA85T10A562S";

    #[test]
    fn an_amount_leaves_with_its_currency_wherever_it_stands() {
        let event = json!({ "dettaglio": { "evento": "stipula", "importo": "12500.00" } });
        let (body, omitted) = leaving(Kind::EventoEsecuzione, event);
        assert_eq!(body["dettaglio"]["importo"], json!({ "amount": "12500.00", "currency": "EUR" }), "{omitted:?}");
        let unknown = json!({ "dettaglio": { "evento": "mai visto", "nome": "ROSSI" } });
        assert_eq!(leaving(Kind::EventoEsecuzione, unknown).1, ["/dettaglio"], "what no schema knows stays here");
        let (body, _) = leaving(Kind::Lotto, json!({ "importo_netto": "1.00", "importo_totale": null, "cpv": "x" }));
        assert_eq!(body["importo_netto"], json!({ "amount": "1.00", "currency": "EUR" }));
        assert_eq!(body["importo_totale"], Value::Null);
    }

    #[test]
    fn every_choice_of_an_event_has_its_fields() {
        let Shape::Fields(fields) = of(Kind::EventoEsecuzione) else { panic!("an object") };
        let Some(Shape::OneOf(choices)) = fields.get("dettaglio") else { panic!("a choice: {fields:?}") };
        assert!(choices.len() >= 15, "{}", choices.len());
        assert!(choices.iter().all(|choice| choice.constants.len() == 1), "each is known by one constant");
    }

    #[test]
    fn a_person_who_won_leaves_neither_name_nor_code_and_a_company_both() {
        let winner = |code: &str| {
            json!({ "aggiudicatari": [{ "operatore": { "tipo": "codice_fiscale", "valore": code },
                                        "denominazione": "ROSSI MARIO", "ruolo": null }] })
        };
        let (person, omitted) = leaving(Kind::Aggiudicazione, winner(PERSON));
        assert!(!person.to_string().contains("ROSSI") && !person.to_string().contains(PERSON), "{person}");
        assert_eq!(omitted, ["/aggiudicatari/0/denominazione", "/aggiudicatari/0/operatore"]);
        let (company, omitted) = leaving(Kind::Aggiudicazione, winner("00606750131"));
        assert_eq!(company["aggiudicatari"][0]["denominazione"], "ROSSI MARIO");
        assert!(omitted.is_empty());
    }

    #[test]
    fn nobody_in_charge_leaves_and_no_code_inside_a_text() {
        let (body, omitted) = leaving(
            Kind::Intervento,
            json!({ "rup": { "cognome": "ROSSI", "nome": "MARIO", "codice_fiscale": PERSON },
                    "descrizione": format!("incarico a {PERSON}"), "nuovo": "ROSSI" }),
        );
        assert_eq!(body, json!({ "descrizione": "incarico a [codice fiscale omesso]" }));
        assert_eq!(omitted, ["/descrizione", "/nuovo", "/rup"]);
    }

    #[test]
    fn no_shape_lets_a_person_pass_as_plain() {
        fn walk(shape: &Shape, persons: &mut usize, money: &mut usize) {
            match shape {
                Shape::Person => *persons += 1,
                Shape::Money => *money += 1,
                Shape::List(shape) => walk(shape, persons, money),
                Shape::Fields(fields) => fields.values().for_each(|shape| walk(shape, persons, money)),
                Shape::OneOf(choices) => {
                    for shape in choices.iter().flat_map(|choice| choice.fields.values()) {
                        walk(shape, persons, money);
                    }
                }
                Shape::Plain | Shape::Code | Shape::Operator => {}
            }
        }
        let (mut persons, mut money) = (0, 0);
        for kind in Kind::ALL {
            walk(of(*kind), &mut persons, &mut money);
        }
        let (mut expected_persons, mut expected_money) = (0, 0);
        for (file, text) in json_schema::all() {
            if Kind::ALL.iter().any(|kind| file == format!("{}.schema.json", kind.name())) {
                expected_persons += text.matches("\"$ref\": \"#/$defs/Persona\"").count();
                expected_money += text.matches("\"$ref\": \"#/$defs/Importo\"").count();
            }
        }
        // A definition that is used twice is counted twice by the walk.
        assert!(persons >= expected_persons && expected_persons >= 4, "{persons} of {expected_persons}");
        assert!(money >= expected_money && expected_money >= 60, "{money} of {expected_money}");
    }
}
