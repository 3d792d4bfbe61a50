//! Two instances, rebalances, restarts, a database that goes away: once each, and all answered.

use std::collections::BTreeSet;

use sagas::Outcome;
use sagas::barrier::Ask;
use sagas::wire::ReplyMessage;
use sagas_local::kafka::{Kafka, KafkaOptions};
use sagas_participant::Settings;
use sqlx::postgres::PgPoolOptions;

use crate::servers::{servers, start_postgres, unique};
use crate::service::{CountMany, Wish, service};
use crate::world::{World, eventually, saga};

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_race_with_the_same_commands_and_each_takes_effect_once() {
    const COMMANDS: usize = 300;
    let mut world = World::new().await;
    let first = service(world.settings()).start().await.unwrap();
    let second = service(world.settings()).start().await.unwrap();
    // Every partition gets every command, so both instances have all of them.
    for number in 0..COMMANDS {
        let command = world.count(&number.to_string(), Wish::Succeed);
        for partition in 0..4 {
            world.send_to(partition, &command);
        }
    }
    let replies = world.replies(COMMANDS * 4);
    assert!(
        replies
            .iter()
            .all(|reply| reply.outcome == Outcome::Succeeded)
    );
    assert_eq!(world.effects_of_all().await, (300, 1));
    first.stop().await.unwrap();
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_come_and_go_and_no_command_is_lost_or_applied_twice() {
    const WAVE: usize = 200;
    let mut world = World::new().await;
    let send = |world: &World, wave: usize| {
        for number in 0..WAVE {
            world.send(&world.count(&format!("{wave}-{number}"), Wish::Succeed));
        }
    };
    let answered = |world: &mut World, waves: usize| {
        let all = |replies: &[ReplyMessage<'_>]| {
            replies
                .iter()
                .map(|reply| reply.saga)
                .collect::<BTreeSet<_>>()
                .len()
                == waves * WAVE
        };
        world.replies_until(all).len()
    };
    send(&world, 0);
    let first = service(world.settings()).start().await.unwrap();
    send(&world, 1);
    let second = service(world.settings()).start().await.unwrap();
    send(&world, 2);
    first.stop().await.unwrap();
    send(&world, 3);
    answered(&mut world, 4);
    second.stop().await.unwrap();
    let before = answered(&mut world, 4);

    // An orderly stop leaves nothing to be done again.
    let third = service(world.settings()).start().await.unwrap();
    let command = world.count("last", Wish::Succeed);
    for partition in 0..4 {
        world.send_to(partition, &command);
    }
    let replies = world.replies(before + 4);
    assert!(
        replies[before..]
            .iter()
            .all(|reply| reply.saga == saga("last"))
    );
    assert_eq!(world.effects_of_all().await, (801, 1));
    assert_eq!(world.rows_left_taken().await, 0);
    third.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_wait_while_the_database_is_away() {
    let mut postgres = start_postgres();
    postgres.create_database("away").unwrap();
    let mut world = World::on(&postgres.url("away"), &servers().kafka.bootstrap()).await;
    // Sixteen commands are buffered; the others wait in Kafka, on paused partitions.
    let settings = Settings {
        batch_max: 2,
        ..world.settings()
    };
    let running = service(settings).start().await.unwrap();
    let before = world.count("before", Wish::Succeed);
    assert_eq!(world.ask(&before).outcome, Outcome::Succeeded);

    tokio::task::block_in_place(|| postgres.stop()).unwrap();
    for number in 0..50 {
        world.send(&world.count(&number.to_string(), Wish::Succeed));
    }
    world.flush();
    tokio::task::block_in_place(|| postgres.start_again()).unwrap();

    let outcomes = world.outcomes(51);
    assert!(
        outcomes
            .values()
            .all(|(outcome, _)| *outcome == Outcome::Succeeded)
    );
    assert_eq!(world.effects_of_all().await, (51, 1));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_database_is_away_is_prompt_and_loses_nothing() {
    let mut postgres = start_postgres();
    postgres.create_database("away").unwrap();
    let mut world = World::on(&postgres.url("away"), &servers().kafka.bootstrap()).await;
    let running = service(world.settings()).start().await.unwrap();
    tokio::task::block_in_place(|| postgres.stop()).unwrap();
    world.send(&world.count("held", Wish::Succeed));
    world.flush();
    running.stop().await.unwrap();

    tokio::task::block_in_place(|| postgres.start_again()).unwrap();
    let running = service(world.settings()).start().await.unwrap();
    assert_eq!(world.replies(1)[0].outcome, Outcome::Succeeded);
    assert_eq!(world.effects("held").await, (1, 0));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_in_a_handler_holds_the_command() {
    let mut world = World::new().await;
    let running = service(world.settings()).start().await.unwrap();
    let test = PgPoolOptions::new()
        .max_connections(2)
        .connect(&world.url)
        .await
        .unwrap();
    let mut holder = test.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(1)")
        .execute(&mut *holder)
        .await
        .unwrap();
    world.send(&world.count("cut", Wish::WaitForLock));
    world.flush();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event = 'advisory'";
    eventually("the handler's connection is cut", || async {
        sqlx::query_scalar::<_, i64>(cut)
            .fetch_one(&test)
            .await
            .unwrap()
            == 1
    })
    .await;
    holder.rollback().await.unwrap();
    assert_eq!(world.replies(1)[0].outcome, Outcome::Succeeded);
    assert_eq!(world.effects("cut").await, (1, 0));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_longer_than_the_buffer_is_worked_off() {
    const COMMANDS: usize = 3000;
    let mut world = World::new().await;
    for number in 0..COMMANDS {
        let key = number.to_string();
        let command = world.command(
            &key,
            Ask::Forward,
            1,
            &CountMany {
                wish: Wish::Succeed,
            },
        );
        world.send(&command);
    }
    world.flush();
    // Eight batches are buffered before the partitions are paused.
    let settings = Settings {
        batch_max: 25,
        ..world.settings()
    };
    let running = service(settings).start().await.unwrap();
    assert_eq!(world.replies(COMMANDS).len(), COMMANDS);
    assert_eq!(world.effects_of_all().await, (3000, 1));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_and_comes_back_costs_no_command_and_no_reply() {
    const COMMANDS: usize = 500;
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let name = unique("broker");
    servers().postgres.create_database(&name).unwrap();
    let mut world = World::on(&servers().postgres.url(&name), &kafka.bootstrap()).await;
    let running = service(world.settings()).start().await.unwrap();
    for number in 0..COMMANDS {
        world.send(&world.count(&number.to_string(), Wish::Succeed));
    }
    world.flush();
    // Some are answered, some are not, and some answers are under way.
    world.replies(1);
    tokio::task::block_in_place(|| kafka.kill()).unwrap();
    tokio::task::block_in_place(|| kafka.start_again()).unwrap();
    let all = |replies: &[ReplyMessage<'_>]| {
        replies
            .iter()
            .map(|reply| reply.saga)
            .collect::<BTreeSet<_>>()
            .len()
            == COMMANDS
    };
    let replies = world.replies_until(all);
    assert!(
        replies
            .iter()
            .all(|reply| reply.outcome == Outcome::Succeeded)
    );
    assert_eq!(world.effects_of_all().await, (500, 1));
    running.stop().await.unwrap();
}
