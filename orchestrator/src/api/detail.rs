//! Everything that is known of one saga, put together from its row, its history and its
//! definition.
//!
//! A pure function: the same rows give the same answer, and nothing is looked up. Payloads and
//! replies pass through as they are stored. Without the definition, row and history are shown.

mod sentences;
mod steps;
mod trace;
mod waits;

use sagas::machine::{Entry, EntryKind, Status};
use sagas::{Definition, Direction, Json, Outcome, Timestamp};
use sagas_core::loaded::Loaded;
use serde::Serialize;

use super::summary::{Instant, Summary};
use crate::store::definition::Missing;
use steps::Step;

/// The answer of `GET /v1/sagas/{id}`.
#[derive(Debug, Serialize)]
pub(super) struct Detail<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Payload<'a>,
    steps: Vec<Step<'a>>,
    history: Vec<Line<'a>>,
}

/// A payload, `null` where there is none yet; `None` where it is left out.
type Payload<'a> = Option<Option<&'a Json>>;

/// One transition.
#[derive(Debug, Serialize)]
struct Line<'a> {
    revision: u64,
    at: Instant,
    event: EntryKind,
    step: Option<&'a str>,
    direction: Option<Direction>,
    outcome: Option<Outcome>,
    attempt: Option<u32>,
    text: String,
    sent: Vec<&'a str>,
    state: Status,
}

impl<'a> Detail<'a> {
    /// `definition` is the one that the row pins, or `None` when this binary lacks it; `missing` has
    /// it if no other live replica has it, either.
    pub(super) fn of(
        loaded: &'a Loaded,
        definition: Option<&'a Definition>,
        missing: &[Missing],
    ) -> Self {
        let Loaded { row, history } = loaded;
        // The fingerprint covers the steps; rows of another shape are shown without their names.
        let fits = |known: &&Definition| known.steps().len() == row.moving.steps.len();
        let definition = definition.filter(fits);
        let summary = Summary::of(row, definition).with_attention_since(stuck_since(history));
        let summary = summary.with_definition_missing(row, missing);
        let before = std::iter::once(None).chain(history.iter().map(Some));
        Self {
            summary,
            input: Some(history.iter().find_map(|entry| entry.input.as_ref())),
            output: Some(history.iter().rev().find_map(|entry| entry.output.as_ref())),
            steps: definition.map_or_else(Vec::new, |known| steps::of(loaded, known)),
            history: history
                .iter()
                .zip(before)
                .map(|(entry, before)| Line::of(entry, before))
                .collect(),
        }
    }
}

impl Detail<'_> {
    /// The same without what clients and participants gave, which may be large, or not for every eye.
    pub(super) fn without_payloads(self) -> Self {
        let steps = self.steps.into_iter();
        Self {
            input: None,
            output: None,
            steps: steps.map(Step::without_payloads).collect(),
            ..self
        }
    }
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry, before: Option<&Entry>) -> Self {
        Self {
            revision: entry.revision,
            at: Instant(entry.at),
            event: entry.event,
            step: entry.step.as_deref(),
            direction: entry.direction,
            outcome: entry.outcome,
            attempt: entry.attempt,
            text: sentences::tell(entry, before),
            sent: sentences::gone_out(entry)
                .map(|sent| sent.step.as_str())
                .collect(),
            state: entry.status,
        }
    }
}

/// Since when the saga has been stuck without a break.
fn stuck_since(history: &[Entry]) -> Option<Timestamp> {
    let trailing = history.iter().rev();
    let stuck = trailing.take_while(|entry| entry.status == Status::Stuck);
    stuck.last().map(|entry| entry.at)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::sample;
    use super::*;

    fn shown(script: &str) -> Value {
        let loaded = sample::played(script);
        let registry = sample::registry();
        let definition = registry.newest("book-trip").map(AsRef::as_ref);
        let text = serde_json::to_string(&Detail::of(&loaded, definition, &[])).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[track_caller]
    fn check_steps(script: &str, expected: [&str; 3]) {
        let shown = shown(script);
        let steps = shown["steps"].as_array().unwrap().iter();
        let told: Vec<_> = steps
            .map(|step| {
                let waits = step["waits"].as_str().unwrap_or("-");
                format!("{}: {}", step["state"].as_str().unwrap(), waits)
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_saga_that_has_started_waits_for_its_first_reply() {
        check_steps(
            "start",
            [
                "in_flight: waits for rooms to answer attempt 1; if it stays silent, attempt 2 \
                 goes out at 2026-11-23T13:10:46.000Z",
                "idle: waits for book-room to be done",
                "idle: waits for pay-room to be done",
            ],
        );
    }

    #[test]
    fn a_failed_attempt_says_when_the_next_one_goes_out() {
        let shown = shown("start; book-room failed");
        let waits = shown["steps"][0]["waits"].as_str().unwrap();
        assert!(
            waits.starts_with("attempt 1 failed (busy: try later); attempt 2 goes out at 2026-"),
            "{waits}"
        );
        assert_eq!(shown["steps"][0]["state"], "retrying");
    }

    #[test]
    fn a_saga_that_turns_back_undoes_what_took_effect() {
        check_steps(
            "start; book-room ok; pay-room rejected",
            [
                "compensating: waits for rooms to answer the compensation release-room, attempt 1; if \
                 it stays silent, attempt 2 goes out at 2026-11-23T13:10:48.000Z",
                "rejected: -",
                "idle: -",
            ],
        );
    }

    #[test]
    fn a_completed_saga_shows_what_went_out_and_came_back() {
        let shown = shown("start; book-room ok; pay-room ok; send-ticket ok");
        assert_eq!(shown["state"], "completed");
        assert_eq!(
            shown["input"],
            json!({ "guest": 1, "legs": [{ "to": "Oslo" }] })
        );
        assert_eq!(shown["output"], 7);
        let step = &shown["steps"][0];
        assert_eq!(step["payload"], json!({ "guest": 1 }));
        assert_eq!(step["reply"], json!({ "room": 7 }));
        assert_eq!(step["attempt"], 1);
        assert_eq!(step["generation"], 1);
        assert_eq!(step["sent_at"], "2026-11-23T13:10:36.000Z");
        assert_eq!(step["ended_at"], "2026-11-23T13:10:37.000Z");
        assert_eq!(step["next_at"], Value::Null);
        assert_eq!(step["compensation"], "release-room");
        assert_eq!(shown["steps"][1]["needs"], json!(["book-room"]));
    }

    #[test]
    fn a_compensated_saga_shows_both_ways_of_a_step() {
        let shown = shown("start; book-room ok; pay-room rejected; book-room undone");
        assert_eq!(shown["state"], "compensated");
        let step = &shown["steps"][0];
        assert_eq!(step["compensation_payload"], json!({ "guest": 1 }));
        assert_eq!(step["compensation_reply"], Value::Null);
        assert_eq!(step["ended_at"], "2026-11-23T13:10:39.000Z");
        let rejection = json!({ "code": "no-luck", "message": "try elsewhere" });
        assert_eq!(shown["steps"][1]["rejection"], rejection);
    }

    #[test]
    fn a_stuck_saga_says_what_is_wrong_and_since_when() {
        let shown = shown("start; book-room ok; pay-room ok; send-ticket rejected");
        let trouble = shown["steps"][2]["trouble"].as_str().unwrap();
        assert!(
            trouble.starts_with("it cannot be rejected, but was: no-luck"),
            "{trouble}"
        );
        assert_eq!(shown["attention"]["since"], "2026-11-23T13:10:39.000Z");
    }

    #[test]
    fn history_is_told_in_sentences() {
        let shown = shown("start; book-room failed; book-room silent 1; book-room ok; cancel");
        let lines = shown["history"].as_array().unwrap().iter();
        let told: Vec<_> = lines.map(|line| line["text"].as_str().unwrap()).collect();
        assert_eq!(
            told,
            [
                "The saga was accepted. Sent book-room.",
                "book-room failed on attempt 1: busy: try later.",
                "Time was up. Sent book-room again, attempt 2.",
                "book-room succeeded. Sent pay-room.",
                "operator ordered to cancel: changed plans. Asked the participant of pay-room to \
                 make it final.",
            ]
        );
        assert_eq!(shown["history"][0]["event"], "started");
        assert_eq!(shown["history"][3]["sent"], json!(["pay-room"]));
    }

    #[test]
    fn a_command_that_is_withheld_is_not_told_as_sent() {
        let shown = shown("start; closed book-room ok; pay-room silent 1");
        let told: Vec<_> = shown["history"].as_array().unwrap().iter().collect();
        let told: Vec<_> = told
            .iter()
            .map(|line| line["text"].as_str().unwrap())
            .collect();
        assert_eq!(
            told,
            [
                "The saga was accepted. Sent book-room.",
                "book-room succeeded. pay-room waits for its topic, which takes nothing.",
                "The topic takes records again. Sent pay-room, attempt 1.",
            ]
        );
    }

    #[test]
    fn a_step_that_is_withheld_says_what_it_waits_for() {
        let shown = shown("start; closed book-room ok");
        let step = &shown["steps"][1];
        let since = "2026-11-23T13:10:37.000Z";
        let waits = format!(
            "waits for the topic of bank to take something, since {since}; then attempt 1 is sent, or sent again"
        );
        assert_eq!(step["waits"], waits);
        assert_eq!(
            (&step["next_at"], &step["sent_at"]),
            (&json!(null), &json!(null))
        );
        let text = "pay-room waits for its topic, which takes nothing";
        assert_eq!(shown["attention"], json!({ "since": since, "text": text }));
    }

    #[test]
    fn without_its_definition_a_saga_still_shows_row_and_history() {
        let loaded = sample::played("start; book-room ok");
        let shown = json!(Detail::of(&loaded, None, &[]));
        assert_eq!(shown["steps"], json!([]));
        assert_eq!(shown["history"].as_array().unwrap().len(), 2);
        // Another replica has it.
        assert_eq!(shown["attention"], json!(null));
    }

    #[test]
    fn payloads_can_be_left_out_and_all_the_rest_stays() {
        let loaded = sample::played("start; book-room ok; pay-room rejected; book-room undone");
        let registry = sample::registry();
        let definition = registry.newest("book-trip").map(AsRef::as_ref);
        let shown = |detail: Detail| json!(detail);
        let mut whole = shown(Detail::of(&loaded, definition, &[]));
        let without = shown(Detail::of(&loaded, definition, &[]).without_payloads());
        let mut left_out = 0;
        let mut strip = |value: &mut Value, names: &[&str]| {
            let fields = value.as_object_mut().unwrap();
            let removed = names.iter().filter_map(|name| fields.remove(*name));
            left_out += removed.count();
        };
        strip(&mut whole, &["input", "output"]);
        for step in whole["steps"].as_array_mut().unwrap() {
            strip(
                step,
                &[
                    "payload",
                    "reply",
                    "compensation_payload",
                    "compensation_reply",
                ],
            );
        }
        assert_eq!((without, left_out), (whole, 2 + 3 * 4));
    }

    #[test]
    fn stored_texts_pass_through_byte_for_byte() {
        let mut loaded = sample::played("start");
        let odd = "{ \"guest\" :1.00,\n\"legs\":[] }";
        loaded.history[0].input = Some(Json::parse(odd.to_owned()).unwrap());
        let text = serde_json::to_string(&Detail::of(&loaded, None, &[])).unwrap();
        assert!(text.contains(odd), "{text}");
    }
}
