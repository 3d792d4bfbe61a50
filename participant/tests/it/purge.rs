//! The hourly purge, on an inbox whose youngest saga does not bear out the clock of the service.

use std::time::Duration;

use chrono::{Days, NaiveDate};

use crate::service::service;
use crate::world::{DEADLINE, World, days_ago};

/// Days that the inbox keeps its rows, unless it is told otherwise.
const KEPT: Days = Days::new(45);

#[tokio::test(flavor = "multi_thread")]
async fn the_watermark_follows_the_youngest_saga_and_not_the_clock_alone() {
    let world = World::new().await;
    let youngest = days_ago(100).to_chrono().date_naive();
    let long_gone = youngest - KEPT;
    for day in [youngest, long_gone] {
        let insert = "INSERT INTO saga_inbox (start_day, saga, step, status)
            VALUES ($1, gen_random_uuid(), 'old', 'rejected')";
        let insert = sqlx::query(insert).bind(day);
        insert.execute(&world.pool).await.unwrap();
    }
    let running = service(world.settings()).start().await.unwrap();
    let begun = std::time::Instant::now();
    let watermark = loop {
        let read = sqlx::query_scalar("SELECT before_day FROM saga_inbox_watermark");
        let watermark: NaiveDate = read.fetch_one(&world.pool).await.unwrap();
        if watermark > NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() {
            break watermark;
        }
        assert!(begun.elapsed() < DEADLINE, "nothing was purged");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(watermark, youngest + Days::new(2) - KEPT);
    running.stop().await.unwrap();
    let left = sqlx::query_scalar("SELECT array_agg(start_day) FROM saga_inbox");
    let left: Vec<NaiveDate> = left.fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, [youngest]);
}
