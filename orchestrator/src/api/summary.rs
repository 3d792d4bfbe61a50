//! A saga's row as REST shows it.

use sagas::machine::{Pause, Progress, Reason as Stored};
use sagas::{Definition, SagaId, Timestamp};
use sagas_core::loaded::{SagaRow, Unreadable};
use sagas_core::registry::Pin;
use serde::{Serialize, Serializer};

use crate::store::definition::Missing;

/// One line of the list, and the head of the detail.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    id: SagaId,
    saga: &'a str,
    version: i64,
    state: &'a str,
    revision: u64,
    started_at: Instant,
    updated_at: Instant,
    finished_at: Option<Instant>,
    reason: Option<Reason<'a>>,
    attention: Option<Attention>,
    paused: Option<Paused<'a>>,
}

/// An instant as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(pub(super) Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Why a saga turned back.
#[derive(Debug, Serialize)]
pub(super) struct Reason<'a> {
    kind: &'static str,
    step: Option<&'a str>,
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
}

impl<'a> Reason<'a> {
    pub(super) fn of(reason: &'a Stored) -> Self {
        let (kind, actor) = match reason {
            Stored::Rejected { .. } => ("rejected", None),
            Stored::Exhausted { .. } => ("exhausted", None),
            Stored::CompensatedElsewhere { .. } => ("compensated_elsewhere", None),
            Stored::DeadlinePassed { .. } => ("deadline_passed", None),
            Stored::Cancelled { actor, .. } => ("cancelled", Some(actor.as_str())),
        };
        let fault = reason.fault();
        Self {
            kind,
            step: reason.step(),
            code: &fault.code,
            message: &fault.message,
            actor,
        }
    }
}

/// That a person should look, and why.
#[derive(Debug, Serialize)]
pub(super) struct Attention {
    pub(super) since: Instant,
    pub(super) text: String,
}

/// Who holds the saga.
#[derive(Debug, Serialize)]
pub(super) struct Paused<'a> {
    since: Instant,
    actor: &'a str,
    reason: &'a str,
}

impl<'a> Paused<'a> {
    fn of(pause: &'a Pause) -> Self {
        Self {
            since: Instant(pause.since),
            actor: &pause.actor,
            reason: &pause.reason,
        }
    }
}

impl<'a> Summary<'a> {
    /// `definition` gives the steps their names; without it they are numbers.
    pub(super) fn of(row: &'a SagaRow, definition: Option<&Definition>) -> Self {
        Self {
            id: row.id,
            saga: &row.definition,
            version: row.version.into(),
            state: row.status.as_str(),
            revision: row.revision,
            started_at: Instant(row.started_at),
            updated_at: Instant(row.updated_at),
            finished_at: row.finished_at.map(Instant),
            reason: row.moving.reason.as_ref().map(Reason::of),
            attention: attention(row, definition),
            paused: row.moving.paused.as_ref().map(Paused::of),
        }
    }

    /// A saga that this binary cannot read, as far as it can be shown: nothing moves it here.
    pub(super) fn of_unreadable(row: &'a Unreadable) -> Self {
        let text = format!(
            "this binary cannot read the saga ({}); a newer binary may have written it, else the row is \
             damaged",
            row.why
        );
        let since = Instant(row.updated_at);
        Self {
            id: row.id,
            saga: &row.definition,
            version: row.version,
            state: &row.status,
            revision: row.revision.unsigned_abs(),
            started_at: Instant(row.started_at),
            updated_at: Instant(row.updated_at),
            finished_at: row.finished_at.map(Instant),
            reason: None,
            attention: Some(Attention { since, text }),
            paused: None,
        }
    }

    /// Puts in what the history knows better than the row.
    pub(super) fn with_attention_since(mut self, since: Option<Timestamp>) -> Self {
        if let (Some(attention), Some(since)) = (&mut self.attention, since) {
            attention.since = Instant(since);
        }
        self
    }

    /// Says that no live replica can move the saga, if so. That comes before what else is wrong
    /// with it: nobody can do anything about that before.
    pub(super) fn with_definition_missing(mut self, row: &SagaRow, missing: &[Missing]) -> Self {
        if row.status.is_terminal() {
            return self;
        }
        let pin = Pin::of_row(row);
        if let Some(missing) = missing.iter().find(|missing| missing.pin == pin) {
            self.attention = Some(Attention {
                // It was not missing while somebody moved it.
                since: Instant(missing.since.unwrap_or_default().max(row.updated_at)),
                text: missing_text(&pin),
            });
        }
        self
    }
}

/// What to do about a definition that no live replica has.
pub(super) fn missing_text(pin: &Pin) -> String {
    let Pin {
        name,
        version,
        fingerprint,
    } = pin;
    format!(
        "no live replica has definition {name} version {version} (fingerprint {fingerprint}); deploy \
         a binary that has it"
    )
}

/// A parked step, else the step that has been tried in vain for longest, else one whose command is withheld.
fn attention(row: &SagaRow, definition: Option<&Definition>) -> Option<Attention> {
    let name = |step: usize| match definition.and_then(|known| known.steps().get(step)) {
        Some(known) => known.name.clone(),
        None => format!("step {}", step + 1),
    };
    let steps = || row.moving.steps.iter().enumerate();
    let parked = steps().find_map(|(step, progress)| match progress {
        Progress::Parked(trouble) => Some((step, trouble)),
        _ => None,
    });
    if let Some((step, trouble)) = parked {
        // A saga that is parked moves on only beside the parked step, so this is not far off.
        let since = Instant(row.updated_at);
        let text = format!("{} waits for a person: {trouble}", name(step));
        return Some(Attention { since, text });
    }
    let tried = steps().filter_map(|(step, progress)| {
        let flight = progress.flight()?;
        Some((flight.exhausted_since?, step, flight))
    });
    if let Some((since, step, flight)) = tried.min_by_key(|(since, step, _)| (*since, *step)) {
        let last = flight.last_word();
        let text = format!("{} was tried {} times; {last}", name(step), flight.attempt);
        let since = Instant(since);
        return Some(Attention { since, text });
    }
    if let Some((step, since)) = row.moving.withheld() {
        let text = format!("{} waits for its topic, which takes nothing", name(step));
        let since = Instant(since);
        return Some(Attention { since, text });
    }
    Some(Attention {
        since: Instant(row.moving.overdue_since?),
        text: "its deadline has passed, and it can only be completed".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample;
    use super::*;

    fn shown(script: &str) -> serde_json::Value {
        let loaded = sample::played(script);
        let registry = sample::registry();
        let definition = registry.newest("book-trip").map(AsRef::as_ref);
        json!(Summary::of(&loaded.row, definition))
    }

    #[test]
    fn a_running_saga_has_every_field_and_nulls_for_what_is_not() {
        let shown = shown("start");
        assert_eq!(shown["saga"], "book-trip");
        assert_eq!(shown["state"], "running");
        assert_eq!(shown["started_at"], "2026-11-23T13:10:36.000Z");
        for absent in ["finished_at", "reason", "attention"] {
            assert!(
                shown[absent].is_null() && shown.get(absent).is_some(),
                "{absent}"
            );
        }
    }

    #[test]
    fn a_refusal_is_the_reason() {
        let shown = shown("start; book-room ok; pay-room rejected");
        let reason = json!({
            "kind": "rejected", "step": "pay-room", "code": "no-luck", "message": "try elsewhere",
        });
        assert_eq!(shown["reason"], reason);
        assert_eq!(shown["state"], "compensating");
    }

    #[test]
    fn a_cancel_names_who_gave_it() {
        let shown = shown("start; cancel");
        assert_eq!(shown["reason"]["actor"], "operator");
        assert_eq!(shown["reason"]["step"], json!(null));
    }

    #[test]
    fn a_parked_step_asks_for_a_person() {
        let shown = shown("start; book-room ok; pay-room ok; send-ticket rejected");
        assert_eq!(shown["state"], "stuck");
        let text = shown["attention"]["text"].as_str().unwrap();
        assert!(
            text.starts_with("send-ticket waits for a person: it cannot be rejected"),
            "{text}"
        );
    }

    #[test]
    fn a_definition_that_nobody_has_asks_for_attention_before_anything_else() {
        let loaded = sample::played("start; book-room ok; pay-room ok; send-ticket rejected");
        let row = &loaded.row;
        let missing = |pin, since| [Missing { pin, since }];
        let shown = |missing: &[Missing]| {
            json!(Summary::of(row, None).with_definition_missing(row, missing))["attention"].clone()
        };
        let unseen = shown(&missing(Pin::of_row(row), None));
        let text = unseen["text"].as_str().unwrap();
        assert!(
            text.starts_with("no live replica has definition book-trip version 1 (fingerprint "),
            "{text}"
        );
        assert_eq!(unseen["since"], json!(Instant(row.updated_at)));
        let later = row.updated_at + std::time::Duration::from_secs(60);
        let gone = shown(&missing(Pin::of_row(row), Some(later)));
        assert_eq!(gone["since"], json!(Instant(later)));
        let other = Pin {
            version: 2,
            ..Pin::of_row(row)
        };
        let text = shown(&missing(other, None));
        let text = text["text"].as_str().unwrap();
        assert!(text.contains("waits for a person"), "{text}");
    }

    #[test]
    fn attempts_without_end_ask_for_attention() {
        let shown = shown("start; book-room ok; pay-room silent 12");
        assert_eq!(shown["state"], "running");
        let text = shown["attention"]["text"].as_str().unwrap();
        assert_eq!(
            text,
            "pay-room was tried 13 times; the participant stayed silent"
        );
    }
}
