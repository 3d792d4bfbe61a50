//! The barrier over real rows: what is answered to repeated, late, edited and fenced commands.

use std::time::Duration;

use sagas::Outcome;
use sagas::barrier::Ask;
use sagas_participant::Settings;

use crate::service::{Count, Uncount, Wish, service};
use crate::world::{World, days_ago, text};

/// Sends the commands one after the other; `expected` has the replies.
#[track_caller]
fn check(world: &mut World, key: &str, script: &[(Ask, u32, Wish, &str)]) {
    for (place, (ask, generation, wish, expected)) in script.iter().enumerate() {
        let undoes = matches!(ask, Ask::Compensate | Ask::FenceCompensation);
        let command = if undoes {
            world.command(key, *ask, *generation, &Uncount { wish: *wish })
        } else {
            world.command(key, *ask, *generation, &Count { wish: *wish })
        };
        let reply = world.ask(&command);
        crate::world::assert_echoes(&reply, &command);
        let (outcome, effective, payload) = text(&reply);
        let effective = effective.map_or(String::new(), |generation| format!(" @{generation}"));
        let actual = format!("{outcome}{effective} {payload}");
        assert_eq!(actual, *expected, "{key}, step {place} of the script");
    }
}

const NO: &str = "rejected @1 {\"code\":\"no\",\"message\":\"as you wish\"}";
const DONE: &str = "succeeded @1 {\"generation\":1}";

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_from_the_row_once_there_is_one() {
    use Ask::{Compensate, FenceCompensation, FenceForward, Forward};
    use Wish::{Reject, Succeed};
    let mut world = World::new().await;
    let running = service(world.settings()).start().await.unwrap();
    check(
        &mut world,
        "undone",
        &[
            (Forward, 1, Succeed, DONE),
            (Forward, 1, Succeed, DONE),
            (Forward, 2, Succeed, DONE),
            (FenceForward, 2, Succeed, DONE),
            (Compensate, 1, Reject, NO),
            (Compensate, 1, Succeed, NO),
            (Compensate, 2, Succeed, "succeeded @2 {\"generation\":2}"),
            (Compensate, 3, Succeed, "succeeded @2 {\"generation\":2}"),
            (Forward, 3, Succeed, "already-compensated null"),
        ],
    );
    assert_eq!(world.effects("undone").await, (1, 1));
    check(
        &mut world,
        "never-done",
        &[
            (Compensate, 1, Succeed, "succeeded @1 null"),
            (Forward, 1, Succeed, "already-compensated null"),
            (FenceForward, 1, Succeed, "fenced null"),
        ],
    );
    check(
        &mut world,
        "fenced",
        &[
            (FenceForward, 1, Succeed, "fenced null"),
            (Forward, 1, Succeed, "already-compensated null"),
            (FenceForward, 1, Succeed, "fenced null"),
        ],
    );
    assert_eq!(
        (
            world.effects("never-done").await,
            world.effects("fenced").await
        ),
        ((0, 0), (0, 0))
    );
    check(
        &mut world,
        "edited",
        &[
            (Forward, 1, Reject, NO),
            (Forward, 1, Succeed, NO),
            (Forward, 2, Succeed, "succeeded @2 {\"generation\":2}"),
            (Forward, 1, Succeed, "succeeded @2 {\"generation\":2}"),
            (FenceCompensation, 3, Succeed, "fenced null"),
            (Compensate, 1, Succeed, "already-compensated null"),
        ],
    );
    assert_eq!(world.effects("edited").await, (1, 0));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_watermark_a_command_without_a_row_is_expired() {
    let mut world = World::new().await;
    let day = Duration::from_secs(24 * 60 * 60);
    let settings = Settings {
        inbox_retention: day * 100,
        ..world.settings()
    };
    let running = service(settings.clone()).start().await.unwrap();
    let mut old = world.count("old", Wish::Succeed);
    old.started_at = days_ago(56);
    assert_eq!(world.ask(&old).outcome, Outcome::Succeeded);
    let mut younger = world.count("younger", Wish::Succeed);
    younger.started_at = days_ago(55);
    assert_eq!(world.ask(&younger).outcome, Outcome::Succeeded);

    let service = service(settings);
    let first_to_stay = younger.started_at.to_chrono().date_naive();
    assert_eq!(service.purge(first_to_stay).await.unwrap(), 1);
    let mut undo = world.command(
        "old",
        Ask::Compensate,
        1,
        &Uncount {
            wish: Wish::Succeed,
        },
    );
    undo.started_at = old.started_at;
    let mut fence = world.command(
        "old",
        Ask::FenceForward,
        1,
        &Count {
            wish: Wish::Succeed,
        },
    );
    fence.started_at = old.started_at;
    for command in [&old, &undo, &fence] {
        assert_eq!(text(&world.ask(command)), (Outcome::Expired, None, "null"));
    }
    assert_eq!(world.ask(&younger).outcome, Outcome::Succeeded);
    assert_eq!(world.effects("old").await, (1, 0));
    assert_eq!(world.rows_left_taken().await, 0);

    let near = days_ago(36).to_chrono().date_naive();
    let refusal = service.purge(near).await.unwrap_err();
    assert!(
        matches!(refusal, sagas_participant::Error::PurgeTooNear { .. }),
        "{refusal}"
    );
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_of_many_rows_passes_by_the_ones_in_use() {
    let world = World::new().await;
    let old = days_ago(56).to_chrono().date_naive();
    let rows = "INSERT INTO saga_inbox (start_day, saga, step, status)
                SELECT $1, gen_random_uuid(), 'old', 'rejected' FROM generate_series(1, 4500)";
    sqlx::query(rows)
        .bind(old)
        .execute(&world.pool)
        .await
        .unwrap();
    let mut in_use = world.pool.begin().await.unwrap();
    let held = "SELECT saga FROM saga_inbox LIMIT 1 FOR UPDATE";
    sqlx::query(held).execute(&mut *in_use).await.unwrap();
    let service = service(world.settings());
    let next = old.succ_opt().unwrap();
    assert_eq!(service.purge(next).await.unwrap(), 4_499);
    in_use.rollback().await.unwrap();
    assert_eq!(service.purge(next).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_commands_of_one_step_in_one_batch_are_taken_in_their_order() {
    let mut world = World::new().await;
    world.send_to(0, &world.count("both", Wish::Succeed));
    let undo = world.command(
        "both",
        Ask::Compensate,
        1,
        &Uncount {
            wish: Wish::Succeed,
        },
    );
    world.send_to(0, &undo);
    world.send_to(0, &world.count("both", Wish::Succeed));
    world.flush();
    let running = service(world.settings()).start().await.unwrap();
    let outcomes: Vec<_> = world.replies(3).iter().map(|reply| reply.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Succeeded,
            Outcome::Succeeded,
            Outcome::AlreadyCompensated
        ]
    );
    assert_eq!(world.effects("both").await, (1, 1));
    running.stop().await.unwrap();
}
