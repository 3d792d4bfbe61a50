//! Whatever a handler does, its command is answered, and its neighbours in the batch do not notice.

use sagas::Outcome;
use sagas::barrier::Ask;

use crate::service::{Count, CountMany, CountRuns, Wish, service};
use crate::world::{World, assert_echoes, saga, text};

#[tokio::test(flavor = "multi_thread")]
async fn every_result_of_a_handler_has_its_answer_and_good_neighbours_take_effect() {
    let mut world = World::new().await;
    let expected = [
        ("good-1", Wish::Succeed, Outcome::Succeeded, ""),
        ("rejects", Wish::Reject, Outcome::Rejected, "no"),
        ("fails", Wish::Fail, Outcome::Failed, "not-now"),
        ("good-2", Wish::Succeed, Outcome::Succeeded, ""),
        ("panics", Wish::Panic, Outcome::Failed, "handler-panicked"),
        ("errs", Wish::BadStatement, Outcome::Failed, "database"),
        (
            "swallows",
            Wish::SwallowBadStatement,
            Outcome::Failed,
            "database",
        ),
        ("conflicts", Wish::ConflictOnce, Outcome::Succeeded, ""),
        ("good-3", Wish::Succeed, Outcome::Succeeded, ""),
    ];
    // All are there before the service starts: they are one batch.
    for (key, wish, ..) in expected {
        world.send_to(0, &world.count(key, wish));
    }
    world.flush();
    let running = service(world.settings()).start().await.unwrap();
    let outcomes = world.outcomes(expected.len());
    for (key, _, outcome, code) in expected {
        assert_eq!(outcomes[&saga(key)], (outcome, code.to_owned()), "{key}");
        let effects = i64::from(outcome == Outcome::Succeeded);
        assert_eq!(world.effects(key).await, (effects, 0), "{key}");
    }
    assert_eq!(world.rows_left_taken().await, 0);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_nobody_can_read_or_handle_is_answered() {
    let mut world = World::new().await;
    let running = service(world.settings()).start().await.unwrap();

    let mut unknown = world.count("unknown", Wish::Succeed);
    unknown.command = "new-in-the-next-release".into();
    let reply = world.ask(&unknown);
    assert_eq!((reply.outcome, reply.effective), (Outcome::Failed, None));
    assert_eq!(crate::world::code(&reply), "unknown-command");
    assert_echoes(&reply, &unknown);

    let mut unreadable = world.count("unreadable", Wish::Succeed);
    unreadable.payload = b"{\"wish\":[]}".as_slice().into();
    let reply = world.ask(&unreadable);
    assert_eq!(
        (reply.outcome, reply.effective),
        (Outcome::Rejected, Some(1))
    );
    assert_eq!(crate::world::code(&reply), "unreadable-payload");
    // Through the barrier: the refusal holds, even if the payload could now be read.
    let readable = world.count("unreadable", Wish::Succeed);
    assert_eq!(world.ask(&readable).outcome, Outcome::Rejected);
    let edited = world.command(
        "unreadable",
        Ask::Forward,
        2,
        &Count {
            wish: Wish::Succeed,
        },
    );
    assert_eq!(world.ask(&edited).outcome, Outcome::Succeeded);

    let mut late = world.count("late", Wish::Succeed);
    late.deadline = Some(late.started_at);
    assert_eq!(crate::world::code(&world.ask(&late)), "deadline-passed");
    late.deadline = None;
    assert_eq!(world.ask(&late).outcome, Outcome::Succeeded);

    assert_eq!(world.rows_left_taken().await, 0);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_an_escaped_nul_is_stored_and_repeated_as_it_is() {
    let mut world = World::new().await;
    let running = service(world.settings()).start().await.unwrap();
    let command = world.count("nul", Wish::RejectWithNul);
    let expected = r#"{"code":"no","message":"a\u0000b"}"#;
    for _ in 0..2 {
        let reply = world.ask(&command);
        assert_eq!(text(&reply), (Outcome::Rejected, Some(1), expected));
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_no_command_is_counted_and_passed_over() {
    let mut world = World::new().await;
    world.send_garbage();
    let running = service(world.settings()).start().await.unwrap();
    crate::world::eventually("the record is counted", || async {
        running.unreadable() == 1
    })
    .await;
    let command = world.count("after", Wish::Succeed);
    assert_eq!(world.ask(&command).outcome, Outcome::Succeeded);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_handler_refuses_one_and_an_error_is_kept_from_the_others() {
    let mut world = World::new().await;
    let many =
        |world: &World, key: &str, wish| world.command(key, Ask::Forward, 1, &CountMany { wish });
    for (key, wish) in [
        ("a", Wish::Succeed),
        ("b", Wish::Reject),
        ("c", Wish::Succeed),
        ("d", Wish::BadStatement),
    ] {
        world.send_to(0, &many(&world, key, wish));
    }
    let mut unreadable = many(&world, "e", Wish::Succeed);
    unreadable.payload = b"[]".as_slice().into();
    world.send_to(0, &unreadable);
    world.flush();
    let running = service(world.settings()).start().await.unwrap();
    let outcomes = world.outcomes(5);
    for (key, outcome, code) in [
        ("a", Outcome::Succeeded, ""),
        ("b", Outcome::Rejected, "no"),
        ("c", Outcome::Succeeded, ""),
        ("d", Outcome::Failed, "database"),
        ("e", Outcome::Rejected, "unreadable-payload"),
    ] {
        assert_eq!(outcomes[&saga(key)], (outcome, code.to_owned()), "{key}");
        let effects = i64::from(outcome == Outcome::Succeeded);
        assert_eq!(world.effects(key).await, (effects, 0), "{key}");
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_with_state_keeps_it() {
    let mut world = World::new().await;
    let running = service(world.settings()).start().await.unwrap();
    for run in 1..=2 {
        let key = format!("run-{run}");
        let command = world.command(
            &key,
            Ask::Forward,
            1,
            &CountRuns {
                wish: Wish::Succeed,
            },
        );
        let expected = format!("{{\"generation\":{run}}}");
        assert_eq!(
            text(&world.ask(&command)),
            (Outcome::Succeeded, Some(1), expected.as_str())
        );
    }
    running.stop().await.unwrap();
}
