//! Enough of `OpenAPI` 3 and Swagger 2 to hold an exchange against its operation: path, method,
//! required parameters, body and answer by their schemas.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::proxy::Exchange;

/// A specification.
#[derive(Debug)]
pub struct Specification {
    path: PathBuf,
    document: Value,
    base: String,
}

impl Specification {
    /// Reads a document. Panics when it is none: the evidence names it.
    pub fn open(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let document: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let server = document["servers"][0]["url"].as_str().map(path_of);
        let base = document["basePath"].as_str().or(server).unwrap_or_default().trim_end_matches('/').to_owned();
        Self { path: path.to_owned(), document, base }
    }

    /// Whether the exchange is one of an operation, and what is wrong with it. None: no operation.
    pub fn check(&self, exchange: &Exchange) -> Option<Result<(), String>> {
        let (template, operation) = self.operation(exchange)?;
        let name = format!("{} {template}", exchange.method);
        Some(self.check_operation(operation, exchange).map_err(|problem| format!("{name}: {problem}")))
    }

    fn operation(&self, exchange: &Exchange) -> Option<(&str, &Value)> {
        let method = exchange.method.to_ascii_lowercase();
        let paths = self.document["paths"].as_object()?;
        // A path without parameters is meant before one with them.
        let mut candidates: Vec<_> = paths
            .iter()
            .filter(|(template, _)| {
                fits(template, &exchange.path) || fits(&format!("{}{template}", self.base), &exchange.path)
            })
            .collect();
        candidates.sort_by_key(|(template, _)| template.matches('{').count());
        candidates.into_iter().find_map(|(template, item)| Some((template.as_str(), item.get(&method)?)))
    }

    fn check_operation(&self, operation: &Value, exchange: &Exchange) -> Result<(), String> {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            check_parameter(self.resolve(parameter), exchange)?;
        }
        // What was asked wrongly on purpose is answered with an error: only good requests must be valid.
        if exchange.status < 400
            && let Some(schema) = self.request_schema(operation, exchange)
        {
            self.validate(schema, &exchange.request).map_err(|problem| format!("request: {problem}"))?;
        }
        let responses = operation["responses"].as_object().ok_or("no responses in the specification")?;
        let status = exchange.status.to_string();
        let family = format!("{}XX", exchange.status / 100);
        let response = responses.get(&status).or_else(|| responses.get(&family)).or_else(|| responses.get("default"));
        let response = response.ok_or_else(|| format!("status {status} is not in the specification"))?;
        let response = self.resolve(response);
        if let Some(content) = response["content"].as_object()
            && !exchange.answer.is_empty()
            && !content.contains_key(media_type(exchange.content_type.as_deref()))
        {
            return Err(format!("answer {status}: a content type that the specification does not name"));
        }
        match response_schema(response, exchange) {
            Some(schema) => {
                self.validate(schema, &exchange.answer).map_err(|problem| format!("answer {status}: {problem}"))
            }
            None => Ok(()),
        }
    }

    fn request_schema<'s>(&'s self, operation: &'s Value, exchange: &Exchange) -> Option<&'s Value> {
        let swagger = operation["parameters"].as_array().into_iter().flatten().map(|parameter| self.resolve(parameter));
        let in_body =
            swagger.filter(|parameter| parameter["in"] == "body").find_map(|parameter| parameter.get("schema"));
        let kind = exchange.headers.get("content-type").and_then(|value| value.to_str().ok());
        in_body.or_else(|| schema_of(&self.resolve(&operation["requestBody"])["content"], kind))
    }

    /// Follows one reference inside the document.
    fn resolve<'s>(&'s self, value: &'s Value) -> &'s Value {
        let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }

    fn validate(&self, schema: &Value, bytes: &[u8]) -> Result<(), String> {
        let instance: Value = if is_text(self.resolve(schema)) {
            Value::String(String::from_utf8_lossy(bytes).into_owned())
        } else {
            serde_json::from_slice(bytes).map_err(|_| "not JSON".to_owned())?
        };
        // The whole document travels with the schema, so that its references lead somewhere.
        let mut whole = Map::new();
        for key in ["components", "definitions"] {
            if let Some(part) = self.document.get(key) {
                whole.insert(key.to_owned(), lenient(part.clone()));
            }
        }
        whole.insert("allOf".to_owned(), json!([lenient(schema.clone())]));
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .build(&Value::Object(whole))
            .map_err(|error| format!("{}: schema not usable: {error}", self.path.display()))?;
        match validator.iter_errors(&instance).next() {
            None => Ok(()),
            // The place and the rule, never the value: it may be personal.
            Some(error) => Err(format!("{} breaks {}", error.instance_path(), error.schema_path())),
        }
    }
}

fn check_parameter(parameter: &Value, exchange: &Exchange) -> Result<(), String> {
    let name = parameter["name"].as_str().unwrap_or_default();
    let is_required = parameter["required"].as_bool().unwrap_or(false);
    let is_there = match parameter["in"].as_str() {
        Some("query") => exchange.query.iter().any(|(key, _)| key == name),
        Some("header") => exchange.headers.contains_key(name),
        _ => true,
    };
    if is_required && !is_there && exchange.status < 400 {
        return Err(format!("parameter {name} is missing"));
    }
    Ok(())
}

fn response_schema<'s>(response: &'s Value, exchange: &Exchange) -> Option<&'s Value> {
    response.get("schema").or_else(|| schema_of(&response["content"], exchange.content_type.as_deref()))
}

/// `OpenAPI` 3.0 and Swagger 2 words that JSON Schema 2020-12 does not know: `nullable`.
fn lenient(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            let is_nullable = members.remove("nullable") == Some(Value::Bool(true));
            for member in members.values_mut() {
                *member = lenient(std::mem::take(member));
            }
            if is_nullable { json!({ "anyOf": [value, { "type": "null" }] }) } else { value }
        }
        Value::Array(items) => Value::Array(items.drain(..).map(lenient).collect()),
        _ => value,
    }
}

/// The path of an address: what follows its host.
fn path_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.find('/').map_or("", |slash| &after_scheme[slash..])
}

/// The schema of a body of this type, in an object of types.
fn schema_of<'v>(content: &'v Value, kind: Option<&str>) -> Option<&'v Value> {
    let content = content.as_object()?;
    content.get(media_type(kind)).and_then(|media| media.get("schema"))
}

fn media_type(content_type: Option<&str>) -> &str {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

fn is_text(schema: &Value) -> bool {
    schema["type"] == "string"
}

/// Whether a path is one of a template: `{name}` stands for one segment.
pub(super) fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.trim_matches('/').split('/'), path.trim_matches('/').split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || (wanted.starts_with('{') && wanted.ends_with('}')) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_stands_for_one_segment_each() {
        assert!(fits("/bozze/{cig}/{award}", "/bozze/B4A19C3958/1"));
        assert!(!fits("/bozze/{cig}", "/bozze/B4A19C3958/1"));
        assert!(!fits("/bozze/{cig}", "/risorse/B4A19C3958"));
    }

    #[test]
    fn a_nullable_schema_admits_null() {
        let schema =
            lenient(json!({ "type": "object", "properties": { "a": { "type": "string", "nullable": true } } }));
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&json!({ "a": null })) && !validator.is_valid(&json!({ "a": 1 })));
    }
}
