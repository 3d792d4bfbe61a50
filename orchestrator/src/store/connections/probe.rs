//! The reason why a pool has no connection to give.
//!
//! sqlx opens a connection again and again within its time where the server has no room for one
//! (53300), starts up (57P03), or refuses at its door, and then says that the time is over. So one
//! more is opened beside the pool, for its error alone.
//!
//! Invariant: a pool opens one such connection at a time, each is bounded in time and closed at once,
//! and a caller that goes away interrupts none.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// A server that takes connections takes one in milliseconds; the pool has tried for longer already.
const WITHIN: Duration = Duration::from_secs(1);

/// How long an answer is believed: callers whose time is over together share one.
const BELIEVED: Duration = Duration::from_secs(1);

/// The error of a connection; `None` where it was opened.
pub(super) type Verdict = Option<Arc<sqlx::Error>>;

/// Asks a server for a connection. Clones share the answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Probe(Arc<Mutex<Option<(Instant, Verdict)>>>);

impl Probe {
    /// The server's verdict on one more connection, at most a second old.
    pub(super) async fn ask(&self, to: Arc<PgConnectOptions>) -> Verdict {
        let answer = Arc::clone(&self.0);
        // A task of its own: dropped half-way, a connection would be the server's to find out about.
        let asked = tokio::spawn(async move {
            let mut answer = answer.lock().await;
            if let Some((at, verdict)) = &*answer
                && at.elapsed() < BELIEVED
            {
                return verdict.clone();
            }
            let verdict = open(&to).await.err().map(Arc::new);
            *answer = Some((Instant::now(), verdict.clone()));
            verdict
        });
        // It does not panic; where the runtime ends, nothing is known.
        asked.await.ok().flatten()
    }
}

async fn open(to: &PgConnectOptions) -> sqlx::Result<()> {
    let to = to.clone().application_name("saga-probe");
    let connection = timeout(WITHIN, to.connect()).await;
    let connection = connection.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // The server took it, which is the answer.
    let _ = timeout(WITHIN, connection.close()).await;
    Ok(())
}
