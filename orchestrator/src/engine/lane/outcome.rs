//! What a finished load or commit means.

use std::collections::BTreeSet;

use sagas::machine::Row;
use sagas::sabotage::{Bug, is_seeded};
use sagas::{Saga, SagaId, Status, Timestamp};

use super::cache::Cached;
use super::commits::Underway;
use super::job::{Answer, Job};
use super::letters;
use super::member::Member;
use super::publications::Publication;
use super::{End, Lane, Output, QUARANTINE, Stage};
use saga_core::CommitError;

use crate::cause::{Cause, chain};
use crate::limit::{Limit, limited, trouble};
use crate::store::batch::{Committed, OutboxId, StartOutcome};
use crate::store::loaded::Loaded;

/// Each names its saga; a client may send many.
static REFUSED: Limit = Limit::each("the database refuses the data of an event");

impl Lane {
    pub(super) fn loaded(
        &mut self,
        asked: &[SagaId],
        result: Result<Vec<Loaded>, Cause>,
        now: Timestamp,
    ) {
        match result {
            Ok(found) => {
                // Not what the cache has: a small one keeps fewer sagas than one load brings, and
                // what it has forgotten again is loaded once more.
                let stored: BTreeSet<SagaId> = found.iter().map(|loaded| loaded.row.id).collect();
                for loaded in found {
                    self.remember(loaded, now);
                }
                for id in asked {
                    if !stored.contains(id) {
                        self.cache.drop(*id);
                        self.give_up_on_missing(*id);
                    }
                    self.release(*id);
                }
            }
            Err(cause) => {
                let (error, sagas) = (cause.chain(), asked.len());
                trouble!(warn, "cannot load sagas; trying again", error, sagas);
                self.hold(now);
                for id in asked {
                    self.answer_callers(*id, &Answer::Unavailable(cause.clone()));
                    if let Some(queue) = self.queues.get_mut(id) {
                        queue.must_load = true;
                    }
                    self.release(*id);
                }
            }
        }
    }

    fn remember(&mut self, loaded: Loaded, now: Timestamp) {
        let row = loaded.row;
        let (id, name, version) = (row.id, row.definition, row.version);
        let Some(definition) = self
            .registry
            .pinned(&name, version, row.fingerprint)
            .cloned()
        else {
            let why = format!("this binary does not have {name} version {version} as it started");
            tracing::warn!(saga = %id, definition = name, version, "left to a binary that has it");
            self.leave_alone(id, &why, now);
            return;
        };
        let row = Row {
            id,
            started_at: row.started_at,
            revision: row.revision,
            wake_at: row.wake_at,
            moving: row.moving,
        };
        match Saga::restore(&definition, row, &loaded.history) {
            Ok(saga) => {
                // What this lane has published for the state that it had, it has for the same one.
                let carried = self.cache.carried(id, saga.revision);
                self.cache.put(Cached {
                    saga: Box::new(saga),
                    definition,
                    carried,
                });
            }
            Err(error) => {
                let chain = chain(&error);
                tracing::error!(saga = %id, error = chain, "a stored saga cannot be brought back");
                self.leave_alone(id, &error.to_string(), now);
            }
        }
    }

    /// The database has no such saga: whatever names it cannot be meant.
    fn give_up_on_missing(&mut self, id: SagaId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        // What came later may be about a saga that was started meanwhile.
        let later = queue.jobs.split_off(queue.read_for.min(queue.jobs.len()));
        let jobs = std::mem::replace(&mut queue.jobs, later);
        self.waiting_jobs -= jobs.len();
        for job in jobs {
            match job {
                Job::Start { .. } => self.requeue(id, [job].into_iter(), false),
                Job::Reply(arrival) => self.bury(arrival, "there is no such saga".to_owned()),
                Job::Order { .. } | Job::Unsent(_) | Job::Wake => {
                    self.finish(job, Answer::NotFound);
                }
            }
        }
    }

    pub(super) fn committed(
        &mut self,
        number: u64,
        result: Result<Committed, CommitError>,
        now: Timestamp,
    ) {
        let Some(underway) = self.commits.end(number) else {
            return;
        };
        match result {
            Ok(committed) => self.hold_to(underway, &committed),
            Err(error @ CommitError::Data(_)) => {
                self.search_the_culprit(underway, &error.into_cause(), now);
            }
            Err(error) => self.try_again(underway, error, now),
        }
    }

    /// The commit holds: publish, answer, advance; what lost a race is applied again.
    fn hold_to(&mut self, underway: Underway, committed: &Committed) {
        self.failures = 0;
        if underway.limit == self.batch_limit {
            // One that began before a culprit was met has nothing to say about the search.
            self.batch_limit = (self.batch_limit * 2).min(self.bounds.batch_max);
        }
        let members = underway.starts.len() + underway.updates.len();
        let mut winners = Vec::with_capacity(members);
        for (member, outcome) in underway.starts.into_iter().zip(&committed.starts) {
            let id = member.cached.saga.id;
            match outcome {
                StartOutcome::Started => winners.push(member),
                StartOutcome::SameBefore => {
                    self.lose_start(member, &Answer::Accepted { id, is_new: false });
                }
                StartOutcome::OtherBefore => {
                    self.lose_start(member, &Answer::KeyUsedOtherwise { id });
                }
            }
        }
        for (member, has_won) in underway.updates.into_iter().zip(&committed.updates) {
            if *has_won {
                winners.push(member);
            } else {
                let id = member.cached.saga.id;
                tracing::debug!(saga = %id, "another replica moved it; looking again");
                self.put_back(member, true);
            }
        }
        for postponement in underway.postponed {
            if let Some(cached) = self.cache.get(postponement.id)
                && cached.saga.revision == postponement.expected
            {
                cached.saga.wake_at = postponement.wake_at;
            }
            self.release(postponement.id);
        }
        for (at, letter) in underway.letters {
            letters::tell(&letter);
            self.let_pass(at);
        }
        self.publish(winners, committed.outbox);
    }

    fn publish(&mut self, winners: Vec<Member>, mut outbox: Option<OutboxId>) {
        let mut commands = Vec::with_capacity(winners.len());
        let (mut events, mut sagas) = (Vec::new(), Vec::with_capacity(winners.len()));
        let number = self.publications.next();
        for mut member in winners {
            if !member.commands.is_empty() {
                member.publish(number);
                sagas.push(member.cached.saga.id);
            }
            let Member {
                cached,
                jobs,
                commands: own,
                announcements,
                ..
            } = member;
            let (id, status) = (cached.saga.id, cached.saga.status());
            if status.is_terminal() || status == Status::Stuck {
                let end = End {
                    status,
                    output: cached.saga.output.clone(),
                    reason: cached.saga.moving.reason.clone(),
                };
                self.outputs.push(Output::Ended(id, end));
            }
            commands.extend(own);
            events.extend(announcements);
            if status.is_terminal() {
                self.cache.drop(id);
            } else {
                self.cache.put(cached);
            }
            for (job, answer) in jobs {
                self.finish(job, answer);
            }
            self.release(id);
        }
        if is_seeded(Bug::DropsEvents) {
            events.clear();
            self.delivered.extend(outbox.take());
        }
        if !commands.is_empty() || !events.is_empty() {
            let publication = self.publications.begin(Publication { sagas, outbox });
            self.outputs.push(Output::Publish {
                publication,
                commands,
                events,
            });
        }
    }

    fn lose_start(&mut self, member: Member, answer: &Answer) {
        for (job, _) in member.jobs {
            self.finish(job, answer.clone());
        }
        self.release(member.cached.saga.id);
    }

    /// In the order in which they were planned, and before all that waits: a search for an event
    /// would not come to an end if others got between.
    fn put_back_all(
        &mut self,
        starts: Vec<Member>,
        updates: Vec<Member>,
        reload: bool,
    ) -> Vec<SagaId> {
        let mut members: Vec<Member> = starts.into_iter().chain(updates).collect();
        members.sort_by_key(|member| member.place);
        let ids = members.iter().map(|member| member.cached.saga.id).collect();
        for member in members.into_iter().rev() {
            self.put_back(member, reload);
        }
        ids
    }

    /// Its events are the next again.
    fn put_back(&mut self, member: Member, reload: bool) {
        let id = member.cached.saga.id;
        let (cached, jobs) = member.take_back();
        if reload {
            // A start may have left an older state there.
            self.cache.drop(id);
        } else if let Some(cached) = cached {
            self.cache.put(cached);
        }
        self.requeue(id, jobs.into_iter().map(|(job, _)| job), reload);
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.stage = Stage::Ready;
            self.ready.push_front(id);
        }
    }

    /// Nothing is known to be committed. What nobody waits for is tried again for ever; callers are
    /// told, unless their start may have been committed: then only trying again tells.
    fn try_again(&mut self, mut underway: Underway, error: CommitError, now: Timestamp) {
        let is_known_void = matches!(error, CommitError::Unavailable(_));
        let is_in_doubt = matches!(error, CommitError::Ambiguous(_));
        let cause = error.into_cause();
        let (text, events) = (cause.chain(), underway.events);
        trouble!(warn, "a commit failed; trying again", error = text, events);
        self.hold(now);
        let reload = is_in_doubt && !is_seeded(Bug::KeepsAmbiguousStates);
        for member in underway.starts.iter_mut().filter(|_| is_in_doubt) {
            member.doubt();
        }
        for id in self.put_back_all(underway.starts, underway.updates, reload) {
            if is_known_void {
                self.answer_callers(id, &Answer::Unavailable(cause.clone()));
            }
        }
        self.put_back_the_rest(underway.postponed.iter().map(|p| p.id), underway.letters);
        self.delivered.extend(underway.delivered);
    }

    fn put_back_the_rest(
        &mut self,
        postponed: impl Iterator<Item = SagaId>,
        letters: Vec<(Option<super::Position>, crate::store::batch::DeadLetter)>,
    ) {
        // A postponed wake is found again by the next scan.
        for id in postponed {
            self.release(id);
        }
        self.letters.splice(0..0, letters);
    }

    /// A dead letter is done with; what was never published has no place.
    fn let_pass(&mut self, at: Option<super::Position>) {
        if let Some(at) = at {
            self.offsets.finished(at);
        }
    }

    /// The database refuses data in the batch: halve it until the one event is found.
    fn search_the_culprit(&mut self, mut underway: Underway, cause: &Cause, now: Timestamp) {
        self.delivered.append(&mut underway.delivered);
        if underway.events > 1 {
            let (error, events) = (cause.chain(), underway.events);
            trouble!(warn, "a commit has bad data; searching it", error, events);
            self.batch_limit = self.batch_limit.min(underway.events / 2).max(1);
            self.put_back_all(underway.starts, underway.updates, false);
            self.put_back_the_rest(underway.postponed.iter().map(|p| p.id), underway.letters);
        } else {
            self.reject_the_culprit(underway, cause, now);
        }
    }

    fn reject_the_culprit(&mut self, underway: Underway, cause: &Cause, now: Timestamp) {
        let error = cause.chain();
        for (at, letter) in underway.letters {
            tracing::error!(
                error,
                ?at,
                reason = letter.reason,
                "a dead letter cannot be stored"
            );
            self.let_pass(at);
        }
        for mut member in underway.starts.into_iter().chain(underway.updates) {
            let id = member.cached.saga.id;
            // The first event moved the saga; the others had no effect only after it.
            let others = member.jobs.split_off(1);
            limited!(
                REFUSED, error, "the database refuses the data of an event", saga = %id, error
            );
            for (job, _) in member.jobs {
                match job {
                    Job::Reply(arrival) => self.bury(arrival, cause.to_string()),
                    // A wake sends the command again, which is refused again.
                    Job::Wake | Job::Unsent(_) => {
                        self.quarantine.put(id, now + QUARANTINE);
                    }
                    Job::Start { .. } | Job::Order { .. } => {
                        self.finish(job, Answer::Unstorable(cause.clone()));
                    }
                }
            }
            self.requeue(id, others.into_iter().map(|(job, _)| job), false);
            self.release(id);
        }
        for postponement in underway.postponed {
            self.quarantine.put(postponement.id, now + QUARANTINE);
            self.release(postponement.id);
        }
    }

    /// Tells everybody who waits for this saga, and forgets their events.
    fn answer_callers(&mut self, id: SagaId, answer: &Answer) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        let (callers, others): (Vec<_>, Vec<_>) =
            queue.jobs.drain(..).partition(|job| job.ticket().is_some());
        queue.jobs.extend(others);
        self.waiting_jobs -= callers.len();
        for job in callers {
            self.finish(job, answer.clone());
        }
    }
}
