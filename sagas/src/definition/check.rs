//! `build()`: from what was written to a definition that has a legal end from every point.
//!
//! The rules, and why:
//! * A compensatable step is an ancestor of the pivot: beside the pivot it could be refused after
//!   the pivot took effect, and after the pivot it could not be undone without undoing the pivot.
//! * A retriable step is a descendant of the pivot: before it, the saga could turn back although
//!   the step cannot be undone.
//! * Without a pivot, a retriable step has every compensatable step as an ancestor; the first one
//!   in flight is the point of no return. Several retriable steps may follow each other.
//! * A query is where a compensatable step may be: a refusal of it turns the saga back, too.
//! * A notification is where a retriable step may be: sent, it cannot be taken back. A hint has no
//!   effect, so it may be anywhere. Neither can be refused, because nobody would hear it.
//! * What comes after the point of no return cannot be refused.
//! * A skipped step counts as done, so conditions change none of these rules; that the pivot has
//!   none is left to the types.

use std::collections::BTreeMap;

use schemars::Schema;
use uuid::Uuid;

use super::builder::{DefinitionBuilder, StepDraft};
use super::erased::Check;
use super::problem::{Problem, Problems};
use super::{Definition, Output, StepDefinition, StepKind, StepSet};
use crate::name;
use crate::retry::RetryPolicy;

/// Every problem, or the definition.
pub(super) fn check<I>(
    builder: DefinitionBuilder<I>,
    input_schema: fn() -> Schema,
    check_input: Check,
) -> Result<Definition, Problems> {
    let mut problems = Vec::new();
    names(&builder, &mut problems);
    policies(&builder, &mut problems);
    handles(&builder, &mut problems);
    if problems
        .iter()
        .any(|problem| matches!(problem, Problem::TooManySteps { .. }))
    {
        return Err(Problems {
            definition: builder.name,
            problems,
        });
    }
    let steps = resolve(builder.steps, builder.id, builder.retry);
    kinds(&steps, &mut problems);
    if !problems.is_empty() {
        return Err(Problems {
            definition: builder.name,
            problems,
        });
    }
    Ok(Definition {
        fingerprint: fingerprint(&steps),
        name: builder.name,
        version: builder.version,
        deadline: builder.deadline,
        steps,
        input_schema,
        check_input,
        output: builder.output.map(|draft| Output {
            needs: draft.handles.iter().map(|(_, step)| *step).collect(),
            ..draft.output
        }),
    })
}

fn names<I>(builder: &DefinitionBuilder<I>, problems: &mut Vec<Problem>) {
    let mut name = |what, name: &str| {
        if let Err(error) = name::check(name) {
            problems.push(Problem::Name {
                what,
                name: name.to_owned(),
                error,
            });
        }
    };
    name("definition name", &builder.name);
    for StepDraft {
        definition: step, ..
    } in &builder.steps
    {
        name("step name", &step.name);
        name("participant", step.participant);
        name("command", step.command);
        if let Some(compensation) = &step.compensation {
            name("command", compensation.command);
        }
    }
    if builder.version == 0 {
        problems.push(Problem::VersionZero);
    }
    let unfinished = builder.begun.iter().cloned();
    problems.extend(unfinished.map(|step| Problem::Unfinished { step }));
    if builder.steps.is_empty() && builder.begun.is_empty() {
        problems.push(Problem::Empty);
    }
    if builder.steps.len() > StepSet::CAPACITY {
        let count = builder.steps.len();
        problems.push(Problem::TooManySteps {
            count,
            max: StepSet::CAPACITY,
        });
    }
    let mut counts = BTreeMap::new();
    for step in &builder.steps {
        *counts.entry(&step.definition.name).or_insert(0) += 1;
    }
    for (step, count) in counts.into_iter().filter(|(_, count)| *count > 1) {
        problems.push(Problem::DuplicateName {
            step: step.clone(),
            count,
        });
    }
}

fn policies<I>(builder: &DefinitionBuilder<I>, problems: &mut Vec<Problem>) {
    retry(None, &builder.retry, problems);
    for draft in &builder.steps {
        if let Some(policy) = &draft.retry {
            retry(Some(&draft.definition.name), policy, problems);
        }
    }
    if builder.deadline.is_some_and(|deadline| deadline.is_zero()) {
        problems.push(Problem::DeadlineZero);
    }
}

fn retry(step: Option<&str>, policy: &RetryPolicy, problems: &mut Vec<Problem>) {
    let mut refuse = |wrong, what, mend| {
        if wrong {
            let step = step.map(str::to_owned);
            problems.push(Problem::Retry { step, what, mend });
        }
    };
    refuse(
        policy.max_attempts == 0,
        "grants no attempt",
        "set max_attempts to 1 or more",
    );
    refuse(
        policy.backoff_coefficient == 0,
        "has the backoff coefficient 0",
        "set backoff_coefficient to 1 or more",
    );
    refuse(
        policy.reply_timeout.is_zero(),
        "waits for no reply",
        "set reply_timeout above zero",
    );
    refuse(
        policy.initial_interval.is_zero() || policy.initial_interval > policy.max_interval,
        "has an initial interval that is zero or above the longest",
        "set initial_interval above zero and at most max_interval",
    );
}

fn handles<I>(builder: &DefinitionBuilder<I>, problems: &mut Vec<Problem>) {
    let foreign = |handles: &[(u64, usize)]| handles.iter().any(|(id, _)| *id != builder.id);
    for draft in builder.steps.iter().filter(|draft| foreign(&draft.handles)) {
        let user = format!("step {:?}", draft.definition.name);
        problems.push(Problem::ForeignHandle { user });
    }
    if builder
        .output
        .as_ref()
        .is_some_and(|output| foreign(&output.handles))
    {
        problems.push(Problem::ForeignHandle {
            user: "the output".to_owned(),
        });
    }
    for StepDraft {
        definition: step,
        compensation_participant,
        ..
    } in &builder.steps
    {
        if let Some(other) = compensation_participant.filter(|other| *other != step.participant) {
            let (name, participant) = (step.name.clone(), step.participant);
            problems.push(Problem::CompensationElsewhere {
                step: name,
                participant,
                other,
            });
        }
    }
}

/// Fills in needs, ancestors and policies. Handles of other definitions are left out; they are a problem
/// already.
fn resolve(drafts: Vec<StepDraft>, builder: u64, retry: RetryPolicy) -> Vec<StepDefinition> {
    let mut steps: Vec<StepDefinition> = Vec::with_capacity(drafts.len());
    for StepDraft {
        mut definition,
        handles,
        given,
        retry: own_retry,
        ..
    } in drafts
    {
        let own = |handles: Vec<(u64, usize)>| -> StepSet {
            let own = handles.into_iter().filter(|(id, _)| *id == builder);
            own.map(|(_, step)| step).collect()
        };
        definition.needs = own(handles);
        // A step that always runs is no condition.
        let given = own(given)
            .iter()
            .filter(|step| steps[*step].is_conditional());
        definition.given = given.collect();
        definition.retry = own_retry.unwrap_or(retry);
        let inherited = definition.needs.iter().map(|step| steps[step].ancestors);
        definition.ancestors = inherited.fold(definition.needs, StepSet::union);
        steps.push(definition);
    }
    steps
}

fn kinds(steps: &[StepDefinition], problems: &mut Vec<Problem>) {
    let mut pivots = (0..steps.len()).filter(|step| steps[*step].kind == StepKind::Pivot);
    let pivot = pivots.next();
    for second in pivots {
        let first = pivot.map_or_else(String::new, |first| steps[first].name.clone());
        problems.push(Problem::SecondPivot {
            step: steps[second].name.clone(),
            first,
        });
    }
    match pivot {
        Some(pivot) => around_the_pivot(steps, pivot, problems),
        None => without_a_pivot(steps, problems),
    }
    for step in steps
        .iter()
        .filter(|step| step.kind == StepKind::Retriable && step.refusable)
    {
        let (step, command) = (step.name.clone(), step.command);
        problems.push(Problem::RefusableAfterPivot { step, command });
    }
    for step in steps
        .iter()
        .filter(|step| !step.kind.is_awaited() && step.refusable)
    {
        let (step, command) = (step.name.clone(), step.command);
        problems.push(Problem::RefusableUnheard { step, command });
    }
}

fn around_the_pivot(steps: &[StepDefinition], pivot: usize, problems: &mut Vec<Problem>) {
    let name = || steps[pivot].name.clone();
    for (index, step) in steps.iter().enumerate() {
        match step.kind {
            StepKind::Compensatable | StepKind::Query
                if !steps[pivot].ancestors.contains(index) =>
            {
                let (step, kind, pivot) = (step.name.clone(), step.kind, name());
                problems.push(Problem::NotBeforePivot { step, kind, pivot });
            }
            StepKind::Retriable | StepKind::Notify if !step.ancestors.contains(pivot) => {
                let (step, kind, pivot) = (step.name.clone(), step.kind, name());
                problems.push(Problem::NotAfterPivot { step, kind, pivot });
            }
            StepKind::Compensatable
            | StepKind::Query
            | StepKind::Retriable
            | StepKind::Notify
            | StepKind::Hint
            | StepKind::Pivot => {}
        }
    }
}

fn without_a_pivot(steps: &[StepDefinition], problems: &mut Vec<Problem>) {
    let is_final = |step: &&StepDefinition| match step.kind {
        StepKind::Retriable | StepKind::Notify => true,
        StepKind::Compensatable | StepKind::Query | StepKind::Pivot | StepKind::Hint => false,
    };
    for last in steps.iter().filter(is_final) {
        let before = steps
            .iter()
            .enumerate()
            .find(|(index, step)| step.kind.may_be_given_up() && !last.ancestors.contains(*index));
        if let Some((_, before)) = before {
            let (step, kind, before) = (last.name.clone(), last.kind, before.name.clone());
            problems.push(Problem::NotLast { step, kind, before });
        }
    }
}

/// `UUIDv5` over one line a step. That there is a condition counts, what it says does not: like
/// policies, it may be mended within a version, and sagas keep the verdicts that they have. Payload types are left out: a field may be added within a version.
fn fingerprint(steps: &[StepDefinition]) -> Uuid {
    /// A fixed, arbitrary UUID; changing it would orphan every running saga.
    const NAMESPACE: Uuid = Uuid::from_u128(0x5a6a_0000_0000_4000_8000_0000_0000_0002);
    let lines = steps.iter().map(|step| {
        let needs: Vec<_> = step
            .needs
            .iter()
            .map(|need| steps[need].name.as_str())
            .collect();
        let compensation = step.compensation.as_ref().map_or("", |undo| undo.command);
        let given: String = step
            .given
            .iter()
            .map(|need| format!(" given {}", steps[need].name))
            .collect();
        let condition = step.condition.as_ref().map_or("", |_| " when");
        format!(
            "{} {} {}.{} [{}] {compensation}{given}{condition}\n",
            step.name,
            step.kind,
            step.participant,
            step.command,
            needs.join(" ")
        )
    });
    Uuid::new_v5(&NAMESPACE, lines.collect::<String>().as_bytes())
}
