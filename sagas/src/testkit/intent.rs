//! Intents of an operator: orders before they have an id, an actor and the names of a saga's steps.
//!
//! Invariant: every order of the state machine has an intent: a test holds [`Intent::ALL`] to
//! [`OrderName::ALL`]. The kit, the random worlds, `model` and `simulation` take their orders from
//! here.
//!
//! Not here: which intent makes sense at a saga. That is for the state machine to say, and for each
//! oracle to know by itself.

use crate::json::Json;
use crate::machine::{OrderKind, OrderName};

/// An intent, with the number of the step that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Turn back.
    Cancel,
    /// Send nothing.
    Pause,
    /// Go on.
    Resume,
    /// Retry every step that waits.
    RetryAll,
    /// Retry this step.
    Retry(usize),
    /// Send this step another payload.
    Edit(usize),
    /// Count this step as done by hand.
    Skip(usize),
    /// Count this step as compensated by hand.
    Resolve(usize),
}

impl Intent {
    /// Every intent; the step is a placeholder for any.
    pub const ALL: &'static [Self] = &[
        Self::Cancel,
        Self::Pause,
        Self::Resume,
        Self::RetryAll,
        Self::Retry(0),
        Self::Edit(0),
        Self::Skip(0),
        Self::Resolve(0),
    ];

    /// Name of the order that it becomes.
    #[must_use]
    pub const fn name(self) -> OrderName {
        match self {
            Self::Cancel => OrderName::Cancel,
            Self::Pause => OrderName::Pause,
            Self::Resume => OrderName::Resume,
            Self::RetryAll | Self::Retry(_) => OrderName::Retry,
            Self::Edit(_) => OrderName::Edit,
            Self::Skip(_) => OrderName::Skip,
            Self::Resolve(_) => OrderName::Resolve,
        }
    }

    /// The step that it is about.
    #[must_use]
    pub const fn step(self) -> Option<usize> {
        match self {
            Self::Cancel | Self::Pause | Self::Resume | Self::RetryAll => None,
            Self::Retry(step) | Self::Edit(step) | Self::Skip(step) | Self::Resolve(step) => {
                Some(step)
            }
        }
    }

    /// The same intent about `step`, where it is about one.
    #[must_use]
    pub const fn about(self, step: usize) -> Self {
        match self {
            Self::Cancel | Self::Pause | Self::Resume | Self::RetryAll => self,
            Self::Retry(_) => Self::Retry(step),
            Self::Edit(_) => Self::Edit(step),
            Self::Skip(_) => Self::Skip(step),
            Self::Resolve(_) => Self::Resolve(step),
        }
    }

    /// The same intent about each of `count` steps; once, where it is about none.
    pub fn for_steps(self, count: usize) -> impl Iterator<Item = Self> {
        let count = self.step().map_or(1, |_| count);
        (0..count).map(move |step| self.about(step))
    }

    /// The order that it becomes in a saga whose steps have these names.
    ///
    /// `payload` is what an edit sends, `reply` what a skip gives in the participant's stead. Each is
    /// asked only where the order has one.
    pub fn order_kind(
        self,
        name: impl FnOnce(usize) -> String,
        payload: impl FnOnce(usize) -> Json,
        reply: impl FnOnce(usize) -> Option<Json>,
    ) -> OrderKind {
        match self {
            Self::Cancel => OrderKind::Cancel,
            Self::Pause => OrderKind::Pause,
            Self::Resume => OrderKind::Resume,
            Self::RetryAll => OrderKind::RetryNow { step: None },
            Self::Retry(step) => OrderKind::RetryNow {
                step: Some(name(step)),
            },
            Self::Edit(step) => OrderKind::Edit {
                step: name(step),
                payload: payload(step),
            },
            Self::Skip(step) => OrderKind::Skip {
                step: name(step),
                reply: reply(step),
            },
            Self::Resolve(step) => OrderKind::Resolve { step: name(step) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_an_intent_and_becomes_the_order_of_its_name() {
        for name in OrderName::ALL {
            let is_tried = Intent::ALL.iter().any(|intent| intent.name() == *name);
            assert!(is_tried, "{name:?} has no intent");
        }
        for intent in Intent::ALL {
            let name = |step: usize| format!("step-{step}");
            let kind = intent.order_kind(name, |_| Json::null(), |_| None);
            assert_eq!(kind.name(), intent.name());
        }
    }

    #[test]
    fn an_intent_is_about_each_step_or_about_none() {
        let retries: Vec<_> = Intent::Retry(0).for_steps(2).collect();
        assert_eq!(retries, [Intent::Retry(0), Intent::Retry(1)]);
        let pauses: Vec<_> = Intent::Pause.for_steps(2).collect();
        assert_eq!(pauses, [Intent::Pause]);
    }
}
