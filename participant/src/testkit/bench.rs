//! What a case works with: it sends, notes what came, and weighs the effects that stand.
//!
//! Invariant: whatever is sent or answered is in the exchange, in order, before a case can fail of it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sagas::barrier::{Answer, Ask};
use sagas::wire::{CommandMessage, ReplyTo};
use sagas::{CommandId, Outcome, SagaId, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::fault::Fault;
use super::instance::Instance;
use super::plan::{Plan, Sample};
use crate::clock;

/// The step that all sagas of the kit have.
const STEP: &str = "testkit";

/// Why a case failed.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) expected: String,
    pub(super) came: String,
}

impl Wrong {
    pub(super) fn new(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            came: came.into(),
        }
    }
}

/// A saga with one step.
pub(super) struct Saga {
    pub(super) id: SagaId,
    pub(super) started_at: Timestamp,
    pub(super) sample: Sample,
}

pub(super) struct Bench<'p> {
    pub(super) plan: &'p Plan,
    /// What the probes said when the case began.
    before: Vec<i64>,
    /// How far one effect moves each probe.
    weight: Vec<i64>,
    exchange: Mutex<Vec<String>>,
}

impl<'p> Bench<'p> {
    /// The first case does not know the `weight` yet.
    pub(super) async fn new(plan: &'p Plan, weight: Vec<i64>) -> Result<Self, Wrong> {
        Ok(Self {
            before: probe(plan).await?,
            plan,
            weight,
            exchange: Mutex::default(),
        })
    }

    /// Takes the effects that stand now for the beginning.
    pub(super) async fn begin_anew(&mut self) -> Result<(), Wrong> {
        self.before = probe(self.plan).await?;
        Ok(())
    }

    /// Weighs what has taken effect since the beginning: one effect.
    pub(super) async fn weigh(&mut self) -> Result<Vec<i64>, Wrong> {
        let now = probe(self.plan).await?;
        let moved = now.iter().zip(&self.before);
        self.weight = moved.map(|(now, before)| now - before).collect();
        if self.weight.iter().all(|moved| *moved == 0) {
            return Err(Wrong::new(
                "a query of `effects` that changes when the forward command takes effect",
                format!("unchanged: {}", self.probes(&now)),
            ));
        }
        Ok(self.weight.clone())
    }

    pub(super) fn saga(&self) -> Saga {
        Saga {
            id: SagaId(Uuid::now_v7()),
            started_at: clock::now(),
            sample: (self.plan.sample)(),
        }
    }

    /// A saga that started so long ago.
    pub(super) fn old_saga(&self, age: Duration) -> Saga {
        Saga {
            started_at: clock::now() - age,
            ..self.saga()
        }
    }

    /// A saga whose forward command has this payload.
    pub(super) fn saga_with(&self, forward: Vec<u8>) -> Saga {
        let mut saga = self.saga();
        saga.sample.forward = forward;
        saga
    }

    pub(super) fn instance(&self) -> Result<Instance, Wrong> {
        self.start(None)
    }

    /// An instance that meets trouble behind the handlers that run for `saga`.
    pub(super) fn instance_with(&self, fault: Fault, saga: &Saga) -> Result<Instance, Wrong> {
        self.start(Some((fault, saga.id)))
    }

    fn start(&self, fault: Option<(Fault, SagaId)>) -> Result<Instance, Wrong> {
        Instance::start(self.plan, fault)
            .map_err(|error| Wrong::new("a service that can start", error.to_string()))
    }

    /// The command as it would be read from Kafka.
    pub(super) fn message(
        &self,
        saga: &Saga,
        ask: Ask,
        generation: u32,
    ) -> CommandMessage<'static> {
        let is_undone = ask == Ask::Compensate;
        let (command, payload) = if is_undone {
            let why = "a case without a compensation sends none";
            let undo = saga.sample.undo.as_ref();
            (self.plan.compensation.expect(why), undo.expect(why))
        } else {
            (self.plan.forward, &saga.sample.forward)
        };
        CommandMessage {
            id: CommandId::of(saga.id, STEP, ask.direction(), generation),
            participant: self.plan.participant.into(),
            command: command.into(),
            definition: STEP.into(),
            saga: saga.id,
            step: STEP.into(),
            direction: ask.direction(),
            fences_compensation: false,
            generation,
            attempt: 1,
            started_at: saga.started_at,
            revision: 1,
            deadline: None,
            reply_to: ReplyTo {
                topic: STEP.into(),
                partition: 0,
            },
            time: clock::now(),
            traceparent: None,
            payload: payload.clone().into(),
        }
    }

    /// Sends the first generation of a command.
    pub(super) async fn ask(
        &self,
        instance: &Instance,
        saga: &Saga,
        ask: Ask,
    ) -> Result<Answer, Wrong> {
        self.send(instance, self.message(saga, ask, 1)).await
    }

    pub(super) async fn send(
        &self,
        instance: &Instance,
        message: CommandMessage<'static>,
    ) -> Result<Answer, Wrong> {
        let sent = self.note_sent(&message);
        match instance.answer(message).await {
            Ok(answer) => {
                self.note(format!("came to {sent}: {}", shown(&answer)));
                Ok(answer)
            }
            Err(silent) => Err(Wrong::new(
                format!("an answer to {sent}"),
                silent.to_string(),
            )),
        }
    }

    /// Sends commands of different sagas in one batch.
    pub(super) async fn send_together(
        &self,
        instance: &Instance,
        messages: Vec<CommandMessage<'static>>,
    ) -> Result<Vec<Answer>, Wrong> {
        let sent: Vec<_> = messages.iter().map(|one| self.note_sent(one)).collect();
        match instance.answer_all(messages).await {
            Ok(answers) => {
                for (sent, answer) in sent.iter().zip(&answers) {
                    self.note(format!("came to {sent}: {}", shown(answer)));
                }
                Ok(answers)
            }
            Err(silent) => Err(Wrong::new("answers to the batch", silent.to_string())),
        }
    }

    /// Checks that exactly so many effects of forward commands stand.
    pub(super) async fn effects(&self, count: i64, because: &str) -> Result<(), Wrong> {
        let now = probe(self.plan).await?;
        let expected = self.before.iter().zip(&self.weight);
        let expected: Vec<i64> = expected.map(|(before, one)| before + one * count).collect();
        if now == expected {
            return Ok(());
        }
        let expected = self.probes(&expected);
        let text = format!("{because}, so the effects of {count} commands: {expected}");
        Err(Wrong::new(text, self.probes(&now)))
    }

    pub(super) fn note(&self, line: String) {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        exchange.push(line);
    }

    pub(super) fn into_exchange(self) -> Vec<String> {
        let exchange = self.exchange.into_inner();
        exchange.unwrap_or_else(PoisonError::into_inner)
    }

    fn note_sent(&self, message: &CommandMessage<'_>) -> String {
        let (direction, generation) = (message.direction, message.generation);
        let saga = message.saga.to_string();
        // The end of an id of version 7 is random, its beginning is the time.
        let saga = &saga[saga.len() - 6..];
        let sent = format!(
            "{direction} {} @{generation} of saga …{saga}",
            message.command
        );
        let payload = String::from_utf8_lossy(&message.payload);
        self.note(format!("sent {sent}: {payload}"));
        sent
    }

    fn probes(&self, numbers: &[i64]) -> String {
        if numbers.is_empty() {
            return "there is no query".to_owned();
        }
        let probes = self.plan.effects.iter().zip(numbers);
        let probes: Vec<_> = probes
            .map(|(query, is)| format!("{is} by `{query}`"))
            .collect();
        probes.join(", ")
    }
}

/// Checks that an answer has this outcome.
pub(super) fn came(answer: &Answer, outcome: Outcome, because: &str) -> Result<(), Wrong> {
    if answer.outcome == outcome {
        return Ok(());
    }
    Err(Wrong::new(
        format!("{outcome}, because {because}"),
        shown(answer),
    ))
}

/// Checks that an answer is the stored one.
pub(super) fn came_again(again: &Answer, first: &Answer) -> Result<(), Wrong> {
    if again == first {
        return Ok(());
    }
    let expected = format!("the answer that is stored: {}", shown(first));
    Err(Wrong::new(expected, shown(again)))
}

async fn probe(plan: &Plan) -> Result<Vec<i64>, Wrong> {
    let mut numbers = Vec::with_capacity(plan.effects.len());
    for query in &plan.effects {
        // A sum over no rows is null, and a sum over bigint is no bigint.
        let number = AssertSqlSafe(format!("SELECT coalesce(({query}), 0)::bigint"));
        let number = sqlx::query_scalar(number).fetch_one(&plan.database).await;
        let wrong = |error: sqlx::Error| {
            Wrong::new(format!("one number from `{query}`"), error.to_string())
        };
        numbers.push(number.map_err(wrong)?);
    }
    Ok(numbers)
}

pub(super) fn shown(answer: &Answer) -> String {
    let effective = answer.effective.map(|generation| format!(" @{generation}"));
    let (outcome, payload) = (answer.outcome, &answer.payload);
    format!("{outcome}{} {payload}", effective.unwrap_or_default())
}
