//! Asks the database whether it answers.

use sqlx::{Connection as _, PgPool};
use tokio_util::sync::CancellationToken;

use super::{HEARD_EVERY, Health};

/// Pings until the service stops. A ping that hangs has no time limit: its silence is the report.
pub(crate) async fn probe(database: Option<PgPool>, health: Health, stopping: CancellationToken) {
    loop {
        let answer = tokio::select! {
            // Unlike a transaction, a ping that is dropped leaves nothing in doubt.
            () = stopping.cancelled() => return,
            answer = ping(&database) => answer,
        };
        match answer {
            Ok(()) => {
                health.database(Ok(()));
            }
            Err(error) => {
                if health.database(Err("it does not answer")) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the database does not answer");
                }
            }
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(HEARD_EVERY) => {}
        }
    }
}

/// Through the pool: a handler needs a connection too. Where there is no database, none is amiss.
async fn ping(database: &Option<PgPool>) -> Result<(), sqlx::Error> {
    match database {
        Some(database) => database.acquire().await?.ping().await,
        None => Ok(()),
    }
}
