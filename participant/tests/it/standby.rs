//! Answers while the synchronous standby is away: none leaves before its COMMIT returns, and every
//! COMMIT waits, also of a transaction that only reads the answer from its row.

use sagas::Outcome;
use sagas::barrier::Ask::{self, Compensate, FenceForward, Forward};
use sagas_local::Postgres;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::task::JoinHandle;

use crate::servers::{servers, start_postgres};
use crate::service::{Count, Uncount, Wish, service};
use crate::world::{Sent, World, eventually, text};

/// A server whose standby comes and goes.
struct Replicated {
    side: PgConnection,
    url: String,
    /// Writes until it waits.
    first: Option<JoinHandle<()>>,
}

impl Replicated {
    async fn of(postgres: &Postgres) -> Self {
        let url = postgres.url("standby");
        let side = PgConnection::connect(&url).await.unwrap();
        let first = None;
        Self { side, url, first }
    }

    /// From when this returns, every commit waits.
    async fn send_standby_away(&mut self) {
        self.set("SET synchronous_standby_names = 'nobody'").await;
        // The server takes note of it in its own time: the first that waits shows that it has.
        let url = self.url.clone();
        self.first = Some(tokio::spawn(async move {
            let mut first = PgConnection::connect(&url).await.unwrap();
            loop {
                let write = "SELECT pg_logical_emit_message(true, 'test', '')";
                first.execute(write).await.unwrap();
            }
        }));
        self.until_waiting(1).await;
    }

    async fn bring_standby_back(&mut self) {
        self.first.take().unwrap().abort();
        self.set("RESET synchronous_standby_names").await;
        self.until_waiting(0).await;
    }

    async fn set(&mut self, what: &'static str) {
        let alter = format!("ALTER SYSTEM {what}");
        let reload = "SELECT pg_reload_conf()";
        self.side.execute(sqlx::AssertSqlSafe(alter)).await.unwrap();
        self.side.execute(reload).await.unwrap();
    }

    async fn until_waiting(&mut self, count: i64) {
        let url = &self.url;
        eventually("so many wait", || async {
            let mut side = PgConnection::connect(url).await.unwrap();
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            let waiting = sqlx::query_scalar::<_, i64>(waiting)
                .fetch_one(&mut side)
                .await;
            waiting.unwrap() == count
        })
        .await;
    }
}

fn count(world: &World, key: &str, ask: Ask, wish: Wish) -> Sent {
    world.command(key, ask, 1, &Count { wish })
}

fn uncount(world: &World, key: &str) -> Sent {
    let wish = Wish::Succeed;
    world.command(key, Compensate, 1, &Uncount { wish })
}

/// Commands that are answered from what is stored, or without anything being stored; each with its
/// answer.
fn repeats(world: &mut World) -> Vec<(Sent, Outcome)> {
    use Outcome::{AlreadyCompensated, Failed, Fenced, Rejected, Succeeded};
    let done = count(world, "done", Forward, Wish::Succeed);
    let rejected = count(world, "rejected", Forward, Wish::Reject);
    let late = count(world, "undone", Forward, Wish::Succeed);
    let undone = uncount(world, "undone");
    let fenced = count(world, "fenced", FenceForward, Wish::Succeed);
    for first in [&done, &rejected, &late, &undone, &fenced] {
        world.ask(first);
    }
    let failing = count(world, "failing", Forward, Wish::Fail);
    let mut unknown = count(world, "unknown", Forward, Wish::Succeed);
    unknown.command = "nobody-knows".into();
    vec![
        (done, Succeeded),
        (rejected, Rejected),
        (undone, Succeeded),
        (late, AlreadyCompensated),
        (fenced, Fenced),
        (failing, Failed),
        (unknown, Failed),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_new_effect_waits_for_the_standby_too() {
    let postgres = start_postgres();
    postgres.create_database("standby").unwrap();
    let mut world = World::on(&postgres.url("standby"), &servers().kafka.bootstrap()).await;
    let mut replicated = Replicated::of(&postgres).await;
    let running = service(world.settings()).start().await.unwrap();
    let mut repeats = repeats(&mut world);
    // The last one: afterwards nobody finds a row.
    let expired = count(&world, "expired", Forward, Wish::Succeed);
    repeats.push((expired, Outcome::Expired));
    for (repeat, outcome) in repeats {
        if outcome == Outcome::Expired {
            let forget = "UPDATE saga_inbox_watermark SET before_day = current_date + 1";
            replicated.side.execute(forget).await.unwrap();
        }
        replicated.send_standby_away().await;
        let before = world.replies(0).len();
        world.send(&repeat);
        world.flush();
        replicated.until_waiting(2).await;
        assert_eq!(world.replies(0).len(), before, "{outcome} was answered");
        replicated.bring_standby_back().await;
        let reply = world.replies(before + 1).last().unwrap();
        assert_eq!(text(reply).0, outcome);
    }
    running.stop().await.unwrap();
}
