//! A record that says nothing: an orchestrator writes one where nothing was written or read for a moment, to see
//! whether the topic still takes records and gives them back.
//!
//! It has the form of a lifecycle event of no saga: a consumer of events that passes by kinds it does not
//! know passes by this one. In `<prefix>.replies`, the key alone tells it from replies.

use std::borrow::Cow;

use uuid::Uuid;

use super::EventMessage;
use crate::{SagaId, Timestamp};

/// The last part of its type.
const KIND: &str = "probe";

/// The key of a probe: the id of no saga.
const KEY: &str = "00000000-0000-0000-0000-000000000000";

/// The probe of this instant.
#[must_use]
pub fn probe(time: Timestamp) -> EventMessage<'static> {
    EventMessage {
        kind: Cow::Borrowed(KIND),
        definition: Cow::Borrowed(KIND),
        saga: SagaId(Uuid::nil()),
        revision: 0,
        sequence: 0,
        time,
        traceparent: None,
        payload: Cow::Borrowed(b"null"),
    }
}

/// Whether the record is a probe. For all others, a look at the key is enough.
#[must_use]
pub fn is_probe(key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
    key == Some(KEY.as_bytes())
        && EventMessage::parse(key, value).is_ok_and(|message| message.kind == KIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_an_event_of_no_saga_and_nothing_else_is_a_probe() {
        let message = probe(Timestamp::default());
        let (key, value) = (message.key(), message.value());
        let key = key.as_bytes();
        // As docs/wire.md has it.
        let text = r#"{"specversion":"1.0","wire":"3","id":"13ff5668-38ab-56ce-b12e-8ac5d9cd7e61","type":"saga.probe","source":"/sagas/probe","subject":"00000000-0000-0000-0000-000000000000","time":"1970-01-01T00:00:00.000Z","revision":0,"sequence":0}"#;
        assert_eq!(String::from_utf8(value.clone()).unwrap(), text);
        assert!(is_probe(Some(key), Some(&value)));
        assert!(!is_probe(
            Some(b"a6b8d3f0-0000-4000-8000-000000000000"),
            Some(&value)
        ));
        assert!(!is_probe(Some(key), Some(b"{}")));
        assert!(!is_probe(Some(key), None));
        let other = EventMessage {
            kind: Cow::Borrowed("started"),
            ..message
        };
        assert!(!is_probe(Some(key), Some(&other.value())));
    }
}
