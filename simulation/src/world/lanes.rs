//! The shell of a lane: carries out what the production lane decides, as `engine::shell` does.
//!
//! Invariant: a lane gets results before new work, takes what has arrived into one turn, and nothing
//! new once its inbox is full.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sagas::{Direction, Timestamp};
use sagas_core::Registry;
use sagas_core::batch::{Batch, Outgoing};
use sagas_core::lane::{Bounds, Input, Lane, Note, OutgoingCommand, Output, Ticket};
use sagas_core::record::OutgoingRecord;
use sagas_core::schedule::DELIVERIES_WAIT;
use sagas_core::unsent::{self, Unsent};

use super::broker::{Addressed, Producer};
use super::clients::Told;
use super::database::Question;
use super::replicas::Stage;
use super::{Happening, Life, Waits, World};
use crate::bus::Record;
use crate::faults::Fault;
use crate::journal::{AskedIn, Published, Said};

/// A lane with what waits before it.
#[derive(Debug)]
pub(crate) struct LaneShell {
    lane: Lane,
    pub(crate) inbox: VecDeque<Input>,
    results: VecDeque<Input>,
    /// The requests behind the tickets, and when they came.
    callers: BTreeMap<Ticket, (u64, Timestamp)>,
    last_ticket: u64,
    /// When it gets the processor next.
    turn_at: Option<Timestamp>,
    is_flush_planned: bool,
}

impl LaneShell {
    pub(crate) fn new(registry: &Registry, bounds: &Bounds) -> Self {
        Self {
            lane: Lane::new(registry.clone(), bounds.clone()),
            inbox: VecDeque::new(),
            results: VecDeque::new(),
            callers: BTreeMap::new(),
            last_ticket: 0,
            turn_at: None,
            is_flush_planned: false,
        }
    }

    pub(crate) fn ticket(&mut self, request: u64, now: Timestamp) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.callers.insert(ticket, (request, now));
        ticket
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.results.is_empty() && self.lane.is_idle()
    }
}

impl World {
    /// A result of something that the lane wanted done.
    pub(crate) fn tell(&mut self, life: Life, lane: usize, input: Input) {
        let replica = &mut self.replicas[life.replica];
        if replica.life != life.number {
            return;
        }
        if let Some(shell) = replica.lanes.get_mut(lane) {
            shell.results.push_back(input);
            self.turn_soon(life, lane);
        }
    }

    /// Something new, which waits for room.
    pub(crate) fn give(&mut self, life: Life, lane: usize, input: Input) {
        if let Some(shell) = self.replicas[life.replica].lanes.get_mut(lane) {
            shell.inbox.push_back(input);
            self.turn_soon(life, lane);
        }
    }

    /// Something new, if there is room now.
    pub(crate) fn offer(&mut self, life: Life, lane: usize, input: Input) {
        if self.has_room(life.replica, lane) {
            self.give(life, lane, input);
        }
    }

    pub(crate) fn has_room(&self, replica: usize, lane: usize) -> bool {
        let shell = self.replicas[replica].lanes.get(lane);
        shell.is_some_and(|shell| shell.inbox.len() < self.layout.admission().events_max())
    }

    /// Whether a new saga of a client may come in.
    pub(crate) fn admits_start(&mut self, replica: usize, lane: usize, client: usize) -> bool {
        let Some(shell) = self.replicas[replica].lanes.get(lane) else {
            return false;
        };
        let waiting = shell.inbox.len() + shell.lane.waiting();
        let requests = shell.callers.values().map(|(request, _)| *request);
        let own = self.clients.starts_like(client, requests);
        let is_let_in = self.layout.admission().takes_start(waiting, own);
        let saga = self.clients.saga(client);
        self.journal.asked_in.push(AskedIn {
            saga,
            waiting,
            own,
            is_let_in,
        });
        is_let_in
    }

    fn turn_soon(&mut self, life: Life, lane: usize) {
        let wait = self.rng.micros(5, 100);
        self.turn_at(life, lane, self.now() + wait);
    }

    fn turn_at(&mut self, life: Life, lane: usize, at: Timestamp) {
        let shell = &mut self.replicas[life.replica].lanes[lane];
        if shell.turn_at.is_none_or(|planned| at < planned) {
            shell.turn_at = Some(at);
            self.agenda.at(at, Happening::Turn(life, lane));
        }
    }

    /// The lane gets the processor.
    pub(crate) fn turn(&mut self, life: Life, lane: usize) {
        let now = self.process_time(life.replica);
        let true_now = self.now();
        let admission = self.layout.admission();
        let replica = &mut self.replicas[life.replica];
        let is_stopping = replica.stage == Stage::Stopping;
        let shell = &mut replica.lanes[lane];
        shell.turn_at = None;
        for result in std::mem::take(&mut shell.results) {
            shell.lane.take(result, now);
        }
        while admission.takes_events(shell.lane.waiting())
            && let Some(input) = shell.inbox.pop_front()
        {
            if let Some(arrival) = input.as_reply() {
                self.journal.came.insert((life, arrival.at), true_now);
            }
            shell.lane.take(input, now);
        }
        if is_stopping {
            shell.lane.flush_deliveries();
        }
        let outputs = shell.lane.turn(now);
        self.carry_out(life, lane, outputs);
        self.plan_turn(life, lane, now);
        if is_stopping
            && self.replicas[life.replica]
                .lanes
                .iter()
                .all(LaneShell::is_idle)
        {
            let own = self.replicas[life.replica].id;
            self.ask(life, Question::Leave(own));
        }
    }

    /// What the shell waits for beside inputs.
    fn plan_turn(&mut self, life: Life, lane: usize, now: Timestamp) {
        let shell = &mut self.replicas[life.replica].lanes[lane];
        let has_room = self.layout.admission().takes_events(shell.lane.waiting());
        let has_more = !shell.inbox.is_empty() && has_room;
        let resume = shell.lane.resume_at();
        let must_flush = shell.lane.has_only_deliveries() && !shell.is_flush_planned;
        shell.is_flush_planned |= must_flush;
        if must_flush {
            self.agenda
                .after(DELIVERIES_WAIT, Happening::Flush(life, lane));
        }
        if let Some(resume) = resume {
            // As the clock of the shell's timer, which counts in milliseconds.
            let at = self.now() + resume.since(now).max(Duration::from_millis(1));
            self.turn_at(life, lane, at);
        }
        if has_more {
            self.turn_soon(life, lane);
        }
    }

    pub(crate) fn flush(&mut self, life: Life, lane: usize) {
        let shell = &mut self.replicas[life.replica].lanes[lane];
        shell.is_flush_planned = false;
        shell.lane.flush_deliveries();
        self.turn_soon(life, lane);
    }

    fn count_withheld(&mut self, batch: &Batch) {
        let starts = batch.starts.iter().map(|start| &start.state);
        let states = starts.chain(batch.updates.iter().map(|update| &update.state));
        let mut entries = states.flat_map(|state| &state.entries);
        if entries.any(|entry| !entry.withheld.is_empty()) {
            self.faults.count(Fault::CommandWithheld);
        }
    }

    fn carry_out(&mut self, life: Life, lane: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Load(sagas) => self.ask(life, Question::Load { lane, sagas }),
                Output::Commit { number, batch } => {
                    self.count_withheld(&batch);
                    let question = Question::Commit {
                        lane,
                        number,
                        batch,
                    };
                    self.ask(life, question);
                }
                Output::Publish {
                    publication,
                    commands,
                    events,
                } => self.hand_over(life, lane, publication, commands, &events),
                Output::Started(ticket, answer) => {
                    self.answer_caller(life, lane, ticket, Told::Started(answer));
                }
                Output::Ordered(ticket, answer) => {
                    self.answer_caller(life, lane, ticket, Told::Ordered(answer));
                }
                Output::Ended(saga, _) => self.tell_waiters(life, saga),
                Output::Note(note @ (Note::TopicClosed { .. } | Note::TopicOpened { .. })) => {
                    self.say(None, || format!("replica {}: {note:?}", life.replica));
                }
                Output::Note(_) => {}
                Output::Advance {
                    partition,
                    next_offset,
                } => {
                    self.advance(life, partition, next_offset);
                }
            }
        }
    }

    /// Commands and events of a commit go to the broker, which may refuse some for what they are.
    fn hand_over(
        &mut self,
        life: Life,
        lane: usize,
        publication: u64,
        commands: Vec<OutgoingCommand>,
        events: &[Outgoing],
    ) {
        self.bus.next_flight();
        let (mut records, mut unsent) = (Vec::new(), Vec::new());
        let mut attempts = Vec::new();
        for command in commands {
            let send = &command.send;
            let number = (send.generation, send.attempt);
            let attempt = (command.saga, send.step, send.direction, number.0, number.1);
            let record = self.scene.outgoing.command(&command);
            if send.direction == Direction::Fence {
                self.faults.count(Fault::PivotFenced);
            }
            match self.refuses(&record) {
                Some(refused) => unsent.push(unsent::read(refused, events)),
                None => {
                    attempts.push(attempt);
                    records.push(self.address(&record));
                }
            }
            let stored_revision = self.durable().revision(command.saga);
            self.journal.published.push(Published {
                command,
                stored_revision,
            });
        }
        for event in events {
            let record = self.scene.outgoing.outgoing(event);
            match self.refuses(&record) {
                Some(refused) => unsent.push(unsent::read(refused, events)),
                None => records.push(self.address(&record)),
            }
        }
        let publications = &mut self.journal.handed_over;
        publications.insert((life, lane, publication), attempts);
        self.note_refused(&unsent);
        let topics = records.iter().map(|to| to.topic.clone()).collect();
        self.owe(life, lane, &topics, true);
        let waits = Waits::Lane {
            life,
            lane,
            publication,
            unsent,
            topics,
        };
        self.publish(Producer::Replica(life), records, waits);
    }

    /// What a lane says in the stead of a participant that was never asked.
    fn note_refused(&mut self, unsent: &[Unsent]) {
        for unsent in unsent {
            if let Unsent::Command { saga, reply } = unsent {
                self.journal.answers.insert(Said {
                    saga: *saga,
                    step: reply.step.clone(),
                    direction: reply.direction,
                    generation: reply.generation,
                    attempt: reply.attempt,
                    outcome: reply.outcome,
                    payload: reply.payload.text().to_owned(),
                });
            }
        }
    }

    fn answer_caller(&mut self, life: Life, lane: usize, ticket: Ticket, answer: Told) {
        let shell = &mut self.replicas[life.replica].lanes[lane];
        let Some((request, asked_at)) = shell.callers.remove(&ticket) else {
            return;
        };
        let now = self.now();
        let saga = self.clients.saga_of(request);
        self.journal
            .answered
            .extend(saga.map(|saga| (saga, asked_at, now)));
        let wait = self.rng.micros(50, 2_000);
        self.agenda
            .after(wait, Happening::Told(request, Box::new(answer)));
    }

    /// The lane allows the offset to be stored; the consumer sends it, in the background.
    fn advance(&mut self, life: Life, partition: i32, next: i64) {
        self.note_passed(life, partition, next);
        self.say(None, || {
            format!(
                "replica {} is done with replies/{partition} up to {next}",
                life.replica
            )
        });
        if self.strikes(Fault::OffsetLost, 50) {
            return;
        }
        let wait = self.rng.micros(100, 3_000);
        self.agenda
            .after(wait, Happening::StoreOffset(partition, next));
    }

    /// The partition that a record goes to.
    pub(crate) fn address(&self, record: &OutgoingRecord) -> Addressed {
        let topic = record.topic.to_string();
        let record = Record::from(record);
        let key = record.key.as_deref().unwrap_or_default();
        let partition = self.bus.partition_of(&topic, key);
        Addressed {
            topic,
            partition,
            record,
        }
    }
}
