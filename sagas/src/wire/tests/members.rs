//! A value taken apart, to be broken in one place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a value in their order: names and JSON.
#[derive(Debug, Clone)]
pub(super) struct Members(pub(super) Vec<(String, String)>);

impl Members {
    pub(super) fn of(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap()
    }

    /// The same object.
    pub(super) fn written(&self) -> Vec<u8> {
        self.joined(",").into_bytes()
    }

    pub(super) fn joined(&self, comma: &str) -> String {
        let members = self.0.iter();
        let members: Vec<_> = members
            .map(|(name, json)| format!("\"{name}\":{json}"))
            .collect();
        format!("{{{}}}", members.join(comma))
    }

    pub(super) fn set(&mut self, name: &str, json: &str) {
        let member = self.0.iter_mut().find(|(known, _)| known == name);
        json.clone_into(&mut member.unwrap().1);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    pub(super) fn add(&mut self, name: &str, json: &str) {
        self.0.push((name.to_owned(), json.to_owned()));
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some((name, json)) = object.next_entry::<String, &RawValue>()? {
                    members.push((name, json.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
