//! Connections that lead to a server that takes no writes, or have a statement that is refused for
//! ever: they are closed, so that commands go on by themselves.

use sagas::Outcome;
use sagas::barrier::Ask;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::service::{CountAll, Wish, service};
use crate::world::{World, eventually};

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn commands_go_on_once_the_database_takes_writes_again() {
    let mut world = World::new().await;
    let running = service(world.settings()).start().await.unwrap();
    let health = running.health();
    assert_eq!(
        world.ask(&world.count("first", Wish::Succeed)).outcome,
        Outcome::Succeeded
    );
    let mut side = PgConnection::connect(&world.url).await.unwrap();
    let set = |what: &str| {
        let database = world.url.rsplit('/').next().unwrap();
        let set = format!("ALTER DATABASE {database} {what}");
        sqlx::AssertSqlSafe(set)
    };
    // Sessions that begin now stay read-only, whatever the setting is later.
    side.execute(set("SET default_transaction_read_only = on"))
        .await
        .unwrap();
    side.execute(CUT).await.unwrap();
    world.send(&world.count("held", Wish::Succeed));
    world.flush();
    eventually("health says so", || async {
        let trouble = health.report().database;
        trouble.is_some_and(|trouble| trouble.what.contains("takes no writes"))
    })
    .await;
    side.execute(set("RESET default_transaction_read_only"))
        .await
        .unwrap();
    assert_eq!(world.replies(2)[1].outcome, Outcome::Succeeded);
    eventually("healthy", || async { health.report().is_healthy() }).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_added_beside_a_handler_that_says_star_costs_a_few_attempts() {
    let mut world = World::new().await;
    let running = service(world.settings()).start().await.unwrap();
    let mut side = PgConnection::connect(&world.url).await.unwrap();
    let mut ask = async |key: &str| {
        let wish = Wish::Succeed;
        let command = world.command(key, Ask::Forward, 1, &CountAll { wish });
        world.ask(&command).outcome
    };
    // Each connection of the pool prepares the statement.
    for number in 0..8 {
        let outcome = ask(&format!("before-{number}")).await;
        assert_eq!(outcome, Outcome::Succeeded);
    }
    side.execute("ALTER TABLE effect ADD COLUMN added_later text")
        .await
        .unwrap();
    let mut outcomes = Vec::new();
    for number in 0..16 {
        outcomes.push(ask(&format!("after-{number}")).await);
    }
    // One for each connection of the pool, at most.
    let failed = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Failed);
    let failed = failed.count();
    assert!((1..=8).contains(&failed), "{outcomes:?}");
    assert_eq!(outcomes[8..], [Outcome::Succeeded; 8]);
    running.stop().await.unwrap();
}
