//! The topics: made where they are missing, looked at where they exist.
//!
//! Invariant: an existing topic is never changed. More partitions would send a saga's later records
//! elsewhere than its earlier ones; so a difference is a warning, and a person decides.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sagas::wire;

use super::{Error, RECORD_BYTES_MAX, Settings};

/// How long the broker may take to answer a question, or to create topics.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the configuration wants a topic to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
    /// How long its records are kept.
    pub retention: Duration,
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// What it should be.
    pub wanted: Wanted,
    /// What it is; `None` when it does not exist.
    pub found: Option<Found>,
}

/// What the broker says of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its partitions.
    pub partitions: i32,
    /// Copies of each.
    pub replication: i32,
    /// How long its records are kept; `None`: for ever, or the broker does not say.
    pub retention: Option<Duration>,
}

/// A topic is not what the configuration says. The service works all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// It has another number of partitions.
    Partitions {
        /// The topic.
        topic: String,
        /// What it has.
        found: i32,
        /// What the configuration says.
        configured: i32,
    },
    /// Its records are kept for another time.
    Retention {
        /// The topic.
        topic: String,
        /// What it has; `None`: for ever.
        found: Option<Duration>,
        /// What the configuration says.
        configured: Duration,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partitions {
                topic,
                found,
                configured,
            } => write!(
                f,
                "the topic {topic} has {found} partitions, the configuration says {configured}; \
                 nothing was changed"
            ),
            Self::Retention {
                topic,
                found,
                configured,
            } => {
                let configured = configured.as_secs();
                write!(f, "the topic {topic} keeps its records ")?;
                match found {
                    Some(found) => write!(f, "for {} s", found.as_secs())?,
                    None => f.write_str("for ever")?,
                }
                write!(
                    f,
                    ", the configuration says {configured} s; nothing was changed"
                )
            }
        }
    }
}

/// All topics of an installation: replies, events, and each participant's commands.
#[must_use]
pub fn wanted(settings: &Settings, participants: &[&str]) -> Vec<Wanted> {
    let prefix = &settings.prefix;
    let mut wanted = vec![
        Wanted {
            name: wire::topics::replies(prefix),
            partitions: settings.reply_partitions,
            retention: settings.reply_retention,
        },
        Wanted {
            name: wire::topics::events(prefix),
            partitions: settings.event_partitions,
            retention: settings.event_retention,
        },
    ];
    wanted.extend(participants.iter().map(|participant| Wanted {
        name: wire::topics::commands(prefix, participant),
        partitions: settings.command_partitions,
        retention: settings.command_retention,
    }));
    wanted
}

/// Creates the topics that are missing, and says where the others differ.
///
/// May be called by several replicas at once. Not for librdkafka's mock broker, which cannot be
/// asked to create a topic.
///
/// # Errors
///
/// When the broker does not answer, or refuses to create a topic.
pub async fn ensure(settings: &Settings, participants: &[&str]) -> Result<Vec<Warning>, Error> {
    let topics = describe(settings, participants).await?;
    let missing = topics.iter().filter(|topic| topic.found.is_none());
    let missing: Vec<&Wanted> = missing.map(|topic| &topic.wanted).collect();
    if !missing.is_empty() {
        create(settings, &missing).await?;
    }
    Ok(topics.iter().flat_map(warnings).collect())
}

/// What the topics are like now.
///
/// # Errors
///
/// When the broker does not answer.
pub async fn describe(settings: &Settings, participants: &[&str]) -> Result<Vec<Topic>, Error> {
    let client = client(settings)?;
    let wanted = wanted(settings, participants);
    let (client, found) = tokio::task::spawn_blocking(move || {
        // All topics: a question about one of them might create it.
        let metadata = client.inner().fetch_metadata(None, ANSWER_WITHIN);
        (client, metadata)
    })
    .await
    .map_err(|_| Error::Stopped)?;
    let metadata = found.map_err(unreachable(settings))?;
    let found = metadata.topics().iter().map(|topic| {
        let first = topic.partitions().first();
        let found = Found {
            partitions: count(topic.partitions().len()),
            replication: first.map_or(0, |partition| count(partition.replicas().len())),
            retention: None,
        };
        (topic.name(), found)
    });
    let found: BTreeMap<&str, Found> = found.collect();
    let mut topics = Vec::new();
    for wanted in wanted {
        let mut found = found.get(wanted.name.as_str()).copied();
        if let Some(found) = &mut found {
            found.retention = retention(&client, &wanted.name)
                .await
                .map_err(unreachable(settings))?;
        }
        topics.push(Topic { wanted, found });
    }
    Ok(topics)
}

async fn create(settings: &Settings, missing: &[&Wanted]) -> Result<(), Error> {
    let client = client(settings)?;
    let millis = |wanted: &&Wanted| wanted.retention.as_millis().to_string();
    let retentions: Vec<String> = missing.iter().map(millis).collect();
    let bytes_max = RECORD_BYTES_MAX.to_string();
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .zip(&retentions)
        .map(|(wanted, retention)| {
            let replication = TopicReplication::Fixed(settings.replication);
            NewTopic::new(&wanted.name, wanted.partitions, replication)
                .set("retention.ms", retention)
                .set("max.message.bytes", &bytes_max)
        })
        .collect();
    let answers = client.create_topics(&new, &options()).await;
    for answer in answers.map_err(unreachable(settings))? {
        match answer {
            // Another replica was faster.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                let reason = code.to_string();
                return Err(Error::CannotCreate { topic, reason });
            }
        }
    }
    Ok(())
}

/// Where an existing topic differs from what the configuration says.
#[must_use]
pub fn warnings(topic: &Topic) -> Vec<Warning> {
    let (Topic { wanted, .. }, Some(found)) = (topic, topic.found) else {
        return vec![];
    };
    let mut warnings = Vec::new();
    if found.partitions != wanted.partitions {
        warnings.push(Warning::Partitions {
            topic: wanted.name.clone(),
            found: found.partitions,
            configured: wanted.partitions,
        });
    }
    if found.retention != Some(wanted.retention) {
        warnings.push(Warning::Retention {
            topic: wanted.name.clone(),
            found: found.retention,
            configured: wanted.retention,
        });
    }
    warnings
}

async fn retention(
    client: &AdminClient<DefaultClientContext>,
    topic: &str,
) -> Result<Option<Duration>, KafkaError> {
    let asked = [ResourceSpecifier::Topic(topic)];
    let answers = client.describe_configs(&asked, &options()).await?;
    let Some(answer) = answers.into_iter().next() else {
        return Ok(None);
    };
    let resource = answer.map_err(KafkaError::AdminOp)?;
    let value = resource
        .get("retention.ms")
        .and_then(|entry| entry.value.as_deref());
    // Negative: for ever.
    let millis = value.and_then(|value| value.parse::<u64>().ok());
    Ok(millis.map(Duration::from_millis))
}

fn client(settings: &Settings) -> Result<AdminClient<DefaultClientContext>, Error> {
    settings.client(&[]).create().map_err(Error::Settings)
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(ANSWER_WITHIN))
        .operation_timeout(Some(ANSWER_WITHIN))
}

fn unreachable(settings: &Settings) -> impl FnOnce(KafkaError) -> Error {
    let brokers = settings.brokers.clone();
    move |source| Error::Unreachable { brokers, source }
}

fn count(items: usize) -> i32 {
    i32::try_from(items).unwrap_or(i32::MAX)
}
