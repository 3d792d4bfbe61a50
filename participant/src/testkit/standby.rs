//! A synchronous standby that is away: no commit of the server returns before it is back.
//!
//! Invariant: it comes back at the end of every case, passed or failed; a test that is killed in
//! between leaves a server that waits for ever, which is why it must be the kit's own.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::bench::Wrong;

/// How long a server may take to notice.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A standby of this name never comes.
const AWAY: &str = "ALTER SYSTEM SET synchronous_standby_names = 'saga_testkit_nobody'";
const BACK: &str = "ALTER SYSTEM RESET synchronous_standby_names";

/// A standby that is away.
pub(super) struct Away<'p> {
    superuser: &'p PgPool,
    /// The first commit that waits, which shows that the server has noticed.
    first: JoinHandle<Result<(), sqlx::Error>>,
}

impl<'p> Away<'p> {
    /// Sends it away. From when this returns, every commit waits.
    pub(super) async fn begin(superuser: &'p PgPool) -> Result<Self, Wrong> {
        set(superuser, AWAY).await?;
        let pool = superuser.clone();
        let first = tokio::spawn(async move {
            loop {
                let write = sqlx::query("SELECT pg_logical_emit_message(true, 'testkit', '')");
                write.execute(&pool).await?;
            }
        });
        let away = Self { superuser, first };
        match away.until_waiting(|count| count > 0).await {
            Ok(()) => Ok(away),
            Err(wrong) => {
                away.end().await?;
                Err(wrong)
            }
        }
    }

    /// A commit waits beside the first one.
    pub(super) async fn until_another_waits(&self) -> Result<(), Wrong> {
        self.until_waiting(|count| count > 1).await
    }

    async fn until_waiting(&self, are_waiting: impl Fn(i64) -> bool) -> Result<(), Wrong> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            let waiting = sqlx::query_scalar::<_, i64>(waiting).fetch_one(self.superuser);
            let waiting = waiting.await.map_err(|error| refused(&error))?;
            if are_waiting(waiting) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Wrong::new(
                    "a COMMIT that waits for the standby while it is away, and no longer",
                    format!("{waiting} that wait, after {PATIENCE:?}"),
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Brings it back: what waits goes on.
    pub(super) async fn end(self) -> Result<(), Wrong> {
        self.first.abort();
        set(self.superuser, BACK).await?;
        self.until_waiting(|count| count == 0).await
    }
}

async fn set(superuser: &PgPool, statement: &'static str) -> Result<(), Wrong> {
    for statement in [statement, "SELECT pg_reload_conf()"] {
        let done = sqlx::raw_sql(statement).execute(superuser).await;
        done.map_err(|error| refused(&error))?;
    }
    Ok(())
}

fn refused(error: &sqlx::Error) -> Wrong {
    Wrong::new(
        "a superuser of a server of the kit's own",
        error.to_string(),
    )
}
