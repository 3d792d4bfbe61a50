//! A connection of the service's own pool, or why there is none.
//!
//! sqlx opens a connection again and again within its time where the server has no room for one
//! (53300), starts up (57P03), or refuses at its door, and then says that the time is over. So one
//! more is opened beside the pool, for its error alone.
//!
//! Invariant: the process opens one such connection at a time, each is bounded in time and closed at
//! once, and a caller that goes away interrupts none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Postgres};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// A server that takes connections takes one in milliseconds; the pool has tried for longer already.
const PROBED_WITHIN: Duration = Duration::from_secs(1);

/// A connection of the pool.
///
/// # Errors
///
/// [`sqlx::Error::PoolTimedOut`] only where the server would take one more: then all of the pool are
/// in use.
pub(crate) async fn acquire(database: &PgPool) -> sqlx::Result<PoolConnection<Postgres>> {
    match database.acquire().await {
        Err(sqlx::Error::PoolTimedOut) => Err(why(database.connect_options()).await),
        acquired => acquired,
    }
}

async fn why(to: Arc<PgConnectOptions>) -> sqlx::Error {
    static TURN: Mutex<()> = Mutex::const_new(());
    // A task of its own: dropped half-way, a connection would be the server's to find out about.
    let probed = tokio::spawn(async move {
        let _turn = TURN.lock().await;
        probe(&to).await
    });
    let refusal = probed.await.ok().and_then(Result::err);
    refusal.unwrap_or(sqlx::Error::PoolTimedOut)
}

async fn probe(to: &PgConnectOptions) -> sqlx::Result<()> {
    let connection = timeout(PROBED_WITHIN, to.connect()).await;
    let connection = connection.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // The server took it, which is the answer.
    let _ = timeout(PROBED_WITHIN, connection.close()).await;
    Ok(())
}
