//! A command that comes again after a month: from the row, or, once the row is gone, `expired`.
//!
//! The watermark is put back after the case, so that the kit can run again on the same database.

use std::time::Duration;

use chrono::NaiveDate;
use sagas::Outcome;
use sagas::barrier::Ask::{Compensate, Forward};

use crate::purge;
use crate::testkit::bench::{Bench, Saga, Wrong, came, came_again};

const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

const PURGED: &str = "the saga's row may have been purged, and nobody knows what happened";

pub(super) async fn redelivery(bench: &Bench<'_>) -> Result<(), Wrong> {
    let (instance, saga) = (bench.instance()?, bench.old_saga(MONTH));
    let first = bench.ask(&instance, &saga, Forward).await?;
    came(&first, Outcome::Succeeded, "it is the first")?;
    let instance = bench.instance()?;
    came_again(&bench.ask(&instance, &saga, Forward).await?, &first)?;
    bench.effects(1, "the step took effect a month ago").await?;

    let before = watermark(bench).await?;
    let day = saga.started_at.to_chrono().date_naive();
    let next = day
        .succ_opt()
        .expect("there is a day after every day of now");
    let purged = purge::drop_before(&bench.plan.database, next, || false).await;
    purged.map_err(|error| trouble(&error))?;
    bench.note("the inbox rows of that day are purged".to_owned());
    let result = after_purge(bench, &saga).await;
    put_back(bench, before).await?;
    result
}

async fn after_purge(bench: &Bench<'_>, saga: &Saga) -> Result<(), Wrong> {
    let instance = bench.instance()?;
    let late = bench.ask(&instance, saga, Forward).await?;
    came(&late, Outcome::Expired, PURGED)?;
    if bench.plan.compensation.is_some() {
        let late = bench.ask(&instance, saga, Compensate).await?;
        came(&late, Outcome::Expired, PURGED)?;
    }
    bench
        .effects(1, "what has expired takes no effect and undoes none")
        .await
}

async fn watermark(bench: &Bench<'_>) -> Result<NaiveDate, Wrong> {
    sqlx::query_scalar("SELECT before_day FROM saga_inbox_watermark")
        .fetch_one(&bench.plan.database)
        .await
        .map_err(|error| trouble(&error))
}

async fn put_back(bench: &Bench<'_>, day: NaiveDate) -> Result<(), Wrong> {
    sqlx::query("UPDATE saga_inbox_watermark SET before_day = $1")
        .bind(day)
        .execute(&bench.plan.database)
        .await
        .map_err(|error| trouble(&error))?;
    Ok(())
}

fn trouble(error: &sqlx::Error) -> Wrong {
    Wrong::new("an inbox that can be purged", error.to_string())
}
