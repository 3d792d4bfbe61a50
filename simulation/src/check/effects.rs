//! What participants really did, against what the saga says.

use std::collections::{BTreeMap, BTreeSet};

use sagas::machine::{Entry, OrderKind, Progress, Reason};
use sagas::{Direction, Outcome, SagaId, Status, StepKind};

use super::{Evidence, Finding, Stored, require};
use crate::journal::Effect;
use crate::recipe::ATTEMPTS_MAX;

/// Promise 3: a step takes effect at most once, and is undone at most once.
pub(super) fn effects_happen_at_most_once(evidence: &Evidence<'_>) -> Finding {
    let mut seen = BTreeSet::new();
    for effect in &evidence.journal.effects {
        let Effect {
            saga,
            step,
            is_undo,
            ..
        } = *effect;
        let is_first = seen.insert((saga, step, is_undo));
        let word = if is_undo { "undone" } else { "done" };
        require(is_first, saga, || format!("step {step} was {word} twice"))?;
    }
    Ok(())
}

/// What was made final stays without effect.
pub(super) fn no_effect_after_its_tombstone(evidence: &Evidence<'_>) -> Finding {
    let effects = &evidence.journal.effects;
    for (from, saga, step) in &evidence.journal.tombstones {
        let later = effects[*from..].iter();
        let mut later = later.filter(|effect| (effect.saga, effect.step) == (*saga, *step));
        require(later.next().is_none(), *saga, || {
            format!("step {step} had an effect after it was made final")
        })?;
    }
    Ok(())
}

/// A step is undone only when it was done, the saga had stored that command, and the reason that the
/// saga gives for turning back had happened.
pub(super) fn no_compensation_without_a_reason(evidence: &Evidence<'_>) -> Finding {
    let mut done = BTreeSet::new();
    for effect in &evidence.journal.effects {
        let Effect {
            saga,
            step,
            is_undo,
            stored_revision,
        } = *effect;
        if !is_undo {
            done.insert((saga, step));
            continue;
        }
        require(done.contains(&(saga, step)), saga, || {
            format!("step {step} was undone before it was done")
        })?;
        let Some(stored) = evidence.sagas.get(&saga) else {
            continue;
        };
        let history = &stored.loaded.history;
        let history: Vec<&Entry> = history
            .iter()
            .filter(|entry| entry.revision <= stored_revision)
            .collect();
        let name = format!("step-{step}");
        let sent = history.iter().flat_map(|entry| &entry.sent);
        let mut sent = sent.filter(|sent| sent.step == name);
        let is_ordered = sent.any(|sent| sent.direction == Direction::Compensate);
        require(is_ordered, saga, || {
            format!("step {step} was undone, and nobody asked for it")
        })?;
        let has_reason = evidence.is_backed(saga, stored, &history);
        require(has_reason, saga, || {
            format!("step {step} was undone without a reason")
        })?;
    }
    Ok(())
}

/// Promise 5: where a step beyond which nothing turns back took effect, nothing is undone.
pub(super) fn no_compensation_beside_the_point_of_no_return(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let effects: Vec<&Effect> = evidence.effects_of(*id).collect();
        let steps = stored.definition.steps();
        let is_beyond = |effect: &&&Effect| {
            let kind = steps.get(effect.step).map(|step| step.kind);
            !effect.is_undo && kind != Some(StepKind::Compensatable)
        };
        let beyond = effects.iter().find(is_beyond);
        let undone = effects.iter().find(|effect| effect.is_undo);
        if let (Some(beyond), Some(undone)) = (beyond, undone) {
            let text = format!(
                "step {} took effect, and step {} was undone",
                beyond.step, undone.step
            );
            return Err((Some(*id), text));
        }
    }
    Ok(())
}

/// A step takes effect on what it needs, and is undone when nothing needs it any more.
pub(super) fn steps_are_undone_after_their_dependents(evidence: &Evidence<'_>) -> Finding {
    let mut there: BTreeMap<SagaId, BTreeSet<usize>> = BTreeMap::new();
    let mut unseen: BTreeMap<SagaId, BTreeSet<usize>> = BTreeMap::new();
    for effect in &evidence.journal.effects {
        let Effect {
            saga,
            step,
            is_undo,
            ..
        } = *effect;
        let Some(stored) = evidence.sagas.get(&saga) else {
            continue;
        };
        let Some(definition) = stored.definition.steps().get(step) else {
            return Err((Some(saga), format!("step {step} is unknown")));
        };
        let there = there.entry(saga).or_default();
        let unseen = unseen.entry(saga).or_insert_with(|| stored.unseen());
        if is_undo {
            let mut dependents = stored.definition.dependents(step);
            let is_there = |later: &usize| there.contains(later) && !unseen.contains(later);
            let in_the_way = dependents.find(is_there);
            require(in_the_way.is_none(), saga, || {
                format!("step {step} was undone before step {in_the_way:?}")
            })?;
            there.remove(&step);
        } else {
            let lacks = definition
                .ancestors
                .iter()
                .find(|need| !there.contains(need) && !unseen.contains(need));
            require(lacks.is_none(), saga, || {
                format!("step {step} took effect without step {lacks:?}")
            })?;
            there.insert(step);
        }
    }
    Ok(())
}

/// Promise 2: completed means that every executed step took effect and none was undone; compensated,
/// that every step that took effect was undone. What a person did or undid by hand, nobody sees here.
pub(super) fn effects_agree_with_the_end(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let Stored { loaded, definition } = stored;
        let effects: Vec<&Effect> = evidence.effects_of(*id).collect();
        let of = |is_undo: bool| {
            let effects = effects
                .iter()
                .filter(move |effect| effect.is_undo == is_undo);
            effects
                .map(|effect| effect.step)
                .collect::<BTreeSet<usize>>()
        };
        let (done, undone) = (of(false), of(true));
        let agrees = match loaded.row.status {
            Status::Completed => {
                undone.is_empty() && {
                    let steps = loaded.row.moving.steps.iter().enumerate();
                    steps
                        .zip(definition.steps())
                        .all(|((step, progress), definition)| {
                            let is_done = done.contains(&step);
                            match progress {
                                // Nobody hears what becomes of it.
                                Progress::Done if definition.kind == StepKind::Notify => true,
                                Progress::Done => is_done == has_effect(definition.kind),
                                // Nobody can tell where rows were purged.
                                Progress::ByHand => {
                                    !is_done || evidence.journal.expired.contains(id)
                                }
                                _ => !is_done,
                            }
                        })
                }
            }
            Status::Compensated => {
                let by_hand = stored.by_hand();
                let mut differing = done.symmetric_difference(&undone);
                differing.all(|step| by_hand.contains(step))
            }
            Status::Running | Status::Compensating | Status::Stuck => true,
        };
        require(agrees, *id, || {
            format!(
                "it is {}, done are {done:?}, undone {undone:?}",
                loaded.row.status
            )
        })?;
    }
    Ok(())
}

/// Whether a step of that kind changes anything at its participant.
fn has_effect(kind: StepKind) -> bool {
    !matches!(kind, StepKind::Query | StepKind::Hint)
}

impl Stored {
    /// Steps that a person has answered for.
    fn by_hand(&self) -> BTreeSet<usize> {
        let orders = self.loaded.history.iter();
        let orders = orders.filter_map(|entry| entry.order.as_ref());
        let steps = orders.filter_map(|order| match &order.kind {
            OrderKind::Skip { step, .. } | OrderKind::Resolve { step } => {
                self.definition.position(step)
            }
            _ => None,
        });
        steps.collect()
    }

    /// Steps whose effects participants do not show, or a person vouches for: in the order of
    /// effects they may be missing.
    fn unseen(&self) -> BTreeSet<usize> {
        let mut unseen = self.by_hand();
        let progress = &self.loaded.row.moving.steps;
        for (number, step) in self.definition.steps().iter().enumerate() {
            let is_seen = has_effect(step.kind) && step.kind != StepKind::Notify;
            if !is_seen || progress.get(number) == Some(&Progress::Skipped) {
                unseen.insert(number);
            }
        }
        unseen
    }
}

impl Evidence<'_> {
    /// Whether what the saga says of why it turned back has happened by then.
    fn is_backed(&self, id: SagaId, stored: &Stored, history: &[&Entry]) -> bool {
        let row = &stored.loaded.row;
        let answered = |step: &str, outcomes: &[Outcome]| {
            history.iter().any(|entry| {
                let is_its = entry.step.as_deref() == Some(step);
                is_its && entry.outcome.is_some_and(|is| outcomes.contains(&is))
            })
        };
        match &row.moving.reason {
            None => false,
            Some(Reason::Rejected { step, .. }) => {
                let number = stored.definition.position(step);
                let has_refused = number.is_some_and(|number| {
                    let refusals = &self.journal.refusals;
                    refusals.contains(&(id, number))
                });
                has_refused && answered(step, &[Outcome::Rejected])
            }
            Some(Reason::CompensatedElsewhere { step, .. }) => {
                answered(step, &[Outcome::AlreadyCompensated, Outcome::Fenced])
            }
            Some(Reason::Exhausted { step, .. }) => {
                let mut sent = history.iter().flat_map(|entry| &entry.sent);
                sent.any(|sent| sent.step == *step && sent.attempt >= ATTEMPTS_MAX)
            }
            Some(Reason::DeadlinePassed { .. }) => {
                let deadline = stored.definition.deadline();
                let at = deadline.map(|after_start| row.started_at + after_start);
                at.is_some_and(|at| history.iter().any(|entry| entry.at >= at))
            }
            Some(Reason::Cancelled { .. }) => {
                let mut orders = history.iter().filter_map(|entry| entry.order.as_ref());
                orders.any(|order| order.kind == OrderKind::Cancel)
            }
        }
    }

    fn effects_of(&self, id: SagaId) -> impl Iterator<Item = &Effect> {
        let effects = self.journal.effects.iter();
        effects.filter(move |effect| effect.saga == id)
    }
}
