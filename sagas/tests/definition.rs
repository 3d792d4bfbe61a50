//! What `build()` refuses, each problem in the words that the author of a definition reads.

use std::time::Duration;

use sagas::definition::{Problem, Problems, Step};
use sagas::{Command, Definition, DefinitionBuilder, RetryPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! commands {
    ($($name:ident => $participant:literal $command:literal $refusable:literal)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name;

        impl Command for $name {
            const PARTICIPANT: &'static str = $participant;
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = ();
        }
    )+};
}
commands! {
    Reserve => "inventory" "reserve" true
    Release => "inventory" "release" false
    Capture => "payments" "capture" true
    Confirm => "orders" "confirm" false
    Misnamed => "In Stock" "re serve" true
}

type Builder = DefinitionBuilder<()>;

fn compensatable(saga: &mut Builder, name: &str, needs: &[Step<()>]) -> Step<()> {
    let sending = saga.step(name).after(needs.to_vec()).send(|(), _| Reserve);
    sending.compensate(|(), _, _| Release)
}

fn pivot(saga: &mut Builder, name: &str, needs: &[Step<()>]) -> Step<()> {
    let sending = saga.step(name).after(needs.to_vec());
    sending.send(|(), _| Capture).pivot()
}

fn retriable(saga: &mut Builder, name: &str, needs: &[Step<()>]) -> Step<()> {
    let sending = saga.step(name).after(needs.to_vec());
    sending.send(|(), _| Confirm).retriable()
}

/// Builds the definition that `write` writes, and compares its problems with `expected`, a line
/// each.
#[track_caller]
fn check(write: impl FnOnce(&mut Builder), expected: &str) {
    let mut saga = Definition::of::<()>("place-order");
    write(&mut saga);
    let Problems { problems, .. } = saga.build().expect_err("the definition has a problem");
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(problems, expected);
}

#[test]
fn an_empty_definition_is_refused() {
    check(
        |_| {},
        "the definition has no step; add at least one with `step(…)`",
    );
}

#[test]
fn a_step_without_its_last_word_is_refused_by_its_name() {
    check(
        |saga| {
            let stock = compensatable(saga, "reserve-stock", &[]);
            let _ = saga.step("read-price");
            let sending = saga.step("capture-payment").after(stock);
            let _ = sending.send(|(), ()| Capture);
            std::mem::forget(saga.step("tell").when(|(), ()| true));
            compensatable(saga, "reserve-stock", &[]);
        },
        r#"step "read-price" was begun and not added, because its last word is missing; end it with compensate, pivot, retriable, query, notify or hint
           step "capture-payment" was begun and not added, because its last word is missing; end it with compensate, pivot, retriable, query, notify or hint
           step "tell" was begun and not added, because its last word is missing; end it with compensate, pivot, retriable, query, notify or hint
           step "reserve-stock" is there 2 times; give each step a name of its own"#,
    );
}

#[test]
fn a_definition_whose_only_step_is_unfinished_is_not_called_empty() {
    check(
        |saga| drop(saga.step("reserve-stock")),
        r#"step "reserve-stock" was begun and not added, because its last word is missing; end it with compensate, pivot, retriable, query, notify or hint"#,
    );
}

#[test]
fn sixty_four_steps_are_enough() {
    let mut saga = Definition::of::<()>("long");
    for step in 0..64 {
        compensatable(&mut saga, &format!("step-{step}"), &[]);
    }
    let definition = saga.build().expect("64 steps are as many as there can be");
    assert_eq!(definition.steps().len(), 64);
    assert_eq!(definition.dependents(63).count(), 0);
}

#[test]
fn sixty_five_steps_are_too_many() {
    check(
        |saga| {
            for step in 0..65 {
                compensatable(saga, &format!("step-{step}"), &[]);
            }
        },
        "65 steps are more than 64; split the saga in two",
    );
}

#[test]
fn names_that_do_not_fit_into_a_topic_are_refused() {
    let mut saga = Definition::of::<()>("");
    compensatable(&mut saga, "-dry-run", &[]);
    compensatable(&mut saga, &"x".repeat(65), &[]);
    saga.step("mis.named")
        .send(|(), ()| Misnamed)
        .compensate(|(), (), _| Misnamed);
    let problems = saga.build().expect_err("the names are wrong").to_string();
    let long = "x".repeat(65);
    let expected = format!(
        r#"the definition "" has 7 problems:
  - the definition name "" cannot be used: a name has at least one character; choose another name
  - the step name "-dry-run" cannot be used: a name starts with a lowercase letter or a digit; choose another name
  - the step name "{long}" cannot be used: a name has at most 64 characters, not 65; choose another name
  - the step name "mis.named" cannot be used: a name has only lowercase letters a to z, digits and hyphens, not '.'; choose another name
  - the participant "In Stock" cannot be used: a name has only lowercase letters a to z, digits and hyphens, not 'I'; choose another name
  - the command "re serve" cannot be used: a name has only lowercase letters a to z, digits and hyphens, not ' '; choose another name
  - the command "re serve" cannot be used: a name has only lowercase letters a to z, digits and hyphens, not ' '; choose another name"#
    );
    assert_eq!(problems, expected);
}

#[test]
fn the_version_zero_is_refused() {
    check(
        |saga| {
            saga.version(0);
            compensatable(saga, "reserve-stock", &[]);
        },
        "the version is 0; versions start at 1",
    );
}

#[test]
fn a_retry_policy_that_cannot_be_followed_is_refused() {
    check(
        |saga| {
            saga.retry(RetryPolicy {
                reply_timeout: Duration::ZERO,
                initial_interval: Duration::from_secs(2),
                backoff_coefficient: 0,
                max_interval: Duration::from_secs(1),
                max_attempts: 0,
            });
            compensatable(saga, "reserve-stock", &[]);
        },
        "the retry policy grants no attempt; set max_attempts to 1 or more
         the retry policy has the backoff coefficient 0; set backoff_coefficient to 1 or more
         the retry policy waits for no reply; set reply_timeout above zero
         the retry policy has an initial interval that is zero or above the longest; set initial_interval above zero and at most max_interval",
    );
}

#[test]
fn a_retry_policy_without_a_delay_is_refused() {
    check(
        |saga| {
            saga.retry(RetryPolicy {
                initial_interval: Duration::ZERO,
                ..RetryPolicy::default()
            });
            compensatable(saga, "reserve-stock", &[]);
        },
        "the retry policy has an initial interval that is zero or above the longest; set initial_interval above zero and at most max_interval",
    );
}

#[test]
fn a_name_that_is_used_twice_is_refused() {
    check(
        |saga| {
            for _ in 0..3 {
                compensatable(saga, "reserve-stock", &[]);
            }
        },
        r#"step "reserve-stock" is there 3 times; give each step a name of its own"#,
    );
}

#[test]
fn a_handle_of_another_definition_is_refused() {
    let mut other = Definition::of::<()>("other");
    let foreign = compensatable(&mut other, "reserve-stock", &[]);
    check(
        |saga| {
            compensatable(saga, "reserve-stock", &[foreign]);
            saga.output(foreign, |(), ()| ());
        },
        r#"step "reserve-stock" needs a step of another definition; use the handles that this builder returned
           the output needs a step of another definition; use the handles that this builder returned"#,
    );
}

#[test]
fn a_second_pivot_is_refused() {
    check(
        |saga| {
            let first = pivot(saga, "capture-payment", &[]);
            pivot(saga, "capture-again", &[first]);
        },
        r#"step "capture-again" is a second pivot beside "capture-payment"; a saga has one point of no return: make one of them compensatable or retriable"#,
    );
}

#[test]
fn a_compensatable_step_beside_or_after_the_pivot_is_refused() {
    check(
        |saga| {
            compensatable(saga, "reserve-stock", &[]);
            let pivot = pivot(saga, "capture-payment", &[]);
            compensatable(saga, "pack", &[pivot]);
        },
        r#"step "reserve-stock" is compensatable but does not come before the pivot "capture-payment"; let the pivot need it, directly or through other steps, or make it retriable
           step "pack" is compensatable but does not come before the pivot "capture-payment"; let the pivot need it, directly or through other steps, or make it retriable"#,
    );
}

#[test]
fn a_compensatable_step_may_come_before_the_pivot_through_other_steps() {
    let mut saga = Definition::of::<()>("place-order");
    let stock = compensatable(&mut saga, "reserve-stock", &[]);
    let shipment = compensatable(&mut saga, "create-shipment", &[stock]);
    let pivot = pivot(&mut saga, "capture-payment", &[shipment]);
    let first = retriable(&mut saga, "confirm-order", &[pivot]);
    retriable(&mut saga, "send-receipt", &[first]);
    assert!(saga.build().is_ok());
}

#[test]
fn a_retriable_step_beside_or_before_the_pivot_is_refused() {
    check(
        |saga| {
            let stock = retriable(saga, "reserve-stock", &[]);
            pivot(saga, "capture-payment", &[stock]);
            retriable(saga, "confirm-order", &[]);
        },
        r#"step "reserve-stock" is retriable but does not come after the pivot "capture-payment"; let it need the pivot, directly or through other steps, or give it a compensation
           step "confirm-order" is retriable but does not come after the pivot "capture-payment"; let it need the pivot, directly or through other steps, or give it a compensation"#,
    );
}

#[test]
fn a_retriable_step_that_does_not_come_last_is_refused() {
    check(
        |saga| {
            let stock = compensatable(saga, "reserve-stock", &[]);
            compensatable(saga, "authorize-payment", &[]);
            retriable(saga, "confirm-order", &[stock]);
        },
        r#"step "confirm-order" is retriable but does not come after "authorize-payment", which may still turn the saga back; let "confirm-order" need it, directly or through other steps"#,
    );
}

#[test]
fn a_refusable_command_after_the_point_of_no_return_is_refused() {
    check(
        |saga| {
            let pivot = pivot(saga, "capture-payment", &[]);
            let sending = saga.step("bill").after(pivot).send(|(), ()| Capture);
            sending.retriable();
        },
        r#"step "bill" comes after the point of no return, where nothing can be undone, but its command "capture" may be refused; make it a step before the pivot, or set REJECTABLE to false if the participant never refuses it"#,
    );
}

#[test]
fn a_compensation_by_another_participant_is_refused() {
    check(
        |saga| {
            let sending = saga.step("reserve-stock").send(|(), ()| Reserve);
            sending.compensate(|(), (), _| Confirm);
        },
        r#"step "reserve-stock" is executed by "inventory" but compensated by "orders"; a step is undone by the participant that executed it: send the compensation to "inventory""#,
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut saga = Definition::of::<()>("Place Order");
    saga.version(0);
    let stock = compensatable(&mut saga, "reserve-stock", &[]);
    let capture = pivot(&mut saga, "capture-payment", &[]);
    pivot(&mut saga, "capture-payment", &[capture]);
    retriable(&mut saga, "confirm-order", &[stock]);
    let problems = saga.build().expect_err("nearly everything is wrong");
    assert_eq!(problems.definition, "Place Order");
    let expected = r#"the definition "Place Order" has 6 problems:
  - the definition name "Place Order" cannot be used: a name has only lowercase letters a to z, digits and hyphens, not 'P'; choose another name
  - the version is 0; versions start at 1
  - step "capture-payment" is there 2 times; give each step a name of its own
  - step "capture-payment" is a second pivot beside "capture-payment"; a saga has one point of no return: make one of them compensatable or retriable
  - step "reserve-stock" is compensatable but does not come before the pivot "capture-payment"; let the pivot need it, directly or through other steps, or make it retriable
  - step "confirm-order" is retriable but does not come after the pivot "capture-payment"; let it need the pivot, directly or through other steps, or give it a compensation"#;
    assert_eq!(problems.to_string(), expected);
}

#[test]
fn the_fingerprint_follows_the_graph_and_nothing_else() {
    let build = |name: &str, step: &str, version| {
        let mut saga = Definition::of::<()>(name);
        saga.version(version);
        let first = compensatable(&mut saga, step, &[]);
        pivot(&mut saga, "capture-payment", &[first]);
        saga.build().expect("a pivot after a compensatable step")
    };
    let definition = build("place-order", "reserve-stock", 1);
    let same = build("place-order", "reserve-stock", 2);
    let other = build("place-order", "hold-stock", 1);
    assert_eq!(definition.fingerprint(), same.fingerprint());
    assert_ne!(definition.fingerprint(), other.fingerprint());
}

#[test]
fn what_may_turn_the_saga_back_or_cannot_be_taken_back_keeps_to_its_side_of_the_pivot() {
    check(
        |saga| {
            saga.step("read-price").send(|(), ()| Reserve).query();
            saga.step("tell").send(|(), ()| Confirm).notify();
            saga.step("hint").send(|(), ()| Confirm).hint();
            pivot(saga, "capture-payment", &[]);
        },
        r#"step "read-price" is a query but does not come before the pivot "capture-payment"; let the pivot need it, directly or through other steps, or make it retriable
           step "tell" is a notification but does not come after the pivot "capture-payment"; let it need the pivot, directly or through other steps, or make it a hint if it has no effect"#,
    );
}

#[test]
fn a_notification_without_a_pivot_comes_after_everything_that_may_turn_back() {
    check(
        |saga| {
            saga.step("read-price").send(|(), ()| Reserve).query();
            saga.step("tell").send(|(), ()| Confirm).notify();
        },
        r#"step "tell" is a notification but does not come after "read-price", which may still turn the saga back; let "tell" need it, directly or through other steps"#,
    );
}

#[test]
fn a_refusal_that_nobody_would_hear_is_refused() {
    check(
        |saga| {
            saga.step("hint").send(|(), ()| Reserve).hint();
        },
        r#"step "hint" waits for no answer, but its command "reserve" may be refused; make it a step that waits, or set REJECTABLE to false if the participant never refuses it"#,
    );
}

#[test]
fn a_policy_of_a_steps_own_and_a_deadline_are_checked() {
    check(
        |saga| {
            saga.deadline(Duration::ZERO);
            let policy = RetryPolicy {
                max_attempts: 0,
                ..RetryPolicy::default()
            };
            let sending = saga.step("read-price").send(|(), ()| Reserve);
            sending.retry(policy).query();
        },
        r#"the retry policy of step "read-price" grants no attempt; set max_attempts to 1 or more
           the deadline is zero, so every saga would turn back at once; leave it out or set it"#,
    );
}

#[test]
fn a_condition_changes_the_fingerprint_and_a_policy_does_not() {
    let fingerprint = |is_conditional: bool, max_attempts: u32| {
        let mut saga = Definition::of::<()>("place-order");
        let policy = RetryPolicy {
            max_attempts,
            ..RetryPolicy::default()
        };
        let step = saga.step("read-price");
        if is_conditional {
            let sending = step.when(|(), ()| true).send(|(), ()| Reserve);
            sending.retry(policy).query();
        } else {
            step.send(|(), ()| Reserve).retry(policy).query();
        }
        saga.build().unwrap().fingerprint()
    };
    assert_ne!(fingerprint(true, 3), fingerprint(false, 3));
    assert_eq!(fingerprint(true, 3), fingerprint(true, 4));
}
