//! Orders of operators: intents, and the order that each becomes once the saga has been looked
//! at, as on the dashboard.
//!
//! Invariant: an order is made once; given again, it is the same order under the same id. Most are
//! about a step that something can be done about, some make no sense: refusing them is for the state
//! machine.

use sagas::machine::{Order, OrderKind, Progress};
use sagas::testkit::Intent;
use sagas::{Json, OrderId, Saga, SagaId};

use super::World;
use crate::faults::Fault;

/// An order that somebody is going to give.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    id: OrderId,
    intent: Intent,
    /// The step that it is about, where whoever gives it has one in mind.
    step: Option<usize>,
    order: Option<Order>,
}

impl Wanted {
    pub(crate) fn new(id: OrderId, intent: Intent, step: Option<usize>) -> Self {
        Self {
            id,
            intent,
            step,
            order: None,
        }
    }
}

impl World {
    /// An intent that an operator may have; the step is a placeholder.
    pub(crate) fn any_intent(&mut self) -> Intent {
        // What a stale state answers wrongly is wanted twice as often.
        let weight = |intent: &Intent| match intent {
            Intent::Cancel | Intent::Pause => 2,
            _ => 1,
        };
        let weighed = |intent: &Intent| std::iter::repeat_n(*intent, weight(intent));
        let any: Vec<Intent> = Intent::ALL.iter().flat_map(weighed).collect();
        self.rng.pick(&any)
    }

    /// The order of that number, made now if it is given for the first time.
    pub(crate) fn order(&mut self, number: usize, saga: SagaId) -> Order {
        let Wanted {
            id,
            intent,
            step,
            order,
        } = self.clients.orders[number].clone();
        if let Some(order) = order {
            self.faults.count(Fault::OrderRepeated);
            return order;
        }
        let order = Order {
            id,
            actor: "operator".to_owned(),
            reason: format!("order {number}"),
            kind: self.kind(intent, step, saga),
        };
        self.clients.orders[number].order = Some(order.clone());
        order
    }

    fn kind(&mut self, intent: Intent, step: Option<usize>, saga: SagaId) -> OrderKind {
        let stored = self.store.load(&[saga]).pop();
        let seen = stored.and_then(|stored| self.restore(stored));
        let number = step.unwrap_or_else(|| self.step_to_order_about(seen.as_ref()));
        let is_fit = !self.rng.chance(100);
        intent.about(number).order_kind(
            |step| format!("step-{step}"),
            |step| {
                json(if is_fit {
                    format!(r#"{{"task":0,"step":{step},"seen":[99]}}"#)
                } else {
                    r#""unfit""#.to_owned()
                })
            },
            |step| self.substitute(step, is_fit),
        )
    }

    /// A step in flight or parked, three times of four; else any, or one that there is not.
    fn step_to_order_about(&mut self, seen: Option<&Saga>) -> usize {
        let steps = seen.map_or(&[][..], |saga| &saga.moving.steps);
        let is_open = |progress: &Progress| {
            progress.flight().is_some() || matches!(progress, Progress::Parked(_))
        };
        let open = steps.iter().enumerate().filter(|(_, step)| is_open(step));
        let open: Vec<usize> = open.map(|(number, _)| number).collect();
        if !open.is_empty() && self.rng.chance(750) {
            return self.rng.pick(&open);
        }
        self.rng.index(steps.len() + 1)
    }

    /// A reply in the participant's stead; some operators give none.
    fn substitute(&mut self, step: usize, is_fit: bool) -> Option<Json> {
        if !is_fit {
            return Some(json(r#""unfit""#.to_owned()));
        }
        let is_given = self.rng.chance(750);
        is_given.then(|| json(format!(r#"{{"step":{step}}}"#)))
    }
}

fn json(text: String) -> Json {
    Json::parse(text).expect("it is JSON")
}
