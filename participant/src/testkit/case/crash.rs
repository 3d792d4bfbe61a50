//! A process that dies, or loses its database, at the two instants that matter.

use sagas::Outcome;
use sagas::barrier::Ask::{self, Compensate, Forward};

use crate::testkit::bench::{Bench, Saga, Wrong, came, came_again};
use crate::testkit::fault::Fault;

/// The handler has run and its transaction is lost: it runs again, and only that counts.
pub(super) async fn before_commit(bench: &Bench<'_>) -> Result<(), Wrong> {
    let saga = bench.saga();
    lost_once(bench, &saga, Forward).await?;
    bench
        .effects(1, "of two runs of the handler, one was rolled back")
        .await?;
    if bench.plan.compensation.is_none() {
        return Ok(());
    }
    lost_once(bench, &saga, Compensate).await?;
    bench
        .effects(0, "of two runs of the compensation, one was rolled back")
        .await
}

async fn lost_once(bench: &Bench<'_>, saga: &Saga, ask: Ask) -> Result<(), Wrong> {
    let instance = bench.instance_with(Fault::ConnectionBreaks, saga)?;
    bench.note("the connection breaks before the next commit".to_owned());
    let answer = bench.ask(&instance, saga, ask).await?;
    came(
        &answer,
        Outcome::Succeeded,
        "the handler runs again where its transaction was lost",
    )
}

/// The effect is committed and nobody was told: the next instance tells it from the row.
pub(super) async fn before_reply(bench: &Bench<'_>) -> Result<(), Wrong> {
    let saga = bench.saga();
    let lost = bench.ask(&bench.instance()?, &saga, Forward).await?;
    came(&lost, Outcome::Succeeded, "it is the first")?;
    let next = bench.instance()?;
    bench.note("the reply is lost with the process, another one starts".to_owned());
    came_again(&bench.ask(&next, &saga, Forward).await?, &lost)?;
    bench
        .effects(1, "the step took effect before the crash")
        .await?;
    if bench.plan.compensation.is_none() {
        return Ok(());
    }
    let lost = bench.ask(&next, &saga, Compensate).await?;
    came(&lost, Outcome::Succeeded, "there is something to undo")?;
    let last = bench.instance()?;
    bench.note("the reply is lost with the process, another one starts".to_owned());
    came_again(&bench.ask(&last, &saga, Compensate).await?, &lost)?;
    bench.effects(0, "the step is compensated").await
}
