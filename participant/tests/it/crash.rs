//! A service that is killed between COMMIT and reply: the next one answers from the row.

use std::process::{Child, Command, Stdio};

use sagas::Outcome;
use sagas_local::kafka::Kafka;
use sagas_participant::Settings;
use sqlx::postgres::PgPoolOptions;

use crate::servers::servers;
use crate::service::{Wish, service};
use crate::world::{World, eventually};

/// Set in the process that is the service: brokers, prefix and database, by spaces.
const ROLE: &str = "PARTICIPANT_TEST_SERVICE";

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// This very test, in a process of its own, as the service.
fn start_in_a_process(world: &World) -> Killed {
    let role = format!(
        "{} {} {}",
        servers().kafka.bootstrap(),
        world.prefix,
        world.url
    );
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Killed(child)
}

async fn serve(role: &str) {
    let [brokers, prefix, url] = role.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let pool = PgPoolOptions::new().connect(url).await.unwrap();
    let settings = Settings {
        prefix: prefix.to_owned(),
        ..Settings::new(brokers, pool)
    };
    service(settings)
        .run_until(std::future::pending())
        .await
        .unwrap();
}

const TEST: &str = "crash::a_service_killed_between_commit_and_reply_answers_when_it_is_back";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_between_commit_and_reply_answers_when_it_is_back() {
    if let Ok(role) = std::env::var(ROLE) {
        return serve(&role).await;
    }
    let mut world = World::new().await;
    let killed = start_in_a_process(&world);
    let warm = world.count("warm", Wish::Succeed);
    assert_eq!(world.ask(&warm).outcome, Outcome::Succeeded);

    // The handler holds its transaction until this lock is free.
    let mut holder = world.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(1)")
        .execute(&mut *holder)
        .await
        .unwrap();
    let command = world.count("killed", Wish::WaitForLock);
    world.send(&command);
    world.flush();
    eventually("the handler waits", || async {
        let waits = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event = 'advisory'";
        sqlx::query_scalar::<_, i64>(waits)
            .fetch_one(&world.pool)
            .await
            .unwrap()
            == 1
    })
    .await;
    // The broker takes no reply while it is stopped.
    let broker = Suspended::new(&servers().kafka);
    holder.rollback().await.unwrap();
    eventually("the effect is committed", || async {
        world.effects("killed").await == (1, 0)
    })
    .await;
    drop(killed);
    drop(broker);

    let running = service(world.settings()).start().await.unwrap();
    let replies = world.replies(2);
    assert_eq!((replies.len(), replies[1].outcome), (2, Outcome::Succeeded));
    assert_eq!(replies[1].command, command.id);
    assert_eq!(world.effects("killed").await, (1, 0));
    running.stop().await.unwrap();
}

/// A broker that is there and does not answer.
struct Suspended(String);

impl Suspended {
    fn new(kafka: &Kafka) -> Self {
        let pid = kafka.pid().unwrap().to_string();
        signal("-STOP", &pid);
        Self(pid)
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(what: &str, pid: &str) {
    assert!(
        Command::new("kill")
            .args([what, pid])
            .status()
            .unwrap()
            .success()
    );
}
