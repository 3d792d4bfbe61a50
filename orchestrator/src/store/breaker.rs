//! Asking no more while Postgres owes an answer.
//!
//! ```text
//!   closed ──a statement that may wait for a standby is silent──► open: such statements are refused
//!     ▲                                                            │ at most one at a time asks again,
//!     └──────────the first of them that is answered────────────────┘ where none of ours waits there
//! ```
//!
//! A commit that waits for its synchronous standby has no timeout, and Postgres does not notice there
//! that its client has gone. So what is silent keeps its connection, and with it its place in the pool:
//! closed, it would leave its server process behind, and the next connection would bring one more.
//!
//! Invariants: server processes of a replica never exceed its pools, but for the one that a pool without
//! a free connection opens for a moment (`connections/probe.rs`). A connection that is owed an answer
//! is closed once others have been answered for [`GRACE`]: then its peer is gone.
//!
//! It knows no statements but its own look, which cannot wait.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Row as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Failure;
use super::connections::Connections;
use super::kind::Kind;
use super::sql::interval;

/// What is owed comes in order once Postgres answers again; long before that, where the connection is
/// alive.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A look reads what the server has in memory.
const LOOK_WITHIN: Duration = Duration::from_secs(3);

/// A commit that waits for so long waits for a standby that is away: longer than one takes that is there,
/// and less long than the silence that opens a breaker.
const STANDBY_WITHIN: Duration = Duration::from_secs(10);

/// Whether a commit of this role waits for a standby there.
static LOOK: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT EXISTS (
            SELECT FROM pg_stat_activity
            WHERE usename = current_user AND datname = current_database()
                AND wait_event = 'SyncRep' AND state_change < clock_timestamp() - {}) AS waits",
        interval(STANDBY_WITHIN)
    )
});

/// Shared by all pools of a store.
#[derive(Debug, Clone)]
pub(super) struct Breaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// They never wait for a standby.
    readers: Connections,
    is_open: watch::Sender<bool>,
    asking: Mutex<Asking>,
}

#[derive(Debug, Default)]
struct Asking {
    is_taken: bool,
    /// When the next look may come.
    next: Option<Instant>,
    /// What the last look said.
    waits_for_standby: bool,
}

/// The turn of the one that asks again; given back when dropped.
#[derive(Debug)]
pub(super) struct Turn(Breaker);

impl Breaker {
    pub(super) fn new(readers: Connections) -> Self {
        Self(Arc::new(Inner {
            readers,
            is_open: watch::Sender::new(false),
            asking: Mutex::default(),
        }))
    }

    /// Lets a statement go, with a turn where it is the one that asks again.
    pub(super) async fn admit(&self, kind: Kind) -> Result<Option<Turn>, Failure> {
        if !kind.may_wait() || !*self.0.is_open.borrow() {
            return Ok(None);
        }
        let Some(turn) = self.take_turn(Instant::now()) else {
            return Err(self.owed());
        };
        let waits = self.look().await;
        self.asking().waits_for_standby = matches!(waits, Ok(true));
        match waits {
            Ok(false) => {
                // What lies idle may lead to a server that is gone: whoever asks again asks the address.
                self.0.readers.open_again("Postgres owes an answer");
                Ok(Some(turn))
            }
            Ok(true) | Err(_) => Err(self.owed()),
        }
    }

    /// A statement that may wait was not answered in time.
    pub(super) fn is_owed(&self) {
        if !self.0.is_open.send_replace(true) {
            tracing::warn!(
                "Postgres has not answered: nothing more is asked that may wait, until it does"
            );
        }
    }

    /// A statement that may wait was answered.
    pub(super) fn is_answered(&self) {
        let closes = |is_open: &mut bool| std::mem::take(is_open);
        if *self.0.is_open.borrow() && self.0.is_open.send_if_modified(closes) {
            tracing::info!("Postgres answers again");
        }
    }

    /// Comes once others have been answered for so long that what is still owed will not come.
    pub(super) async fn is_past_grace(&self) {
        let mut is_open = self.0.is_open.subscribe();
        loop {
            // The sender lives as long as this breaker.
            let _ = is_open.wait_for(|is_open| !is_open).await;
            let opens_again = is_open.wait_for(|is_open| *is_open);
            if timeout(GRACE, opens_again).await.is_err() {
                return;
            }
        }
    }

    fn take_turn(&self, now: Instant) -> Option<Turn> {
        let mut asking = self.asking();
        if asking.is_taken || asking.next.is_some_and(|next| now < next) {
            return None;
        }
        asking.is_taken = true;
        asking.next = Some(now + LOOK_EVERY);
        Some(Turn(self.clone()))
    }

    fn owed(&self) -> Failure {
        Failure::NotAsked {
            waits_for_standby: self.asking().waits_for_standby,
        }
    }

    async fn look(&self) -> Result<bool, Failure> {
        let mut connection = self.0.readers.acquire().await?;
        let look = sqlx::query(LOOK.as_str()).fetch_one(&mut *connection);
        match timeout(LOOK_WITHIN, look).await {
            Ok(row) => row
                .and_then(|row| row.try_get("waits"))
                .map_err(Failure::Answered),
            Err(_) => {
                // Its answer may still come, to whoever asks next.
                drop(connection.detach());
                Err(Failure::Silent {
                    within: LOOK_WITHIN,
                })
            }
        }
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        let asking = self.0.asking.lock();
        asking.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.asking().is_taken = false;
    }
}
