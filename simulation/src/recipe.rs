//! Definitions of simulated sagas: a few fixed shapes, and random ones.
//!
//! Invariant: every recipe is legal. What a definition may look like is `sagas`' affair.

use std::time::Duration;

use sagas::definition::Step;
use sagas::{Definition, RetryPolicy, StepKind};

use crate::commands::{self, Receipt, SERVICES, Task};
use crate::rng::Rng;

/// A definition as data.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The definition's name.
    pub name: String,
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
}

/// Attempts before a step that can be given up is given up.
pub const ATTEMPTS_MAX: u32 = 3;

/// The fixed shapes: a chain, a diamond, parallel steps before a pivot, retriable steps alone.
#[must_use]
pub fn shapes() -> Vec<Recipe> {
    use StepKind::{Compensatable as C, Pivot as P, Retriable as R};
    let shape = |name: &str, steps: &[(StepKind, &[usize])]| Recipe {
        name: name.to_owned(),
        steps: steps
            .iter()
            .enumerate()
            .map(|(number, (kind, needs))| StepRecipe {
                kind: *kind,
                service: number % SERVICES.len(),
                refusable: *kind != R,
                needs: needs.to_vec(),
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
    ]
}

/// One to seven steps: any order before the pivot, perhaps a pivot, perhaps a retriable end.
#[must_use]
pub fn random(name: String, rng: &mut Rng) -> Recipe {
    let before = rng.below(5);
    let has_pivot = rng.chance(700);
    let after = if before == 0 && !has_pivot {
        1
    } else {
        rng.below(3)
    };
    let kinds = (0..before)
        .map(|_| StepKind::Compensatable)
        .chain(has_pivot.then_some(StepKind::Pivot))
        .chain((0..after).map(|_| StepKind::Retriable));
    let mut steps: Vec<StepRecipe> = Vec::new();
    for kind in kinds {
        let earlier = steps.iter().enumerate();
        let needs = earlier.filter(|(_, step)| must_need(kind, step.kind) || rng.chance(400));
        let needs = needs.map(|(number, _)| number).collect();
        steps.push(StepRecipe {
            kind,
            service: rng.index(SERVICES.len()),
            refusable: kind != StepKind::Retriable && rng.chance(700),
            needs,
        });
    }
    Recipe { name, steps }
}

/// What the kinds ask for: beside the point of no return there is no legal end.
fn must_need(later: StepKind, earlier: StepKind) -> bool {
    match later {
        StepKind::Compensatable => false,
        StepKind::Pivot => true,
        StepKind::Retriable => earlier != StepKind::Retriable,
        kind => unreachable!("no recipe has a step of the kind {kind}"),
    }
}

impl Recipe {
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
            reply_within: Duration::from_secs(4),
            delay_first: Duration::from_millis(200),
            factor: 2,
            delay_max: Duration::from_secs(2),
            attempts_max: ATTEMPTS_MAX,
        });
        let mut handles: Vec<Step<Receipt>> = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            let needs = step.needs.iter().map(|need| handles[*need]).collect();
            handles.push(commands::add(&mut saga, number, step, needs));
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
