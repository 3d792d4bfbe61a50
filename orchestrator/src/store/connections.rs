//! Pooled connections: how one is taken, and when one is closed instead of given back.
//!
//! ```text
//!   opened ──the server is in recovery, or read-only─► closed, as are all that are older;
//!     │                                                 the caller is told
//!     ▼
//!    used ───an error says that it is of no more use─► closed
//!     │
//!     └──────half an hour old────────────────────────► closed, one of a pool at a time
//! ```
//!
//! Invariants: no answer comes from a server that was in recovery when the connection was opened; no
//! connection stays for ever, whatever the address led to when it was opened.
//!
//! Not here: what a connection is told, and statements.

mod probe;

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{PgPool, Postgres, Row as _};

use self::probe::Probe;
use super::Failure;
use super::error::spoils_connection;

/// After so long, a connection is opened again: whatever it was told or has learned, and whatever the
/// address led to then, is old by now.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Between two connections of one pool that are old enough, so that those that were opened together are
/// not closed together.
const APART: Duration = Duration::from_secs(10);

/// Between two times that all connections are closed: while a server stays read-only, each new connection
/// to it says so.
const SUSPECTED_EVERY: Duration = Duration::from_secs(1);

/// A connection that has not come after so long will not: a caller waits for 3 s, and the server is asked
/// why within the last of them.
const PROBED_AFTER: Duration = Duration::from_secs(2);

/// A log line tells of suspicion that comes after so long a peace.
const SAID_EVERY: Duration = Duration::from_secs(30);

/// What a pool's connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A server that is read-only, a full disk's guard say, still serves readers.
    Reads,
    /// Anything.
    Writes,
}

/// A pool.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pool: PgPool,
    probe: Probe,
    server: Server,
}

/// What the pools of one store have seen of the server. Shared by all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Server(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Connections that were opened to a server in recovery.
    in_recovery: AtomicU64,
    /// Connections that were to write, and were opened to a server that takes no writes.
    read_only: AtomicU64,
    suspicion: Mutex<Suspicion>,
}

/// When the address was last seen to lead to another server than connections were opened to.
#[derive(Debug, Default)]
struct Suspicion {
    at: Option<Instant>,
    said_at: Option<Instant>,
}

impl Connections {
    /// Connections as `options` say, closed as this module says. None is opened yet.
    pub(super) fn new(options: PgPoolOptions, to: PgConnectOptions, server: &Server) -> Self {
        let turns = Turns::default();
        let seen = server.clone();
        let options = options
            .max_lifetime(None)
            .before_acquire(move |_, connection| {
                let is_sound = !seen.is_suspected(connection.age);
                Box::pin(std::future::ready(Ok(is_sound)))
            })
            .after_release(move |_, connection| {
                let stays = !turns.is_over(connection.age, Instant::now());
                Box::pin(std::future::ready(Ok(stays)))
            });
        Self {
            pool: options.connect_lazy_with(to),
            probe: Probe::default(),
            server: server.clone(),
        }
    }

    /// A connection to a server that does what this pool is for.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Failure> {
        let before = self.server.refused();
        let mut connection = self.take().await.map_err(Failure::NotSent)?;
        let now = self.server.refused();
        if before == now {
            return Ok(connection);
        }
        // It is this one, or one that was opened at the same time and leads to the same server.
        connection.close_on_drop();
        Err(if before.0 == now.0 {
            Failure::ReadOnly
        } else {
            Failure::InRecovery
        })
    }

    /// A connection of the pool. That its time is over is the error only where the server would take one
    /// more: then all of the pool are in use.
    async fn take(&self) -> Result<PoolConnection<Postgres>, Arc<sqlx::Error>> {
        let mut taken = pin!(self.pool.acquire());
        let mut verdict = pin!(async {
            tokio::time::sleep(PROBED_AFTER).await;
            self.probe.ask(self.pool.connect_options()).await
        });
        let (taken, verdict) = tokio::select! {
            biased;
            taken = &mut taken => match taken {
                Err(sqlx::Error::PoolTimedOut) => (Err(sqlx::Error::PoolTimedOut), verdict.await),
                taken => (taken, None),
            },
            verdict = &mut verdict => (taken.await, verdict),
        };
        taken.map_err(|error| match (error, verdict) {
            (sqlx::Error::PoolTimedOut, Some(refusal)) => refusal,
            (error, _) => Arc::new(error),
        })
    }

    /// Draws the conclusion from a failure that came by this connection. A server that answers and then
    /// confirms nothing may be a standby by now.
    pub(super) fn judge(connection: &mut PoolConnection<Postgres>, failure: &Failure) {
        let is_spoilt = match failure {
            Failure::Answered(error) => spoils_connection(error),
            failure => matches!(failure, Failure::Unconfirmed(_)),
        };
        if is_spoilt {
            connection.close_on_drop();
        }
    }

    /// No connection of any pool is used from now on that was opened before.
    pub(super) fn open_again(&self, why: &'static str) {
        self.server.suspect(why);
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl Server {
    /// Asks a server that a new connection leads to what it is, before any statement gets there. Returns
    /// whether it will do.
    pub(super) async fn is_right(
        &self,
        connection: &mut PgConnection,
        is_for: Use,
    ) -> sqlx::Result<bool> {
        let asked = "SELECT pg_is_in_recovery() AS in_recovery,
            current_setting('transaction_read_only') = 'on' AS read_only";
        let row = sqlx::query(asked).fetch_one(connection).await?;
        if row.try_get("in_recovery")? {
            self.0.in_recovery.fetch_add(1, Ordering::AcqRel);
            self.suspect("the server is in recovery");
            return Ok(false);
        }
        if is_for == Use::Writes && row.try_get("read_only")? {
            self.0.read_only.fetch_add(1, Ordering::AcqRel);
            self.suspect("the server is read-only");
            return Ok(false);
        }
        Ok(true)
    }

    fn refused(&self) -> (u64, u64) {
        let seen = &self.0;
        (
            seen.in_recovery.load(Ordering::Acquire),
            seen.read_only.load(Ordering::Acquire),
        )
    }

    /// From now on, no connection is used that was opened before.
    fn suspect(&self, why: &'static str) {
        let suspicion = self.0.suspicion.lock();
        let mut suspicion = suspicion.unwrap_or_else(PoisonError::into_inner);
        if suspicion.rise(Instant::now()) {
            tracing::warn!("{why}; all connections to Postgres are opened again");
        }
    }

    fn is_suspected(&self, age: Duration) -> bool {
        let suspicion = self.0.suspicion.lock();
        let suspicion = suspicion.unwrap_or_else(PoisonError::into_inner);
        suspicion.at.is_some_and(|at| at.elapsed() < age)
    }
}

impl Suspicion {
    /// Returns whether it is news.
    fn rise(&mut self, now: Instant) -> bool {
        let is_over = |at: Option<Instant>, after| at.is_none_or(|at| now >= at + after);
        if is_over(self.at, SUSPECTED_EVERY) {
            self.at = Some(now);
        }
        let is_news = is_over(self.said_at, SAID_EVERY);
        if is_news {
            self.said_at = Some(now);
        }
        is_news
    }
}

/// Whose turn it is to be closed for its age.
#[derive(Debug, Default)]
struct Turns(Mutex<Option<Instant>>);

impl Turns {
    fn is_over(&self, age: Duration, now: Instant) -> bool {
        if age < LIFETIME {
            return false;
        }
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_some_and(|next| now < next) {
            return false;
        }
        *next = Some(now + APART);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn connections_of_one_age_are_closed_one_after_the_other() {
        let turns = Turns::default();
        let start = Instant::now();
        assert!(!turns.is_over(LIFETIME - SECOND, start));
        assert!(turns.is_over(LIFETIME, start));
        assert!(!turns.is_over(LIFETIME + SECOND, start + SECOND));
        assert!(turns.is_over(LIFETIME + APART, start + APART));
    }

    #[test]
    fn what_is_older_than_a_suspicion_is_suspected_and_what_is_younger_is_not() {
        let server = Server::default();
        assert!(!server.is_suspected(LIFETIME));
        server.suspect("a test says so");
        assert!(server.is_suspected(LIFETIME));
        assert!(!server.is_suspected(Duration::ZERO));
    }

    #[test]
    fn one_suspicion_a_second_counts_and_one_in_half_a_minute_is_said() {
        let start = Instant::now();
        let mut suspicion = Suspicion::default();
        assert!(suspicion.rise(start));
        assert!(!suspicion.rise(start + SECOND / 2));
        assert_eq!(suspicion.at, Some(start));
        assert!(!suspicion.rise(start + SECOND));
        assert_eq!(suspicion.at, Some(start + SECOND));
        assert!(suspicion.rise(start + SAID_EVERY));
    }
}
