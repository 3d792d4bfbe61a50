//! A Postgres that refuses.

use std::time::{Duration, Instant};

use shop::services::ServiceName;
use shop::workload::Workload;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{complaints, said};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::{SOON, World};

/// Of the server; few, so that a test can take all of them.
const CONNECTIONS: [(&str, &str); 2] = [
    ("max_connections", "60"),
    ("superuser_reserved_connections", "0"),
];

/// Words of the server, which are for the log alone.
const READ_ONLY: &str = "in a read-only transaction";
const TOO_MANY: &str = "sorry, too many clients already";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_read_only_or_has_too_many_clients_is_named() {
    let mut world = World::empty(Servers::with_postgres(&CONNECTIONS).await).await;
    world.start_orchestrator().await;
    world.start_service(ServiceName::Orders);
    let order = Workload::new(1, 0).next().unwrap().order;
    let saga = world.submit(&order).await;
    world.reaches(saga, "create-order", "done").await;
    let mut side = Side::open(&world).await;
    read_only(&world, &mut side).await;
    world.ready(0).await;
    too_many_clients(&mut world, &mut side).await;
    side.held.clear();
    world.ready(0).await;
}

async fn read_only(world: &World, side: &mut Side) {
    let setting = "ALTER SYSTEM SET default_transaction_read_only = on";
    side.set(setting).await;
    said(world, &[READ_ONLY, "(SQLSTATE 25006)"]).await;
    answers(world, "/readyz", "Postgres is read-only", READ_ONLY).await;
    let refused = submit(world).await;
    assert!(refused.contains("read-only"), "{refused}");
    assert!(!refused.contains(READ_ONLY), "{refused}");
    let setting = "ALTER SYSTEM RESET default_transaction_read_only";
    side.set(setting).await;
}

async fn too_many_clients(world: &mut World, side: &mut Side) {
    let service = world.service(ServiceName::Orders).log.clone();
    let deadline = Instant::now() + SOON;
    loop {
        side.take_all(world).await;
        let logs = [world.log_of(0), std::fs::read_to_string(&service).unwrap()];
        let says = |log: &String| !complaints(log, &[TOO_MANY, "(SQLSTATE 53300)"]).is_empty();
        if logs.iter().all(says) {
            break;
        }
        assert!(Instant::now() < deadline, "{}", logs.join("\n\n"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ours = "SQLSTATE 53300: the server has no connection free";
    answers(world, "/readyz", ours, TOO_MANY).await;
    answers(world, "/v1/sagas", ours, TOO_MANY).await;
    let refused = submit(world).await;
    assert!(!refused.contains(TOO_MANY), "{refused}");
}

/// Waits until this path answers 503 in these words of ours; it never has those of the server.
async fn answers(world: &World, path: &str, ours: &str, of_server: &str) {
    until(&format!("{path} says {ours:?}"), SOON, async || {
        let request = world.http.get(format!("{}{path}", world.url()));
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(!text.contains(of_server), "{text}");
        let is_told = status == 503 && text.contains(ours);
        is_told.then_some(()).ok_or(text)
    })
    .await;
}

/// The problem that a submission is answered with.
async fn submit(world: &World) -> String {
    let order = Workload::new(2, 0).next().unwrap().order;
    let body = serde_json::json!({ "saga": "place-order", "input": order });
    let request = world.http.post(format!("{}/v1/sagas", world.url()));
    let answer = request.json(&body).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 503, "{text}");
    text
}

/// The administrator, and clients of somebody else's.
struct Side {
    own: PgConnection,
    held: Vec<PgConnection>,
}

impl Side {
    async fn open(world: &World) -> Self {
        let url = world.servers.postgres().url("postgres");
        Self {
            own: PgConnection::connect(&url).await.unwrap(),
            held: Vec::new(),
        }
    }

    async fn set(&mut self, setting: &'static str) {
        for statement in [setting, "SELECT pg_reload_conf()"] {
            let statement = sqlx::raw_sql(AssertSqlSafe(statement));
            statement.execute(&mut self.own).await.unwrap();
        }
    }

    /// Takes the connections of all programs, and all that are free.
    async fn take_all(&mut self, world: &World) {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND datname <> 'postgres'";
        sqlx::raw_sql(cut).execute(&mut self.own).await.unwrap();
        let url = world.servers.postgres().url("postgres");
        while let Ok(connection) = PgConnection::connect(&url).await {
            self.held.push(connection);
        }
    }
}
