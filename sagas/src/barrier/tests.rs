//! The barrier table, cell by cell, as text: what is stored, what arrives, what comes of it.

use super::*;

const STATES: [&str; 7] = [
    "no row",
    "refused@2",
    "done@2",
    "done@2, undo refused@2",
    "undone by compensation@2",
    "effect fenced",
    "fenced",
];

fn stored(generation: u32, payload: &str) -> Stored {
    Stored {
        generation,
        payload: payload.to_owned(),
    }
}

fn row(text: &str) -> Option<Row> {
    let forward = stored(2, "reply");
    Some(match text {
        "no row" => return None,
        "refused@2" => Row::Rejected {
            refusal: stored(2, "fault"),
        },
        "done@2" => Row::Done {
            forward,
            refusal: None,
        },
        "done@2, undo refused@2" => Row::Done {
            forward,
            refusal: Some(stored(2, "undo-fault")),
        },
        "undone by compensation@2" => Row::Compensated {
            forward: Some(forward),
            compensation: Some(stored(2, "undo-reply")),
        },
        "effect fenced" => Row::Compensated {
            forward: Some(forward),
            compensation: None,
        },
        "fenced" => Row::Compensated {
            forward: None,
            compensation: None,
        },
        other => panic!("no such row: {other}"),
    })
}

fn answer_text(answer: &Answer) -> String {
    match answer.effective {
        Some(generation) => format!("{} @{generation} {}", answer.outcome, answer.payload),
        None => format!("{} {}", answer.outcome, answer.payload),
    }
}

fn row_text(row: &Row) -> String {
    let name = |stored: &Option<Stored>| match stored {
        Some(stored) => format!("@{} {}", stored.generation, stored.payload),
        None => "-".to_owned(),
    };
    match row.clone() {
        Row::Done { forward, refusal } => {
            format!(
                "done {} undo refused {}",
                name(&Some(forward)),
                name(&refusal)
            )
        }
        Row::Rejected { refusal } => format!("refused {}", name(&Some(refusal))),
        Row::Compensated {
            forward,
            compensation,
        } => {
            format!("undone {} by {}", name(&forward), name(&compensation))
        }
    }
}

fn verdict(stored: &str, ask: Ask, generation: u32, below_watermark: bool) -> String {
    match decide(row(stored).as_ref(), ask, generation, below_watermark) {
        Decision::RunForward => "run forward".to_owned(),
        Decision::RunCompensation => "run compensation".to_owned(),
        Decision::Write(row, answer) => format!("{} => {}", row_text(&row), answer_text(&answer)),
        Decision::Answer(answer) => format!("=> {}", answer_text(&answer)),
    }
}

#[track_caller]
fn check(ask: Ask, generation: u32, expected: [&str; 7]) {
    for (state, expected) in STATES.into_iter().zip(expected) {
        let actual = verdict(state, ask, generation, false);
        assert_eq!(actual, expected, "{state}, {ask:?}@{generation}");
    }
}

#[test]
fn forward_runs_once_and_a_refusal_holds_for_its_generation_and_older_ones() {
    for generation in [1, 2] {
        check(
            Ask::Forward,
            generation,
            [
                "run forward",
                "=> rejected @2 fault",
                "=> succeeded @2 reply",
                "=> succeeded @2 reply",
                "=> already-compensated null",
                "=> already-compensated null",
                "=> already-compensated null",
            ],
        );
    }
    check(
        Ask::Forward,
        3,
        [
            "run forward",
            "run forward",
            "=> succeeded @2 reply",
            "=> succeeded @2 reply",
            "=> already-compensated null",
            "=> already-compensated null",
            "=> already-compensated null",
        ],
    );
}

#[test]
fn compensation_runs_only_on_an_effect_and_again_only_for_a_newer_generation() {
    check(
        Ask::Compensate,
        2,
        [
            "undone - by @2 null => succeeded @2 null",
            "undone - by @2 null => succeeded @2 null",
            "run compensation",
            "=> rejected @2 undo-fault",
            "=> succeeded @2 undo-reply",
            "=> already-compensated null",
            "=> succeeded @2 null",
        ],
    );
    check(
        Ask::Compensate,
        3,
        [
            "undone - by @3 null => succeeded @3 null",
            "undone - by @3 null => succeeded @3 null",
            "run compensation",
            "run compensation",
            "=> succeeded @2 undo-reply",
            "=> already-compensated null",
            "=> succeeded @3 null",
        ],
    );
}

#[test]
fn fence_of_the_forward_command_ends_a_step_without_effect_and_reports_one_with() {
    check(
        Ask::FenceForward,
        2,
        [
            "undone - by - => fenced null",
            "undone - by - => fenced null",
            "=> succeeded @2 reply",
            "=> succeeded @2 reply",
            "=> fenced null",
            "=> fenced null",
            "=> fenced null",
        ],
    );
}

#[test]
fn fence_of_the_compensation_keeps_the_effect_and_stops_the_handler() {
    check(
        Ask::FenceCompensation,
        2,
        [
            "undone - by - => fenced null",
            "undone - by - => fenced null",
            "undone @2 reply by - => fenced null",
            "undone @2 reply by - => fenced null",
            "=> succeeded @2 undo-reply",
            "=> fenced null",
            "=> fenced null",
        ],
    );
}

#[test]
fn below_the_watermark_only_a_row_is_trusted() {
    for ask in Ask::ALL {
        assert_eq!(verdict("no row", ask, 1, true), "=> expired null");
        for state in STATES.into_iter().skip(1) {
            assert_eq!(verdict(state, ask, 1, true), verdict(state, ask, 1, false));
        }
    }
}

#[test]
fn handler_results_become_rows() {
    let text =
        |(row, answer): (Row, Answer)| format!("{} => {}", row_text(&row), answer_text(&answer));
    let done = row("done@2").unwrap();
    assert_eq!(
        text(Row::done(1, "{}".into())),
        "done @1 {} undo refused - => succeeded @1 {}"
    );
    assert_eq!(
        text(Row::refused(1, "no".into())),
        "refused @1 no => rejected @1 no"
    );
    assert_eq!(
        text(done.clone().compensated(3, "{}".into())),
        "undone @2 reply by @3 {} => succeeded @3 {}"
    );
    assert_eq!(
        text(done.compensation_refused(3, "no".into())),
        "done @2 reply undo refused @3 no => rejected @3 no"
    );
}
