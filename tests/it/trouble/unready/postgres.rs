//! Postgres answers, and takes no commits.

use sqlx::{Connection as _, PgConnection};

use super::super::alone;
use super::{Known, refuses_what_is_new_and_answers_what_is_known, unready};
use crate::servers::Servers;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_commits_wait_for_a_lock_is_not_ready_although_postgres_answers() {
    let _alone = alone().await;
    let mut world = World::empty(Servers::shared().await).await;
    let known = Known::placed_and_ended(&mut world).await;
    let mut person = PgConnection::connect(&world.urls.orchestrator)
        .await
        .unwrap();
    let lock = "BEGIN; LOCK TABLE saga IN EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut person).await.unwrap();
    unready(&world, "postgres", "no commit was answered").await;
    refuses_what_is_new_and_answers_what_is_known(&world, "Postgres", &known).await;
    person.close().await.unwrap();
    world.ready(0).await;
}
