//! What goes into the next commit.
//!
//! Several events of one saga that wait together become several transitions in one row write.

use sagas::machine::{CONFIRM_WITHIN, Progress, Refusal};
use sagas::sabotage::{Bug, is_seeded};
use sagas::{Saga, SagaId, Timestamp};

use super::cache::Cached;
use super::commits::Underway;
use super::job::{Answer, Job};
use super::member::Member;
use super::{Lane, Output, QUARANTINE, Stage};
use crate::store::batch::{Batch, Postponement, Start, Update};

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
        let moves = self.ready.len().min(self.batch_limit);
        let starts = self.starting.len().min(self.batch_limit - moves);
        let mut plan = Plan::with_room(moves, starts);
        self.plan_letters(&mut plan);
        while plan.underway.events < self.batch_limit {
            let next = self.ready.pop_front();
            let Some(saga) = next.or_else(|| self.starting.pop_front()) else {
                break;
            };
            self.plan_saga(saga, now, &mut plan);
        }
        // Planning itself may have found records that nobody can use.
        self.plan_letters(&mut plan);
        if !plan.loads.is_empty() {
            self.outputs.push(Output::Load(plan.loads));
        }
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
            let members = underway.starts.iter().chain(&underway.updates);
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

    fn plan_saga(&mut self, id: SagaId, now: Timestamp, plan: &mut Plan) {
        let Some(queue) = self
            .queues
            .get_mut(&id)
            .filter(|queue| queue.stage == Stage::Ready)
        else {
            return;
        };
        // For this turn only: the next state is another one.
        let read_for = std::mem::take(&mut queue.read_for);
        match queue.jobs.front() {
            None => {
                self.queues.remove(&id);
            }
            Some(Job::Start { .. }) => self.plan_start(id, now, plan),
            Some(_) => {
                let cached = if queue.must_load {
                    None
                } else {
                    self.cache.take(id)
                };
                let Some(cached) = cached else {
                    self.ask_for(id, plan);
                    return;
                };
                let member = Member::of(cached, plan.underway.events);
                self.plan_moves(member, read_for, now, plan);
            }
        }
    }

    fn plan_start(&mut self, id: SagaId, now: Timestamp, plan: &mut Plan) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        queue.stage = Stage::Committing;
        let Some(job) = queue.jobs.pop_front() else {
            return;
        };
        self.waiting_jobs -= 1;
        let Job::Start {
            ref submission,
            is_retried,
            ..
        } = job
        else {
            return;
        };
        if is_seeded(Bug::AnswersBeforeTheCommit)
            && let Some(ticket) = job.ticket()
        {
            let answer = Answer::Accepted { id, is_new: true };
            self.outputs.push(Output::Answer(ticket, answer));
        }
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
            .apply(&job, false, now, self)
            .expect("a new saga can be started, once");
        if let Some(too_large) = member.too_large() {
            self.finish(job, Answer::CommandTooLarge(too_large));
            return self.release(id);
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
            is_retried,
            state: member.state(),
        });
        member.tell_after(job, Answer::Accepted { id, is_new: true });
        plan.underway.starts.push(member);
    }

    /// Applies what waits for one saga, as far as the batch has room. The first `read_for` events
    /// had come when the state was read.
    fn plan_moves(&mut self, mut member: Member, read_for: usize, now: Timestamp, plan: &mut Plan) {
        let (id, expected) = (member.cached.saga.id, member.cached.saga.revision);
        let mut postponement = None;
        let mut must_reload = false;
        let mut taken = 0;
        while plan.underway.events < self.batch_limit
            && let Some(job) = self.take_move(id)
        {
            taken += 1;
            match self.step(&mut member, &job, taken <= read_for, now) {
                Step::Moved => {
                    plan.underway.events += 1;
                    let answer = told(&member, &job);
                    member.tell_after(job, answer);
                }
                Step::Reload => {
                    self.requeue(id, [job].into_iter(), false);
                    must_reload = true;
                    break;
                }
                Step::Ahead => self.set_back(job),
                Step::Refused(Refusal::NothingDue { wake_at }) => {
                    postponement = Some(Postponement {
                        id,
                        expected,
                        wake_at,
                    });
                }
                Step::Refused(refusal) => {
                    let has_moved = member.has_moved();
                    self.refuse(has_moved.then_some(&mut member), job, &refusal);
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
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if has_moved || postponement.is_some() {
            queue.must_load |= must_reload;
            if !is_seeded(Bug::CommitsASagaTwiceAtOnce) {
                queue.stage = Stage::Committing;
            }
        } else if must_reload {
            self.ask_for(id, plan);
        } else {
            self.release(id);
        }
    }

    fn ask_for(&mut self, id: SagaId, plan: &mut Plan) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.read_for = queue.jobs.len();
            queue.must_load = false;
            queue.stage = Stage::Loading;
            plan.loads.push(id);
        }
    }

    /// The next event of the saga, unless it is a start, which has a row of its own.
    fn take_move(&mut self, id: SagaId) -> Option<Job> {
        let queue = self.queues.get_mut(&id)?;
        if matches!(queue.jobs.front()?, Job::Start { .. }) {
            return None;
        }
        self.waiting_jobs -= 1;
        queue.jobs.pop_front()
    }

    /// Applies one event. `is_read`: the state was read after the event had come.
    fn step(&self, member: &mut Member, job: &Job, is_read: bool, now: Timestamp) -> Step {
        if let Job::Reply(arrival) = job
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
        // and nothing that is decided on it would move the stored wake.
        let own_wake = member.cached.saga.wake_at;
        if matches!(job, Job::Wake) && !is_proven && own_wake.is_none_or(|own| own > now) {
            return Step::Reload;
        }
        let publication = member.cached.publication();
        let published =
            publication.is_some_and(|last| self.publications.are_acknowledged_up_to(last));
        if matches!(job, Job::Wake)
            && publication.is_some()
            && !published
            && let Some(wake_at) = next_look(&member.cached, now)
        {
            let wake_at = Some(wake_at);
            return Step::Refused(Refusal::NothingDue { wake_at });
        }
        match member.apply(job, published, now, self) {
            Ok(()) => Step::Moved,
            Err(refusal @ Refusal::NothingDue { .. }) => Step::Refused(refusal),
            Err(refusal) if is_proven || is_seeded(Bug::TrustsOldStates) => Step::Refused(refusal),
            Err(_) => Step::Reload,
        }
    }

    fn set_back(&mut self, job: Job) {
        if let Job::Reply(arrival) = job {
            tracing::error!(saga = %arrival.saga, "a reply names a revision that is not stored");
            self.bury(
                arrival,
                "the database is older than this reply: it was set back".to_owned(),
            );
        }
    }

    /// The event changes nothing, on a state that is known to be true. Where that is known only
    /// through the commit of `member`, the caller is told after it.
    fn refuse(&mut self, member: Option<&mut Member>, job: Job, refusal: &Refusal) {
        let job = match (job, refusal) {
            (Job::Reply(arrival), Refusal::UnknownStep(_) | Refusal::OutOfPlace { .. }) => {
                self.bury(arrival, refusal.to_string());
                return;
            }
            (job, _) => job,
        };
        if let Job::Reply(arrival) = &job {
            tracing::debug!(saga = %arrival.saga, %refusal, "a reply without effect");
        }
        let answer = match (&job, refusal) {
            (Job::Order { order, .. }, Refusal::OrderAppliedBefore(result)) => Answer::Ordered {
                order: order.id,
                result: *result,
            },
            _ => Answer::OrderRefused(refusal.clone()),
        };
        match member {
            Some(member) => member.tell_after(job, answer),
            None => self.finish(job, answer),
        }
    }

    /// This binary cannot advance the saga: its events are left to one that can.
    pub(super) fn leave_alone(&mut self, id: SagaId, why: &str, now: Timestamp) {
        self.quarantine.put(id, now + QUARANTINE);
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        let jobs = std::mem::take(&mut queue.jobs);
        self.waiting_jobs -= jobs.len();
        for job in jobs {
            if let Job::Start { .. } = job {
                self.requeue(id, [job].into_iter(), false);
            } else {
                self.finish(job, Answer::NotRunnable(why.to_owned()));
            }
        }
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
    let due_at = flights.map(|flight| flight.due_at);
    let due_at = due_at
        .chain(cached.saga.deadline_at(&cached.definition))
        .min()?;
    (due_at > now).then(|| due_at.min(now + CONFIRM_WITHIN))
}

/// What to tell whoever waits for `job`, once its commit holds.
fn told(member: &Member, job: &Job) -> Answer {
    let id = member.cached.saga.id;
    let Job::Order { order, .. } = job else {
        return Answer::Accepted { id, is_new: false };
    };
    match member.cached.saga.orders.get(&order.id) {
        Some(applied) => Answer::Ordered {
            order: order.id,
            result: applied.result,
        },
        None => Answer::NotFound,
    }
}
