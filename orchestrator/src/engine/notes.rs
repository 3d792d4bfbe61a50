//! The log lines of what lanes find: each [`Note`] with its level, its words and its whole cause.
//!
//! Invariant: trouble that lasts, and lines that clients or neighbours can cause by the thousand, have a
//! bounded rate.

use sagas::SagaId;
use sagas_core::lane::{Closing, NotRunnable, Note};
use sagas_core::outgoing::Topics;
use sagas_log::{Limit, limited, trouble};

use super::letters;
use crate::cause::chain;

/// Each names its saga; a client may send many.
static REFUSED: Limit = Limit::each("the database refuses the data of an event");

/// Each names its saga; a damaged disk may bring many.
static UNREADABLE: Limit = Limit::each("a stored saga cannot be read");

/// Each lane finds it out by itself, and a topic may come and go.
static GATES: Limit = Limit::each("a topic takes nothing, or takes records again");

/// Logs one fact.
pub(super) fn log(note: Note, topics: &Topics) {
    match note {
        Note::TopicClosed {
            participant,
            owed,
            why,
        } => topic_closed(&topics.of(participant), owed, why),
        Note::TopicOpened {
            participant,
            withheld,
        } => topic_opened(&topics.of(participant), withheld),
        Note::LoadFailed { cause, sagas } => {
            let error = cause.chain();
            trouble!(warn, "cannot load sagas; trying again", error, sagas);
        }
        Note::CommitFailed { cause, events } => {
            let error = cause.chain();
            trouble!(warn, "a commit failed; trying again", error, events);
        }
        Note::BadData { cause, events } => {
            let error = cause.chain();
            trouble!(warn, "a commit has bad data; searching it", error, events);
        }
        Note::EventUnstorable { saga, cause } => {
            let error = cause.chain();
            limited!(
                REFUSED, error, "the database refuses the data of an event", %saga, error
            );
        }
        Note::LetterCounted(kind) => letters::tell_counted(kind),
        Note::LetterUnstorable { at, reason, cause } => {
            let error = cause.chain();
            tracing::error!(error, ?at, reason, "a dead letter cannot be stored");
        }
        Note::LetterKept(letter) => letters::tell(&letter),
        Note::NotRunnable { saga, why } => not_runnable(saga, why),
        Note::Overtaken { saga } => {
            tracing::debug!(%saga, "another replica moved it; looking again");
        }
        Note::ReplyAhead { saga } => {
            tracing::error!(%saga, "a reply names a revision that is not stored");
        }
        Note::ReplyWithoutEffect { saga, refusal } => {
            tracing::debug!(%saga, %refusal, "a reply without effect");
        }
        Note::ReplyUnusable {
            saga,
            step,
            topic,
            at,
            reason,
        } => tracing::warn!(
            %saga,
            %step,
            %topic,
            partition = at.partition,
            offset = at.offset,
            reason,
            "a reply cannot be used; it counts as failed"
        ),
    }
}

fn not_runnable(saga: SagaId, why: NotRunnable) {
    match why {
        NotRunnable::Lacks {
            definition,
            version,
        } => tracing::warn!(%saga, definition, version, "left to a binary that has it"),
        NotRunnable::Unreadable(why) => {
            limited!(UNREADABLE, error, "a stored saga cannot be read", %saga, why);
        }
        NotRunnable::Unrestorable(error) => {
            let error = chain(&error);
            tracing::error!(%saga, error, "a stored saga cannot be brought back");
        }
    }
}

fn topic_closed(topic: &str, owed: usize, why: Closing) {
    let why = match why {
        Closing::Silent => "the broker has not answered for a second",
        Closing::Full => "the broker owes as many answers as it may",
        Closing::Failed => "a record did not arrive",
    };
    limited!(
        GATES,
        warn,
        "a topic takes nothing; what is for it waits in the database",
        topic,
        why,
        owed
    );
}

fn topic_opened(topic: &str, withheld: usize) {
    limited!(GATES, info, "a topic takes records again", topic, withheld);
}
