//! A lane without a shell: every test plays database, broker and clients by hand.

mod closed;
mod events;
mod failures;
mod gates;
mod overlap;
mod publishing;
mod refused;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::{Cause, CommitError};
use sagas::machine::{Order, OrderKind, OrderResult, Reply};
use sagas::{Command, Definition, Direction, Json, OrderId, Outcome, SagaId, Status, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::*;
use crate::batch::{Committed, LetterKind, StartOutcome, State};
use crate::loaded::{Loaded, SagaRow};
use crate::submission::{Key, Submission};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Ask {}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Forget {}

impl Command for Ask {
    const PARTICIPANT: &'static str = "oracle";
    const NAME: &'static str = "ask";
    const REJECTABLE: bool = true;
    type Reply = u32;
}

impl Command for Forget {
    const PARTICIPANT: &'static str = "oracle";
    const NAME: &'static str = "forget";
    const REJECTABLE: bool = false;
    type Reply = ();
}

pub(super) fn two_questions() -> Definition {
    let mut saga = Definition::of::<serde_json::Value>("two-questions");
    let first = saga
        .step("first")
        .send(|_, ()| Ask {})
        .compensate(|_, (), _| Forget {});
    saga.step("second").after(first).send(|_, _| Ask {}).pivot();
    saga.build().unwrap()
}

/// A lane, and the hands of the test.
struct Bench {
    lane: Lane,
    now: Timestamp,
    definition: Arc<Definition>,
    outputs: Vec<Output>,
    offset: i64,
    /// The commit that was looked at last.
    number: u64,
}

impl Bench {
    fn new() -> Self {
        Self::of(two_questions())
    }

    fn of(definition: Definition) -> Self {
        let name = definition.name().to_owned();
        let registry = Registry::new().with(definition);
        let definition = registry.newest(&name).unwrap().clone();
        let bounds = Bounds {
            batch_max: 8,
            second_commit_min: usize::MAX,
            ahead_max: u64::MAX,
            cache_max: NonZeroUsize::new(100).unwrap(),
            load_max: 100,
            publications_max: 4,
        };
        let mut lane = Lane::new(registry, bounds);
        let now = Timestamp::from_micros(1_000_000_000);
        lane.take(Input::Assigned(BTreeSet::from([2, 4])), now);
        Self {
            lane,
            now,
            definition,
            outputs: Vec::new(),
            offset: 0,
            number: 0,
        }
    }

    fn take(&mut self, input: Input) {
        self.lane.take(input, self.now);
        let outputs = self.lane.turn(self.now);
        self.outputs.extend(outputs);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let outputs = self.lane.turn(self.now);
        self.outputs.extend(outputs);
    }

    fn submit(&mut self, key: &str) -> SagaId {
        let submission = Submission {
            definition: self.definition.clone(),
            input: Json::null(),
            key: Some(Key::new(key, "lane-test", &Json::null().canonical())),
        };
        let id = submission.id().expect("it has a key");
        let ticket = Ticket(u64::from(key.as_bytes()[0]));
        self.take(Input::start(id, ticket, submission));
        id
    }

    fn reply(&mut self, saga: SagaId, step: &str, outcome: Outcome, payload: &str) {
        self.reply_to(1, saga, step, outcome, payload);
    }

    /// A reply to a command that was sent at that revision.
    fn reply_to(
        &mut self,
        revision: u64,
        saga: SagaId,
        step: &str,
        outcome: Outcome,
        payload: &str,
    ) {
        let at = Position {
            partition: 2,
            offset: self.offset,
        };
        self.offset += 1;
        let reply = Reply {
            step: step.to_owned(),
            direction: Direction::Forward,
            generation: 1,
            attempt: 1,
            outcome,
            payload: Json::parse(payload.to_owned()).unwrap(),
        };
        let letter = Box::new(letter(at));
        self.take(Input::reply(Arrival {
            at,
            saga,
            revision,
            reply,
            letter,
        }));
    }

    fn batch(&mut self) -> Batch {
        let position = self
            .outputs
            .iter()
            .position(|output| matches!(output, Output::Commit { .. }));
        match position.map(|position| self.outputs.remove(position)) {
            Some(Output::Commit { number, batch }) => {
                self.number = number;
                *batch
            }
            _ => panic!("no commit is asked for: {:?}", self.outputs),
        }
    }

    /// Answers the commit that was looked at last.
    fn answer(&mut self, result: Result<Committed, CommitError>) {
        self.answer_to(self.number, result);
    }

    fn answer_to(&mut self, number: u64, result: Result<Committed, CommitError>) {
        self.take(Input::Committed { number, result });
    }

    /// What the database says when everybody wins.
    fn won(&self, batch: &Batch) -> Committed {
        Committed {
            starts: vec![StartOutcome::Started; batch.starts.len()],
            updates: vec![true; batch.updates.len()],
            letters_left_out: BTreeSet::new(),
            outbox: None,
            database_time: self.now,
        }
    }

    /// Commits what the lane asks for, and lets everybody win.
    fn commit(&mut self) -> Batch {
        let batch = self.batch();
        self.answer(Ok(self.won(&batch)));
        batch
    }

    fn started(&mut self, key: &str) -> (SagaId, State) {
        self.outputs.clear();
        let id = self.submit(key);
        let batch = self.commit();
        self.acknowledge();
        self.outputs.clear();
        (id, batch.starts[0].state.clone())
    }

    fn load(&mut self, id: SagaId, state: State) {
        let asked = self
            .outputs
            .iter()
            .any(|output| matches!(output, Output::Load(sagas) if *sagas == [id]));
        assert!(asked, "no load is asked for: {:?}", self.outputs);
        self.outputs.clear();
        let loaded = Loaded {
            row: self.row(id, &state),
            history: state.entries,
        };
        let result = Ok(vec![loaded].into());
        self.take(Input::Loaded {
            asked: vec![id],
            result,
        });
    }

    fn row(&self, id: SagaId, state: &State) -> SagaRow {
        SagaRow {
            id,
            definition: self.definition.name().to_owned(),
            version: 1,
            fingerprint: self.definition.fingerprint(),
            status: state.status,
            revision: state.revision,
            started_at: self.now,
            updated_at: self.now,
            finished_at: None,
            wake_at: state.wake_at,
            moving: state.moving.clone(),
        }
    }

    fn start_answers(&self) -> Vec<StartAnswer> {
        let answers = self.outputs.iter().filter_map(|output| match output {
            Output::Started(_, answer) => Some(answer.clone()),
            _ => None,
        });
        answers.collect()
    }

    fn order_answers(&self) -> Vec<OrderAnswer> {
        let answers = self.outputs.iter().filter_map(|output| match output {
            Output::Ordered(_, answer) => Some(answer.clone()),
            _ => None,
        });
        answers.collect()
    }

    fn published(&self) -> Vec<&str> {
        let commands = self.outputs.iter().filter_map(|output| match output {
            Output::Publish { commands, .. } => Some(commands),
            _ => None,
        });
        commands
            .flatten()
            .map(|c| c.definition.steps()[c.send.step].name.as_str())
            .collect()
    }

    /// The last publication that carries commands.
    fn publication(&self) -> u64 {
        let publications = self.outputs.iter().rev();
        let mut numbers = publications.filter_map(|output| match output {
            Output::Publish {
                publication,
                commands,
                ..
            } => (!commands.is_empty()).then_some(*publication),
            _ => None,
        });
        numbers.next().expect("commands were published")
    }

    /// The broker takes all that was published.
    fn acknowledge(&mut self) {
        let publications = self.outputs.iter().filter_map(|output| match output {
            Output::Publish { publication, .. } => Some(*publication),
            _ => None,
        });
        for publication in publications.collect::<Vec<_>>() {
            self.take(Input::Published {
                publication,
                is_acknowledged: true,
            });
        }
    }

    fn advanced_to(&self) -> Option<i64> {
        self.outputs.iter().rev().find_map(|output| match output {
            Output::Advance { next_offset, .. } => Some(*next_offset),
            _ => None,
        })
    }

    fn asks_for_a_load(&self) -> bool {
        self.outputs
            .iter()
            .any(|output| matches!(output, Output::Load(_)))
    }

    fn asks_for_a_commit(&self) -> bool {
        self.outputs
            .iter()
            .any(|output| matches!(output, Output::Commit { .. }))
    }
}

fn letter(at: Position) -> DeadLetter {
    DeadLetter {
        cluster: "".into(),
        topic: "saga.replies".into(),
        partition: at.partition,
        offset: at.offset,
        kind: LetterKind::Unreadable,
        reason: String::new(),
        key: None,
        headers: sagas::wire::Headers::default(),
        value: None,
    }
}

fn trouble() -> Cause {
    Cause::ours("the database is in trouble")
}

fn cancel(id: u128) -> Order {
    Order {
        id: OrderId(Uuid::from_u128(id)),
        actor: "night shift".to_owned(),
        reason: "asked by the customer".to_owned(),
        kind: OrderKind::Cancel,
    }
}
