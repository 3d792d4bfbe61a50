//! The same command again: it is answered from the row, and nothing takes effect.

use sagas::Outcome;
use sagas::barrier::Ask::{Compensate, Forward};

use crate::testkit::bench::{Bench, Wrong, came, came_again};

pub(super) async fn duplicate_forward(bench: &Bench<'_>) -> Result<(), Wrong> {
    let (instance, saga) = (bench.instance()?, bench.saga());
    let first = bench.ask(&instance, &saga, Forward).await?;
    came(&first, Outcome::Succeeded, "it is the first")?;
    came_again(&bench.ask(&instance, &saga, Forward).await?, &first)?;
    // An edit that comes too late is told what took effect instead of it.
    let edited = bench.message(&saga, Forward, 2);
    came_again(&bench.send(&instance, edited).await?, &first)?;
    bench.effects(1, "three deliveries are of one step").await?;
    super::undo(bench, &instance, &[&saga]).await
}

pub(super) async fn duplicate_compensation(bench: &Bench<'_>) -> Result<(), Wrong> {
    let (instance, saga) = (bench.instance()?, bench.saga());
    let forward = bench.ask(&instance, &saga, Forward).await?;
    came(&forward, Outcome::Succeeded, "it is the first")?;
    let first = bench.ask(&instance, &saga, Compensate).await?;
    came(&first, Outcome::Succeeded, "there is something to undo")?;
    bench.effects(0, "the step is compensated").await?;
    came_again(&bench.ask(&instance, &saga, Compensate).await?, &first)?;
    let edited = bench.message(&saga, Compensate, 2);
    came_again(&bench.send(&instance, edited).await?, &first)?;
    bench.effects(0, "a step is compensated once").await
}

/// A refusal is final, leaves nothing, and is nothing to undo.
pub(super) async fn refused(bench: &Bench<'_>) -> Result<(), Wrong> {
    let Some(refused) = &bench.plan.refused else {
        return Ok(());
    };
    let saga = bench.saga_with(refused());
    let instance = bench.instance()?;
    let first = bench.ask(&instance, &saga, Forward).await?;
    came(
        &first,
        Outcome::Rejected,
        "the payload is one that is refused",
    )?;
    bench.effects(0, "a refusal has no effect").await?;
    came_again(&bench.ask(&instance, &saga, Forward).await?, &first)?;
    super::undo(bench, &instance, &[&saga]).await
}
