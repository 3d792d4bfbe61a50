//! How a record's value is written: one buffer, nothing in between.
//!
//! Invariant: no attribute is `null`. What says nothing is left out, the payload too.

use serde::Serialize;

use super::Attribute;

/// What the attributes of a command take, or a little more.
const USUAL_BYTES: usize = 768;

/// A JSON object under way. The payload is its last member, unless it is `null`.
pub(super) struct Writer<'a> {
    json: Vec<u8>,
    payload: &'a [u8],
}

impl<'a> Writer<'a> {
    /// A writer that has written the attributes that are the same on every message.
    pub(super) fn new(payload: &'a [u8]) -> Self {
        let mut json = Vec::with_capacity(USUAL_BYTES + payload.len());
        json.push(b'{');
        let mut writer = Self { json, payload };
        writer.put(Attribute::SpecVersion, super::SPEC_VERSION);
        writer.put(Attribute::Wire, super::VERSION);
        writer
    }

    /// Adds an attribute; a text is a `&str` or what `format_args!` gives.
    pub(super) fn put(&mut self, attribute: Attribute, value: impl Serialize) {
        self.name(attribute);
        serde_json::to_writer(&mut self.json, &value)
            .expect("texts, numbers and ids have a form in JSON, and a Vec takes all of it");
        self.json.push(b',');
    }

    pub(super) fn put_if(&mut self, attribute: Attribute, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.put(attribute, value);
        }
    }

    /// The object, with the payload as it is.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.payload.trim_ascii() == b"null" {
            self.json
                .pop()
                .expect("there is a comma behind each attribute");
        } else {
            self.name(Attribute::Data);
            self.json.extend_from_slice(self.payload);
        }
        self.json.push(b'}');
        self.json
    }

    /// Names need no escaping.
    fn name(&mut self, attribute: Attribute) {
        self.json.push(b'"');
        self.json.extend_from_slice(attribute.as_str().as_bytes());
        self.json.extend_from_slice(b"\":");
    }
}
