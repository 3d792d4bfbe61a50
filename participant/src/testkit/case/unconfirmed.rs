//! Answers of a database whose standby is away: what is visible may be lost at a failover, so nobody
//! is told of it.

use sagas::Outcome;
use sagas::barrier::Ask::Forward;
use sqlx::PgPool;

use crate::testkit::bench::{Bench, Saga, Wrong, came, came_again, shown};
use crate::testkit::instance::Instance;
use crate::testkit::standby::Away;

/// The first answer waits, and so does the stored one.
pub(super) async fn unconfirmed(bench: &Bench<'_>, superuser: &PgPool) -> Result<(), Wrong> {
    let (instance, saga) = (bench.instance()?, bench.saga());
    let first = waits(bench, superuser, &instance, &saga).await?;
    came(&first, Outcome::Succeeded, "the standby is back")?;
    let again = waits(bench, superuser, &instance, &saga).await?;
    came_again(&again, &first)?;
    super::undo(bench, &instance, &[&saga]).await
}

/// The answer, which must not come before the standby is back.
async fn waits(
    bench: &Bench<'_>,
    superuser: &PgPool,
    instance: &Instance,
    saga: &Saga,
) -> Result<sagas::barrier::Answer, Wrong> {
    let away = Away::begin(superuser).await?;
    bench.note("the standby is away".to_owned());
    let answering = bench.ask(instance, saga, Forward);
    let mut answering = Box::pin(answering);
    let early = tokio::select! {
        biased;
        early = &mut answering => Some(early),
        waiting = away.until_another_waits() => {
            waiting.err().map(Err)
        }
    };
    away.end().await?;
    bench.note("the standby is back".to_owned());
    match early {
        Some(answer) => Err(Wrong::new(
            "no answer: the standby does not have what the row says",
            shown(&answer?),
        )),
        None => answering.await,
    }
}
