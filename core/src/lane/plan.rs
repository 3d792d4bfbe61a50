//! What goes into the next commit.
//!
//! Several events of one saga that wait together become several transitions in one row write.

use sagas::machine::{Blocked, CONFIRM_WITHIN, Event, Order, Progress, Refusal};
use sagas::sabotage::{Bug, is_seeded};
use sagas::{Saga, SagaId, Timestamp};

use super::cache::Cached;
use super::commits::Underway;
use super::job::{Move, NotRunnable, OrderAnswer, StartAnswer, StartJob};
use super::member::{Member, Starting};
use super::notes::Note;
use super::queues::Turn;
use super::{Lane, Output, QUARANTINE};
use crate::batch::{Batch, LetterKind, Postponement, Start, Update};

/// A commit in the making.
#[derive(Debug, Default)]
struct Plan {
    underway: Underway,
    batch: Batch,
    loads: Vec<SagaId>,
}

impl Plan {
    fn with_room(moves: usize, starts: usize) -> Self {
        let mut plan = Self::default();
        plan.underway.updates.reserve_exact(moves);
        plan.batch.updates.reserve_exact(moves);
        plan.underway.starts.reserve_exact(starts);
        plan.batch.starts.reserve_exact(starts);
        plan
    }
}

/// What became of one event, before any commit.
enum Step {
    Moved,
    /// The state may be stale: look at the database first.
    Reload,
    /// The participant has seen a later state than the database has.
    Ahead,
    Refused(Refusal),
}

impl Lane {
    /// Begins a commit if anything can be committed, and says whether it did.
    pub(super) fn plan(&mut self, now: Timestamp) -> bool {
        let (moves, starts) = self.queues.ready();
        let moves = moves.min(self.batch_limit);
        let starts = starts.min(self.batch_limit - moves);
        let mut plan = Plan::with_room(moves, starts);
        self.plan_letters(&mut plan);
        while plan.underway.events < self.batch_limit {
            match self.queues.pop_ready() {
                None => break,
                Some(Turn::Start(saga, start)) => self.plan_start(saga, start, now, &mut plan),
                Some(Turn::MoveUnseen(saga)) => self.ask_for(saga, &mut plan),
                Some(Turn::Move { saga, read_for }) => match self.cache.take(saga) {
                    Some(cached) => {
                        let member = Member::of(cached, plan.underway.events);
                        self.plan_moves(member, read_for, now, &mut plan);
                    }
                    None => self.ask_for(saga, &mut plan),
                },
            }
        }
        // Planning itself may have found records that nobody can use.
        self.plan_letters(&mut plan);
        self.loads.ask(plan.loads);
        let has_events = plan.underway.events > 0;
        if has_events {
            self.begin_commit(plan.underway, plan.batch);
        }
        has_events
    }

    fn plan_letters(&mut self, plan: &mut Plan) {
        let room = self.batch_limit - plan.underway.events;
        let letters = self.letters.len().min(room);
        plan.underway.letters.extend(self.letters.drain(..letters));
        plan.underway.events += letters;
    }

    pub(super) fn begin_commit(&mut self, mut underway: Underway, mut batch: Batch) {
        batch.dead_letters = underway
            .letters
            .iter()
            .map(|(_, letter)| letter.clone())
            .collect();
        // One for all commits, so that whoever takes the events over has a saga's in their order.
        batch.slot = self.assigned.first().copied().unwrap_or(0);
        batch.tally_slot = self.commits.free_slot(&self.assigned);
        underway.tally_slot = batch.tally_slot;
        underway.limit = self.batch_limit;
        underway.delivered = std::mem::take(&mut self.delivered);
        batch.delivered.clone_from(&underway.delivered);
        if is_seeded(Bug::PublishesBeforeTheCommit) {
            let starts = underway.starts.iter().map(|start| &start.member);
            let members = starts.chain(&underway.updates);
            self.outputs.push(Output::Publish {
                publication: u64::MAX,
                commands: members.flat_map(|member| member.commands.clone()).collect(),
                events: Vec::new(),
            });
        }
        let number = self.commits.begin(underway);
        let batch = Box::new(batch);
        self.outputs.push(Output::Commit { number, batch });
    }

    fn plan_start(&mut self, id: SagaId, start: StartJob, now: Timestamp, plan: &mut Plan) {
        if is_seeded(Bug::AnswersBeforeTheCommit) {
            self.answer_start(start.ticket, StartAnswer::Accepted { id, is_new: true });
        }
        let submission = &start.submission;
        let definition = submission.definition.clone();
        let saga = Saga::new(&definition, id, submission.input.clone(), now);
        let digest = submission.key.map(|key| key.digest);
        let cached = Cached {
            saga: Box::new(saga),
            definition,
            carried: None,
        };
        let mut member = Member::of(cached, plan.underway.events);
        member
            .apply(
                Event::Start,
                now,
                self.reply_partition(),
                Blocked {
                    participants: self.gates.closed(),
                    ..Blocked::default()
                },
            )
            .expect("a new saga can be started, once");
        if let Some(too_large) = member.too_large() {
            self.answer_start(start.ticket, StartAnswer::CommandTooLarge(too_large));
            return self.queues.release(id);
        }
        plan.underway.events += 1;
        let saga = &member.cached.saga;
        plan.batch.starts.push(Start {
            id,
            definition: saga.definition.clone(),
            version: saga.version,
            fingerprint: saga.fingerprint,
            digest,
            started_at: saga.started_at,
            is_retried: start.is_retried,
            state: member.state(),
        });
        plan.underway.starts.push(Starting { member, start });
    }

    /// Applies what waits for one saga, as far as the batch has room. The first `read_for` events
    /// had come when the state was read.
    fn plan_moves(&mut self, mut member: Member, read_for: usize, now: Timestamp, plan: &mut Plan) {
        let (id, expected) = (member.cached.saga.id, member.cached.saga.revision);
        let mut postponement = None;
        let mut must_reload = false;
        let mut taken = 0;
        while plan.underway.events < self.batch_limit
            && let Some(event) = self.queues.next_move(id)
        {
            taken += 1;
            match self.step(&mut member, &event, taken <= read_for, now) {
                Step::Moved => {
                    plan.underway.events += 1;
                    if let Move::Order(job) = &event {
                        let answer = answer_after(&member, &job.order);
                        member.answers.push((job.ticket, answer));
                    }
                    member.keep(event);
                }
                Step::Reload => {
                    self.queues.requeue(id, [event.into()].into_iter());
                    must_reload = true;
                    break;
                }
                Step::Ahead => self.set_back(event),
                Step::Refused(Refusal::NothingDue { wake_at }) => {
                    self.gates
                        .remember(&member.cached.definition, &member.cached.saga);
                    postponement = Some(Postponement {
                        id,
                        expected,
                        wake_at,
                    });
                }
                Step::Refused(refusal) => {
                    let has_moved = member.has_moved();
                    self.refuse(has_moved.then_some(&mut member), event, refusal);
                }
            }
        }
        let has_moved = member.has_moved();
        if has_moved {
            plan.batch.updates.push(Update {
                id,
                expected,
                state: member.state(),
            });
            plan.underway.updates.push(member);
        } else {
            self.cache.put(member.cached);
            if let Some(postponement) = postponement {
                plan.underway.events += 1;
                plan.batch.postponements.push(postponement);
                plan.underway.postponed.push(postponement);
            }
        }
        if has_moved || postponement.is_some() {
            if must_reload {
                self.queues.distrust(id);
            }
            if !is_seeded(Bug::CommitsASagaTwiceAtOnce) {
                self.queues.hold_for_commit(id);
            }
        } else if must_reload {
            self.ask_for(id, plan);
        } else {
            self.queues.release(id);
        }
    }

    fn ask_for(&mut self, id: SagaId, plan: &mut Plan) {
        if self.queues.hold_for_load(id) {
            plan.loads.push(id);
        }
    }

    /// Applies one event. `is_read`: the state was read after the event had come.
    fn step(&self, member: &mut Member, event: &Move, is_read: bool, now: Timestamp) -> Step {
        if let Move::Reply(arrival) = event
            && arrival.revision > member.cached.saga.revision
        {
            // Without a look the database may have it: another replica moved the saga meanwhile.
            return if is_read || is_seeded(Bug::BuriesReplies) {
                Step::Ahead
            } else {
                Step::Reload
            };
        }
        let is_proven = is_read || member.has_moved();
        // The wake comes because the stored one has come. A state whose own has not is another one,
        // and nothing that is decided on it would move the stored wake. What is released is written.
        let Cached {
            saga, definition, ..
        } = &member.cached;
        let has_come = saga.wake_at.is_some_and(|own| own <= now);
        let is_its = has_come || self.gates.may_release(definition, saga);
        if matches!(event, Move::Wake) && !is_proven && !is_its {
            return Step::Reload;
        }
        let mut published = false;
        let mut excused = Vec::new();
        if matches!(event, Move::Wake) {
            if let Some(wake_at) = self.look_later(&member.cached, now) {
                let wake_at = Some(wake_at);
                return Step::Refused(Refusal::NothingDue { wake_at });
            }
            published = self.is_published(&member.cached);
            excused = self.gates.excused(definition, saga);
        }
        let event = event.event(published);
        let blocked = Blocked {
            participants: self.gates.closed(),
            steps: &excused,
        };
        match member.apply(event, now, self.reply_partition(), blocked) {
            Ok(()) => Step::Moved,
            Err(refusal @ Refusal::NothingDue { .. }) => Step::Refused(refusal),
            Err(refusal) if is_proven || is_seeded(Bug::TrustsOldStates) => Step::Refused(refusal),
            Err(_) => Step::Reload,
        }
    }

    /// Whether the broker is known to have all that the saga has in flight and not withheld.
    fn is_published(&self, cached: &Cached) -> bool {
        let last = cached.publication();
        last.is_some_and(|last| self.gates.has_all(&cached.definition, &cached.saga, last))
    }

    /// When to look again at a saga whose commands this lane has handed over and the broker has not
    /// acknowledged; `None` when there is something to do.
    fn look_later(&self, cached: &Cached, now: Timestamp) -> Option<Timestamp> {
        let waits = cached.publication().is_some() && !self.is_published(cached);
        let releases = self.gates.may_release(&cached.definition, &cached.saga);
        (waits && !releases).then(|| next_look(cached, now))?
    }

    fn set_back(&mut self, event: Move) {
        if let Move::Reply(arrival) = event {
            let saga = arrival.saga;
            self.note(Note::ReplyAhead { saga });
            let reason = "the database is older than this reply: it was set back";
            self.bury(arrival, LetterKind::AheadOfDatabase, reason.to_owned());
        }
    }

    /// The event changes nothing, on a state that is known to be true. Where that is known only
    /// through the commit of `member`, the caller is told after it.
    fn refuse(&mut self, member: Option<&mut Member>, event: Move, refusal: Refusal) {
        let event = match event {
            Move::Reply(arrival) if names_no_step(&refusal) => {
                return self.bury(arrival, LetterKind::UnknownStep, refusal.to_string());
            }
            event => event,
        };
        let answer = match &event {
            Move::Order(job) => Some((job.ticket, answer_to_refused(&job.order, refusal))),
            Move::Reply(arrival) => {
                let saga = arrival.saga;
                self.note(Note::ReplyWithoutEffect { saga, refusal });
                None
            }
            Move::Unsent(_) | Move::Wake => None,
        };
        match member {
            Some(member) => {
                member.answers.extend(answer);
                member.keep(event);
            }
            None => {
                if let Some((ticket, answer)) = answer {
                    self.answer_order(ticket, answer);
                }
                self.finish(&event);
            }
        }
    }

    /// This binary cannot advance the saga: its events are left to one that can.
    pub(super) fn leave_alone(&mut self, id: SagaId, why: NotRunnable, now: Timestamp) {
        self.quarantine.put(id, now + QUARANTINE);
        for event in self.queues.take_all_moves(id) {
            if let Move::Order(job) = &event {
                self.answer_order(job.ticket, OrderAnswer::NotRunnable(why.clone()));
            }
            self.finish(&event);
        }
        self.note(Note::NotRunnable { saga: id, why });
    }
}

/// When to look again at a saga whose commands this lane has handed over and the broker has not
/// acknowledged; `None` when it is due for another reason.
///
/// They wait in this process, where nothing expires: sent again, each would only wait there once
/// more, and participants would get all of them when the broker is back. Soon, because the next one
/// to look may be another process, after this one has died with what waits.
fn next_look(cached: &Cached, now: Timestamp) -> Option<Timestamp> {
    let flights = cached.saga.moving.steps.iter().filter_map(Progress::flight);
    let sent = flights.filter(|flight| flight.withheld_since.is_none());
    let due_at = sent.map(|flight| flight.due_at);
    let due_at = due_at
        .chain(cached.saga.deadline_at(&cached.definition))
        .min()?;
    (due_at > now).then(|| due_at.min(now + CONFIRM_WITHIN))
}

/// Whether the reply answers nothing that the saga could ever have asked.
fn names_no_step(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::UnknownStep(_) | Refusal::OutOfPlace { .. }
    )
}

/// The answer to an order that changes nothing.
fn answer_to_refused(order: &Order, refusal: Refusal) -> OrderAnswer {
    match refusal {
        Refusal::OrderAppliedBefore(result) => OrderAnswer::Applied {
            order: order.id,
            result,
        },
        refusal => OrderAnswer::Refused(refusal),
    }
}

/// The answer to an order that moved the saga, once its commit holds.
fn answer_after(member: &Member, order: &Order) -> OrderAnswer {
    match member.cached.saga.orders.get(&order.id) {
        Some(applied) => OrderAnswer::Applied {
            order: order.id,
            result: applied.result,
        },
        None => OrderAnswer::NotFound,
    }
}
