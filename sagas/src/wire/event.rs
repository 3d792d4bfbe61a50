//! A lifecycle event on its way to whoever listens.

use std::borrow::Cow;

use uuid::Uuid;

use super::Text;
use super::header::{self, Writer};
use crate::{SagaId, Timestamp};

/// A lifecycle event, as it lies in `<prefix>.events`: at least once, with the saga's revision, by
/// which a consumer drops repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage<'a> {
    /// `started`, `completed`, `compensating`, `compensated`, `stuck`, …; the type's last part.
    pub kind: Text<'a>,
    /// The definition of the saga.
    pub definition: Text<'a>,
    /// The saga.
    pub saga: SagaId,
    /// The saga's revision after what happened.
    pub revision: u64,
    /// When it happened.
    pub time: Timestamp,
    /// W3C trace context.
    pub traceparent: Option<Text<'a>>,
    /// JSON, not looked into.
    pub payload: Cow<'a, [u8]>,
}

impl EventMessage<'_> {
    /// `UUIDv5(saga, "event/<revision>/<kind>")`: a repeat has the same id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        let name = format!("event/{}/{}", self.revision, self.kind);
        Uuid::new_v5(&self.saga.0, name.as_bytes())
    }

    /// The record's key: the saga id.
    #[must_use]
    pub fn key(&self) -> String {
        self.saga.to_string()
    }

    /// Hands every header to `put`, in the order of the wire document.
    pub fn write_headers(&self, put: impl FnMut(&'static str, &str)) {
        let mut to = Writer::new(put);
        to.value(header::ID, self.id());
        to.value(header::TYPE, format_args!("saga.{}", self.kind));
        to.value(header::SOURCE, format_args!("/sagas/{}", self.definition));
        to.value(header::SUBJECT, self.saga);
        to.value(header::TIME, self.time);
        to.value(header::REVISION, self.revision);
        to.optional(header::TRACEPARENT, self.traceparent.as_ref());
    }

    /// The headers as a list, where speed does not matter.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        self.write_headers(|name, value| all.push((name, value.to_owned())));
        all
    }
}
