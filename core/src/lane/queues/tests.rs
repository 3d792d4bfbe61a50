//! The count of what waits, and the turns, under every way in and out.

use sagas::machine::{Order, OrderKind};
use sagas::{Json, OrderId};
use uuid::Uuid;

use super::super::job::Ticket;
use super::super::tests::two_questions;
use super::*;
use crate::submission::Submission;

fn saga(number: u128) -> SagaId {
    SagaId(Uuid::from_u128(number))
}

fn wake() -> Job {
    Move::Wake.into()
}

fn order() -> Job {
    let order = Order {
        id: OrderId(Uuid::from_u128(1)),
        actor: "night shift".to_owned(),
        reason: String::new(),
        kind: OrderKind::Cancel,
    };
    Move::Order(Box::new(OrderJob::new(Ticket(1), order))).into()
}

fn start() -> Job {
    let submission = Submission {
        definition: two_questions().into(),
        input: Json::null(),
        key: None,
    };
    Job::Start(StartJob::new(Ticket(1), submission))
}

impl Queues {
    /// Says that the count is right, and that a saga is forgotten once nothing waits for it.
    #[track_caller]
    fn check(&self) {
        let lengths = self.by_saga.values().map(|queue| queue.jobs.len());
        assert_eq!(self.waiting, lengths.sum::<usize>());
    }

    /// The saga whose turn is next, and `start`, `move` or `unseen`.
    fn turn(&mut self) -> Option<(u128, &'static str)> {
        let (id, what) = match self.pop_ready()? {
            Turn::Start(id, _) => (id, "start"),
            Turn::Move { saga, .. } => (saga, "move"),
            Turn::MoveUnseen(saga) => (saga, "unseen"),
        };
        Some((id.0.as_u128(), what))
    }
}

#[test]
fn what_was_begun_comes_before_what_is_to_begin() {
    let mut queues = Queues::default();
    queues.push(saga(1), start());
    queues.push(saga(2), wake());
    queues.push(saga(3), wake());
    assert_eq!((queues.ready(), queues.waiting()), ((2, 1), 3));
    let turns = [(2, "move"), (3, "move"), (1, "start")].map(Some);
    assert_eq!([queues.turn(), queues.turn(), queues.turn()], turns);
    assert_eq!(
        (queues.turn(), queues.waiting()),
        (None, 2),
        "the start is out"
    );
}

#[test]
fn a_saga_that_loads_or_commits_has_no_turn_until_it_is_released() {
    for hold in [
        (|queues: &mut Queues| queues.hold_for_commit(saga(1))) as fn(&mut Queues),
        |queues| assert!(queues.hold_for_load(saga(1))),
    ] {
        let mut queues = Queues::default();
        queues.push(saga(1), wake());
        assert_eq!(queues.turn(), Some((1, "move")));
        hold(&mut queues);
        queues.push(saga(1), order());
        assert_eq!(queues.turn(), None);
        queues.release(saga(1));
        assert_eq!(queues.turn(), Some((1, "move")));
    }
}

#[test]
fn a_start_waits_for_the_events_before_it_and_is_no_move() {
    let mut queues = Queues::default();
    queues.push(saga(1), wake());
    queues.push(saga(1), start());
    assert_eq!(queues.turn(), Some((1, "move")));
    assert!(matches!(queues.next_move(saga(1)), Some(Move::Wake)));
    assert!(queues.next_move(saga(1)).is_none());
    queues.release(saga(1));
    assert_eq!(queues.turn(), Some((1, "start")));
    queues.check();
    queues.release(saga(1));
    assert!(queues.by_saga.is_empty());
}

#[test]
fn what_was_put_back_comes_first_in_its_order() {
    let mut queues = Queues::default();
    queues.push(saga(2), wake());
    queues.push(saga(1), wake());
    queues.requeue(saga(1), [order(), start()].into_iter());
    queues.distrust(saga(1));
    queues.make_next(saga(1));
    assert_eq!(queues.turn(), Some((1, "unseen")));
    assert!(matches!(queues.next_move(saga(1)), Some(Move::Order(_))));
    assert!(queues.next_move(saga(1)).is_none(), "the start is next");
    queues.check();
}

#[test]
fn only_what_had_come_is_taken_as_read() {
    let mut queues = Queues::default();
    queues.push(saga(1), wake());
    queues.push(saga(1), start());
    assert_eq!(queues.turn(), Some((1, "move")));
    queues.hold_for_load(saga(1));
    queues.push(saga(1), order());
    assert_eq!(queues.take_moves_read_for(saga(1)).len(), 1);
    queues.check();
    assert_eq!(queues.waiting(), 2, "the start and the later order stay");
    assert_eq!(queues.take_all_moves(saga(1)).len(), 1);
    queues.check();
    queues.release(saga(1));
    assert_eq!(queues.turn(), Some((1, "start")));
}

/// Every way in and out, in an order without a pattern.
#[test]
fn the_count_is_what_waits_whatever_happened() {
    let mut queues = Queues::default();
    let mut seed = 1_u64;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let id = saga(u128::from(seed >> 61));
        match (seed >> 32) % 14 {
            0..=2 => queues.push(id, wake()),
            3 => queues.push(id, order()),
            4 => queues.push(id, start()),
            5 => drop(queues.pop_ready()),
            6 => drop(queues.next_move(id)),
            7 => queues.requeue(id, [wake(), start()].into_iter()),
            8 => queues.hold_for_commit(id),
            9 => drop(queues.hold_for_load(id)),
            10 => queues.release(id),
            11 => drop(queues.take_callers(id)),
            12 => drop(queues.take_moves_read_for(id)),
            _ => drop(queues.take_all_moves(id)),
        }
        queues.check();
    }
}
