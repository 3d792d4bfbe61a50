//! The typed closures of a definition with their types forgotten, so that one list holds them all.

use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounds;
use super::needs::Replies;
use super::unbuildable::{Unbuildable, catch_panic};
use crate::json::Json;

/// Builds a command's payload, or the output, from the input and the replies so far.
pub(crate) type Build = Arc<dyn Fn(&Json, Replies<'_>) -> Result<Json, Unbuildable> + Send + Sync>;

/// Says, from the input and the replies so far, whether a conditional step runs.
pub(crate) type Condition =
    Arc<dyn Fn(&Json, Replies<'_>) -> Result<bool, Unbuildable> + Send + Sync>;

/// Says whether a text decodes into the type that is expected there.
pub(crate) type Check = fn(&Json) -> Result<(), String>;

/// Makes the JSON Schema of a type.
pub(crate) type MakeSchema = fn() -> Schema;

pub(super) fn schema_of<T: JsonSchema>() -> Schema {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<T>();
    bounds::publish(&mut schema);
    schema
}

/// A type's own `Deserialize` is a user's code too: its panic makes the text unreadable, no more.
pub(super) fn check<T: DeserializeOwned>(text: &Json) -> Result<(), String> {
    match catch_panic(|| text.read::<T>().map(drop)) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(message) => Err(format!("its type panicked: {message}")),
    }
}

pub(super) fn read_input<I: DeserializeOwned>(input: &Json) -> Result<I, Unbuildable> {
    input.read().map_err(|error| Unbuildable::InputUnreadable {
        error: error.to_string(),
    })
}

pub(super) fn write<T: Serialize>(value: &T) -> Result<Json, Unbuildable> {
    Json::of(value).map_err(|error| Unbuildable::Unserializable {
        error: error.to_string(),
    })
}
