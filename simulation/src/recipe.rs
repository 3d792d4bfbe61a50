//! Definitions of simulated sagas: a few fixed shapes, and random ones.
//!
//! Invariant: every recipe is legal. What a definition may look like is `sagas`' affair.

use std::time::Duration;

use sagas::testkit::probe::{may_be_refused, must_need};
use sagas::{Definition, RetryPolicy, StepKind};

use crate::commands::{self, SERVICES, Task};
use crate::rng::Rng;

/// A definition as data.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The definition's name.
    pub name: String,
    /// How long after its start a saga may still be before its point of no return.
    pub deadline: Option<Duration>,
    /// Its steps; each comes after those it needs.
    pub steps: Vec<StepRecipe>,
}

/// A step as data.
#[derive(Debug, Clone)]
pub struct StepRecipe {
    /// What may happen to it.
    pub kind: StepKind,
    /// Which service executes it.
    pub service: usize,
    /// Whether the service may refuse it.
    pub refusable: bool,
    /// The steps that it needs.
    pub needs: Vec<usize>,
    /// Whether it runs at all.
    pub condition: Condition,
    /// What is wrong with its definition.
    pub flaw: Flaw,
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// For some inputs.
    When,
    /// Where each of its needs has run.
    Given,
}

/// A closure that panics for some inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// None does.
    Sound,
    /// The one that builds the command.
    Command,
    /// The one that builds the compensation.
    Undo,
}

/// Attempts before a step that can be given up is given up.
pub const ATTEMPTS_MAX: u32 = 3;

/// The fixed shapes: a chain, a diamond, parallel steps before a pivot, retriable steps alone, every
/// kind of step.
#[must_use]
pub fn shapes() -> Vec<Recipe> {
    use StepKind::{
        Compensatable as C, Hint as H, Notify as N, Pivot as P, Query as Q, Retriable as R,
    };
    let shape = |name: &str, steps: &[(StepKind, &[usize])]| Recipe {
        name: name.to_owned(),
        deadline: None,
        steps: steps
            .iter()
            .enumerate()
            .map(|(number, (kind, needs))| StepRecipe {
                kind: *kind,
                service: number % SERVICES.len(),
                refusable: may_be_refused(*kind),
                needs: needs.to_vec(),
                condition: Condition::Always,
                flaw: Flaw::Sound,
            })
            .collect(),
    };
    vec![
        shape("chain", &[(C, &[]), (C, &[0]), (P, &[1]), (R, &[2])]),
        shape("diamond", &[(C, &[]), (C, &[0]), (C, &[0]), (P, &[1, 2])]),
        shape(
            "parallel",
            &[
                (C, &[]),
                (C, &[]),
                (C, &[]),
                (P, &[0, 1, 2]),
                (R, &[3]),
                (R, &[3]),
            ],
        ),
        shape("onward", &[(C, &[]), (R, &[0]), (R, &[1])]),
        shape(
            "kinds",
            &[
                (Q, &[]),
                (C, &[0]),
                (H, &[1]),
                (P, &[0, 1]),
                (N, &[3]),
                (R, &[3]),
            ],
        ),
    ]
}

/// One to eight steps: any order before the pivot, perhaps a pivot, perhaps an end after it.
#[must_use]
pub fn random(name: String, rng: &mut Rng) -> Recipe {
    let before = rng.below(5);
    let has_pivot = rng.chance(700);
    let after = if before == 0 && !has_pivot {
        1
    } else {
        rng.below(4)
    };
    let mut kinds: Vec<StepKind> = (0..before).map(|_| rng.pick(&BEFORE)).collect();
    kinds.extend(has_pivot.then_some(StepKind::Pivot));
    kinds.extend((0..after).map(|_| rng.pick(&AFTER)));
    let mut steps: Vec<StepRecipe> = Vec::new();
    for kind in kinds {
        let earlier = steps.iter().enumerate();
        let needs = earlier.filter(|(_, step)| must_need(kind, step.kind) || rng.chance(400));
        let needs = needs.map(|(number, _)| number).collect();
        steps.push(StepRecipe {
            kind,
            service: rng.index(SERVICES.len()),
            refusable: may_be_refused(kind) && rng.chance(700),
            needs,
            condition: condition(kind, rng),
            flaw: flaw(kind, rng),
        });
    }
    let deadline = rng.chance(400).then(|| rng.millis(500, 8_000));
    Recipe {
        name,
        deadline,
        steps,
    }
}

const BEFORE: [StepKind; 6] = [
    StepKind::Compensatable,
    StepKind::Compensatable,
    StepKind::Compensatable,
    StepKind::Compensatable,
    StepKind::Query,
    StepKind::Hint,
];
const AFTER: [StepKind; 4] = [
    StepKind::Retriable,
    StepKind::Retriable,
    StepKind::Notify,
    StepKind::Hint,
];

fn condition(kind: StepKind, rng: &mut Rng) -> Condition {
    match rng.below(8) {
        _ if kind == StepKind::Pivot => Condition::Always,
        0 => Condition::When,
        1 => Condition::Given,
        _ => Condition::Always,
    }
}

fn flaw(kind: StepKind, rng: &mut Rng) -> Flaw {
    match rng.below(16) {
        0 => Flaw::Command,
        1 | 2 if kind == StepKind::Compensatable => Flaw::Undo,
        _ => Flaw::Sound,
    }
}

impl Recipe {
    /// The same name and version with another graph: a deploy that forgot to raise the version.
    #[must_use]
    pub(crate) fn with_another_graph(&self) -> Self {
        let mut other = self.clone();
        // As many steps: only the graph's digest tells the two apart.
        if let Some(first) = other.steps.first_mut() {
            first.service = (first.service + 1) % SERVICES.len();
        }
        other
    }

    /// The definition.
    ///
    /// # Panics
    ///
    /// When `sagas` refuses it, which is a bug of the recipe.
    #[must_use]
    pub fn build(&self) -> Definition {
        let mut saga = Definition::of::<Task>(&self.name);
        // Short, so that silence and giving up happen within a run.
        saga.retry(RetryPolicy {
            reply_timeout: Duration::from_secs(4),
            initial_interval: Duration::from_millis(200),
            backoff_coefficient: 2,
            max_interval: Duration::from_secs(2),
            max_attempts: ATTEMPTS_MAX,
        });
        if let Some(deadline) = self.deadline {
            saga.deadline(deadline);
        }
        let mut handles = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            let needs = step.needs.iter().map(|need| handles[*need]);
            let handle = commands::add(&mut saga, number, step, needs);
            handles.push(handle);
        }
        saga.build()
            .unwrap_or_else(|problems| panic!("{problems}\n{self:#?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_is_a_legal_definition() {
        for shape in shapes() {
            let _ = shape.build();
        }
        let mut rng = Rng::new(1);
        for number in 0..300 {
            let _ = random(format!("random-{number}"), &mut rng).build();
        }
    }
}
