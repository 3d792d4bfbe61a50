//! The command topic: the participant owns it.
//!
//! Invariant: a topic that exists is never changed. What it is like is judged in
//! [`sagas::wire::topics`], as the orchestrator does it: one that would lose commands ends the start,
//! everything else is a warning.

use std::time::{Duration, Instant};

use rdkafka::admin::AdminOptions;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sagas::wire::topics::{Difference, Found, Holds, Wanted, findings};
use sagas_kafka::topics::{self, Admin, within};

use super::{client, not_made};
use crate::{Error, Settings};

/// How long the cluster may take to answer at start.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to tell a topic's settings, without which a service can start.
const SETTINGS_WITHIN: Duration = Duration::from_secs(5);

/// How long a topic that somebody else has just made is left to become known.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Creates `topic` if it is absent; looks at it if it is there. Needs the right to create it only
/// where it is absent. Returns how many partitions it has.
pub(crate) async fn ensure(settings: &Settings, topic: &str) -> Result<i32, Error> {
    let wanted = Wanted {
        name: topic.to_owned(),
        holds: Holds::Commands,
        partitions: settings.partitions,
        retention: settings.command_retention,
    };
    let admin: Admin = client(settings, &[])
        .create()
        .map_err(not_made("create the Kafka admin client"))?;
    let (mut admin, mut found) = look_for(admin, topic.to_owned()).await?;
    if found.is_none() && !create(&admin, settings, &wanted).await? {
        // Somebody else made it, perhaps otherwise; the broker that is asked may not have heard of it.
        let deadline = Instant::now() + ANSWER_WITHIN;
        while found.is_none() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            (admin, found) = look_for(admin, topic.to_owned()).await?;
        }
    }
    let Some(mut found) = found else {
        return Ok(settings.partitions);
    };
    let told = topics::settings(&admin, &[topic], &within(SETTINGS_WITHIN)).await;
    if let Some(settings) = told.into_iter().next() {
        found.settings = settings;
    }
    for finding in findings(&wanted, &found) {
        if finding.is_fatal() {
            return Err(Error::Unfit(finding));
        }
        // The setting is for a topic that has to be created; another number is as good.
        if !matches!(finding.difference, Difference::Partitions { .. }) {
            tracing::warn!("{finding}");
        }
    }
    Ok(found.partitions)
}

/// The topic without its settings, if there is one.
async fn look_for(admin: Admin, topic: String) -> Result<(Admin, Option<Found>), Error> {
    // Blocks its thread until the broker answers. It looks at all topics, because asking for one
    // would create it on a broker that creates topics by itself.
    let (admin, found) = tokio::task::spawn_blocking(move || {
        let metadata = admin.inner().fetch_metadata(None, ANSWER_WITHIN);
        let found = metadata.map(|all| topics::shape(&all, &topic));
        (admin, found)
    })
    .await
    .map_err(|_| Error::Panicked("look-up of the command topic"))?;
    let found = found.map_err(failed("ask the brokers for their topics"))?;
    Ok((admin, found))
}

/// Says whether it was made here.
async fn create(admin: &Admin, settings: &Settings, wanted: &Wanted) -> Result<bool, Error> {
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
    let created = topics::create(admin, &[wanted], settings.replication, &options)
        .await
        .map_err(failed("create the command topic"))?;
    match created.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
        Some(Err((topic, code))) => Err(Error::Topic { topic, code }),
        _ => {
            let (topic, partitions) = (&wanted.name, wanted.partitions);
            tracing::info!(topic, partitions, "created the command topic");
            Ok(true)
        }
    }
}

fn failed(doing: &'static str) -> impl FnOnce(KafkaError) -> Error {
    move |source| Error::Kafka { doing, source }
}
