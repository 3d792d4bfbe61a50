//! A lane without a shell: every test plays database, broker and clients by hand.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use sagas::machine::{Order, OrderKind, OrderResult, Reply};
use sagas::{Command, Definition, Direction, Json, OrderId, Outcome, SagaId, Status, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::*;
use crate::store::Failure;
use crate::store::batch::{StartOutcome, State};
use crate::store::loaded::SagaRow;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Ask {}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Forget {}

impl Command for Ask {
    const PARTICIPANT: &'static str = "oracle";
    const NAME: &'static str = "ask";
    const REFUSABLE: bool = true;
    type Reply = u32;
}

impl Command for Forget {
    const PARTICIPANT: &'static str = "oracle";
    const NAME: &'static str = "forget";
    const REFUSABLE: bool = false;
    type Reply = ();
}

fn two_questions() -> Definition {
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
}

impl Bench {
    fn new() -> Self {
        let registry = Registry::new().with(two_questions());
        let definition = registry.newest("two-questions").unwrap().clone();
        let bounds = Bounds {
            batch_max: 8,
            cache_max: NonZeroUsize::new(100).unwrap(),
            publications_max: 4,
            reply_partitions: 6,
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
            key: Some(key.to_owned()),
        };
        let (id, ticket) = (submission.id(), Ticket(u64::from(key.as_bytes()[0])));
        self.take(Input::Submit {
            ticket,
            id,
            submission,
        });
        id
    }

    fn reply(&mut self, saga: SagaId, step: &str, outcome: Outcome, payload: &str) {
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
        self.take(Input::Reply(Arrival {
            at,
            saga,
            revision: 1,
            reply,
            letter,
        }));
    }

    fn batch(&mut self) -> Batch {
        let position = self
            .outputs
            .iter()
            .position(|output| matches!(output, Output::Commit(_)));
        match position.map(|position| self.outputs.remove(position)) {
            Some(Output::Commit(batch)) => *batch,
            _ => panic!("no commit is asked for: {:?}", self.outputs),
        }
    }

    /// Commits what the lane asks for, and lets everybody win.
    fn commit(&mut self) -> Batch {
        let batch = self.batch();
        let committed = Committed {
            starts: vec![StartOutcome::Started; batch.starts.len()],
            updates: vec![true; batch.updates.len()],
            outbox: None,
            database_time: self.now,
        };
        self.take(Input::Committed(Ok(committed)));
        batch
    }

    fn started(&mut self, key: &str) -> (SagaId, State) {
        let id = self.submit(key);
        let batch = self.commit();
        let publication = self.publication();
        self.take(Input::Published {
            publication,
            is_acknowledged: true,
        });
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
        let result = Ok(vec![Loaded {
            row: self.row(id, &state),
            history: state.entries,
        }]);
        self.take(Input::Loaded {
            asked: vec![id],
            result,
        });
    }

    fn row(&self, id: SagaId, state: &State) -> SagaRow {
        SagaRow {
            id,
            definition: "two-questions".to_owned(),
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

    fn answers(&mut self) -> Vec<Answer> {
        let answers = self.outputs.iter().filter_map(|output| match output {
            Output::Answer(_, answer) => Some(answer.clone()),
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

    fn publication(&self) -> u64 {
        let publications = self.outputs.iter().rev();
        let mut numbers = publications.filter_map(|output| match output {
            Output::Publish { publication, .. } => Some(*publication),
            _ => None,
        });
        numbers.next().expect("something was published")
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
            .any(|output| matches!(output, Output::Commit(_)))
    }
}

fn letter(at: Position) -> DeadLetter {
    DeadLetter {
        cluster: String::new(),
        topic: "saga.replies".to_owned(),
        partition: at.partition,
        offset: at.offset,
        reason: String::new(),
        key: None,
        headers: Vec::new(),
        value: None,
    }
}

#[test]
fn nothing_is_published_or_answered_before_the_commit() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    assert!(bench.published().is_empty() && bench.answers().is_empty());
    bench.commit();
    assert_eq!(bench.published(), ["first"]);
    assert_eq!(bench.answers(), [Answer::Accepted { id, is_new: true }]);
}

#[test]
fn what_arrives_during_a_commit_is_the_next_batch() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.submit("b");
    bench.submit("c");
    assert_eq!(bench.commit().starts.len(), 1);
    assert_eq!(bench.commit().starts.len(), 2);
}

#[test]
fn a_reply_moves_a_cached_saga_without_a_load_and_then_its_offset_advances() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    assert!(!bench.asks_for_a_load());
    assert_eq!(bench.advanced_to(), None);
    let batch = bench.commit();
    assert_eq!(
        (batch.updates[0].expected, batch.updates[0].state.revision),
        (1, 2)
    );
    assert_eq!(bench.published(), ["second"]);
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_lost_race_is_applied_again_to_what_is_stored() {
    let mut bench = Bench::new();
    let (id, state) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    bench.batch();
    let lost = Committed {
        starts: Vec::new(),
        updates: vec![false],
        outbox: None,
        database_time: bench.now,
    };
    bench.take(Input::Committed(Ok(lost)));
    assert!(bench.published().is_empty());
    assert_eq!(bench.advanced_to(), None);
    bench.load(id, state);
    bench.commit();
    assert_eq!(bench.published(), ["second"]);
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_refusal_from_a_cached_state_is_checked_against_the_database_first() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    // Another replica has moved the saga on: this one's cache is stale.
    bench.reply(id, "second", Outcome::Succeeded, "8");
    assert_eq!(bench.advanced_to(), None);
    let mut elsewhere = Bench::new();
    elsewhere.started("a");
    elsewhere.reply(id, "first", Outcome::Succeeded, "7");
    let first = elsewhere.lane.underway.as_ref().unwrap().updates[0]
        .cached
        .saga
        .clone();
    let stored = elsewhere.commit().updates.remove(0).state;
    let mut state = State {
        entries: Vec::new(),
        ..stored.clone()
    };
    let (_, started) = Bench::new().started("a");
    state.entries.extend(started.entries);
    state.entries.extend(stored.entries);
    assert_eq!(first.revision, 2);
    bench.load(id, state);
    let batch = bench.commit();
    assert_eq!(batch.updates[0].state.status, Status::Completed);
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_duplicate_reply_is_dropped_after_one_look_at_the_database() {
    let mut bench = Bench::new();
    let (id, mut state) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    let moved = bench.commit().updates.remove(0).state;
    bench.outputs.clear();
    bench.reply(id, "first", Outcome::Succeeded, "7");
    state.entries.extend(moved.entries.clone());
    bench.load(
        id,
        State {
            entries: state.entries,
            ..moved
        },
    );
    assert!(!bench.asks_for_a_commit());
    assert_eq!(bench.advanced_to(), Some(2));
}

#[test]
fn events_of_one_saga_that_wait_together_become_one_row_write() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.submit("b");
    bench.reply(
        id,
        "first",
        Outcome::Failed,
        r#"{"code":"busy","message":""}"#,
    );
    bench.take(Input::Order {
        ticket: Ticket(1),
        saga: id,
        order: cancel(1),
    });
    bench.commit();
    let batch = bench.commit();
    assert_eq!(batch.updates.len(), 1);
    assert_eq!(
        (batch.updates[0].expected, batch.updates[0].state.revision),
        (1, 3)
    );
    assert_eq!(batch.updates[0].state.entries.len(), 2);
}

fn cancel(id: u128) -> Order {
    Order {
        id: OrderId(Uuid::from_u128(id)),
        actor: "night shift".to_owned(),
        reason: "asked by the customer".to_owned(),
        kind: OrderKind::Cancel,
    }
}

#[test]
fn an_order_given_twice_is_applied_once_and_answered_twice() {
    let mut bench = Bench::new();
    let (id, mut state) = bench.started("a");
    bench.take(Input::Order {
        ticket: Ticket(1),
        saga: id,
        order: cancel(1),
    });
    let moved = bench.commit().updates.remove(0).state;
    bench.take(Input::Order {
        ticket: Ticket(2),
        saga: id,
        order: cancel(1),
    });
    bench
        .outputs
        .retain(|output| !matches!(output, Output::Publish { .. }));
    let answers = bench.answers();
    bench
        .outputs
        .retain(|output| matches!(output, Output::Load(_)));
    state.entries.extend(moved.entries.clone());
    bench.load(
        id,
        State {
            entries: state.entries,
            ..moved
        },
    );
    assert!(!bench.asks_for_a_commit());
    let expected = Answer::Ordered {
        order: cancel(1).id,
        result: OrderResult::Cancelling,
    };
    assert_eq!(
        (answers, bench.answers()),
        (vec![expected.clone()], vec![expected])
    );
}

#[test]
fn the_same_key_with_another_input_is_told_so() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    bench.batch();
    let committed = Committed {
        starts: vec![StartOutcome::OtherBefore],
        updates: Vec::new(),
        outbox: None,
        database_time: bench.now,
    };
    bench.take(Input::Committed(Ok(committed)));
    assert_eq!(bench.answers(), [Answer::KeyUsedOtherwise { id }]);
    assert!(bench.published().is_empty());
}

#[test]
fn an_outage_holds_replies_and_tells_callers() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    bench.batch();
    bench.take(Input::Committed(Err(CommitError::Unavailable(
        Failure::Abandoned,
    ))));
    assert!(!bench.asks_for_a_commit(), "no busy loop");
    bench.pass(Duration::from_millis(60));
    bench.batch();
    bench.submit("b");
    bench.take(Input::Committed(Err(CommitError::Unavailable(
        Failure::Abandoned,
    ))));
    bench.pass(Duration::from_millis(60));
    assert!(!bench.asks_for_a_commit(), "the wait grows");
    bench.pass(Duration::from_millis(60));
    let batch = bench.commit();
    assert_eq!((batch.updates.len(), batch.starts.len()), (1, 1));
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_start_that_the_database_did_not_take_is_answered_and_forgotten() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.batch();
    bench.take(Input::Committed(Err(CommitError::Unavailable(
        Failure::Abandoned,
    ))));
    assert!(matches!(
        bench.answers().as_slice(),
        [Answer::Unavailable(_)]
    ));
    bench.pass(Duration::from_secs(5));
    assert!(!bench.asks_for_a_commit());
    assert!(bench.lane.is_idle());
}

#[test]
fn an_ambiguous_commit_is_settled_by_looking_again() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    bench.batch();
    bench.take(Input::Committed(Err(CommitError::Ambiguous(
        Failure::Abandoned,
    ))));
    assert!(bench.answers().is_empty(), "nobody knows yet");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.batch().starts.len(), 1);
    let committed = Committed {
        starts: vec![StartOutcome::SameBefore],
        updates: Vec::new(),
        outbox: None,
        database_time: bench.now,
    };
    bench.take(Input::Committed(Ok(committed)));
    assert_eq!(bench.answers(), [Answer::Accepted { id, is_new: false }]);
}

#[test]
fn one_bad_event_is_found_and_the_others_are_committed() {
    let mut bench = Bench::new();
    let ids: Vec<_> = ["a", "b", "c", "d"].map(|key| bench.started(key).0).into();
    bench.submit("z");
    for id in &ids {
        bench.reply(*id, "first", Outcome::Succeeded, "7");
    }
    bench.commit();
    let bad = ids[2];
    let mut committed = BTreeSet::new();
    let mut buried = 0;
    while bench.asks_for_a_commit() {
        let batch = bench.batch();
        if batch.updates.iter().any(|update| update.id == bad) {
            bench.take(Input::Committed(Err(CommitError::Data(Failure::Abandoned))));
            continue;
        }
        committed.extend(batch.updates.iter().map(|update| update.id));
        buried += batch.dead_letters.len();
        let all = Committed {
            starts: Vec::new(),
            updates: vec![true; batch.updates.len()],
            outbox: None,
            database_time: bench.now,
        };
        bench.take(Input::Committed(Ok(all)));
    }
    let good = ids.iter().copied().filter(|id| *id != bad).collect();
    assert_eq!((committed, buried), (good, 1));
    assert_eq!(bench.advanced_to(), Some(4));
}

#[test]
fn a_reply_for_no_saga_is_a_dead_letter_and_the_partition_goes_on() {
    let mut bench = Bench::new();
    let nobody = SagaId(Uuid::from_u128(77));
    bench.reply(nobody, "first", Outcome::Succeeded, "7");
    assert!(bench.asks_for_a_load());
    bench.take(Input::Loaded {
        asked: vec![nobody],
        result: Ok(Vec::new()),
    });
    let batch = bench.commit();
    assert_eq!(batch.dead_letters[0].reason, "there is no such saga");
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_reply_from_the_future_decides_nothing() {
    let mut bench = Bench::new();
    let (id, state) = bench.started("a");
    let at = Position {
        partition: 2,
        offset: 0,
    };
    let reply = Reply {
        step: "first".to_owned(),
        direction: Direction::Forward,
        generation: 1,
        attempt: 1,
        outcome: Outcome::Succeeded,
        payload: Json::parse("7".to_owned()).unwrap(),
    };
    let letter = Box::new(letter(at));
    bench.take(Input::Reply(Arrival {
        at,
        saga: id,
        revision: 9,
        reply,
        letter,
    }));
    bench.load(id, state);
    let batch = bench.commit();
    assert!(batch.updates.is_empty());
    assert!(batch.dead_letters[0].reason.contains("set back"));
}

#[test]
fn a_wake_sends_again_only_what_the_broker_has_not_acknowledged() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    bench.commit();
    let first = bench.publication();
    bench.outputs.clear();
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::Due(id));
    assert_eq!(bench.commit().updates.len(), 1);
    assert_eq!(
        bench.published(),
        ["first"],
        "nobody knows whether it was published"
    );
    for publication in [first, bench.publication()] {
        bench.take(Input::Published {
            publication,
            is_acknowledged: true,
        });
    }
    bench.outputs.clear();
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::Due(id));
    let batch = bench.commit();
    assert!(batch.updates.is_empty());
    assert_eq!(batch.postponements.len(), 1);
    assert!(bench.published().is_empty());
}

#[test]
fn a_duplicate_reply_makes_no_wake_send_again_what_the_broker_has() {
    let mut bench = Bench::new();
    let (id, mut state) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    let moved = bench.commit().updates.remove(0).state;
    let publication = bench.publication();
    bench.take(Input::Published {
        publication,
        is_acknowledged: true,
    });
    bench.outputs.clear();
    bench.reply(id, "first", Outcome::Succeeded, "7");
    state.entries.extend(moved.entries.clone());
    let entries = state.entries;
    bench.load(id, State { entries, ..moved });
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::Due(id));
    let batch = bench.commit();
    assert!(batch.updates.is_empty(), "{batch:?}");
    assert!(bench.published().is_empty());
}

#[test]
fn a_broker_that_acknowledges_nothing_stops_new_commits() {
    let mut bench = Bench::new();
    for key in ["a", "b", "c", "d"] {
        bench.submit(key);
        bench.commit();
    }
    bench.submit("e");
    assert!(!bench.asks_for_a_commit());
    bench.take(Input::Published {
        publication: 1,
        is_acknowledged: true,
    });
    assert!(bench.asks_for_a_commit());
}

#[test]
fn a_saga_of_another_definition_is_left_alone() {
    let mut bench = Bench::new();
    let (id, state) = bench.started("a");
    let mut other = Bench::new();
    let mut row = other.row(id, &state);
    row.fingerprint = Uuid::from_u128(1);
    other.reply(id, "first", Outcome::Succeeded, "7");
    let loaded = Loaded {
        row,
        history: state.entries,
    };
    other.take(Input::Loaded {
        asked: vec![id],
        result: Ok(vec![loaded]),
    });
    assert!(!other.asks_for_a_commit());
    assert_eq!(
        other.advanced_to(),
        Some(1),
        "the reply is left to a binary that can use it"
    );
    other.outputs.clear();
    other.take(Input::Due(id));
    assert!(
        !other.asks_for_a_load(),
        "it is not looked at again at once"
    );
}

#[test]
fn commands_name_a_reply_partition_of_their_own_lane() {
    let mut bench = Bench::new();
    for key in ["a", "b", "c", "d", "e", "f"] {
        bench.submit(key);
        bench.commit();
        let number = u64::from(key.as_bytes()[0] - b'a') + 1;
        bench.take(Input::Published {
            publication: number,
            is_acknowledged: true,
        });
    }
    let partitions = bench.outputs.iter().filter_map(|output| match output {
        Output::Publish { commands, .. } => Some(commands[0].reply_partition),
        _ => None,
    });
    let partitions: BTreeSet<_> = partitions.collect();
    assert_eq!(partitions, BTreeSet::from([2, 4]));
}
