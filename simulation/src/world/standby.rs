//! The standby of the database: while it is away every commit waits, and what it has at a failover is all
//! that there is.
//!
//! ```text
//!   away ──► what was asked waits ──┬─► cut: the commit is visible, and nobody acknowledged it
//!                                   ├─► back: everything visible is acknowledged, and what waits goes on
//!                                   └─► promoted: what the standby does not have never was
//! ```
//!
//! Invariant: what is durable is what the standby has, which is everything that is visible unless a commit
//! was cut since the standby went away. Which statements wait is for production code to say
//! (`sagas_core::kind`).

use std::collections::BTreeMap;

use sagas::{SagaId, Timestamp};
use sagas_core::batch::{Batch, Committed, StartOutcome};
use sagas_core::kind::{Ask, Kind};

use super::database::{Asked, Question};
use super::{Happening, World};
use crate::faults::Fault;
use crate::store::Store;

/// What happens to a standby that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Server processes that wait for it end, or the server restarts.
    Cut,
    Back,
    Promoted,
}

/// The database has lost its standby.
#[derive(Debug)]
pub(crate) struct Away {
    /// What the standby has.
    durable: Store,
    /// Statements that wait for it.
    waiting: Vec<Asked>,
    /// States that the database had taken when it left.
    commits: usize,
    since: Timestamp,
}

impl World {
    /// The tables as they would be after a failover.
    pub(crate) fn durable(&self) -> &Store {
        self.standby_away
            .as_ref()
            .map_or(&self.store, |away| &away.durable)
    }

    /// From now on commits wait; whether they are cut, and what becomes of the standby, is fixed here.
    pub(crate) fn standby_leaves(&mut self) -> bool {
        if self.standby_away.is_some() {
            return false;
        }
        self.standby_away = Some(Away {
            durable: self.store.clone(),
            waiting: Vec::new(),
            commits: self.journal.commits.len(),
            since: self.now(),
        });
        let mut wait = self.rng.millis(5, 2_000);
        for _ in 0..self.rng.between(1, 5) {
            self.plan_turn_of_standby(wait, Turn::Cut);
            wait += self.rng.millis(5, 2_000);
        }
        let is_promoted = self.faults.may(Fault::FailedOver) && self.rng.chance(700);
        let last = if is_promoted {
            Turn::Promoted
        } else {
            Turn::Back
        };
        self.plan_turn_of_standby(wait, last);
        true
    }

    fn plan_turn_of_standby(&mut self, wait: std::time::Duration, turn: Turn) {
        let since = self.now();
        self.agenda.after(wait, Happening::Standby { since, turn });
    }

    /// A turn that was planned when the standby went away; void if it has come back since.
    pub(crate) fn standby_turns(&mut self, since: Timestamp, turn: Turn) {
        if self.standby_away.as_ref().map(|away| away.since) != Some(since) {
            return;
        }
        self.say(None, || format!("the standby: {turn:?}"));
        match turn {
            Turn::Cut => self.cut_what_waits(),
            Turn::Back => self.standby_returns(),
            Turn::Promoted => self.fail_over(),
        }
    }

    /// Everything visible is acknowledged now, and what waited is carried out.
    pub(crate) fn standby_returns(&mut self) {
        let Some(away) = self.standby_away.take() else {
            return;
        };
        for asked in away.waiting {
            self.asked(asked);
        }
    }

    /// Keeps a statement that waits for the standby; gives it back if it does not.
    pub(crate) fn hold_for_standby(&mut self, asked: Asked) -> Option<Asked> {
        if self.standby_away.is_none() || !self.waits_for_standby(&asked.question) {
            return Some(asked);
        }
        if let Some(away) = &mut self.standby_away {
            away.waiting.push(asked);
        }
        None
    }

    fn waits_for_standby(&self, question: &Question) -> bool {
        let waits = |ask: Ask| match ask.kind() {
            Kind::Writes => true,
            kind => kind.is_confirmed(false),
        };
        match question {
            Question::Heartbeat(_) => waits(Ask::Heartbeat),
            Question::Leave(_) => waits(Ask::Leave),
            Question::Delivered(_) => waits(Ask::Delivered),
            Question::Due(..) => waits(Ask::Due),
            Question::Outbox(_) => waits(Ask::Outbox),
            Question::Ended(_) => waits(Ask::Ended),
            Question::Load { .. } => waits(Ask::Load),
            Question::Commit { batch, .. } => {
                // What is refused for its data has not waited for anything.
                let tried = self.store.clone().commit(batch, self.now());
                tried.is_ok_and(|tried| {
                    let has_written = has_written(&tried);
                    let kind = if batch.decides() {
                        Ask::Commit
                    } else {
                        Ask::CommitOfRest
                    }
                    .kind();
                    has_written
                        || kind == Kind::Writes
                        || kind.is_confirmed(has_written)
                        || (is_lost(batch, &tried) && waits(Ask::Digests))
                })
            }
        }
    }

    /// Waiting commits stay, without an acknowledgement; waiting reads have no answer.
    fn cut_what_waits(&mut self) {
        let Some(away) = &mut self.standby_away else {
            return;
        };
        let (cut, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut away.waiting)
            .into_iter()
            .partition(|_| self.rng.chance(800));
        away.waiting = waiting;
        for asked in cut {
            if self.faults.may(Fault::CommitCut) {
                self.cut(asked);
            } else if let Some(away) = &mut self.standby_away {
                away.waiting.push(asked);
            }
        }
    }

    fn cut(&mut self, asked: Asked) {
        if let Question::Commit { lane, batch, .. } = &asked.question {
            let committed = self.commit(asked.life, *lane, batch);
            if committed.is_ok_and(|committed| has_written(&committed)) {
                self.faults.count(Fault::CommitCut);
                self.disturb(Fault::CommitCut);
            }
            self.journal.stirred.extend(super::database::members(batch));
        }
        self.lose_connection(asked);
    }

    /// The standby takes over; what it does not have never was, and all connections break.
    fn fail_over(&mut self) {
        let Some(away) = self.standby_away.take() else {
            return;
        };
        let lost = self.journal.commits.split_off(away.commits);
        let lost: BTreeMap<SagaId, u64> =
            lost.iter().map(|lost| (lost.saga, lost.revision)).collect();
        if !lost.is_empty() {
            self.faults.count(Fault::FailedOver);
            self.disturb(Fault::FailedOver);
        }
        let reads = self.journal.reads.len();
        self.journal.reads.retain_mut(|read| {
            let is_lost = read.after > away.commits && lost.contains_key(&read.saga);
            read.after = read.after.min(away.commits);
            !is_lost
        });
        for _ in self.journal.reads.len()..reads {
            self.faults.count(Fault::ReadTakenBack);
        }
        self.server += 1;
        self.store.become_the_standby(away.durable);
        for asked in away.waiting {
            self.lose_connection(asked);
        }
    }
}

fn has_written(committed: &Committed) -> bool {
    let mut starts = committed.starts.iter();
    starts.any(|start| *start == StartOutcome::Started) || committed.updates.contains(&true)
}

/// Whether a start lost by its key, whose digest is then looked up.
fn is_lost(batch: &Batch, committed: &Committed) -> bool {
    let mut starts = batch.starts.iter().zip(&committed.starts);
    starts.any(|(start, outcome)| start.digest.is_some() && *outcome != StartOutcome::Started)
}
