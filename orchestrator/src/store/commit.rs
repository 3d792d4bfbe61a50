//! Carries one batch to the database: `commit.sql` with its arguments, and what its answer means.
//!
//! Invariant: the batch is one statement, so it is committed whole or not at all, and its members
//! win or lose one by one inside it. The digest of a key that was taken is read by a second
//! statement: keys never change, and the first statement cannot see a row that was inserted while
//! it ran.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sagas::machine::Entry;
use sagas::{SagaId, Timestamp};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::batch::{
    Batch, Committed, OutboxId, Outgoing, Postponement, Start, StartOutcome, State, Update,
};
use super::session::Statement;
use super::{CommitError, Failure, Store};

impl Store {
    /// Commits a batch: one transaction, one round trip (two when an idempotency key was taken).
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
        let row = self.run_commit(self.statement(batch)).await?;
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
                Some(stored) if stored == digest => Ok(StartOutcome::SameBefore),
                Some(_) => Ok(StartOutcome::OtherBefore),
                // Deleted in this very moment.
                None => Err(lost_answer(sqlx::Error::RowNotFound)),
            }
        };
        let updates = batch.updates.iter();
        Ok(Committed {
            starts: batch.starts.iter().map(outcome).collect::<Result<_, _>>()?,
            updates: updates.map(|u| answer.updated.contains(&u.id)).collect(),
            outbox: answer.outbox.map(|id| OutboxId {
                slot: batch.slot,
                id,
            }),
            database_time: answer.database_time,
        })
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
        let statement = sqlx::query(
            "SELECT k.id, k.digest FROM unnest($1::smallint[], $2::uuid[]) AS l (shard, id)
             JOIN saga_key k ON k.shard = l.shard AND k.id = l.id",
        )
        .bind(column(&lost, |id| self.shard(*id)))
        .bind(column(&lost, |id| id.0));
        // The batch is committed already; that its outcome is unknown is all that can be said.
        let rows = self.run(statement).await.map_err(CommitError::Ambiguous)?;
        let digest = |row: &PgRow| Ok((SagaId(row.try_get("id")?), row.try_get("digest")?));
        rows.iter()
            .map(digest)
            .collect::<Result<_, _>>()
            .map_err(lost_answer)
    }

    fn statement(&self, batch: &Batch) -> Statement {
        let mut starts: Vec<(i16, &Start)> = column(&batch.starts, |s| (self.shard(s.id), s));
        starts.sort_unstable_by_key(|(shard, start)| (*shard, start.id));
        let mut updates: Vec<(i16, &Update)> = column(&batch.updates, |u| (self.shard(u.id), u));
        updates.sort_unstable_by_key(|(shard, update)| (*shard, update.id));
        let moved: HashSet<SagaId> = batch.updates.iter().map(|update| update.id).collect();
        let postponements = batch.postponements.iter();
        let mut postponements: Vec<(i16, &Postponement)> = postponements
            .filter(|p| !moved.contains(&p.id))
            .map(|p| (self.shard(p.id), p))
            .collect();
        postponements.sort_unstable_by_key(|(shard, postponement)| (*shard, postponement.id));

        let statement = sqlx::query(include_str!("commit.sql"));
        let statement = bind_starts(statement, &starts);
        let statement = bind_updates(statement, &updates);
        let statement = bind_history(statement, &starts, &updates);
        let statement = bind_postponements(statement, &postponements);
        let statement = bind_announcements(statement.bind(batch.slot), batch);
        let statement = statement
            .bind(column(&batch.delivered, |row| row.slot))
            .bind(column(&batch.delivered, |row| row.id));
        super::dead_letter::bind(statement, &batch.dead_letters)
    }
}

/// The one row that `commit.sql` answers with.
struct Answer {
    started: HashSet<SagaId>,
    updated: HashSet<SagaId>,
    outbox: Option<Uuid>,
    database_time: Timestamp,
}

impl Answer {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let ids = |column: &str| {
            let ids = row.try_get::<Vec<Uuid>, _>(column)?;
            Ok::<_, sqlx::Error>(ids.into_iter().map(SagaId).collect())
        };
        Ok(Self {
            started: ids("started")?,
            updated: ids("updated")?,
            outbox: row.try_get("outbox")?,
            database_time: row.try_get::<DateTime<Utc>, _>("database_time")?.into(),
        })
    }
}

/// The batch is committed, but its answer cannot be understood.
fn lost_answer(error: sqlx::Error) -> CommitError {
    CommitError::Ambiguous(Failure::Answered(error))
}

fn bind_starts(statement: Statement, starts: &[(i16, &Start)]) -> Statement {
    statement
        .bind(column(starts, |(shard, _)| *shard))
        .bind(column(starts, |(_, start)| start.id.0))
        .bind(column(starts, |(_, start)| start.digest.map(Vec::from)))
        .bind(column(starts, |(_, start)| start.definition.clone()))
        .bind(column(starts, |(_, start)| i64::from(start.version)))
        .bind(column(starts, |(_, start)| start.fingerprint))
        .bind(column(starts, |(_, start)| start.state.status.as_str()))
        .bind(column(starts, |(_, start)| count(start.state.revision)))
        .bind(column(starts, |(_, start)| instant(start.state.wake_at)))
        .bind(column(starts, |(_, start)| json(&start.state.moving)))
        .bind(column(starts, |(_, start)| {
            start.state.moving.needs_attention()
        }))
        .bind(column(starts, |(_, start)| start.started_at.to_chrono()))
        .bind(column(starts, |(_, start)| moved_at(&start.state)))
}

fn bind_updates(statement: Statement, updates: &[(i16, &Update)]) -> Statement {
    statement
        .bind(column(updates, |(shard, _)| *shard))
        .bind(column(updates, |(_, update)| update.id.0))
        .bind(column(updates, |(_, update)| count(update.expected)))
        .bind(column(updates, |(_, update)| count(update.state.revision)))
        .bind(column(updates, |(_, update)| update.state.status.as_str()))
        .bind(column(updates, |(_, update)| instant(update.state.wake_at)))
        .bind(column(updates, |(_, update)| json(&update.state.moving)))
        .bind(column(updates, |(_, update)| {
            update.state.moving.needs_attention()
        }))
        .bind(column(updates, |(_, update)| moved_at(&update.state)))
}

/// A history row, and which member of the batch it belongs to: a start and an update of one batch
/// may name the same saga (the start then loses).
struct HistoryRow<'a> {
    shard: i16,
    id: SagaId,
    is_start: bool,
    entry: &'a Entry,
}

fn bind_history(
    statement: Statement,
    starts: &[(i16, &Start)],
    updates: &[(i16, &Update)],
) -> Statement {
    let starts = starts
        .iter()
        .map(|(shard, s)| (*shard, s.id, true, &s.state));
    let updates = updates
        .iter()
        .map(|(shard, u)| (*shard, u.id, false, &u.state));
    let rows = starts
        .chain(updates)
        .flat_map(|(shard, id, is_start, state)| {
            let row = move |entry| HistoryRow {
                shard,
                id,
                is_start,
                entry,
            };
            state.entries.iter().map(row)
        });
    let rows: Vec<HistoryRow<'_>> = rows.collect();
    statement
        .bind(column(&rows, |row| row.shard))
        .bind(column(&rows, |row| row.id.0))
        .bind(column(&rows, |row| row.is_start))
        .bind(column(&rows, |row| count(row.entry.revision)))
        .bind(column(&rows, |row| row.entry.at.to_chrono()))
        .bind(column(&rows, |row| json(row.entry)))
}

fn bind_postponements(statement: Statement, rows: &[(i16, &Postponement)]) -> Statement {
    statement
        .bind(column(rows, |(shard, _)| *shard))
        .bind(column(rows, |(_, postponement)| postponement.id.0))
        .bind(column(rows, |(_, postponement)| {
            count(postponement.expected)
        }))
        .bind(column(rows, |(_, postponement)| {
            instant(postponement.wake_at)
        }))
}

fn bind_announcements(statement: Statement, batch: &Batch) -> Statement {
    let starts = batch.starts.iter().map(|s| (s.id, true, &s.state));
    let updates = batch.updates.iter().map(|u| (u.id, false, &u.state));
    let events = starts.chain(updates).flat_map(|(id, is_start, state)| {
        let event = move |event| (id, is_start, event);
        state.announcements.iter().map(event)
    });
    let events: Vec<(SagaId, bool, &Outgoing)> = events.collect();
    statement
        .bind(column(&events, |(id, _, _)| id.0))
        .bind(column(&events, |(_, is_start, _)| *is_start))
        .bind(column(&events, |(_, _, event)| json(event)))
}

/// One column of the rows.
pub(super) fn column<'a, T, C>(rows: &'a [T], of: impl Fn(&'a T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}

/// What a usual saga's state or history entry takes: room for it at once, not in four steps.
const JSON_BYTES: usize = 512;

pub(super) fn json<T: Serialize>(value: &T) -> String {
    let mut text = Vec::with_capacity(JSON_BYTES);
    serde_json::to_writer(&mut text, value).expect("no map with keys other than strings in it");
    String::from_utf8(text).expect("JSON is UTF-8")
}

fn count(revision: u64) -> i64 {
    i64::try_from(revision).expect("a revision counts transitions, one by one")
}

fn instant(at: Option<Timestamp>) -> Option<DateTime<Utc>> {
    at.map(Timestamp::to_chrono)
}

fn moved_at(state: &State) -> DateTime<Utc> {
    let last = state.entries.last();
    last.expect("a saga moves by transitions, and each has an entry")
        .at
        .to_chrono()
}
