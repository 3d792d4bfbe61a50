//! Commands in the wrong order, and at once: once a step is undone, nothing takes effect any more.

use sagas::Outcome;
use sagas::barrier::Answer;
use sagas::barrier::Ask::{Compensate, Forward};

use crate::testkit::bench::{Bench, Wrong, came, came_again};

/// So many sagas are raced: few enough for a test, enough for both orders to win.
const RACES: usize = 16;

const TOO_LATE: &str = "its compensation came before it";

pub(super) async fn compensation_first(bench: &Bench<'_>) -> Result<(), Wrong> {
    let (instance, saga) = (bench.instance()?, bench.saga());
    let first = bench.ask(&instance, &saga, Compensate).await?;
    came(&first, Outcome::Succeeded, "there is nothing to undo")?;
    bench.effects(0, "nothing was done").await?;
    came_again(&bench.ask(&instance, &saga, Compensate).await?, &first)?;
    let forward = bench.ask(&instance, &saga, Forward).await?;
    came(&forward, Outcome::AlreadyCompensated, TOO_LATE)?;
    bench.effects(0, "the step was undone beforehand").await
}

pub(super) async fn late_forward(bench: &Bench<'_>) -> Result<(), Wrong> {
    let (instance, saga) = (bench.instance()?, bench.saga());
    let first = bench.ask(&instance, &saga, Forward).await?;
    came(&first, Outcome::Succeeded, "it is the first")?;
    let undone = bench.ask(&instance, &saga, Compensate).await?;
    came(&undone, Outcome::Succeeded, "there is something to undo")?;
    let late = bench.ask(&instance, &saga, Forward).await?;
    came(&late, Outcome::AlreadyCompensated, TOO_LATE)?;
    let edited = bench.message(&saga, Forward, 2);
    let late = bench.send(&instance, edited).await?;
    came(&late, Outcome::AlreadyCompensated, TOO_LATE)?;
    bench.effects(0, "the step is compensated").await
}

/// Two instances hold the commands of one step at the same moment, each of them twice.
pub(super) async fn concurrent(bench: &Bench<'_>) -> Result<(), Wrong> {
    let (one, other) = (bench.instance()?, bench.instance()?);
    for race in 0..RACES {
        let saga = bench.saga();
        let (first, second) = if race % 2 == 0 {
            (Forward, Compensate)
        } else {
            (Compensate, Forward)
        };
        let answers = tokio::join!(
            bench.ask(&one, &saga, first),
            bench.ask(&other, &saga, second),
            bench.ask(&other, &saga, first),
            bench.ask(&one, &saga, second),
        );
        let (firsts, seconds) = ([answers.0?, answers.2?], [answers.1?, answers.3?]);
        let (forwards, undos) = if first == Forward {
            (firsts, seconds)
        } else {
            (seconds, firsts)
        };
        forwards.iter().try_for_each(done_or_too_late)?;
        let [undone, undone_again] = &undos;
        came(
            undone,
            Outcome::Succeeded,
            "a compensation has the last word",
        )?;
        came_again(undone_again, undone)?;
        bench
            .effects(0, "whoever came first, the step is compensated")
            .await?;
    }
    Ok(())
}

fn done_or_too_late(forward: &Answer) -> Result<(), Wrong> {
    match forward.outcome {
        Outcome::AlreadyCompensated => Ok(()),
        _ => came(
            forward,
            Outcome::Succeeded,
            "it came before its compensation, or else is already-compensated",
        ),
    }
}
