//! What must hold: the promises 2 to 5 of the design, and what they rest on.
//!
//! Some rules are about a state and are read off it ([`Rule::holds`]). Others are about what just
//! happened; whoever made it happen sets [`State::broken`]. One is about the whole graph.

use sagas::machine::{Flight, OrderKind, Progress, Reason, Waits};
use sagas::{Definition, Status, StepKind};

use crate::shape;
use crate::state::State;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Promise 2.
    EndsTruly,
    /// Promise 2, over the graph.
    ComesToRest,
    /// Promise 3.
    AtMostOnce,
    /// Promise 4.
    UnknownIsNotFailed,
    /// Promise 5.
    PivotIsSettled,
    /// Order of effects, forward.
    NeedsComeFirst,
    /// Order of effects, backward.
    NothingUsedIsUndone,
    /// No guess about a participant is written down as knowledge.
    KnowsWhatItSays,
    /// Whatever flies is looked at again.
    IsWoken,
    /// Recovery.
    ComesBackTheSame,
    /// Ambiguous commits.
    CountsOnce,
    /// Stale caches.
    TrustsNoCopy,
    /// Rolling deploys.
    LeavesItToItsBinary,
    /// Re-sends.
    KeepsItsBytes,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 14] = [
        Self::EndsTruly,
        Self::ComesToRest,
        Self::AtMostOnce,
        Self::UnknownIsNotFailed,
        Self::PivotIsSettled,
        Self::NeedsComeFirst,
        Self::NothingUsedIsUndone,
        Self::KnowsWhatItSays,
        Self::IsWoken,
        Self::ComesBackTheSame,
        Self::CountsOnce,
        Self::TrustsNoCopy,
        Self::LeavesItToItsBinary,
        Self::KeepsItsBytes,
    ];

    /// The rule in words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::EndsTruly => "a saga that has ended left exactly the effects that it says",
            Self::ComesToRest => "from every state an end, or a visible wait, is in reach",
            Self::AtMostOnce => "nothing takes effect twice",
            Self::UnknownIsNotFailed => "nothing counts as refused that was not",
            Self::PivotIsSettled => "nothing turns back while the pivot may take effect",
            Self::NeedsComeFirst => "nothing takes effect before what it needs",
            Self::NothingUsedIsUndone => "nothing is undone that a successor still uses",
            Self::KnowsWhatItSays => "what a saga says of a step is so at its participant",
            Self::IsWoken => "whatever is in flight has a wake",
            Self::ComesBackTheSame => "a saga comes back from its rows as it was",
            Self::CountsOnce => "an event that is applied again changes nothing",
            Self::TrustsNoCopy => "what a stale copy says is not the last word",
            Self::LeavesItToItsBinary => "a binary with another definition changes nothing",
            Self::KeepsItsBytes => "a command is sent again byte for byte",
        }
    }

    /// Whether `state` keeps the rule, as far as one state shows it.
    #[must_use]
    pub fn holds(self, definition: &Definition, state: &State) -> bool {
        let keeps = match self {
            Self::EndsTruly => ends_truly(definition, state),
            Self::AtMostOnce => steps(state).all(|step| {
                let participant = state.participants.of(step);
                participant.did <= 1 && participant.undid <= participant.did
            }),
            Self::UnknownIsNotFailed => was_refused(state),
            Self::PivotIsSettled => pivot_is_settled(definition, state),
            Self::KnowsWhatItSays => {
                steps(state).all(|step| knows_what_it_says(definition, state, step))
            }
            Self::IsWoken => is_woken(state),
            Self::ComesToRest
            | Self::NeedsComeFirst
            | Self::NothingUsedIsUndone
            | Self::ComesBackTheSame
            | Self::CountsOnce
            | Self::TrustsNoCopy
            | Self::LeavesItToItsBinary
            | Self::KeepsItsBytes => true,
        };
        keeps && state.broken != Some(self)
    }
}

fn steps(state: &State) -> std::ops::Range<usize> {
    0..state.saga.moving.steps.len()
}

/// Whether a person answered for the step.
fn is_vouched_for(definition: &Definition, state: &State, step: usize) -> bool {
    state.saga.orders.values().any(|applied| {
        let vouches = matches!(
            applied.order.kind,
            OrderKind::Skip { .. } | OrderKind::Resolve { .. }
        );
        let named = applied.order.step();
        vouches && named.and_then(|name| definition.position(name)) == Some(step)
    })
}

/// Whether a forward command that was sent could still take effect.
pub(crate) fn may_take_effect(state: &State, step: usize) -> bool {
    let newest = state.saga.papers[step].forward.as_ref();
    newest.is_some_and(|paper| state.participants.of(step).lets_in(paper.generation))
}

fn has_effect(definition: &Definition, step: usize) -> bool {
    match definition.steps()[step].kind {
        StepKind::Compensatable | StepKind::Pivot | StepKind::Retriable => true,
        // Nobody hears whether a notification took effect.
        StepKind::Query | StepKind::Hint | StepKind::Notify => false,
    }
}

fn ends_truly(definition: &Definition, state: &State) -> bool {
    let in_effect = |step: usize| state.participants.of(step).is_in_effect();
    let mut effects = steps(state).filter(|step| has_effect(definition, *step));
    match state.saga.status() {
        Status::Running | Status::Compensating | Status::Stuck => true,
        Status::Completed => effects.all(|step| match state.saga.moving.steps[step] {
            Progress::Done => in_effect(step),
            _ => !in_effect(step) || is_vouched_for(definition, state, step),
        }),
        Status::Compensated => effects.all(|step| {
            let is_undone = !in_effect(step) && !may_take_effect(state, step);
            is_undone || is_vouched_for(definition, state, step)
        }),
    }
}

/// Whether a saga that says that a step was refused says so truly.
pub(crate) fn is_true(reason: &Reason, state: &State) -> bool {
    match reason {
        Reason::Rejected { step, .. } => steps(state)
            .find(|index| shape::name(*index) == *step)
            .is_some_and(|step| state.participants.of(step).has_refused),
        Reason::Exhausted { .. }
        | Reason::CompensatedElsewhere { .. }
        | Reason::DeadlinePassed { .. }
        | Reason::Cancelled { .. } => true,
    }
}

fn was_refused(state: &State) -> bool {
    let has_refused = |step: usize| state.participants.of(step).has_refused;
    let moving = &state.saga.moving;
    let mut refused = moving.steps.iter().enumerate();
    let steps = refused.all(|(step, progress)| match progress {
        Progress::Rejected(_) => has_refused(step),
        _ => true,
    });
    let reason = moving.reason.as_ref();
    steps && reason.is_none_or(|reason| is_true(reason, state))
}

fn pivot_is_settled(definition: &Definition, state: &State) -> bool {
    let Some(pivot) = definition.pivot().filter(|_| state.saga.is_unwinding()) else {
        return true;
    };
    !state.participants.of(pivot).is_in_effect() && !may_take_effect(state, pivot)
}

fn knows_what_it_says(definition: &Definition, state: &State, step: usize) -> bool {
    if !has_effect(definition, step) {
        return true;
    }
    let participant = state.participants.of(step);
    let in_effect = participant.is_in_effect();
    match &state.saga.moving.steps[step] {
        Progress::Done => in_effect,
        Progress::Rejected(_) => !in_effect && !may_take_effect(state, step),
        Progress::Compensated => {
            let is_undone = !in_effect && !may_take_effect(state, step);
            is_undone || is_vouched_for(definition, state, step)
        }
        Progress::ByHand => !may_take_effect(state, step),
        Progress::Idle | Progress::Skipped => participant.did == 0,
        Progress::Forward(_)
        | Progress::Fencing(_)
        | Progress::Unknown
        | Progress::Compensating(_)
        | Progress::Parked(_) => true,
    }
}

fn is_woken(state: &State) -> bool {
    let moving = &state.saga.moving;
    let waits = |flight: &Flight| matches!(flight.waits, Waits::Reply | Waits::Retry);
    let mut flights = moving.steps.iter().filter_map(Progress::flight);
    let flies = flights.any(waits) && moving.paused.is_none();
    !flies || state.saga.wake_at.is_some()
}

/// Whether a forward effect that came just now had all that it needs.
pub(crate) fn has_its_needs(definition: &Definition, state: &State, step: usize) -> bool {
    let mut needs = definition.steps()[step].ancestors.iter();
    needs.all(|need| {
        state.participants.of(need).is_in_effect()
            || state.saga.moving.steps[need] == Progress::Skipped
            || is_vouched_for(definition, state, need)
    })
}

/// Whether nothing that was built on the step is there, or can still come.
pub(crate) fn is_unused(definition: &Definition, state: &State, step: usize) -> bool {
    let mut later = definition.dependents(step);
    later.all(|later| {
        let may_be_there =
            state.participants.of(later).is_in_effect() || may_take_effect(state, later);
        !has_effect(definition, later) || !may_be_there || is_vouched_for(definition, state, later)
    })
}
