//! Carries one batch to the database, and says what its answer means.
//!
//! Invariant: the batch is one statement, so it is committed whole or not at all, and its members
//! win or lose one by one inside it. The digest of a key that was taken is read by a second
//! statement: keys never change, and the first statement cannot see a row that was inserted while
//! it ran. What a commit says that has written nothing is a read (`kind.rs`): it may be of a batch
//! that only this server has.

mod arguments;
mod statement;

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sagas::{SagaId, Timestamp};
use sagas_core::CommitError;
use sagas_core::batch::{Batch, Committed, OutboxId, Start, StartOutcome};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::dead_letter::fold;
use super::kind::Ask;
use super::{Error, Failure, Store};
use crate::cause;
use arguments::Rows;

pub(super) use statement::texts;

impl Store {
    /// Commits a batch: one transaction, one round trip. Three more when an idempotency key was taken, one
    /// when nothing at all was written: what it then says is confirmed.
    ///
    /// Once this returns, the winners are found on restart. May be dropped at any `.await`: the
    /// commit then runs to its end, and its outcome is unknown to the caller.
    ///
    /// A postponement of a saga that the same batch updates is left out.
    ///
    /// # Errors
    ///
    /// [`CommitError::Ambiguous`] says that the batch may be committed; all other errors say that
    /// nothing of it is.
    ///
    /// # Panics
    ///
    /// When a state has no entry: a saga does not move without a transition.
    pub async fn commit(&self, batch: &Batch) -> Result<Committed, CommitError> {
        let row = self.run_batch(batch).await?;
        let answer = Answer::read(&row).map_err(lost_answer)?;
        let digests = self.digests_of_lost(&batch.starts, &answer.started).await?;
        let outcome = |start: &Start| {
            if answer.started.contains(&start.id) {
                return Ok(StartOutcome::Started);
            }
            let Some(digest) = &start.digest else {
                return Ok(StartOutcome::SameBefore);
            };
            match digests.get(&start.id) {
                Some(stored) if digest.is_same_as(stored) => Ok(StartOutcome::SameBefore),
                Some(_) => Ok(StartOutcome::OtherBefore),
                // Deleted in this very moment.
                None => Err(lost_answer(sqlx::Error::RowNotFound)),
            }
        };
        let updates = batch.updates.iter();
        Ok(Committed {
            starts: batch.starts.iter().map(outcome).collect::<Result<_, _>>()?,
            updates: updates.map(|u| answer.updated.contains(&u.id)).collect(),
            letters_left_out: answer.letters_left_out(batch),
            outbox: answer.outbox.map(|id| OutboxId {
                slot: batch.slot,
                id,
            }),
            database_time: answer.database_time,
        })
    }

    async fn run_batch(&self, batch: &Batch) -> Result<PgRow, CommitError> {
        let ended = self.ended_before(&batch.starts).await?;
        let ask = if batch.decides() {
            Ask::Commit
        } else {
            Ask::CommitOfRest
        };
        loop {
            let shard = |id| self.shard(id);
            let rows = Rows::of(batch, &ended, shard, |end| self.destination.at(end));
            let parts = rows.parts();
            let statement = parts.numbered().bind(&rows);
            let outcome = self.run_commit(ask, statement).await;
            match outcome.map_err(CommitError::from) {
                // It may be a partition that somebody has taken away: without it then.
                Err(CommitError::Data(_)) if parts.ends => self.destination.close(),
                outcome => return outcome,
            }
        }
    }

    /// Starts without a key that have an earlier commit, are not known to be void, and are in the
    /// archive by now: nothing in the hot tables refuses them any more.
    ///
    /// Not part of the statement, which would look into every partition each time. Between the two, no
    /// saga gets from its start to the archive: whoever would move it first finds its commands
    /// unconfirmed, seconds later.
    async fn ended_before(&self, starts: &[Start]) -> Result<Vec<SagaId>, CommitError> {
        let is_open = |start: &&Start| start.is_retried && start.digest.is_none();
        let retried: Vec<SagaId> = starts.iter().filter(is_open).map(|s| s.id).collect();
        let ended = self.archived(&retried).await;
        ended.map_err(|failure| CommitError::Unavailable(cause::of(&failure)))
    }

    async fn digests_of_lost(
        &self,
        starts: &[Start],
        started: &HashSet<SagaId>,
    ) -> Result<HashMap<SagaId, Vec<u8>>, CommitError> {
        let is_lost = |start: &&Start| start.digest.is_some() && !started.contains(&start.id);
        let lost: Vec<SagaId> = starts
            .iter()
            .filter(is_lost)
            .map(|start| start.id)
            .collect();
        if lost.is_empty() {
            return Ok(HashMap::new());
        }
        // The batch is committed already; that its outcome is unknown is all that can be said.
        let digests = self.digests_of(&lost).await;
        digests.map_err(|failure| CommitError::Ambiguous(cause::of(&failure)))
    }

    /// The digests of the first submissions under the keys of these sagas. A key that is free, and a
    /// saga without a key, are absent.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn digests(&self, ids: &[SagaId]) -> Result<HashMap<SagaId, Vec<u8>>, Error> {
        Ok(self.digests_of(ids).await?)
    }

    async fn digests_of(&self, ids: &[SagaId]) -> Result<HashMap<SagaId, Vec<u8>>, Failure> {
        let statement = sqlx::query(
            "SELECT k.id, k.digest FROM unnest($1::smallint[], $2::uuid[]) AS l (shard, id)
             JOIN saga_key k ON k.shard = l.shard AND k.id = l.id",
        )
        .bind(column(ids, |id| self.shard(*id)))
        .bind(column(ids, |id| id.0));
        let rows = self.run(Ask::Digests, statement).await?;
        let digest = |row: &PgRow| Ok((SagaId(row.try_get("id")?), row.try_get("digest")?));
        let digests = rows.iter().map(digest).collect::<Result<_, _>>();
        digests.map_err(Failure::Answered)
    }
}

/// Whether `commit.sql` says that it wrote a saga.
pub(super) fn has_written(row: &PgRow) -> bool {
    let answer = Answer::read(row);
    answer.is_ok_and(|answer| !answer.started.is_empty() || !answer.updated.is_empty())
}

/// The one row that `commit.sql` answers with.
struct Answer {
    started: HashSet<SagaId>,
    updated: HashSet<SagaId>,
    outbox: Option<Uuid>,
    /// Among the folded letters, from 1.
    left_out: Vec<i64>,
    database_time: Timestamp,
}

impl Answer {
    /// Positions in the batch.
    fn letters_left_out(&self, batch: &Batch) -> BTreeSet<usize> {
        if self.left_out.is_empty() {
            return BTreeSet::new();
        }
        let folded = (1..).zip(fold(&batch.dead_letters));
        let left_out = folded.filter(|(number, _)| self.left_out.contains(number));
        left_out.flat_map(|(_, folded)| folded.positions).collect()
    }

    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let ids = |column: &str| {
            let ids = row.try_get::<Vec<Uuid>, _>(column)?;
            Ok::<_, sqlx::Error>(ids.into_iter().map(SagaId).collect())
        };
        Ok(Self {
            started: ids("started")?,
            updated: ids("updated")?,
            outbox: row.try_get("outbox")?,
            left_out: match row.try_get("left_out") {
                // The statement has no letters.
                Err(sqlx::Error::ColumnNotFound(_)) => Vec::new(),
                left_out => left_out?,
            },
            database_time: row.try_get::<DateTime<Utc>, _>("database_time")?.into(),
        })
    }
}

/// The batch is committed, but its answer cannot be understood.
fn lost_answer(error: sqlx::Error) -> CommitError {
    CommitError::Ambiguous(cause::of(&Failure::Answered(error)))
}

/// One column of the rows.
pub(super) fn column<'a, T, C>(rows: &'a [T], of: impl Fn(&'a T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}
