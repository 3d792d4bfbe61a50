//! Every statement of the store by name, and what its answer is good for.
//!
//! ```text
//!   Commits   a batch: Postgres answers once its standby has it; if it wrote nothing, it is a read
//!   Writes    as Commits, but nothing is decided by what it answers
//!   Decides   a read that is answered, published or counted: confirmed before it is used
//!   Hints     a read that makes somebody look again by a statement that decides
//!   Shows     a read for people and for GET: a failover may take back what it says
//! ```
//!
//! What is visible is not yet acknowledged. A commit that waits for its synchronous standby and is then
//! cut, by the end of its server process or by a restart, stays on this server alone, where all see it;
//! after the promotion of the standby it never was. `session.rs` confirms a read by a commit of its own
//! on the same connection, which waits for everything before it.
//!
//! Invariant: no statement runs without a name, and each name has one kind. (What a new connection is
//! told and asked is not for others to know, nor is the look of `breaker.rs`.)

use sagas::sabotage::{Bug, is_seeded};

/// What the answer of a statement is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is acknowledged when it has written; an answer that wrote nothing must be confirmed.
    Commits,
    /// It is acknowledged when it has written, and nothing depends on what it answers.
    Writes,
    /// Its answer counts only once everything before it is acknowledged.
    Decides,
    /// Its answer is looked up again before anything depends on it.
    Hints,
    /// Its answer is for reading, and may be taken back by a failover.
    Shows,
}

impl Kind {
    /// Whether Postgres may keep its answer back until a standby is there.
    #[must_use]
    pub const fn may_wait(self) -> bool {
        match self {
            Self::Commits | Self::Writes | Self::Decides => true,
            Self::Hints | Self::Shows => false,
        }
    }

    /// Whether an answer of this kind is confirmed before it is used. `has_written` says that the
    /// statement wrote rows: then its own commit has waited for everything before it.
    #[must_use]
    pub fn is_confirmed(self, has_written: bool) -> bool {
        if is_seeded(Bug::TakesVisibleForAcknowledged) {
            return false;
        }
        match self {
            Self::Commits => !has_written,
            Self::Decides => true,
            Self::Writes | Self::Hints | Self::Shows => false,
        }
    }
}

macro_rules! statements {
    ($($kind:ident { $($(#[$doc:meta])+ $name:ident,)+ })+) => {
        /// A statement of the store.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Ask {
            $($($(#[$doc])+ $name,)+)+
        }

        impl Ask {
            /// Every statement, by kind.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// What its answer is good for.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self {
                    $($(Self::$name)|+ => Kind::$kind,)+
                }
            }
        }
    };
}

statements! {
    Commits {
        /// A batch with sagas or dead letters.
        Commit,
    }
    Writes {
        /// A batch of wakes that found nothing to do, and of outbox rows that were published.
        CommitOfRest,
        /// Nothing, by the way of a commit.
        Probe,
        /// A replica lives.
        Heartbeat,
        /// A replica ends.
        Leave,
        /// Outbox rows were published.
        Delivered,
        /// Sagas that have ended go to the archive.
        Archive,
        /// Idempotency keys go.
        FreeKeys,
        /// Dead letters go.
        DropDeadLetters,
        /// A partition of the archive comes or goes.
        Define,
        /// The count of a dropped partition goes.
        ForgetTally,
        /// The number of shards is fixed.
        Install,
    }
    Decides {
        /// States of open sagas, for a lane or the answer to a POST.
        Load,
        /// The same of sagas that have ended.
        LoadArchived,
        /// The first submissions under keys that were taken.
        Digests,
        /// Sagas of starts that are tried again, or that clients wait for, in the archive.
        Archived,
        /// Sagas that clients wait for.
        Ended,
        /// Events that were left behind.
        Outbox,
    }
    Hints {
        /// Wakes that have come.
        Due,
        /// Shards with sagas to archive.
        ShardsToArchive,
        /// The next saga to archive.
        NextToArchive,
        /// Partitions of the archive.
        Partitions,
        /// Whether a partition exists.
        HasPartition,
        /// Migrations that were applied.
        Migrations,
        /// The number of shards.
        Shards,
        /// Whether commits wait for a standby.
        CommitSetting,
        /// The database's clock.
        DatabaseTime,
        /// Whether the database answers.
        Ping,
    }
    Shows {
        /// A saga, for GET.
        Show,
        /// A saga that has ended, for GET.
        ShowArchived,
        /// Whether a key names a saga that was dropped.
        KeyKnown,
        /// A list of sagas.
        List,
        /// Counts of everything.
        Counts,
        /// Dead letters.
        DeadLetters,
        /// Numbers of dead letters that have no row.
        DeadLettersLeftOut,
        /// Replicas that live.
        Replicas,
        /// Definitions that no replica has.
        MissingDefinitions,
        /// Definitions that this binary lacks, for its start.
        Lacking,
        /// How many open sagas pin one of them.
        OpenSagasOf,
        /// Whom a migration waits for.
        Holders,
        /// What partitions hold.
        ArchivedSagas,
        /// What the policy would let go.
        DueToGo,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The review of a new statement: is anything answered, published or counted that it says? Then it
    /// decides. `orchestrator/tests/it/standby.rs` sees each kind wait, or not, on real servers.
    #[test]
    fn every_statement_has_its_kind() {
        let of = |kind| {
            let names = Ask::ALL.iter().filter(|ask| ask.kind() == kind);
            names.map(|ask| format!("{ask:?}")).collect::<Vec<_>>()
        };
        assert_eq!(of(Kind::Commits), ["Commit"]);
        assert_eq!(
            of(Kind::Writes).join(" "),
            "CommitOfRest Probe Heartbeat Leave Delivered Archive FreeKeys DropDeadLetters Define \
             ForgetTally Install"
        );
        assert_eq!(
            of(Kind::Decides).join(" "),
            "Load LoadArchived Digests Archived Ended Outbox"
        );
        assert_eq!(
            of(Kind::Hints).join(" "),
            "Due ShardsToArchive NextToArchive Partitions HasPartition Migrations Shards \
             CommitSetting DatabaseTime Ping"
        );
        assert_eq!(
            of(Kind::Shows).join(" "),
            "Show ShowArchived KeyKnown List Counts DeadLetters DeadLettersLeftOut Replicas MissingDefinitions \
             Lacking OpenSagasOf Holders ArchivedSagas \
             DueToGo"
        );
    }
}
