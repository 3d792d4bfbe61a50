//! What a finished load or commit means.

use std::collections::BTreeSet;

use crate::{Cause, CommitError};
use sagas::machine::Row;
use sagas::sabotage::{Bug, is_seeded};
use sagas::{Saga, SagaId, Status, Timestamp};

use super::cache::Cached;
use super::commits::Underway;
use super::job::{Job, Move, NotRunnable, OrderAnswer, StartAnswer, StartJob};
use super::member::{Member, Starting};
use super::notes::Note;
use super::parcels::Parcels;
use super::{End, Lane, Output, Position, QUARANTINE};
use crate::batch::{Committed, DeadLetter, LetterKind, OutboxId, StartOutcome};
use crate::loaded::{Found, Loaded, Unreadable};

impl Lane {
    pub(super) fn loaded(
        &mut self,
        mut asked: Vec<SagaId>,
        result: Result<Found, Cause>,
        now: Timestamp,
    ) {
        match result {
            Ok(mut found) => {
                self.loads.end();
                if is_seeded(Bug::StopsForTheUnreadable) && !found.unreadable.is_empty() {
                    found.loaded.clear();
                }
                // Not what the cache has: a small one keeps fewer sagas than one load brings, and
                // what it has forgotten again is loaded once more.
                let readable = found.loaded.iter().map(|loaded| loaded.row.id);
                let unreadable = found.unreadable.iter().map(|saga| saga.id);
                let stored: BTreeSet<SagaId> = readable.chain(unreadable).collect();
                for loaded in found.loaded {
                    self.remember(loaded, now);
                }
                for Unreadable { id, why, .. } in found.unreadable {
                    self.leave_alone(id, NotRunnable::Unreadable(why), now);
                }
                for id in asked {
                    if !stored.contains(&id) {
                        self.cache.drop(id);
                        self.give_up_on_missing(id);
                    }
                    self.queues.release(id);
                }
            }
            Err(cause) => {
                self.hold(now);
                asked.extend(self.loads.fail());
                let sagas = asked.len();
                for id in asked {
                    self.tell_unavailable(id, &cause);
                    self.queues.distrust(id);
                    self.queues.release(id);
                }
                self.note(Note::LoadFailed { cause, sagas });
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
            let definition = name;
            let why = NotRunnable::Lacks {
                definition,
                version,
            };
            return self.leave_alone(id, why, now);
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
            Err(error) => self.leave_alone(id, error.into(), now),
        }
    }

    /// The database has no such saga: whatever names it cannot be meant.
    fn give_up_on_missing(&mut self, id: SagaId) {
        // What came later may be about a saga that was started meanwhile.
        for event in self.queues.take_moves_read_for(id) {
            match event {
                Move::Reply(arrival) => {
                    let reason = "there is no such saga".to_owned();
                    self.bury(arrival, LetterKind::UnknownSaga, reason);
                }
                Move::Order(job) => self.answer_order(job.ticket, OrderAnswer::NotFound),
                Move::Unsent(_) | Move::Wake => {}
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
            Ok(committed) => self.hold_to(underway, &committed, now),
            Err(error @ CommitError::Data(_)) => {
                self.search_the_culprit(underway, error.into_cause(), now);
            }
            Err(error) => self.try_again(underway, error, now),
        }
    }

    /// The commit holds: publish, answer, advance; what lost a race is applied again.
    fn hold_to(&mut self, underway: Underway, committed: &Committed, now: Timestamp) {
        self.failures = 0;
        if underway.limit == self.batch_limit {
            // One that began before a culprit was met has nothing to say about the search.
            self.batch_limit = (self.batch_limit * 2).min(self.bounds.batch_max);
        }
        let members = underway.starts.len() + underway.updates.len();
        let mut winners = Vec::with_capacity(members);
        for (starting, outcome) in underway.starts.into_iter().zip(&committed.starts) {
            let Starting { member, start } = starting;
            let id = member.cached.saga.id;
            let answer = match outcome {
                StartOutcome::Started => {
                    winners.push(member);
                    StartAnswer::Accepted { id, is_new: true }
                }
                StartOutcome::SameBefore => StartAnswer::Accepted { id, is_new: false },
                StartOutcome::OtherBefore => StartAnswer::KeyUsedOtherwise { id },
            };
            self.answer_start(start.ticket, answer);
            if *outcome != StartOutcome::Started {
                self.queues.release(id);
            }
        }
        for (member, has_won) in underway.updates.into_iter().zip(&committed.updates) {
            if *has_won {
                winners.push(member);
            } else {
                let id = member.cached.saga.id;
                self.note(Note::Overtaken { saga: id });
                self.put_back(member, None, true);
            }
        }
        for postponement in underway.postponed {
            if let Some(cached) = self.cache.get(postponement.id)
                && cached.saga.revision == postponement.expected
            {
                cached.saga.wake_at = postponement.wake_at;
            }
            self.queues.release(postponement.id);
        }
        for (place, (at, letter)) in underway.letters.into_iter().enumerate() {
            self.note(if committed.letters_left_out.contains(&place) {
                Note::LetterCounted(letter.kind)
            } else {
                Note::LetterKept(Box::new(letter))
            });
            self.let_pass(at);
        }
        self.publish(winners, committed.outbox, now);
    }

    fn publish(&mut self, winners: Vec<Member>, mut outbox: Option<OutboxId>, now: Timestamp) {
        let last = self.gates.begin_commit();
        let mut parcels = Parcels::new(self.gates.count());
        for mut member in winners {
            if !member.commands.is_empty() {
                member.publish(last);
            }
            let Member {
                cached,
                moves,
                answers,
                commands,
                announcements,
                ..
            } = member;
            self.gates.remember(&cached.definition, &cached.saga);
            parcels.add(cached.saga.id, commands, announcements, &self.gates);
            let (id, status) = (cached.saga.id, cached.saga.status());
            if status.is_terminal() || status == Status::Stuck {
                let end = End {
                    status,
                    output: cached.saga.output.clone(),
                    reason: cached.saga.moving.reason.clone(),
                };
                self.outputs.push(Output::Ended(id, end));
            }
            if status.is_terminal() {
                self.cache.drop(id);
            } else {
                self.cache.put(cached);
            }
            for (ticket, answer) in answers {
                self.answer_order(ticket, answer);
            }
            for event in &moves {
                self.finish(event);
            }
            self.queues.release(id);
        }
        if is_seeded(Bug::DropsEvents) {
            parcels.drop_events();
            self.delivered.extend(outbox.take());
        }
        parcels.hand_over(&mut self.gates, outbox, now, &mut self.outputs);
    }

    /// In the order in which they were planned, and before all that waits: a search for an event
    /// would not come to an end if others got between.
    fn put_back_all(
        &mut self,
        starts: Vec<Starting>,
        updates: Vec<Member>,
        reload: bool,
    ) -> Vec<SagaId> {
        let starts = starts.into_iter();
        let starts = starts.map(|Starting { member, start }| (member, Some(start)));
        let updates = updates.into_iter().map(|member| (member, None));
        let mut members: Vec<(Member, Option<StartJob>)> = starts.chain(updates).collect();
        members.sort_by_key(|(member, _)| member.place);
        let ids = members.iter().map(|(member, _)| member.cached.saga.id);
        let ids = ids.collect();
        for (member, start) in members.into_iter().rev() {
            self.put_back(member, start, reload);
        }
        ids
    }

    /// Its events are the next again.
    fn put_back(&mut self, member: Member, start: Option<StartJob>, reload: bool) {
        let id = member.cached.saga.id;
        let (cached, moves) = member.take_back();
        if reload {
            // A start may have left an older state there.
            self.cache.drop(id);
        } else if let Some(cached) = cached {
            self.cache.put(cached);
        }
        let moves = moves.into_iter().map(Job::Move);
        self.queues
            .requeue(id, start.map(Job::Start).into_iter().chain(moves));
        if reload {
            self.queues.distrust(id);
        }
        self.queues.make_next(id);
    }

    /// Nothing is known to be committed. What nobody waits for is tried again for ever; callers are
    /// told, unless their start may have been committed: then only trying again tells.
    fn try_again(&mut self, mut underway: Underway, error: CommitError, now: Timestamp) {
        let is_known_void = matches!(error, CommitError::Unavailable(_));
        let is_in_doubt = matches!(error, CommitError::Ambiguous(_));
        let cause = error.into_cause();
        self.hold(now);
        let reload = is_in_doubt && !is_seeded(Bug::KeepsAmbiguousStates);
        for starting in &mut underway.starts {
            // The answer of the commit was lost: it may hold.
            starting.start.is_retried |= is_in_doubt;
        }
        for id in self.put_back_all(underway.starts, underway.updates, reload) {
            if is_known_void {
                self.tell_unavailable(id, &cause);
            }
        }
        self.put_back_the_rest(underway.postponed.iter().map(|p| p.id), underway.letters);
        self.delivered.extend(underway.delivered);
        let events = underway.events;
        self.note(Note::CommitFailed { cause, events });
    }

    fn put_back_the_rest(
        &mut self,
        postponed: impl Iterator<Item = SagaId>,
        letters: Vec<(Option<Position>, DeadLetter)>,
    ) {
        // A postponed wake is found again by the next scan.
        for id in postponed {
            self.queues.release(id);
        }
        self.letters.splice(0..0, letters);
    }

    /// A dead letter is done with; what was never published has no place.
    fn let_pass(&mut self, at: Option<Position>) {
        if let Some(at) = at {
            self.offsets.finished(at);
        }
    }

    /// The database refuses data in the batch: halve it until the one event is found.
    fn search_the_culprit(&mut self, mut underway: Underway, cause: Cause, now: Timestamp) {
        self.delivered.append(&mut underway.delivered);
        let events = underway.events;
        if events > 1 {
            self.batch_limit = self.batch_limit.min(events / 2).max(1);
            self.put_back_all(underway.starts, underway.updates, false);
            self.put_back_the_rest(underway.postponed.iter().map(|p| p.id), underway.letters);
            self.note(Note::BadData { cause, events });
        } else {
            self.reject_the_culprit(underway, &cause, now);
        }
    }

    fn reject_the_culprit(&mut self, underway: Underway, cause: &Cause, now: Timestamp) {
        for (at, letter) in underway.letters {
            self.note(Note::LetterUnstorable {
                at,
                reason: letter.reason,
                cause: cause.clone(),
            });
            self.let_pass(at);
        }
        for Starting { member, start } in underway.starts {
            let saga = member.cached.saga.id;
            self.note_unstorable(saga, cause);
            self.answer_start(start.ticket, StartAnswer::Unstorable(cause.clone()));
            self.queues.release(saga);
        }
        for member in underway.updates {
            let id = member.cached.saga.id;
            self.note_unstorable(id, cause);
            let mut moves = member.moves.into_iter();
            match moves.next() {
                Some(Move::Reply(arrival)) => {
                    self.bury(arrival, LetterKind::Unstorable, cause.to_string());
                }
                Some(Move::Order(job)) => {
                    self.answer_order(job.ticket, OrderAnswer::Unstorable(cause.clone()));
                }
                // A wake sends the command again, which is refused again.
                Some(Move::Wake | Move::Unsent(_)) => {
                    self.quarantine.put(id, now + QUARANTINE);
                }
                None => {}
            }
            // The first event moved the saga; the others had no effect only after it.
            self.queues.requeue(id, moves.map(Job::Move));
            self.queues.release(id);
        }
        for postponement in underway.postponed {
            self.quarantine.put(postponement.id, now + QUARANTINE);
            self.queues.release(postponement.id);
        }
    }

    fn note_unstorable(&mut self, saga: SagaId, cause: &Cause) {
        let cause = cause.clone();
        self.note(Note::EventUnstorable { saga, cause });
    }

    /// Tells all callers of this saga that the database is away, and forgets their events.
    fn tell_unavailable(&mut self, id: SagaId, cause: &Cause) {
        let (starts, orders) = self.queues.take_callers(id);
        for job in starts {
            self.answer_start(job.ticket, StartAnswer::Unavailable(cause.clone()));
        }
        for job in orders {
            self.answer_order(job.ticket, OrderAnswer::Unavailable(cause.clone()));
        }
    }
}
