//! Asks the database whether it answers.

use std::time::Instant;

use sagas_log::{chain, sum_up, trouble};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{HEARD_EVERY, Health};
use crate::connections;

const READ_ONLY: &str = "it takes no writes: it is a standby, or was told to be read-only";

/// Pings until the service stops. A ping that hangs has no time limit: its silence is the report.
pub(crate) async fn probe(database: Option<PgPool>, health: Health, stopping: CancellationToken) {
    loop {
        sum_up(Instant::now());
        let answer = tokio::select! {
            // Unlike a transaction, a ping that is dropped leaves nothing in doubt.
            () = stopping.cancelled() => return,
            answer = ping(&database) => answer,
        };
        match answer {
            Ok(true) => {
                health.database(Ok(()));
            }
            Ok(false) => {
                if health.database(Err(READ_ONLY)) {
                    tracing::warn!("the database takes no writes: it is a standby, or read-only");
                }
            }
            Err(error) => {
                health.database(Err("it does not answer"));
                trouble!(warn, "the database does not answer", error = chain(&error));
            }
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(HEARD_EVERY) => {}
        }
    }
}

/// Whether the database takes writes. Through the pool: a handler needs a connection too; one that leads
/// to a standby is closed. Where there is no database, none is amiss.
async fn ping(database: &Option<PgPool>) -> Result<bool, sqlx::Error> {
    let Some(database) = database else {
        return Ok(true);
    };
    let mut connection = connections::acquire(database).await?;
    let asked = sqlx::query_scalar("SELECT current_setting('transaction_read_only') = 'off'");
    let takes_writes: bool = asked.persistent(false).fetch_one(&mut *connection).await?;
    if !takes_writes {
        connection.close_on_drop();
    }
    Ok(takes_writes)
}
