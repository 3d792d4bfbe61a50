//! Dead letters by the thousand.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::complaints;
use crate::broker::{Broker, Record};
use crate::wait::until;
use crate::world::{SOON, World};

const LETTERS: u64 = 1_000;

/// Ten lines a second, while they are read and stored; a loaded machine takes some seconds.
const LINES_MAX: usize = 200;

const KEPT: &str = "a dead letter was kept";

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
}
