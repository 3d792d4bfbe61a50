//! The command topic: the participant owns it.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::client;
use crate::{Error, Settings};

/// How long the cluster may take to answer at start.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Creates `topic` if it is absent. Needs the right to create it only then.
pub(crate) async fn ensure(settings: &Settings, topic: &str) -> Result<(), Error> {
    let admin: AdminClient<DefaultClientContext> =
        client(settings, &[])
            .create()
            .map_err(|source| Error::Kafka {
                doing: "create the Kafka admin client",
                source,
            })?;
    // Blocks its thread until the broker answers. It looks at all topics, because asking for one
    // would create it on a broker that creates topics by itself.
    let (admin, found) = tokio::task::spawn_blocking({
        let topic = topic.to_owned();
        move || {
            let metadata = admin.inner().fetch_metadata(None, ANSWER_WITHIN);
            let found = metadata.map(|all| all.topics().iter().any(|known| known.name() == topic));
            (admin, found)
        }
    })
    .await
    .map_err(|_| Error::Panicked("look-up of the command topic"))?;
    let exists = found.map_err(|source| Error::Kafka {
        doing: "ask the brokers for their topics",
        source,
    })?;
    if exists {
        return Ok(());
    }
    let retention = settings.command_retention.as_millis().to_string();
    let new = NewTopic::new(
        topic,
        settings.partitions,
        TopicReplication::Fixed(settings.replication),
    )
    .set("cleanup.policy", "delete")
    .set("retention.ms", &retention);
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
    let created = admin
        .create_topics([&new], &options)
        .await
        .map_err(|source| Error::Kafka {
            doing: "create the command topic",
            source,
        })?;
    match created.into_iter().next() {
        Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => Err(Error::Topic {
            topic: topic.to_owned(),
            code,
        }),
        _ => {
            tracing::info!(
                topic,
                partitions = settings.partitions,
                "created the command topic"
            );
            Ok(())
        }
    }
}
