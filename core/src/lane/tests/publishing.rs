//! What is sent, when it is sent again, and whose sagas are left alone.

use super::*;
use crate::batch::Outgoing;

#[test]
fn what_waits_for_the_broker_is_sent_again_only_when_it_was_given_up() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    bench.commit();
    let first = bench.publication();
    bench.outputs.clear();
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::wake(id));
    let batch = bench.commit();
    assert!(batch.updates.is_empty());
    let wake_at = batch.postponements[0].wake_at;
    assert_eq!(wake_at, Some(bench.now + Duration::from_secs(2)));
    assert!(bench.published().is_empty(), "it waits there already");
    bench.take(Input::Published {
        publication: first,
        is_acknowledged: false,
    });
    bench.now = bench.now + Duration::from_secs(2);
    bench.take(Input::wake(id));
    assert_eq!(bench.commit().updates.len(), 1);
    assert_eq!(bench.published(), ["first"]);
}

#[test]
fn a_wake_leaves_alone_what_the_broker_has_acknowledged() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::wake(id));
    let batch = bench.commit();
    assert!(batch.updates.is_empty());
    assert_eq!(batch.postponements.len(), 1);
    assert!(bench.published().is_empty());
}

/// Starts a saga, whose state the cache has no room for then.
fn started_and_forgotten(bench: &mut Bench) -> (SagaId, State, u64) {
    bench.lane.cache = Cache::new(NonZeroUsize::MIN);
    let id = bench.submit("a");
    let state = bench.commit().starts.remove(0).state;
    let publication = bench.publication();
    bench.started("b");
    assert!(bench.lane.cache.get(id).is_none());
    bench.outputs.clear();
    (id, state, publication)
}

/// What its wake commits after three seconds, once the broker has answered.
fn wake_of_a_forgotten_saga(bench: &mut Bench, is_acknowledged: bool) -> Batch {
    let (id, state, publication) = started_and_forgotten(bench);
    bench.take(Input::Published {
        publication,
        is_acknowledged,
    });
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::wake(id));
    bench.load(id, state);
    bench.commit()
}

#[test]
fn a_wake_leaves_alone_what_the_broker_has_acknowledged_of_a_saga_that_was_forgotten() {
    let mut bench = Bench::new();
    let batch = wake_of_a_forgotten_saga(&mut bench, true);
    assert!(batch.updates.is_empty());
    assert_eq!(batch.postponements.len(), 1);
}

#[test]
fn a_wake_sends_again_what_never_arrived_of_a_saga_that_was_forgotten() {
    let mut bench = Bench::new();
    let batch = wake_of_a_forgotten_saga(&mut bench, false);
    assert_eq!(batch.updates.len(), 1);
    assert_eq!(bench.published(), ["first"]);
}

#[test]
fn what_is_known_of_a_saga_that_was_forgotten_is_about_one_revision() {
    let mut bench = Bench::new();
    let (id, _, publication) = started_and_forgotten(&mut bench);
    let carried = |revision| bench.lane.cache.carried(id, revision);
    let known = [0, 1, 2].map(|revision| carried(revision).map(|carried| carried.last));
    assert_eq!(
        known,
        [None, Some(publication + 1), None],
        "that of the event is the last"
    );
}

#[test]
fn a_wake_sends_again_what_another_process_may_have_kept() {
    let mut bench = Bench::new();
    let (id, state) = Bench::new().started("a");
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::wake(id));
    bench.load(id, state);
    assert_eq!(bench.commit().updates.len(), 1);
    assert_eq!(bench.published(), ["first"]);
}

/// Another replica resumed the saga, and died before it sent anything.
#[test]
fn a_wake_that_comes_again_is_not_judged_on_a_stale_state_for_ever() {
    let mut bench = Bench::new();
    let (id, mut state) = bench.started("a");
    let order = |number, kind| {
        let id = OrderId(Uuid::from_u128(number));
        Order {
            id,
            kind,
            ..cancel(number)
        }
    };
    let mut give = |bench: &mut Bench, order: Order| {
        let ticket = Ticket(7);
        bench.take(Input::order(id, ticket, order));
        let moved = bench.commit().updates.remove(0).state;
        bench.acknowledge();
        state.entries.extend(moved.entries.clone());
        State {
            entries: state.entries.clone(),
            ..moved
        }
    };
    give(&mut bench, order(1, OrderKind::Pause));
    let stale = bench.lane.cache.get(id).unwrap().clone();
    let resumed = give(&mut bench, order(2, OrderKind::Resume));
    bench.lane.cache.put(stale);
    bench.outputs.clear();
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::wake(id));
    bench.load(id, resumed);
    assert_eq!(bench.commit().updates.len(), 1);
    assert_eq!(bench.published(), ["first"]);
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
    bench.take(Input::wake(id));
    let batch = bench.commit();
    assert!(batch.updates.is_empty(), "{batch:?}");
    assert!(bench.published().is_empty());
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
        result: Ok(vec![loaded].into()),
    });
    assert!(!other.asks_for_a_commit());
    assert_eq!(
        other.advanced_to(),
        Some(1),
        "the reply is left to a binary that can use it"
    );
    other.outputs.clear();
    other.take(Input::wake(id));
    assert!(
        !other.asks_for_a_load(),
        "it is not looked at again at once"
    );
}

#[test]
fn commands_name_a_reply_partition_of_their_own_lane() {
    let mut bench = Bench::new();
    for n in 0..3 * SAME_PARTITION {
        bench.submit(&format!("{n}"));
        bench.commit();
        bench.acknowledge();
    }
    let commands = bench.outputs.iter().filter_map(|output| match output {
        Output::Publish { commands, .. } => Some(commands),
        _ => None,
    });
    let mut partitions: Vec<_> = commands.flatten().map(|c| c.reply_partition).collect();
    partitions.dedup();
    assert_eq!(partitions, [2, 4, 2]);
}

#[test]
fn a_deadline_passes_although_the_broker_has_acknowledged_nothing() {
    let mut saga = Definition::of::<serde_json::Value>("urgent");
    saga.deadline(Duration::from_secs(3));
    let first = saga.step("first").send(|_, ()| Ask {});
    first.compensate(|_, (), _| Forget {});
    let mut bench = Bench::of(saga.build().unwrap());
    let id = bench.submit("a");
    bench.commit();
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::wake(id));
    let batch = bench.commit();
    assert_eq!(batch.updates[0].state.status, Status::Compensating);
}

#[test]
fn the_command_of_a_hint_is_stored_for_the_broker_and_not_sent_again_by_a_wake() {
    let mut saga = Definition::of::<serde_json::Value>("told");
    saga.step("tell").send(|_, ()| Forget {}).hint();
    saga.step("ask").send(|_, ()| Ask {}).pivot();
    let mut bench = Bench::of(saga.build().unwrap());
    let id = bench.submit("a");
    let batch = bench.commit();
    let notices = |all: &[Outgoing]| -> Vec<String> {
        let notices = all.iter().filter_map(|outgoing| match outgoing {
            Outgoing::Notice(notice) => Some(notice.step.clone()),
            Outgoing::Event(_) => None,
        });
        notices.collect()
    };
    assert_eq!(notices(&batch.starts[0].state.announcements), ["tell"]);
    let sent: Vec<String> = bench
        .outputs
        .iter()
        .flat_map(|output| match output {
            Output::Publish { events, .. } => notices(events),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(sent, ["tell"]);
    bench.acknowledge();
    bench.outputs.clear();
    bench.now = bench.now + Duration::from_secs(11);
    bench.take(Input::wake(id));
    let batch = bench.commit();
    assert_eq!(bench.published(), ["ask"]);
    assert!(notices(&batch.updates[0].state.announcements).is_empty());
}

#[test]
fn a_lane_that_reads_nothing_has_replies_sent_to_another_lane_of_its_replica() {
    let mut bench = Bench::new();
    bench.take(Input::Assigned(BTreeSet::new()));
    bench.take(Input::Held {
        partitions: BTreeSet::from([3]),
        of: 6,
    });
    bench.submit("a");
    bench.commit();
    let commands = bench.outputs.iter().filter_map(|output| match output {
        Output::Publish { commands, .. } => Some(commands),
        _ => None,
    });
    let partitions: Vec<_> = commands.flatten().map(|c| c.reply_partition).collect();
    assert_eq!(partitions, [3]);
}

/// Two steps side by side, and one that follows the first of them.
pub(super) fn side_by_side() -> Definition {
    let mut saga = Definition::of::<serde_json::Value>("side-by-side");
    let undo = |_: &_, (), _| Forget {};
    let first = saga.step("first").send(|_, ()| Ask {}).compensate(undo);
    let other = saga.step("other").send(|_, ()| Ask {}).compensate(undo);
    let next = saga.step("next").after(first).send(|_, _| Ask {});
    let next = next.compensate(|_, _, _| Forget {});
    let last = saga.step("last").after((next, other));
    last.send(|_, _| Ask {}).pivot();
    saga.build().unwrap()
}

/// After three seconds the wake sends the other step's command again, whatever became of the next one's.
fn ensure_the_other_is_sent_again(bench: &mut Bench, id: SagaId) {
    bench.outputs.clear();
    bench.now = bench.now + Duration::from_secs(1);
    bench.take(Input::wake(id));
    assert_eq!(bench.commit().updates.len(), 1);
    assert_eq!(bench.published(), ["other"]);
}

#[test]
fn what_another_process_may_have_kept_is_sent_again_although_this_one_has_sent_since() {
    let mut bench = Bench::of(side_by_side());
    let (id, state) = Bench::of(side_by_side()).started("a");
    bench.now = bench.now + Duration::from_secs(2);
    bench.reply(id, "first", Outcome::Succeeded, "7");
    bench.load(id, state);
    bench.commit();
    assert_eq!(bench.published(), ["next"]);
    let publication = bench.publication();
    bench.take(Input::Published {
        publication,
        is_acknowledged: true,
    });
    ensure_the_other_is_sent_again(&mut bench, id);
}

#[test]
fn what_was_given_up_is_sent_again_although_more_was_published_since() {
    let mut bench = Bench::of(side_by_side());
    let id = bench.submit("a");
    bench.commit();
    let given_up = bench.publication();
    bench.now = bench.now + Duration::from_millis(500);
    bench.reply(id, "first", Outcome::Succeeded, "7");
    bench.commit();
    for publication in [bench.publication(), given_up] {
        bench.take(Input::Published {
            publication,
            is_acknowledged: publication != given_up,
        });
    }
    bench.now = bench.now + Duration::from_millis(500);
    ensure_the_other_is_sent_again(&mut bench, id);
}

/// The broker gives a command up while a commit of its saga is under way that sends nothing.
#[test]
fn what_was_given_up_during_a_commit_of_its_saga_is_sent_again() {
    let mut saga = Definition::of::<serde_json::Value>("side-by-side");
    let undo = |_: &_, (), _| Forget {};
    let first = saga.step("first").send(|_, ()| Ask {}).compensate(undo);
    let other = saga.step("other").send(|_, ()| Ask {}).compensate(undo);
    let last = saga.step("last").after((first, other));
    last.send(|_, _| Ask {}).pivot();
    let mut bench = Bench::of(saga.build().unwrap());
    let id = bench.submit("a");
    bench.commit();
    let publication = bench.publication();
    bench.outputs.clear();
    bench.reply(id, "first", Outcome::Succeeded, "7");
    let batch = bench.batch();
    bench.take(Input::Published {
        publication,
        is_acknowledged: false,
    });
    bench.answer(Ok(bench.won(&batch)));
    assert!(bench.published().is_empty());
    bench.now = bench.now + Duration::from_secs(3);
    bench.take(Input::wake(id));
    assert_eq!(bench.commit().updates.len(), 1);
    assert_eq!(bench.published(), ["other"]);
}
