//! Dead letters by the thousand.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use super::complaints;
use crate::broker::{Broker, Record};
use crate::wait::until;
use crate::world::{SOON, World};

const LETTERS: u64 = 1_000;

/// Ten lines a second, while they are read and stored; a loaded machine takes some seconds.
const LINES_MAX: usize = 200;

const KEPT: &str = "a dead letter was kept";

const COUNTED: &str = "more dead letters of one kind than are kept on a day; they are only counted";

/// A record that nobody can use, of that saga by its key.
fn garbage(saga: Uuid) -> Record {
    Record {
        partition: 0,
        key: Some(saga.to_string().into_bytes()),
        headers: Vec::new(),
        value: Some(b"garbage".to_vec()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_told_with_its_place_and_of_a_thousand_the_log_has_a_few_and_their_number()
{
    let world = World::without_services().await;
    let broker = Broker::of(&world);
    let saga = Uuid::now_v7();
    let offset = broker.write_reply(&garbage(saga)).await;
    broker.finished(&BTreeMap::from([(0, offset)])).await;
    let log = world.log_of(0);
    let lines = complaints(&log, &[KEPT]);
    let [line] = &lines[..] else {
        panic!("{} lines of one letter:\n{log}", lines.len());
    };
    let topic = sagas::wire::topics::replies(world.servers.prefix());
    assert_eq!(line["topic"], *topic, "{line}");
    assert_eq!(
        (&line["partition"], &line["offset"]),
        (&0.into(), &offset.into()),
        "{line}"
    );
    assert_eq!(line["saga"], saga.to_string(), "{line}");
    let reason = line["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("not a JSON object"), "{line}");

    for _ in 0..LETTERS {
        broker.write_reply(&garbage(saga)).await;
    }
    until("all of them are counted", SOON, async || {
        let lines = complaints(&world.log_of(0), &[KEPT]);
        let left_out = |line: &Value| line["left_out"].as_u64().unwrap_or(0);
        let summed_up = |line: &&Value| line["topic"].is_null();
        let told = lines.iter().filter(|line| !summed_up(line)).count();
        assert!(told < LINES_MAX, "{told} lines");
        let counted = told as u64 + lines.iter().map(left_out).sum::<u64>();
        (counted == LETTERS + 1).then_some(()).ok_or(counted)
    })
    .await;
    // All have the same bytes.
    let page: Value = ask(&world, "/v1/dead-letters").await;
    let [letter] = &page["dead_letters"].as_array().unwrap()[..] else {
        panic!("{page:#}");
    };
    assert_eq!(letter["count"], LETTERS + 1, "{letter:#}");
    assert!(
        letter["first_at"].as_str() < letter["at"].as_str(),
        "{letter:#}"
    );
    assert_eq!(letter["kind"], "unreadable");
    assert_eq!(
        (&page["left_out"], &page["next"]),
        (&Value::Array(vec![]), &Value::Null)
    );
}

/// As if another lane had kept as many as are kept on a day, but two, today and on the days about it.
const NEARLY_ALL: &str = "INSERT INTO dead_letter_tally (kind, day, slot, kept, left_out)
    SELECT 'unreadable', (now() AT TIME ZONE 'UTC')::date + day, 7777, 9998, 0
    FROM generate_series(-1, 1) AS day";

#[tokio::test(flavor = "multi_thread")]
async fn beyond_what_is_kept_on_a_day_dead_letters_are_only_counted_and_list_and_log_say_so() {
    let world = World::without_services().await;
    let broker = Broker::of(&world);
    let database = PgConnection::connect(&world.urls.orchestrator);
    let mut database = database.await.unwrap();
    database.execute(NEARLY_ALL).await.unwrap();
    let mut last = 0;
    for number in 0..20 {
        let mut record = garbage(Uuid::now_v7());
        record.value = Some(format!("garbage {number}").into_bytes());
        last = broker.write_reply(&record).await;
    }
    broker.finished(&BTreeMap::from([(0, last)])).await;

    let page = ask(&world, "/v1/dead-letters").await;
    assert_eq!(
        page["dead_letters"].as_array().unwrap().len(),
        2,
        "{page:#}"
    );
    let [left_out] = &page["left_out"].as_array().unwrap()[..] else {
        panic!("{page:#}");
    };
    assert_eq!(left_out["kind"], "unreadable");
    assert_eq!(
        (&left_out["kept"], &left_out["count"]),
        (&10_000.into(), &18.into())
    );
    until("the log says so", SOON, async || {
        let lines = complaints(&world.log_of(0), &[COUNTED]);
        let line = lines.first().ok_or(lines.len())?;
        assert_eq!(
            (&line["kind"], &line["kept_max"]),
            (&"unreadable".into(), &10_000.into())
        );
        Ok::<_, usize>(())
    })
    .await;
    let kept = complaints(&world.log_of(0), &[KEPT]);
    assert_eq!(kept.len(), 2, "{kept:#?}");
    until("the summary has the numbers", SOON, async || {
        let summary = ask(&world, "/v1/summary").await;
        let numbers = (
            summary["dead_letters"].clone(),
            summary["dead_letters_left_out"].clone(),
        );
        (numbers == (2.into(), 18.into()))
            .then_some(())
            .ok_or(numbers)
    })
    .await;
}

async fn ask(world: &World, path: &str) -> Value {
    let url = format!("{}{path}", world.url());
    world
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}
