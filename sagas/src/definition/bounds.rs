//! What the published schemas say of numbers beyond what `schemars` does: how large an integer may be.
//!
//! Without it, an integer that its type has no room for passes the check of an input by its schema, and a
//! client that reads the schema cannot know. Types of 128 bits get no bound: JSON numbers of that size have
//! no form that readers agree on.

use schemars::Schema;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::{Number, Value};

/// Gives every integer of a known width its `minimum` and `maximum`, unless it has one.
pub(super) fn publish(schema: &mut Schema) {
    RecursiveTransform(bound).transform(schema);
}

fn bound(schema: &mut Schema) {
    let is_integer = schema.get("type").is_some_and(|kind| {
        let all = kind
            .as_array()
            .map_or_else(|| std::slice::from_ref(kind), Vec::as_slice);
        all.iter().any(|kind| kind == "integer")
    });
    if !is_integer {
        return;
    }
    let Some((least, most)) = schema.get("format").and_then(Value::as_str).and_then(range) else {
        return;
    };
    for (word, number) in [("minimum", least), ("maximum", most)] {
        if schema.get(word).is_none() {
            schema.insert(word.to_owned(), Value::Number(number));
        }
    }
}

/// The numbers of a format of `schemars`.
fn range(format: &str) -> Option<(Number, Number)> {
    Some(match format {
        "uint8" => (u8::MIN.into(), u8::MAX.into()),
        "uint16" => (u16::MIN.into(), u16::MAX.into()),
        "uint32" => (u32::MIN.into(), u32::MAX.into()),
        "uint64" => (u64::MIN.into(), u64::MAX.into()),
        "uint" => (usize::MIN.into(), usize::MAX.into()),
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" => (i64::MIN.into(), i64::MAX.into()),
        "int" => (isize::MIN.into(), isize::MAX.into()),
        _ => return None,
    })
}
