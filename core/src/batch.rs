//! What one commit takes to the database, and what it brings back.
//!
//! A batch is all or nothing, but its members win or lose one by one: a start whose key exists, or
//! an update whose saga has moved on, is left out of the commit together with everything that
//! belongs to it, and the caller learns which.

use std::collections::BTreeSet;
use std::sync::Arc;

use sagas::machine::{Entry, Moving, Status};
use sagas::wire::Headers;
use sagas::{SagaId, Timestamp};
use uuid::Uuid;

use super::digest::Digest;

/// Everything that one commit writes.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// New sagas. At most one per saga.
    pub starts: Vec<Start>,
    /// Sagas that move. At most one per saga, however many transitions it takes.
    pub updates: Vec<Update>,
    /// Wakes that found nothing to do: only `wake_at` moves, the revision does not.
    pub postponements: Vec<Postponement>,
    /// Records that nobody can use.
    pub dead_letters: Vec<DeadLetter>,
    /// Outbox rows that the broker has acknowledged; deleted by this commit.
    pub delivered: Vec<OutboxId>,
    /// The reply partition under whose number this batch's own outbox row is kept, so that whoever
    /// takes the partition over publishes what is left there.
    pub slot: i32,
    /// Where it counts the sagas that it ends. Commits of one number wait for each other, so those
    /// that are under way at the same time have different ones.
    pub tally_slot: i32,
}

impl Batch {
    /// Whether anything depends on what its commit answers. Wakes that found nothing to do, and outbox rows
    /// that were published, are looked at again whatever became of them.
    #[must_use]
    pub fn decides(&self) -> bool {
        !(self.starts.is_empty() && self.updates.is_empty() && self.dead_letters.is_empty())
    }
}

/// A new saga.
#[derive(Debug, Clone)]
pub struct Start {
    /// Who it is.
    pub id: SagaId,
    /// The definition's name, version and fingerprint.
    pub definition: String,
    /// The definition's version.
    pub version: u32,
    /// The digest of the definition's graph.
    pub fingerprint: Uuid,
    /// Present when the client gave an idempotency key. Then the `saga_key` row alone decides whether the
    /// saga is new.
    pub digest: Option<Digest>,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// Its commit may hold already: an earlier attempt's answer was lost. Such a saga may have run
    /// and ended meanwhile.
    pub is_retried: bool,
    /// The state after its transitions.
    pub state: State,
}

/// A saga that moves.
#[derive(Debug, Clone)]
pub struct Update {
    /// Who it is.
    pub id: SagaId,
    /// The revision that was read; the row must still have it.
    pub expected: u64,
    /// The state after its transitions.
    pub state: State,
}

/// A saga's row after one or more transitions, and what they leave behind.
#[derive(Debug, Clone)]
pub struct State {
    /// The revision after the last transition.
    pub revision: u64,
    /// The status after it.
    pub status: Status,
    /// When to look at it again.
    pub wake_at: Option<Timestamp>,
    /// What changes.
    pub moving: Moving,
    /// One history row per transition, oldest first.
    pub entries: Vec<Entry>,
    /// Lifecycle events and notices of these transitions, ready to publish, oldest first.
    pub announcements: Vec<Outgoing>,
}

/// What must reach the broker although nobody asks for it again: stored with the transition,
/// published after it, deleted once the broker has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outgoing {
    /// A lifecycle event.
    Event(OutgoingEvent),
    /// A command that nobody answers.
    Notice(OutgoingNotice),
}

impl Outgoing {
    /// What it says.
    #[must_use]
    pub fn payload(&self) -> &sagas::Json {
        match self {
            Self::Event(event) => &event.payload,
            Self::Notice(notice) => &notice.payload,
        }
    }
}

/// The command of a notification or hint, with everything that its message says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OutgoingNotice {
    /// The saga, which is also the message key.
    pub saga: SagaId,
    /// The definition's name.
    pub definition: String,
    /// When the saga started.
    pub started_at: Timestamp,
    /// The saga's revision after the transition that sends it.
    pub revision: u64,
    /// When the transition was decided.
    pub at: Timestamp,
    /// The step's name.
    pub step: String,
    /// Who gets it.
    pub participant: String,
    /// The command's name.
    pub command: String,
    /// Where an answer would go; it has no effect there.
    pub reply_partition: i32,
    /// The payload.
    pub payload: sagas::Json,
}

/// A lifecycle event as it goes to the broker.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OutgoingEvent {
    /// The saga, which is also the message key.
    pub saga: SagaId,
    /// The definition's name.
    pub definition: String,
    /// `started`, `completed`, ….
    pub kind: String,
    /// The saga's revision.
    pub revision: u64,
    /// Which event of the saga it is, from 1; consumers apply events in this order.
    pub sequence: u32,
    /// When the transition was decided.
    pub at: Timestamp,
    /// The JSON payload.
    pub payload: sagas::Json,
}

/// A wake that found nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postponement {
    /// Who.
    pub id: SagaId,
    /// The revision that was read; if the row has another one, somebody has set the wake anew.
    pub expected: u64,
    /// When to look again.
    pub wake_at: Option<Timestamp>,
}

/// A record that nobody can use, kept for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The id of the Kafka cluster, because offsets of another cluster start again; empty while it
    /// is unknown.
    pub cluster: Arc<str>,
    /// Topic, partition and offset that it was read from.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Why nobody can use it, in a word.
    pub kind: LetterKind,
    /// The same in a sentence.
    pub reason: String,
    /// Its key, as bytes.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Headers,
    /// Its value, as bytes.
    pub value: Option<Vec<u8>>,
}

/// Rows of dead letters of one kind that are added on one day (UTC). Of others of that kind and day only
/// the number is kept: it says how much is amiss, and ten thousand examples say what.
pub const LETTERS_KEPT_MAX: i64 = 10_000;

/// Reason for which nobody can use a record. Rows of one kind are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LetterKind {
    /// It cannot be read as a reply.
    Unreadable,
    /// Its saga does not exist.
    UnknownSaga,
    /// Its saga has no such step, or none that could have been asked this.
    UnknownStep,
    /// It names a revision that the database does not have: the database was set back.
    AheadOfDatabase,
    /// The database refuses what it says.
    Unstorable,
    /// It was to be published, and the broker refuses it.
    RefusedByBroker,
    /// It was to be published, and its outbox row cannot be read.
    UnreadableOutboxRow,
}

impl LetterKind {
    /// The word for it in table, REST and log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::UnknownSaga => "unknown-saga",
            Self::UnknownStep => "unknown-step",
            Self::AheadOfDatabase => "ahead-of-database",
            Self::Unstorable => "unstorable",
            Self::RefusedByBroker => "refused-by-broker",
            Self::UnreadableOutboxRow => "unreadable-outbox-row",
        }
    }
}

/// An outbox row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId {
    /// The reply partition that it is kept under.
    pub slot: i32,
    /// Its id.
    pub id: Uuid,
}

/// Parts of the outbox. A lane writes under the number of a reply partition that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// These.
    pub own: Vec<i32>,
    /// And all from this one on.
    pub from: Option<i32>,
}

impl Slots {
    /// These, and no others.
    #[must_use]
    pub fn of(own: &[i32]) -> Self {
        let own = own.to_vec();
        Self { own, from: None }
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, slot: i32) -> bool {
        self.own.contains(&slot) || self.from.is_some_and(|from| from <= slot)
    }
}

/// What became of a batch, once it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// By position in [`Batch::starts`].
    pub starts: Vec<StartOutcome>,
    /// By position in [`Batch::updates`]: whether the row still had the expected revision.
    pub updates: Vec<bool>,
    /// Positions in [`Batch::dead_letters`] of those that were only counted ([`LETTERS_KEPT_MAX`]).
    pub letters_left_out: BTreeSet<usize>,
    /// The outbox row that holds the winners' lifecycle events; `None` when there are none.
    pub outbox: Option<OutboxId>,
    /// Database time during the commit.
    pub database_time: Timestamp,
}

/// What became of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOutcome {
    /// The saga exists now, because of this start.
    Started,
    /// It existed before, from the same submission.
    SameBefore,
    /// The key was used before, with another definition or input.
    OtherBefore,
}
