//! Replies that wait ([`sagas_kafka::waiting`]): the service's health says so, and the log where the broker answers.
//!
//! Not here: a broker that does not answer, of which the poller tells.

use std::convert::Infallible;
use std::time::Instant;

use sagas::wire::topics::Shortage;
use sagas_kafka::topics::{self, Admin, within};
use sagas_kafka::waiting::{
    ANSWER_WITHIN, LOOK_EVERY, OVERDUE_AFTER, REPLICAS_NEEDED, UNKNOWN, shortage,
};
use sagas_log::trouble;

use super::client;
use super::replies::Outstanding;
use crate::Settings;
use crate::health::Health;

/// Tells of the replies of a batch for as long as they wait: to be dropped once they do not. It does not
/// end by itself.
pub(crate) async fn tell(settings: &Settings, batch: &Outstanding, health: &Health) -> Infallible {
    let since = Instant::now();
    let mut pause = OVERDUE_AFTER;
    loop {
        tokio::time::sleep(pause).await;
        pause = LOOK_EVERY;
        let Some(topic) = batch.topic() else {
            continue;
        };
        let wait = format!("replies wait for the topic {topic}");
        health.replies(Err((since, wait.clone())));
        let Some(shortage) = look(settings, topic).await else {
            continue;
        };
        let cause = shortage.as_ref().map(ToString::to_string);
        if let Some(cause) = &cause {
            health.replies(Err((since, format!("{wait}: {cause}"))));
        }
        trouble!(
            warn,
            "replies wait although the broker answers",
            topic,
            replies = batch.left(),
            seconds = since.elapsed().as_secs(),
            code = shortage.and_then(Shortage::code),
            cause = cause.as_deref().unwrap_or(UNKNOWN)
        );
    }
}

/// What the topic lacks, if anything; `None` where the broker does not answer.
async fn look(settings: &Settings, topic: &str) -> Option<Option<Shortage>> {
    let admin: Admin = client(settings, &[]).create().ok()?;
    // All topics: a question about one of them might create it.
    let ask = move || {
        let metadata = admin.inner().fetch_metadata(None, ANSWER_WITHIN);
        (admin, metadata)
    };
    let (admin, metadata) = tokio::task::spawn_blocking(ask).await.ok()?;
    let metadata = metadata.ok()?;
    let needed = topics::number(&admin, topic, REPLICAS_NEEDED, &within(ANSWER_WITHIN)).await;
    Some(shortage(&metadata, topic, needed))
}
