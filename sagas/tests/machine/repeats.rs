//! Repeated, late and misplaced replies: each changes nothing, and the refusal says why.

use crate::definitions::{firm_pivot, place_order};
use crate::script::{Stage, check, describe_refusal, order};
use sagas::machine::{Event, Order, OrderKind, OrderResult, REVISION_MAX, transition};
use sagas::{Json, Refusal};

#[test]
fn a_repeated_reply_sends_no_second_command() {
    check(
        &place_order(),
        "start; create-order ok; create-order ok; create-order#2 failed; \
         create-order rejected; reserve-stock ok; reserve-stock ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          create-order ok => refused: no forward command of generation 1, attempt 1, waits for it
          create-order#2 failed => refused: no forward command of generation 1, attempt 2, waits for it
          create-order rejected => refused: no forward command of generation 1, attempt 1, waits for it
          reserve-stock ok => nothing | running, wake 2s
          reserve-stock ok => refused: no forward command of generation 1, attempt 1, waits for it
          steps: create-order done, reserve-stock done, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn a_failure_of_an_old_attempt_does_not_count() {
    check(
        &place_order(),
        "start; wake +10s; create-order#1 failed; create-order#2 failed; create-order#2 failed; \
         wake +2s; create-order#2 failed; create-order#1 ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          wake +10s => create-order forward#2 | running, wake 20s
          create-order#1 failed => refused: no forward command of generation 1, attempt 1, waits for it
          create-order#2 failed => nothing | running, wake 11.754s
          create-order#2 failed => refused: no forward command of generation 1, attempt 2, waits for it
          wake +2s => create-order forward#3 | running, wake 14s
          create-order#2 failed => refused: no forward command of generation 1, attempt 2, waits for it
          create-order#1 ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 14s
          steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn a_success_of_an_old_attempt_counts() {
    check(&place_order(), "start; wake +10s; create-order#1 ok", "
            start => create-order forward#1 | running, announces started, wake 2s
            wake +10s => create-order forward#2 | running, wake 20s
            create-order#1 ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 12s
            steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
          ");
}

#[test]
fn a_success_that_arrives_during_the_delay_counts() {
    check(&place_order(), "start; create-order failed; create-order ok; wake +1s", "
            start => create-order forward#1 | running, announces started, wake 2s
            create-order failed => nothing | running, wake 0.947s
            create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 0.947s
            wake +1s => refused: nothing is due before 2s
            steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
          ");
}

#[test]
fn a_late_reply_forward_does_not_end_a_compensation() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment rejected; wake +10s; reserve-stock/forward ok; \
         reserve-stock/forward rejected; reserve-stock ok; reserve-stock/forward ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          wake +10s => reserve-stock compensate#1 | compensating, wake 12s
          reserve-stock/forward ok => recorded as late | compensating, wake 12s
          reserve-stock/forward rejected => recorded as late | compensating, wake 12s
          reserve-stock ok => create-order compensate#1 | compensating, wake 12s
          reserve-stock/forward ok => refused: no forward command of generation 1, attempt 1, waits for it
          steps: create-order undoing, reserve-stock undone, authorize-payment refused, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        ",
    );
}

#[test]
fn a_reply_of_another_generation_or_direction_does_not_count() {
    check(
        &place_order(),
        "start; create-order@2 ok; create-order/compensate ok; create-order/fence fenced",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order@2 ok => refused: no forward command of generation 2, attempt 1, waits for it
          create-order/compensate ok => refused: no compensate command of generation 1, attempt 1, waits for it
          create-order/fence fenced => refused: no fence command of generation 1, attempt 1, waits for it
          steps: create-order in_flight, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn a_reply_of_a_step_that_was_never_sent_does_not_count() {
    check(&place_order(), "start; capture-payment ok; confirm-order rejected", "
            start => create-order forward#1 | running, announces started, wake 2s
            capture-payment ok => refused: no forward command of generation 1, attempt 1, waits for it
            confirm-order rejected => refused: no forward command of generation 1, attempt 1, waits for it
            steps: create-order in_flight, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          ");
}

#[test]
fn a_reply_of_an_unknown_step_is_refused() {
    check(
        &place_order(),
        "start; paint-the-house ok",
        r#"
            start => create-order forward#1 | running, announces started, wake 2s
            paint-the-house ok => refused: the definition has no step "paint-the-house"
            steps: create-order in_flight, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          "#,
    );
}

#[test]
fn an_outcome_that_does_not_answer_the_direction_is_refused() {
    check(
        &place_order(),
        "start; create-order fenced; create-order ok; reserve-stock rejected; \
         authorize-payment rejected; create-order fenced; create-order ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order fenced => refused: fenced is no answer to a forward command
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock rejected => nothing | compensating, announces compensating, wake 2s
          authorize-payment rejected => create-order compensate#1 | compensating, wake 2s
          create-order fenced => refused: fenced is no answer to a compensate command
          create-order ok => nothing | compensated, announces compensated
          steps: create-order undone, reserve-stock refused, authorize-payment refused, create-shipment idle, capture-payment idle, confirm-order idle
          reason: reserve-stock: some-code: says the participant
        ",
    );
    check(
        &place_order(),
        "until capture-payment; cancel; capture-payment rejected; \
         capture-payment already-compensated; capture-payment/forward fenced",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          capture-payment rejected => refused: rejected is no answer to a fence command
          capture-payment already-compensated => refused: already-compensated is no answer to a fence command
          capture-payment/forward fenced => refused: fenced is no answer to a forward command
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment fencing, confirm-order idle
        ",
    );
}

#[test]
fn an_ended_saga_changes_no_more() {
    check(
        &place_order(),
        "until confirm-order; confirm-order ok; start; confirm-order ok; paint-the-house ok; \
         wake +60s unpublished; cancel",
        r#"
          until confirm-order => confirm-order forward#1 | running, wake 2s
          confirm-order ok => nothing | completed, announces completed
          start => refused: the saga has started already
          confirm-order ok => refused: the saga is completed and does not change any more
          paint-the-house ok => refused: the definition has no step "paint-the-house"
          wake +60s unpublished => refused: nothing is due
          cancel => refused: the saga is completed and does not change any more
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        "#,
    );
    check(
        &firm_pivot(),
        "start; reserve-stock rejected; start; reserve-stock ok; reserve-stock/compensate ok; \
         wake +60s unpublished; cancel",
        "
          start => reserve-stock forward#1 | running, announces started, wake 2s
          reserve-stock rejected => nothing | compensated, announces compensated
          start => refused: the saga has started already
          reserve-stock ok => refused: the saga is compensated and does not change any more
          reserve-stock/compensate ok => refused: the saga is compensated and does not change any more
          wake +60s unpublished => refused: nothing is due
          cancel => refused: the saga is compensated and does not change any more
          steps: reserve-stock refused, confirm-order idle
          reason: reserve-stock: some-code: says the participant
        ",
    );
}

#[test]
fn nothing_happens_before_the_start_and_it_starts_once() {
    check(
        &firm_pivot(),
        "wake; cancel; reserve-stock ok; start; start",
        "
            wake => refused: the saga has not started
            cancel => refused: the saga has not started
            reserve-stock ok => refused: the saga has not started
            start => reserve-stock forward#1 | running, announces started, wake 2s
            start => refused: the saga has started already
            steps: reserve-stock in_flight, confirm-order idle
          ",
    );
}

#[test]
fn a_saga_makes_no_more_transitions_than_messages_can_name() {
    assert_eq!(REVISION_MAX, u64::from(i32::MAX.unsigned_abs()));
    let definition = place_order();
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play("start");
    stage.saga.revision = REVISION_MAX - 1;
    let now = stage.saga.started_at;
    let pause = Event::Order(Order {
        kind: OrderKind::Pause,
        ..order("1")
    });
    let last = transition(&definition, &stage.saga, pause, now).expect("it has one more");
    assert_eq!(last.next.revision, REVISION_MAX);
    let decide = |event| transition(&definition, &last.next, event, now).unwrap_err();
    let used_up = Refusal::RevisionsUsedUp;
    assert_eq!(decide(Event::Order(order("2"))), used_up);
    assert_eq!(decide(Event::Start), used_up);
    assert_eq!(
        describe_refusal(&used_up),
        "refused: the saga has made 2147483647 transitions, and there are no numbers for more"
    );
    // No wake comes again and again.
    let nothing_due = Refusal::NothingDue { wake_at: None };
    assert_eq!(decide(Event::Wake { published: false }), nothing_due);
}

#[test]
fn another_definition_may_not_advance_the_saga() {
    let (definition, other) = (place_order(), firm_pivot());
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play("start");
    let now = stage.saga.started_at;
    let refusal = transition(&other, &stage.saga, Event::Wake { published: false }, now)
        .expect_err("the fingerprints differ");
    let (stored, given) = (definition.fingerprint(), other.fingerprint());
    assert_eq!(refusal, Refusal::OtherDefinition { stored, given });
    assert_eq!(
        describe_refusal(&refusal),
        format!(
            "refused: the saga's definition has the fingerprint {stored}, this one has {given}"
        )
    );
}

#[test]
fn another_order_under_the_id_of_an_applied_one_is_refused_and_names_it() {
    let definition = place_order();
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.act("until reserve-stock");
    let give = |stage: &mut Stage<'_>, reason: &str, kind: OrderKind| {
        // Who gives it does not matter.
        let (actor, reason) = (format!("{kind:?}"), reason.to_owned());
        let id = order("1").id;
        stage.apply(Event::Order(Order {
            id,
            actor,
            reason,
            kind,
        }))
    };
    let skip = |step: &str, reply: Option<&str>| OrderKind::Skip {
        step: step.to_owned(),
        reply: reply.map(|reply| Json::parse(reply.to_owned()).unwrap()),
    };
    give(
        &mut stage,
        "lost parcel",
        skip("reserve-stock", Some(r#"{"number":40}"#)),
    )
    .unwrap();
    let applied_before = Err(Refusal::OrderAppliedBefore(OrderResult::Fencing));
    let spelled_otherwise = skip("reserve-stock", Some(r#"{ "n\u0075mber" : 40 }"#));
    assert_eq!(
        give(&mut stage, "lost parcel", spelled_otherwise),
        applied_before
    );
    let edit = OrderKind::Edit {
        step: "reserve-stock".to_owned(),
        payload: Json::null(),
    };
    for (reason, kind) in [
        ("lost parcel", OrderKind::Cancel),
        ("lost parcel", edit),
        (
            "lost parcel",
            skip("reserve-stock", Some(r#"{"number":41}"#)),
        ),
        ("lost parcel", skip("reserve-stock", None)),
        (
            "lost parcel",
            skip("authorize-payment", Some(r#"{"number":40}"#)),
        ),
        ("lost parcel", skip("no-such-step", None)),
        (
            "found parcel",
            skip("reserve-stock", Some(r#"{"number":40}"#)),
        ),
    ] {
        let refusal = give(&mut stage, reason, kind).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            r#"the id belongs to another order: skip of the step "reserve-stock", at 1970-01-01T00:00:00.000Z, reason "lost parcel"; a new order needs a new id"#
        );
    }
}
