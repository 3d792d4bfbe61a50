//! A sample reply for each step: the one that was given, or one made from the reply's JSON Schema.
//!
//! A made one is the smallest that the schema allows, and it counts only if it decodes into the
//! reply's type: a schema cannot say all that a type can. Nothing is guessed beyond that; the steps
//! that need a reply are named instead.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::definition::Definition;
use crate::json::Json;

/// References followed inside each other; a type that contains itself ends here.
const DEPTH_MAX: usize = 16;

/// One reply for each step, or what is missing.
pub(super) fn replies(
    definition: &Definition,
    given: &BTreeMap<String, Json>,
) -> Result<Vec<Json>, String> {
    if let Some(unknown) = given
        .keys()
        .find(|step| definition.position(step).is_none())
    {
        return Err(format!(
            "a reply is given for {unknown:?}, which is no step of it"
        ));
    }
    let described = definition.describe().steps;
    let mut replies = Vec::new();
    let mut missing = Vec::new();
    for (step, described) in definition.steps().iter().zip(described) {
        let (reply, how) = match given.get(&step.name) {
            Some(given) => (given.clone(), "the given reply"),
            None if !step.kind.is_awaited() => (Json::null(), ""),
            None => {
                let made = smallest(described.reply_schema.as_value());
                let made = Json::of(&made).map_err(|error| error.to_string())?;
                (made, "a reply made from the schema")
            }
        };
        if step.kind.is_awaited()
            && let Err(error) = (step.check_reply)(&reply)
        {
            let (name, reply) = (&step.name, reply.text());
            missing.push(format!(
                "\n  .reply({name:?}, …): {how}, {reply}, does not decode: {error}"
            ));
        }
        replies.push(reply);
    }
    if missing.is_empty() {
        Ok(replies)
    } else {
        Err(format!(
            "these steps need a sample reply:{}",
            missing.concat()
        ))
    }
}

/// The smallest value that a schema allows, as far as it says so.
fn smallest(root: &Value) -> Value {
    value(root, root, 0)
}

fn value(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(object) = schema.as_object().filter(|_| depth < DEPTH_MAX) else {
        return Value::Null;
    };
    let first = |word: &str| object.get(word)?.as_array()?.first();
    if let Some(value) = object.get("const").or_else(|| first("enum")) {
        return value.clone();
    }
    if let Some(value) = first("examples").or_else(|| object.get("default")) {
        return value.clone();
    }
    if let Some(path) = object.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(path.trim_start_matches('#'));
        return target.map_or(Value::Null, |target| value(target, root, depth + 1));
    }
    if let Some(schema) = first("anyOf").or_else(|| first("oneOf")) {
        return value(schema, root, depth + 1);
    }
    match object
        .get("type")
        .and_then(|kind| kind.as_str().or_else(|| first("type")?.as_str()))
    {
        Some("object") => members(object, root, depth),
        Some("array") => items(object, root, depth),
        Some("string") => string(object),
        Some("integer") => json!(integer(object)),
        Some("number") => object.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(true),
        _ => match first("allOf") {
            Some(schema) => value(schema, root, depth + 1),
            None => Value::Null,
        },
    }
}

fn members(object: &Map<String, Value>, root: &Value, depth: usize) -> Value {
    let required = object.get("required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    let members = names.map(|name| {
        let schema = object.get("properties").and_then(|all| all.get(name));
        let member = schema.map_or(Value::Null, |schema| value(schema, root, depth + 1));
        (name.to_owned(), member)
    });
    Value::Object(members.collect())
}

fn items(object: &Map<String, Value>, root: &Value, depth: usize) -> Value {
    if let Some(each) = object.get("prefixItems").and_then(Value::as_array) {
        let items = each.iter().map(|schema| value(schema, root, depth + 1));
        return Value::Array(items.collect());
    }
    let least = object.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    let item = object.get("items").unwrap_or(&Value::Null);
    Value::Array(
        (0..least.min(100))
            .map(|_| value(item, root, depth + 1))
            .collect(),
    )
}

fn string(object: &Map<String, Value>) -> Value {
    let least = object.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    let text = match object.get("format").and_then(Value::as_str) {
        Some("uuid") => "00000000-0000-4000-8000-000000000001",
        Some("date") => "2026-01-02",
        Some("date-time") => "2026-01-02T03:04:05Z",
        Some("partial-date-time") => "2026-01-02T03:04:05",
        Some("time" | "partial-time") => "03:04:05",
        Some("duration") => "PT1S",
        Some("uri" | "url") => "https://example.com/",
        Some("email") => "somebody@example.com",
        Some("ip" | "ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        _ => return json!("x".repeat(usize::try_from(least.clamp(1, 1000)).unwrap_or(1))),
    };
    json!(text)
}

fn integer(object: &Map<String, Value>) -> i64 {
    let bound = |word: &str| object.get(word).and_then(Value::as_i64);
    let least = bound("minimum").or_else(|| Some(bound("exclusiveMinimum")? + 1));
    let most = bound("maximum").or_else(|| Some(bound("exclusiveMaximum")? - 1));
    1.max(least.unwrap_or(1)).min(most.unwrap_or(i64::MAX))
}
