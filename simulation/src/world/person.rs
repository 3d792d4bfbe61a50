//! The person who looks at what waits for one: stuck sagas, and those that somebody has paused.
//!
//! Invariant: one order at a time for a saga, chosen from what the saga shows. While things go wrong
//! the person comes now and then, and tries this and that; in the calm every saga is brought to its
//! end. So a saga that never ends is one that no person can end.

use std::time::Duration;

use sagas::machine::{Progress, Trouble};
use sagas::testkit::Intent;
use sagas::{Direction, OrderId, Saga, SagaId, Status};

use super::clients::Errand;
use super::orders::Wanted;
use super::{Happening, World};
use crate::faults::Fault;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(700);

impl World {
    /// Looks at every saga that has not ended.
    pub(crate) fn person_looks(&mut self) {
        self.agenda.after(EVERY, Happening::Person);
        let is_calm = self.faults.are_over();
        if !is_calm && !self.rng.chance(200) {
            return;
        }
        let open: Vec<SagaId> = self.store.open().collect();
        for id in open {
            let Some(client) = self.numbers.get(&id).copied() else {
                continue;
            };
            let is_waited_for = self.clients.attended.contains(&client);
            let stored = self.store.load(&[id]).pop().filter(|_| !is_waited_for);
            let Some(saga) = stored.and_then(|stored| self.restore(stored)) else {
                continue;
            };
            if let Some((intent, step)) = self.decide_as_a_person(&saga) {
                self.faults.count(Fault::PersonDecided);
                self.clients.attended.insert(client);
                let order = Wanted::new(OrderId(self.rng.uuid()), intent, step);
                self.clients.orders.push(order);
                let number = self.clients.orders.len() - 1;
                self.plan_errand(Duration::ZERO, client, Errand::Order(number));
            }
        }
    }

    fn decide_as_a_person(&mut self, saga: &Saga) -> Option<(Intent, Option<usize>)> {
        if saga.moving.paused.is_some() {
            return self.faults.are_over().then_some((Intent::Resume, None));
        }
        if saga.status() != Status::Stuck {
            return None;
        }
        let steps = saga.moving.steps.iter().enumerate();
        let mut parked = steps.filter_map(|(step, progress)| match progress {
            Progress::Parked(trouble) => Some((step, trouble)),
            _ => None,
        });
        let Some((step, trouble)) = parked.next() else {
            return self.ask_again(saga);
        };
        // What always ends it, unless something else may help, too.
        let last = if saga.is_unwinding() {
            Intent::Resolve(0)
        } else {
            Intent::Skip(0)
        };
        let intents: &[Intent] = match trouble {
            Trouble::CommandUnbuildable {
                direction: Direction::Forward,
                ..
            }
            | Trouble::RejectedUnexpectedly { .. } => {
                &[Intent::Edit(0), Intent::Retry(0), Intent::Cancel]
            }
            Trouble::CommandUnbuildable { .. } | Trouble::CompensationRefused { .. } => {
                &[Intent::Edit(0), Intent::Retry(0)]
            }
            Trouble::ReplyUnreadable { .. } => &[Intent::Retry(0), Intent::Cancel],
            Trouble::DoneByHand | Trouble::CompensatedElsewhere | Trouble::Expired { .. } => &[],
        };
        let intent = if intents.is_empty() || self.rng.chance(500) {
            last
        } else {
            self.rng.pick(intents)
        };
        Some((intent, Some(step)))
    }

    /// Answers of a step cannot be used. It is tried again by itself, in a while.
    fn ask_again(&mut self, saga: &Saga) -> Option<(Intent, Option<usize>)> {
        let mut steps = saga.moving.steps.iter();
        let step = steps.position(|step| step.waits_for_a_person(saga.is_unwinding()))?;
        self.rng
            .chance(300)
            .then_some((Intent::Retry(0), Some(step)))
    }
}
