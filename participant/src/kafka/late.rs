//! Log lines about replies that wait although the broker answers.
//!
//! librdkafka sends a record again for as long as it takes where the broker says that it has not enough
//! replicas or no leader, and tells nobody: its log and its error callback stay silent. So the topic is
//! looked at for a cause.
//!
//! Not here: a broker that does not answer, of which the poller tells.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::metadata::Metadata;
use saga_log::trouble;
use sagas::wire::topics::{Partition, Shortage};

use super::client;
use super::replies::Outstanding;
use crate::Settings;

/// What a broker that has its replicas acknowledges takes milliseconds, and a partition gets another
/// leader within a second.
const OVERDUE_AFTER: Duration = Duration::from_secs(2);

/// Between two looks, each of which asks the broker.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The cause where the topic looks as it should.
const UNKNOWN: &str = "unknown: its partitions have leaders and replicas";

type Admin = AdminClient<DefaultClientContext>;

/// Tells of the replies of a batch for as long as they wait: to be dropped once they do not. It does not
/// end by itself.
pub(crate) async fn tell(settings: &Settings, batch: &Outstanding) -> Infallible {
    let since = Instant::now();
    let mut pause = OVERDUE_AFTER;
    loop {
        tokio::time::sleep(pause).await;
        pause = LOOK_EVERY;
        let Some(topic) = batch.topic() else {
            continue;
        };
        let Some(shortage) = look(settings, topic).await else {
            continue;
        };
        let cause = shortage.as_ref().map(ToString::to_string);
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
    let partitions = partitions(&metadata.ok()?, topic);
    let needed = replicas_needed(&admin, topic).await;
    Some(Shortage::of(&partitions, needed))
}

fn partitions(metadata: &Metadata, topic: &str) -> Vec<Partition> {
    let topics = metadata.topics().iter();
    let found = topics.filter(|found| found.name() == topic);
    let partitions = found.flat_map(|found| found.partitions());
    let partitions = partitions.map(|partition| Partition {
        has_leader: partition.leader() >= 0,
        replicas: partition.replicas().len(),
        in_sync: partition.isr().len(),
    });
    partitions.collect()
}

/// `min.insync.replicas`, where the broker says so.
async fn replicas_needed(admin: &Admin, topic: &str) -> Option<usize> {
    let options = AdminOptions::new()
        .request_timeout(Some(ANSWER_WITHIN))
        .operation_timeout(Some(ANSWER_WITHIN));
    let asked = [ResourceSpecifier::Topic(topic)];
    let answers = admin.describe_configs(&asked, &options).await;
    let config = answers.ok()?.into_iter().next()?.ok()?;
    let needed = config.get("min.insync.replicas")?;
    needed.value.as_deref()?.parse().ok()
}
