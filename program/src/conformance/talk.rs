//! The conversation with the participant: what is sent, what has to come, what came.
//!
//! Invariant: an answer is judged in the order in which it is heard, and everything that was sent or
//! heard is in the exchange before a case can fail of it.

use std::borrow::Cow;
use std::time::Duration;

use sagas::barrier::{Answer, Ask};
use sagas::wire::{CommandMessage, ReplyMessage};
use sagas::{CommandId, SagaId, Timestamp};
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::Error;
use super::channel::{Channel, NoReply, PayloadForm};
use super::clock;
use super::model::{Handler, Model, shown};
use super::scale::{self, Scale};
use super::scenario::{Scenario, Standby};

/// Step and definition of all sagas of a run.
const NAME: &str = "conformance";
/// A stored answer takes milliseconds.
const QUIET: Duration = Duration::from_secs(2);
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Why a case does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The participant is wrong.
    Wrong { expected: String, came: String },
    /// The participant cannot be reached.
    Broken(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl Stop {
    pub(super) fn wrong(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self::Wrong {
            expected: expected.into(),
            came: came.into(),
        }
    }
}

/// A saga with one step.
pub(super) struct Saga {
    pub(super) id: SagaId,
    started_at: Timestamp,
    pub(super) model: Model,
    /// The payload of its forward command, and what the handler says to it.
    pub(super) forward: (Vec<u8>, Handler),
    /// How many messages were made for it: each is an attempt of its own.
    attempts: u32,
}

pub(super) struct Talk {
    pub(super) channel: Channel,
    pub(super) participant: String,
    pub(super) scenario: Scenario,
    exchange: Vec<String>,
    scale: Scale,
}

impl Talk {
    pub(super) fn new(channel: Channel, participant: String, scenario: Scenario) -> Self {
        Self {
            channel,
            participant,
            scale: Scale::new(scenario.effects.clone()),
            scenario,
            exchange: Vec::new(),
        }
    }

    pub(super) fn take_exchange(&mut self) -> Vec<String> {
        std::mem::take(&mut self.exchange)
    }

    /// A saga that starts now and is not refused.
    pub(super) fn saga(&self) -> Saga {
        let id = Uuid::now_v7();
        Saga {
            id: SagaId(id),
            started_at: clock::wall(),
            model: Model::default(),
            forward: (self.scenario.forward.payload.fill(id), Handler::Succeeds),
            attempts: 0,
        }
    }

    /// The same, but a month old.
    pub(super) fn old_saga(&self) -> Saga {
        Saga {
            started_at: clock::wall() - MONTH,
            model: Model::old(),
            ..self.saga()
        }
    }

    /// A saga whose forward command the handler refuses; `None` where the scenario has none.
    pub(super) fn refused_saga(&self) -> Option<Saga> {
        let mut saga = self.saga();
        let refused = self.scenario.refused.as_ref()?;
        saga.forward = (refused.payload.fill(saga.id.0), Handler::Refuses);
        Some(saga)
    }

    /// The next message of this saga.
    pub(super) fn message(
        &self,
        saga: &mut Saga,
        ask: Ask,
        generation: u32,
    ) -> CommandMessage<'static> {
        saga.attempts += 1;
        let undo = self.scenario.compensation.as_ref();
        let undo = undo.filter(|_| matches!(ask, Ask::Compensate | Ask::FenceCompensation));
        let command = undo.unwrap_or(&self.scenario.forward);
        let payload = match ask {
            Ask::Forward => saga.forward.0.clone(),
            Ask::Compensate => command.payload.fill(saga.id.0),
            Ask::FenceForward | Ask::FenceCompensation => b"null".to_vec(),
        };
        CommandMessage {
            id: CommandId::of(saga.id, NAME, ask.direction(), generation),
            participant: self.participant.clone().into(),
            command: command.name.clone().into(),
            definition: NAME.into(),
            saga: saga.id,
            step: NAME.into(),
            direction: ask.direction(),
            fences_compensation: ask == Ask::FenceCompensation,
            generation,
            attempt: saga.attempts,
            started_at: saga.started_at,
            revision: saga.attempts.into(),
            deadline: None,
            reply_to: self.channel.reply_to(),
            time: clock::wall(),
            traceparent: None,
            payload: payload.into(),
        }
    }

    /// Sends a command, waits for the answer, and judges it.
    pub(super) fn ask(&mut self, saga: &mut Saga, ask: Ask, generation: u32) -> Result<(), Stop> {
        let message = self.message(saga, ask, generation);
        self.send(&[(&message, partition(saga))])?;
        self.hear_from(saga, &message)?;
        self.weigh()
    }

    /// The same for the first generation, with the payload in another form than the usual one.
    pub(super) fn ask_with(
        &mut self,
        saga: &mut Saga,
        ask: Ask,
        form: PayloadForm,
    ) -> Result<(), Stop> {
        let message = self.message(saga, ask, 1);
        let payload = String::from_utf8_lossy(&message.payload);
        self.note(format!("sent {}, {form}: {payload}", name(&message)));
        self.channel.send_as(&message, form, partition(saga))?;
        self.hear_from(saga, &message)?;
        self.weigh()
    }

    /// Takes the effects that stand before a case for none.
    pub(super) fn begin(&mut self) -> Result<(), Stop> {
        self.scale.begin()
    }

    /// Weighs the effects, where the scenario says how. Nothing may be under way.
    pub(super) fn weigh(&mut self) -> Result<(), Stop> {
        self.scale.weigh()
    }

    /// The commands of a script, each after the answer to the one before it.
    pub(super) fn script(&mut self, saga: &mut Saga, script: &[(Ask, u32)]) -> Result<(), Stop> {
        script
            .iter()
            .try_for_each(|(ask, generation)| self.ask(saga, *ask, *generation))
    }

    /// Compensates a saga, where there is a compensation.
    pub(super) fn undo(&mut self, saga: &mut Saga) -> Result<(), Stop> {
        match self.scenario.compensation {
            Some(_) => self.ask(saga, Ask::Compensate, 1),
            None => Ok(()),
        }
    }

    pub(super) fn send(&mut self, messages: &[(&CommandMessage<'_>, i32)]) -> Result<(), Stop> {
        for (message, _) in messages {
            let payload = String::from_utf8_lossy(&message.payload);
            self.note(format!("sent {}: {payload}", name(message)));
        }
        Ok(self.channel.send(messages)?)
    }

    /// Waits for the answer to a command of this saga, and judges it.
    pub(super) fn hear_from(
        &mut self,
        saga: &mut Saga,
        message: &CommandMessage<'_>,
    ) -> Result<(), Stop> {
        let answer = self.hear(message)?;
        self.judge(saga, message, &answer)
    }

    /// Compares an answer with what the barrier's table says.
    pub(super) fn judge(
        &mut self,
        saga: &mut Saga,
        message: &CommandMessage<'_>,
        answer: &Answer,
    ) -> Result<(), Stop> {
        let handler = match message.ask() {
            Ask::Forward => saga.forward.1,
            Ask::Compensate | Ask::FenceForward | Ask::FenceCompensation => Handler::Succeeds,
        };
        let before = saga.model.has_effect();
        saga.model
            .judge(message.ask(), message.generation, handler, answer)
            .map_err(|expected| Stop::wrong(expected, shown(answer)))?;
        self.scale.expect(before, saga.model.has_effect());
        Ok(())
    }

    /// Sends a command while the standby is away. No answer may come before the standby is back.
    pub(super) fn silent_without_standby(
        &mut self,
        message: &CommandMessage<'_>,
        partition: i32,
    ) -> Result<(), Stop> {
        let Some(Standby { away, back }) = self.scenario.standby.clone() else {
            return Ok(());
        };
        standby(&away)?;
        self.note("the standby is away".to_owned());
        let sent = self.send(&[(message, partition)]);
        let early = self.channel.reply_within(message, QUIET);
        // Whatever came: a database that waits for ever is of no use to the next case.
        standby(&back)?;
        self.note("the standby is back".to_owned());
        sent?;
        match early {
            Err(NoReply::Silence(_)) => Ok(()),
            Err(NoReply::Nonsense(text)) => Err(Stop::wrong("no reply", text)),
            Ok(reply) => Err(Stop::wrong(
                "no reply: the standby does not have what the row says",
                shown(&answer(&reply)?),
            )),
        }
    }

    /// Waits for the answer to a command.
    pub(super) fn hear(&mut self, message: &CommandMessage<'_>) -> Result<Answer, Stop> {
        let reply = self.channel.reply(message).map_err(|none| {
            let expected = format!("a reply to {}", name(message));
            match none {
                NoReply::Silence(within) => {
                    Stop::wrong(expected, format!("nothing within {within:?}"))
                }
                NoReply::Nonsense(text) => Stop::wrong(expected, text),
            }
        })?;
        check_echoes(message, &reply)?;
        let answer = answer(&reply)?;
        self.note(format!("came to {}: {}", name(message), shown(&answer)));
        Ok(answer)
    }

    pub(super) fn note(&mut self, line: String) {
        self.exchange.push(line);
    }
}

/// Runs a program that sends the standby away, or brings it back.
fn standby(program: &[String]) -> Result<(), Stop> {
    let name = program.join(" ");
    let wrong = |came: String| Stop::wrong(format!("`{name}` to succeed"), came);
    let output = scale::run(program, wrong)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(wrong(format!("{}: {}", output.status, said.trim())))
}

/// Spreads sagas over partitions; a saga's commands stay together unless a case wants it otherwise.
pub(super) fn partition(saga: &Saga) -> i32 {
    saga.id.shard(u16::MAX).into()
}

fn check_echoes(message: &CommandMessage<'_>, reply: &ReplyMessage<'_>) -> Result<(), Stop> {
    let sent = (
        (&message.participant, &message.command, &message.step),
        (message.saga, message.direction, message.generation),
        message.revision,
    );
    let echoed = (
        (&reply.participant, &reply.command_name, &reply.step),
        (reply.saga, reply.direction, reply.generation),
        reply.revision,
    );
    if sent == echoed {
        return Ok(());
    }
    let expected = format!("the command's own headers in its reply: {sent:?}");
    Err(Stop::wrong(expected, format!("{echoed:?}")))
}

fn answer(reply: &ReplyMessage<'_>) -> Result<Answer, Stop> {
    let payload = String::from_utf8_lossy(&reply.payload);
    if serde_json::from_str::<IgnoredAny>(&payload).is_err() {
        return Err(Stop::wrong("a payload that is JSON", payload));
    }
    Ok(Answer {
        outcome: reply.outcome,
        effective: reply.effective,
        payload: Cow::Owned(payload.into_owned()),
    })
}

/// `forward reserve-stock @1, attempt 2 of saga …0a1b2c`.
fn name(message: &CommandMessage<'_>) -> String {
    let (direction, command) = (message.direction, &message.command);
    let (generation, attempt) = (message.generation, message.attempt);
    let saga = message.saga.to_string();
    // The end of an id of version 7 is random, its beginning is the time.
    let saga = &saga[saga.len() - 6..];
    format!("{direction} {command} @{generation}, attempt {attempt} of saga …{saga}")
}
