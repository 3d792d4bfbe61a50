//! Participants: they read commands in order, decide by the production barrier, commit row and effect
//! together, then answer, then store the offset; and they die between any two of these.
//!
//! Invariant: a row and its effect change in one step of the world. Everything after that may be
//! lost, and is done again from the stored offset.

use std::collections::BTreeMap;

use sagas::barrier::{Answer, Decision, Row, decide};
use sagas::fault::UNREADABLE_REPLY;
use sagas::testkit::probe::Receipt;
use sagas::wire::{Attribute, CommandMessage, ReplyMessage};
use sagas::{Fault as Failure, Outcome, SagaId, StepKind, Timestamp};
use serde_json::json;

use super::broker::{Addressed, Producer};
use super::{BEGIN, Happening, Waits, World};
use crate::bus::Record;
use crate::commands::SERVICES;
use crate::faults::Fault;
use crate::journal::{Effect, Said};
use crate::layout::Layout;
use crate::rng::mix;
use crate::store::UNSTORABLE;

/// One participant with its database.
#[derive(Debug)]
pub(crate) struct Service {
    /// Which run of its process this is.
    pub(crate) run: u32,
    readers: Vec<Reader>,
    rows: BTreeMap<(SagaId, usize), Inbox>,
    /// Sagas that started earlier may have lost their rows.
    watermark: Timestamp,
    pub(crate) away_until: Timestamp,
}

/// The inbox row of a step, with the day that it is dropped by.
#[derive(Debug)]
struct Inbox {
    started_at: Timestamp,
    row: Row,
}

/// Reading a partition of commands.
#[derive(Debug, Clone, Default)]
struct Reader {
    next: i64,
    epoch: u32,
    is_busy: bool,
}

impl Service {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            run: 1,
            readers: vec![Reader::default(); layout.command_partitions],
            rows: BTreeMap::new(),
            watermark: BEGIN,
            away_until: BEGIN,
        }
    }

    fn reader(&mut self, partition: i32) -> Option<&mut Reader> {
        self.readers.get_mut(usize::try_from(partition).ok()?)
    }
}

impl World {
    /// A command has come to a partition.
    pub(crate) fn wake_service(&mut self, number: usize, partition: i32) {
        let wait = self.rng.micros(200, 4_000);
        let at = (self.now() + wait).max(self.services[number].away_until);
        let end = self.bus.end(&self.scene.commands[number], partition);
        let Some(reader) = self.services[number].reader(partition) else {
            return;
        };
        if !reader.is_busy && reader.next < end {
            reader.is_busy = true;
            let (service, epoch) = (number, reader.epoch);
            self.agenda.at(
                at,
                Happening::Work {
                    service,
                    partition,
                    epoch,
                },
            );
        }
    }

    /// A batch of commands: one transaction, then the replies.
    pub(crate) fn work(&mut self, number: usize, partition: i32, epoch: u32) {
        let size = i64::try_from(self.rng.between(1, 8)).unwrap_or(1);
        let topic = self.scene.commands[number].clone();
        let Some(reader) = self.services[number].reader(partition) else {
            return;
        };
        if reader.epoch != epoch {
            return;
        }
        let next = (reader.next + size).min(self.bus.end(&topic, partition));
        let mut replies = Vec::new();
        for offset in reader.next..next {
            let Some(record) = self.bus.read(&topic, partition, offset).cloned() else {
                continue;
            };
            replies.extend(self.handle(number, &record));
        }
        if self.strikes(Fault::ServiceKilled, 25) {
            let wait = self.rng.millis(100, 5_000);
            self.services[number].away_until = self.now() + wait;
            return self.restart_service(number);
        }
        let run = self.services[number].run;
        let producer = Producer::Service {
            service: number,
            run,
        };
        let service = number;
        self.publish(
            producer,
            replies,
            Waits::Service {
                service,
                partition,
                epoch,
                next,
            },
        );
    }

    /// The broker has the replies: the offset may follow, and the next batch.
    pub(crate) fn replied(&mut self, number: usize, partition: i32, epoch: u32, next: i64) {
        let topic = self.scene.commands[number].clone();
        let Some(reader) = self.services[number].reader(partition) else {
            return;
        };
        if reader.epoch != epoch {
            return;
        }
        (reader.next, reader.is_busy) = (next, false);
        if !self.strikes(Fault::OffsetLost, 50) {
            self.bus
                .store_offset(SERVICES[number], &topic, partition, next);
        }
        self.wake_service(number, partition);
    }

    /// The process dies and another one takes over: what it had not answered is read again.
    pub(crate) fn restart_service(&mut self, number: usize) {
        self.services[number].run += 1;
        self.say(None, || format!("{} starts anew", SERVICES[number]));
        for partition in 0..self.layout.command_partitions {
            let partition = i32::try_from(partition).unwrap_or(0);
            self.reassign(number, partition, None);
        }
    }

    /// A partition is read by another process from now on, from the stored offset or an earlier one.
    pub(crate) fn reassign(&mut self, number: usize, partition: i32, from: Option<i64>) {
        let topic = &self.scene.commands[number];
        let stored = self.bus.stored_offset(SERVICES[number], topic, partition);
        if let Some(reader) = self.services[number].reader(partition) {
            reader.next = from.unwrap_or(stored);
            reader.epoch += 1;
            reader.is_busy = false;
        }
        self.wake_service(number, partition);
    }

    /// Drops the rows of all sagas that have started by now.
    pub(crate) fn purge(&mut self, number: usize) {
        let now = self.now();
        let service = &mut self.services[number];
        service.watermark = now;
        service.rows.retain(|_, inbox| inbox.started_at >= now);
        self.say(None, || format!("{} purges its inbox", SERVICES[number]));
    }

    /// Whether nothing waits for a service.
    pub(crate) fn is_service_idle(&self, number: usize) -> bool {
        let readers = self.services[number].readers.iter().zip(0..);
        let topic = &self.scene.commands[number];
        let mut idle = readers.map(|(reader, partition)| {
            !reader.is_busy && reader.next >= self.bus.end(topic, partition)
        });
        idle.all(|is_idle| is_idle)
    }

    fn handle(&mut self, number: usize, record: &Record) -> Option<Addressed> {
        let command = CommandMessage::parse(record.key.as_deref(), record.value.as_deref());
        let command = command.ok()?.into_owned();
        let step = Self::step_number(&command.step);
        let answer = if self.strikes(Fault::HandlerFailed, 60) {
            let is_bad = self.faults.may(Fault::DataRefused) && self.rng.chance(100);
            let code = if is_bad { UNSTORABLE } else { "busy" };
            Answer::failed(fault(code))
        } else {
            self.decide(number, &command, step)
        };
        self.say(Some(command.saga), || {
            let (step, direction, outcome) = (&command.step, command.direction, answer.outcome);
            format!(
                "{} answers {outcome} to {step} {direction}",
                SERVICES[number]
            )
        });
        if answer.outcome == Outcome::Expired {
            self.faults.count(Fault::AnswerExpired);
            self.journal.troubled.insert(command.saga);
            self.journal.expired.insert(command.saga);
        }
        let mut said = Said {
            saga: command.saga,
            step: command.step.to_string(),
            direction: command.direction,
            generation: command.generation,
            attempt: command.attempt,
            outcome: answer.outcome,
            payload: answer.payload.to_string(),
        };
        let reply = ReplyMessage::to(&command, answer, self.now());
        let mut record = Record {
            key: Some(reply.key().into_bytes()),
            value: Some(reply.value()),
        };
        if self.strikes(Fault::AnswerUnreadable, 20) {
            record.set_attribute(Attribute::Outcome, json!("maybe"));
            let read = ReplyMessage::parse(record.key.as_deref(), record.value.as_deref());
            let reason = read.err().map(|error| error.to_string());
            let fault = Failure::new(UNREADABLE_REPLY, reason.unwrap_or_default());
            (said.outcome, said.payload) = (Outcome::Failed, fault.to_json());
            self.journal.troubled.insert(command.saga);
        }
        self.journal.answers.insert(said);
        Some(Addressed {
            topic: command.reply_to.topic.to_string(),
            partition: command.reply_to.partition,
            record,
        })
    }

    fn decide(&mut self, number: usize, command: &CommandMessage<'_>, step: usize) -> Answer {
        let (saga, generation) = (command.saga, command.generation);
        let key = (saga, step);
        let service = &mut self.services[number];
        let row = service.rows.get(&key).map(|inbox| inbox.row.clone());
        let is_old = command.started_at < service.watermark;
        let decision = decide(row.as_ref(), command.ask(), generation, is_old);
        let (row, answer) = match decision {
            Decision::Answer(answer) => return answer,
            Decision::Write(row, answer) => (row, answer),
            Decision::RunForward if command.deadline.is_some_and(|at| at < self.agenda.now()) => {
                self.faults.count(Fault::CommandLate);
                return Answer::failed(fault("deadline-passed"));
            }
            Decision::RunForward => self.run_forward(command, step),
            Decision::RunCompensation => match row {
                Some(row) => self.run_compensation(row, command, step),
                None => return Answer::failed(fault("no-row")),
            },
        };
        self.write(number, command, step, row);
        answer
    }

    fn write(&mut self, number: usize, command: &CommandMessage<'_>, step: usize, row: Row) {
        let key = (command.saga, step);
        if matches!(row, Row::Compensated { .. }) {
            let effects = self.journal.effects.len();
            self.journal.tombstones.push((effects, key.0, key.1));
        }
        let started_at = command.started_at;
        self.services[number]
            .rows
            .insert(key, Inbox { started_at, row });
    }

    fn run_forward(&mut self, command: &CommandMessage<'_>, step: usize) -> (Row, Answer) {
        let (saga, generation) = (command.saga, command.generation);
        let may_refuse = &*command.command == "ask";
        let fate = self.fate(saga, step, generation, 1);
        let refuses = may_refuse && fate < 120 && self.faults.may(Fault::StepRefused);
        let surprises = !may_refuse && fate < 15 && self.faults.may(Fault::RejectedUnexpectedly);
        if refuses || surprises {
            self.journal.refusals.insert((saga, step));
            self.faults.count(if refuses {
                Fault::StepRefused
            } else {
                Fault::RejectedUnexpectedly
            });
            if surprises {
                self.journal.troubled.insert(saga);
            }
            return Row::refused(generation, fault("no"));
        }
        match self.kind_of(command, step) {
            Some(StepKind::Query) => self.faults.count(Fault::QueryAnswered),
            Some(StepKind::Hint) => self.faults.count(Fault::NoticeTaken),
            kind => {
                if kind == Some(StepKind::Notify) {
                    self.faults.count(Fault::NoticeTaken);
                }
                self.effect(saga, step, false);
            }
        }
        if self.fate(saga, step, generation, 2) < 15 && self.faults.may(Fault::ReplyUnreadable) {
            self.faults.count(Fault::ReplyUnreadable);
            self.journal.troubled.insert(saga);
            return Row::done(generation, r#""not a receipt""#.to_owned());
        }
        let receipt = serde_json::to_string(&Receipt { step });
        Row::done(generation, receipt.unwrap_or_default())
    }

    fn kind_of(&self, command: &CommandMessage<'_>, step: usize) -> Option<StepKind> {
        let recipe = self.scene.recipes.get(&*command.definition)?;
        Some(recipe.steps.get(step)?.kind)
    }

    fn run_compensation(
        &mut self,
        row: Row,
        command: &CommandMessage<'_>,
        step: usize,
    ) -> (Row, Answer) {
        let (saga, generation) = (command.saga, command.generation);
        if self.fate(saga, step, generation, 3) < 100 && self.faults.may(Fault::UndoRefused) {
            self.faults.count(Fault::UndoRefused);
            self.journal.troubled.insert(saga);
            return row.compensation_refused(generation, fault("cannot"));
        }
        self.effect(saga, step, true);
        row.compensated(generation, "null".to_owned())
    }

    /// What a step's participant would say to a generation of a command, fixed by the seed: below
    /// 1000.
    fn fate(&self, saga: SagaId, step: usize, generation: u32, question: u64) -> u64 {
        let (high, low) = saga.0.as_u64_pair();
        let step = u64::try_from(step).unwrap_or(0);
        let question = u64::from(generation) << 8 | question;
        mix(&[self.seed, high, low, step, question]) % 1000
    }

    fn effect(&mut self, saga: SagaId, step: usize, is_undo: bool) {
        let stored_revision = self.durable().revision(saga);
        self.journal.effects.push(Effect {
            saga,
            step,
            is_undo,
            stored_revision,
        });
    }
}

fn fault(code: &str) -> String {
    format!(r#"{{"code":"{code}","message":"simulated"}}"#)
}
