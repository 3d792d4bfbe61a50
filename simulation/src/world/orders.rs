//! Orders of operators: what one wants, and the order that it becomes once the saga has been looked
//! at, as on the dashboard.
//!
//! Invariant: an order is made once; given again, it is the same order under the same id. Most are
//! about a step that something can be done about, some make no sense: refusing them is for the state
//! machine.

use sagas::machine::{Order, OrderKind, Progress};
use sagas::{Json, OrderId, Saga, SagaId};

use super::World;
use crate::faults::Fault;

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Cancel,
    Pause,
    Resume,
    RetryAll,
    Retry,
    Edit,
    Skip,
    Resolve,
}

/// Pause and resume more often than once: they are what a stale state answers wrongly.
const ANY: [Wish; 10] = [
    Wish::Cancel,
    Wish::Cancel,
    Wish::Pause,
    Wish::Pause,
    Wish::Resume,
    Wish::RetryAll,
    Wish::Retry,
    Wish::Edit,
    Wish::Skip,
    Wish::Resolve,
];

/// An order that somebody is going to give.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    id: OrderId,
    wish: Wish,
    /// The step that it is about, where whoever gives it has one in mind.
    step: Option<usize>,
    order: Option<Order>,
}

impl Wanted {
    pub(crate) fn new(id: OrderId, wish: Wish, step: Option<usize>) -> Self {
        Self {
            id,
            wish,
            step,
            order: None,
        }
    }
}

impl World {
    /// Something that an operator may want.
    pub(crate) fn any_wish(&mut self) -> Wish {
        self.rng.pick(&ANY)
    }

    /// The order of that number, made now if it is given for the first time.
    pub(crate) fn order(&mut self, number: usize, saga: SagaId) -> Order {
        let Wanted {
            id,
            wish,
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
            kind: self.kind(wish, step, saga),
        };
        self.clients.orders[number].order = Some(order.clone());
        order
    }

    fn kind(&mut self, wish: Wish, step: Option<usize>, saga: SagaId) -> OrderKind {
        let stored = self.store.load(&[saga]).pop();
        let seen = stored.and_then(|stored| self.restore(stored));
        let number = step.unwrap_or_else(|| self.step_to_order_about(seen.as_ref()));
        let step = format!("step-{number}");
        let is_fit = !self.rng.chance(100);
        match wish {
            Wish::Cancel => OrderKind::Cancel,
            Wish::Pause => OrderKind::Pause,
            Wish::Resume => OrderKind::Resume,
            Wish::RetryAll => OrderKind::RetryNow { step: None },
            Wish::Retry => OrderKind::RetryNow { step: Some(step) },
            Wish::Edit => OrderKind::Edit {
                step,
                payload: json(if is_fit {
                    format!(r#"{{"task":0,"step":{number},"seen":[99]}}"#)
                } else {
                    r#""unfit""#.to_owned()
                }),
            },
            Wish::Skip => OrderKind::Skip {
                step,
                reply: self.substitute(number, is_fit),
            },
            Wish::Resolve => OrderKind::Resolve { step },
        }
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
