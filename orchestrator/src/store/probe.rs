//! A commit of nothing, to see whether Postgres takes commits.
//!
//! It goes the way of commits, to the same tables by connections that are kept for them, and Postgres
//! answers when the log on disk, and the synchronous standby, have it. It leaves nothing behind but
//! that record of the log.

use sagas_core::CommitError;

use super::Store;
use super::kind::Ask;

/// Writes no row, and takes the locks of a statement that writes. The shard is nobody's.
const PROBE: &str = "
    WITH moved AS (UPDATE saga SET revision = revision WHERE shard = -1 AND id = $1),
         announced AS (DELETE FROM event_outbox WHERE slot = -1 AND id = $1),
         freed AS (DELETE FROM saga_key WHERE shard = -1 AND id = $1)
    SELECT pg_logical_emit_message(true, 'saga', '')";

impl Store {
    /// Commits nothing, as commits are made.
    ///
    /// # Errors
    ///
    /// As [`Store::commit`].
    pub async fn probe(&self) -> Result<(), CommitError> {
        let statement = sqlx::query(PROBE).bind(uuid::Uuid::nil());
        self.run_commit(Ask::Probe, statement).await?;
        Ok(())
    }
}
