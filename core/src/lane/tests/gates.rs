//! One topic takes nothing: what waits, what goes on, and what happens when it takes something again.

use sagas::RetryPolicy;

use super::*;
use crate::batch::OutboxId;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Write {}

impl Command for Write {
    const PARTICIPANT: &'static str = "scribe";
    const NAME: &'static str = "write";
    const REJECTABLE: bool = false;
    type Reply = ();
}

/// Asks the oracle and tells the scribe, side by side, each so often at most.
pub(super) fn asking_at_most(max_attempts: u32) -> Definition {
    let mut saga = Definition::of::<serde_json::Value>("ask-and-write");
    saga.retry(RetryPolicy {
        max_attempts,
        ..RetryPolicy::default()
    });
    let ask = saga.step("ask").send(|_, ()| Ask {});
    ask.compensate(|_, (), _| Forget {});
    let write = saga.step("write").send(|_, ()| Write {});
    write.compensate(|_, (), _| Write {});
    saga.build().unwrap()
}

fn ask_and_write() -> Definition {
    asking_at_most(RetryPolicy::default().max_attempts)
}

impl Bench {
    /// The broker answers for what was published since the last look, but for this step's commands.
    pub(super) fn acknowledge_all_but(&mut self, step: &str) -> Vec<u64> {
        let published = self.outputs.iter().filter_map(|output| match output {
            Output::Publish {
                publication,
                commands,
                ..
            } => {
                let carries = |c: &OutgoingCommand| c.definition.steps()[c.send.step].name == step;
                Some((*publication, commands.iter().any(carries)))
            }
            _ => None,
        });
        let published: Vec<(u64, bool)> = published.collect();
        self.outputs.clear();
        for (publication, _) in published.iter().filter(|(_, is_silent)| !is_silent) {
            self.answer_for(*publication, true);
        }
        let silent = published.into_iter().filter(|(_, is_silent)| *is_silent);
        silent.map(|(publication, _)| publication).collect()
    }

    pub(super) fn answer_for(&mut self, publication: u64, is_acknowledged: bool) {
        self.take(Input::Published {
            publication,
            is_acknowledged,
        });
    }

    /// The oracle's topic is silent; the publications that wait for it.
    fn silence_the_oracle(&mut self) -> Vec<u64> {
        self.submit("a");
        self.commit();
        let silent = self.acknowledge_all_but("ask");
        self.pass(Duration::from_secs(1));
        self.outputs.clear();
        silent
    }
}

fn withheld(state: &State) -> Vec<bool> {
    let steps = state.moving.steps.iter();
    let flights = steps.filter_map(|step| step.flight());
    flights
        .map(|flight| flight.withheld_since.is_some())
        .collect()
}

#[test]
fn a_topic_that_takes_nothing_holds_no_commit_and_no_other_topic() {
    let mut bench = Bench::of(ask_and_write());
    bench.silence_the_oracle();
    for key in ["b", "c", "d", "e", "f", "g"] {
        bench.submit(key);
        let batch = bench.commit();
        assert_eq!(withheld(&batch.starts[0].state), [true, false], "{key}");
        assert_eq!(bench.published(), ["write"], "{key}");
        bench.acknowledge_all_but("ask");
    }
}

#[test]
fn a_topic_that_owes_too_much_holds_no_commit_either() {
    let mut bench = Bench::of(ask_and_write());
    let mut sent = Vec::new();
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        bench.submit(key);
        bench.commit();
        sent.push(bench.published().join(" "));
        bench.acknowledge_all_but("ask");
    }
    assert_eq!(sent[..4], ["ask write"; 4]);
    assert_eq!(sent[4..], ["write"; 4]);
}

#[test]
fn when_the_topic_answers_what_was_withheld_is_sent_at_once() {
    let mut bench = Bench::of(ask_and_write());
    let silent = bench.silence_the_oracle();
    for key in ["b", "c"] {
        bench.submit(key);
        bench.commit();
        bench.acknowledge_all_but("ask");
    }
    bench.outputs.clear();
    silent
        .iter()
        .for_each(|publication| bench.answer_for(*publication, true));
    let batch = bench.commit();
    assert_eq!(batch.updates.len(), 2);
    for update in &batch.updates {
        assert_eq!(withheld(&update.state), [false, false]);
    }
    assert_eq!(bench.published(), ["ask", "ask"]);
}

#[test]
fn what_was_withheld_is_woken_although_what_took_up_the_room_needs_no_commit() {
    let mut bench = Bench::of(ask_and_write());
    let a = bench.submit("a");
    let mut state = bench.commit().starts.remove(0).state;
    let silent = bench.acknowledge_all_but("ask");
    bench.reply(a, "write", Outcome::Succeeded, "null");
    let moved = bench.commit().updates.remove(0).state;
    state.entries.extend(moved.entries.clone());
    let entries = state.entries;
    bench.pass(Duration::from_secs(1));
    let b = bench.submit("b");
    bench.commit();
    bench.acknowledge_all_but("ask");
    // As many duplicates as a commit takes events, on a state that must be read first.
    for _ in 0..8 {
        bench.reply(a, "write", Outcome::Succeeded, "null");
    }
    let loads = std::mem::take(&mut bench.outputs);
    bench.answer_for(silent[0], true);
    assert!(!bench.asks_for_a_commit(), "there is no room");
    bench.outputs.extend(loads);
    bench.load(a, State { entries, ..moved });
    let batch = bench.commit();
    assert_eq!(batch.updates.len(), 1);
    assert_eq!(batch.updates[0].id, b);
}

#[test]
fn a_topic_that_a_person_has_paused_gets_nothing_until_it_goes_on() {
    let mut bench = Bench::of(ask_and_write());
    bench.take(Input::Paused(BTreeSet::from(["oracle".to_owned()])));
    bench.submit("a");
    assert_eq!(withheld(&bench.commit().starts[0].state), [true, false]);
    assert_eq!(bench.published(), ["write"]);
    bench.acknowledge();
    bench.outputs.clear();
    bench.pass(Duration::from_secs(5));
    assert!(!bench.asks_for_a_commit() && bench.lane.resume_at().is_none());
    bench.take(Input::Paused(BTreeSet::new()));
    bench.commit();
    assert_eq!(bench.published(), ["ask"]);
}

#[test]
fn silence_counts_as_no_attempt_while_the_topic_takes_nothing() {
    let mut bench = Bench::of(ask_and_write());
    let id = bench.submit("a");
    bench.commit();
    let silent = bench.acknowledge_all_but("ask");
    bench.reply(id, "write", Outcome::Succeeded, "null");
    bench.commit();
    bench.outputs.clear();
    // Its time is over while the command still waits in this process.
    bench.now = bench.now + Duration::from_secs(11);
    bench.take(Input::wake(id));
    let batch = bench.commit();
    assert_eq!(withheld(&batch.updates[0].state), [true]);
    assert!(bench.published().is_empty());
    for _ in 0..20 {
        bench.now = bench.now + Duration::from_secs(60);
        bench.take(Input::wake(id));
        let batch = bench.commit();
        assert!(
            batch.updates.is_empty(),
            "no history is made of it: {batch:?}"
        );
        bench.outputs.clear();
    }
    bench.answer_for(silent[0], true);
    let state = bench.commit().updates.remove(0).state;
    let flight = state.moving.steps[0].flight().unwrap();
    assert_eq!((flight.attempt, flight.sent_at), (1, bench.now));
    assert!(flight.due_at > bench.now);
    assert_eq!(bench.published(), ["ask"]);
}

#[test]
fn after_a_failure_one_saga_is_tried_and_the_rest_follow_its_success() {
    let mut bench = Bench::of(ask_and_write());
    bench.submit("a");
    bench.commit();
    let lost = bench.acknowledge_all_but("ask");
    bench.answer_for(lost[0], false);
    for key in ["b", "c", "d"] {
        bench.submit(key);
        bench.commit();
        bench.acknowledge_all_but("ask");
    }
    bench.outputs.clear();
    assert_eq!(
        bench.lane.resume_at(),
        Some(bench.now + Duration::from_secs(1))
    );
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commit().updates.len(), 1);
    assert_eq!(bench.published(), ["ask"]);
    let trial = bench.publication();
    bench.outputs.clear();
    bench.answer_for(trial, true);
    assert_eq!(bench.commit().updates.len(), 2);
    assert_eq!(bench.published(), ["ask", "ask"]);
}

#[test]
fn a_saga_that_was_started_by_another_process_is_remembered_when_its_wake_comes() {
    let mut bench = Bench::of(ask_and_write());
    let mut other = Bench::of(ask_and_write());
    other.silence_the_oracle();
    let id = other.submit("b");
    let state = other.commit().starts.remove(0).state;
    let silent = bench.silence_the_oracle();
    bench.now = bench.now + Duration::from_secs(1);
    // What the scribe was told is not known to this process; what waits for the oracle is withheld.
    bench.take(Input::wake(id));
    bench.load(id, state);
    let batch = bench.commit();
    assert!(batch.updates.is_empty(), "{batch:?}");
    bench.outputs.clear();
    bench.answer_for(silent[0], true);
    assert_eq!(bench.commit().updates[0].id, id);
    assert_eq!(bench.published(), ["ask"]);
}

#[test]
fn events_that_their_topic_does_not_take_stay_in_the_outbox() {
    let mut bench = Bench::of(ask_and_write());
    let row = |number| OutboxId {
        slot: 2,
        id: Uuid::from_u128(number),
    };
    let commit = |bench: &mut Bench, key: &str, number| {
        bench.outputs.clear();
        bench.submit(key);
        let batch = bench.batch();
        bench.answer(Ok(Committed {
            outbox: Some(row(number)),
            ..bench.won(&batch)
        }));
        let publications = bench.outputs.iter().filter_map(|output| match output {
            Output::Publish {
                publication,
                events,
                ..
            } => Some((*publication, events.len())),
            _ => None,
        });
        let publications: Vec<(u64, usize)> = publications.collect();
        let events: usize = publications.iter().map(|(_, events)| events).sum();
        for (publication, events) in publications {
            if events == 0 || number == 3 {
                bench.answer_for(publication, true);
            }
        }
        bench.pass(Duration::from_secs(1));
        (events, batch.delivered)
    };
    assert_eq!(commit(&mut bench, "a", 1), (1, vec![]));
    let held = "the topic has not answered for the first";
    assert_eq!(commit(&mut bench, "b", 2), (0, vec![]), "{held}");
    assert!(
        bench.lane.is_idle(),
        "a topic that takes nothing keeps no lane from its end"
    );
    let first = bench.lane.gates.begin_commit() - 2 * bench.lane.gates.count() as u64;
    bench.answer_for(first, true);
    assert_eq!(commit(&mut bench, "c", 3), (1, vec![row(1)]));
    bench.lane.flush_deliveries();
    let outputs = bench.lane.turn(bench.now);
    bench.outputs.extend(outputs);
    assert_eq!(
        bench.batch().delivered,
        [row(3)],
        "the second is left to the sweep"
    );
}
