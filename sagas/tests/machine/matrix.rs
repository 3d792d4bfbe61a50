//! What becomes of every event in every situation, as one table that is kept in `matrix.txt`.
//!
//! Every status, every kind of step, every event: replies of each direction and outcome, wakes, and each
//! order. A new status, direction, outcome or rule shows up there as a difference. After reading the
//! difference, `REFRESH_MATRIX=1 cargo test -p sagas matrix` writes the table anew.

use std::fmt::Write;
use std::{env, fs};

use sagas::machine::OrderName;
use sagas::{Definition, Direction, Outcome, Status};

use crate::definitions::{firm_pivot, gift_order, place_order, without_a_pivot};
use crate::script::Stage;

/// A saga in a status, and how it got there.
struct Situation {
    status: Status,
    what: &'static str,
    definition: Definition,
    input: &'static str,
    script: &'static str,
    /// The step whose command is in flight, if any.
    in_flight: Option<&'static str>,
    /// A step that has nothing in flight.
    at_rest: &'static str,
}

/// At least one situation for each status; a status without one does not compile.
fn situations(status: Status) -> Vec<Situation> {
    let situation = |what, script, in_flight, at_rest| Situation {
        status,
        what,
        definition: place_order(),
        input: r#"{"order":7}"#,
        script,
        in_flight,
        at_rest,
    };
    match status {
        Status::Running => [running(&situation), running_otherwise(&situation)]
            .into_iter()
            .flatten()
            .collect(),
        Status::Compensating => compensating(&situation),
        Status::Stuck => stuck(&situation),
        Status::Completed => vec![
            Situation {
                definition: gift_order(),
                ..situation(
                    "a step skipped, a notification sent",
                    "until capture-payment; capture-payment ok",
                    None,
                    "wrap-gift",
                )
            },
            situation(
                "every step done",
                "until capture-payment; cancel; capture-payment ok; confirm-order ok",
                None,
                "create-order",
            ),
        ],
        Status::Compensated => vec![situation(
            "every step undone",
            "until reserve-stock; cancel; reserve-stock rejected; authorize-payment rejected; \
             create-order ok",
            None,
            "create-order",
        )],
    }
}

type Plain<'a> =
    &'a dyn Fn(&'static str, &'static str, Option<&'static str>, &'static str) -> Situation;

fn compensating(situation: Plain<'_>) -> Vec<Situation> {
    vec![
        situation(
            "a compensation being resolved",
            "until reserve-stock; authorize-payment rejected; reserve-stock ok; \
                 reserve-stock rejected; resolve reserve-stock",
            Some("reserve-stock"),
            "create-order",
        ),
        situation(
            "paused, a step given up on",
            "until create-shipment; pause; cancel; create-shipment failed",
            None,
            "create-shipment",
        ),
        situation(
            "a sibling's command in flight",
            "until reserve-stock; authorize-payment rejected",
            Some("reserve-stock"),
            "create-order",
        ),
        situation(
            "a compensation in flight",
            "until create-shipment; create-shipment rejected; authorize-payment ok",
            Some("reserve-stock"),
            "create-order",
        ),
        situation(
            "a compensation waits for its retry",
            "until create-shipment; create-shipment rejected; reserve-stock failed",
            Some("reserve-stock"),
            "create-order",
        ),
    ]
}

fn running(situation: Plain<'_>) -> Vec<Situation> {
    vec![
        situation("not started", "", None, "create-order"),
        situation(
            "a compensatable step in flight, its sibling done",
            "until reserve-stock; reserve-stock ok",
            Some("authorize-payment"),
            "reserve-stock",
        ),
        situation(
            "a compensatable step waits for its retry",
            "until create-shipment; create-shipment failed",
            Some("create-shipment"),
            "capture-payment",
        ),
        situation(
            "a compensatable step at its last attempt",
            "until create-shipment; wake +10s; wake +10s",
            Some("create-shipment"),
            "capture-payment",
        ),
        situation(
            "the pivot in flight",
            "until capture-payment",
            Some("capture-payment"),
            "create-shipment",
        ),
        situation(
            "the pivot at its last attempt",
            "until capture-payment; wake +10s; wake +10s",
            Some("capture-payment"),
            "create-shipment",
        ),
        situation(
            "the pivot being fenced",
            "until capture-payment; cancel",
            Some("capture-payment"),
            "create-shipment",
        ),
        situation(
            "a retriable step in flight",
            "until confirm-order",
            Some("confirm-order"),
            "capture-payment",
        ),
        Situation {
            definition: without_a_pivot(),
            ..situation(
                "a retriable step in flight, no pivot",
                "until confirm-order; send-receipt ok",
                Some("confirm-order"),
                "reserve-stock",
            )
        },
    ]
}

/// Running sagas with what orders, conditions and further kinds of steps make of them.
fn running_otherwise(situation: Plain<'_>) -> Vec<Situation> {
    vec![
        situation(
            "paused",
            "until reserve-stock; reserve-stock ok; pause",
            Some("authorize-payment"),
            "reserve-stock",
        ),
        situation(
            "an edited step in flight",
            r#"until create-shipment; edit create-shipment {"order":7,"receipts":[]}"#,
            Some("create-shipment"),
            "capture-payment",
        ),
        situation(
            "a step being skipped",
            r#"until reserve-stock; skip reserve-stock {"number":2}"#,
            Some("reserve-stock"),
            "create-order",
        ),
        situation(
            "a step done by hand",
            r#"until reserve-stock; skip reserve-stock {"number":2}; reserve-stock fenced"#,
            Some("authorize-payment"),
            "reserve-stock",
        ),
        Situation {
            definition: gift_order(),
            ..situation(
                "a query in flight",
                "start",
                Some("read-price"),
                "send-mail",
            )
        },
        Situation {
            definition: gift_order(),
            input: r#"{"order":101}"#,
            ..situation(
                "a conditional step in flight, a hint sent",
                "until wrap-gift",
                Some("wrap-gift"),
                "tell-warehouse",
            )
        },
        Situation {
            definition: gift_order(),
            input: r#"{"order":201}"#,
            ..situation(
                "a conditional retriable step in flight, beyond the deadline",
                "until add-points; wake +60s",
                Some("add-points"),
                "send-mail",
            )
        },
    ]
}

fn stuck(situation: Plain<'_>) -> Vec<Situation> {
    vec![
        situation(
            "a command in flight beside a parked step",
            "until reserve-stock; reserve-stock expired",
            Some("authorize-payment"),
            "reserve-stock",
        ),
        situation(
            "a compensation in flight beside a refused one",
            "until create-shipment; create-shipment rejected; reserve-stock rejected",
            Some("authorize-payment"),
            "reserve-stock",
        ),
        situation(
            "a step done by hand that must be undone",
            "until reserve-stock; skip reserve-stock {\"number\":2}; reserve-stock fenced; \
             authorize-payment rejected",
            None,
            "reserve-stock",
        ),
        Situation {
            definition: gift_order(),
            input: r#"{"order":7,"broken":"condition"}"#,
            ..situation(
                "a condition that panicked",
                "start; read-price ok",
                None,
                "wrap-gift",
            )
        },
        situation(
            "a compensatable step tried beyond its attempts, an answer unreadable",
            "until create-shipment; create-shipment failed unreadable-reply; wake +10s; wake +10s; wake +10s",
            Some("create-shipment"),
            "capture-payment",
        ),
        situation(
            "a compensation tried beyond its attempts, an answer unreadable",
            "until create-shipment; create-shipment rejected; authorize-payment ok; \
             reserve-stock failed unreadable-reply; wake +10s; wake +10s; wake +10s",
            Some("reserve-stock"),
            "create-order",
        ),
        situation(
            "a first step refused against its promise",
            "start; create-order rejected",
            None,
            "create-order",
        ),
        Situation {
            definition: firm_pivot(),
            ..situation(
                "a pivot refused against its promise",
                "until confirm-order; confirm-order rejected",
                None,
                "confirm-order",
            )
        },
        situation(
            "a pivot whose participant no longer knows",
            "until capture-payment; capture-payment expired",
            None,
            "capture-payment",
        ),
    ]
}

/// Every event, as statements of a script.
fn events(situation: &Situation) -> Vec<String> {
    let mut events: Vec<String> = vec!["start".to_owned()];
    for publish in ["", " unpublished", " unpublished closed"] {
        events.extend(["+0s", "+2s", "+10s"].map(|later| format!("wake {later}{publish}")));
    }
    events.extend(["cancel 1", "cancel 2", "pause", "resume", "retry"].map(str::to_owned));
    for step in situation.in_flight.into_iter().chain([situation.at_rest]) {
        events.push(format!("retry {step}"));
        events.push(format!(r#"edit {step} {{"order":7,"receipts":[9]}}"#));
        events.push(format!(r#"skip {step} {{"number":9}}"#));
        events.push(format!("resolve {step}"));
    }
    for name in OrderName::ALL {
        let is_given = |event: &String| event.split(' ').next() == Some(name.as_str());
        assert!(events.iter().any(is_given), "{name:?} is missing");
    }
    let steps = situation.in_flight.into_iter().chain([situation.at_rest]);
    for step in steps {
        for direction in Direction::ALL {
            let replies = Outcome::ALL
                .iter()
                .map(|outcome| format!("{step}/{direction} {outcome}"));
            events.extend(replies);
            events.push(format!("{step}/{direction} failed unreadable-reply"));
        }
    }
    if let Some(step) = situation.in_flight {
        for direction in Direction::ALL {
            events.push(format!("{step}/{direction}#9 succeeded"));
            events.push(format!("{step}/{direction}#9 failed"));
            events.push(format!("{step}/{direction}#9 failed unreadable-reply"));
            events.push(format!("{step}/{direction}@2 succeeded"));
        }
    }
    events.push("paint-the-house/forward succeeded".to_owned());
    events
}

fn table() -> String {
    let mut table = String::new();
    for situation in Status::ALL.into_iter().flat_map(situations) {
        let mut stage = Stage::new(&situation.definition, situation.input);
        stage.play(situation.script);
        let (status, what) = (situation.status, situation.what);
        assert_eq!(
            stage.saga.status(),
            status,
            "{what}: the script does not lead there"
        );
        let _ = writeln!(table, "== {status}: {what}");
        if !situation.script.is_empty() {
            let _ = writeln!(table, "   {} {}", situation.input, situation.script);
        }
        for event in events(&situation) {
            let verdict = stage.clone().act(&event);
            let _ = writeln!(table, "{event:<46} {verdict}");
        }
        table.push('\n');
    }
    table
}

#[test]
fn every_event_in_every_situation_has_the_verdict_of_the_matrix() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine/matrix.txt");
    let actual = table();
    if env::var_os("REFRESH_MATRIX").is_some() {
        fs::write(path, &actual).expect("the table can be written");
    }
    let stored = fs::read_to_string(path).unwrap_or_default();
    let differences: Vec<String> = stored
        .lines()
        .zip(actual.lines())
        .filter(|(was, is)| was != is)
        .map(|(was, is)| format!("- {was}\n+ {is}"))
        .collect();
    assert!(
        stored == actual,
        "{} lines of the matrix changed ({} stored, {} now); read them, then set \
         REFRESH_MATRIX=1 to write it anew:\n{}",
        differences.len(),
        stored.lines().count(),
        actual.lines().count(),
        differences.join("\n")
    );
}
