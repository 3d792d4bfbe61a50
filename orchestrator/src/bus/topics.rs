//! The topics: made where they are missing, looked at where they exist.
//!
//! Invariant: an existing topic is never changed. What it is like is judged in
//! [`sagas::wire::topics`]: a topic that would lose commands or replies ends the start, everything
//! else is a warning, and a person decides.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, ConfigResourceResult, NewTopic,
    OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use sagas::wire;
use sagas::wire::topics::{Finding, Found, Holds, TopicSettings, Wanted};

use super::{Error, Settings};

/// How long the broker may take to answer a question, or to create topics.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long a topic that somebody else has just made is left to become known.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// What it should be.
    pub wanted: Wanted,
    /// What it is; `None` when it does not exist.
    pub found: Option<Found>,
}

impl Topic {
    /// Where it differs from what the settings ask for; nothing while it does not exist.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let found = self.found.iter();
        let findings = found.flat_map(|found| wire::topics::findings(&self.wanted, found));
        findings.collect()
    }
}

/// All topics of an installation: replies, events, and each participant's commands.
#[must_use]
pub fn wanted(settings: &Settings, participants: &[&str]) -> Vec<Wanted> {
    let prefix = &settings.prefix;
    let mut wanted = vec![
        Wanted {
            name: wire::topics::replies(prefix),
            holds: Holds::Replies,
            partitions: settings.reply_partitions,
            retention: settings.reply_retention,
        },
        Wanted {
            name: wire::topics::events(prefix),
            holds: Holds::Events,
            partitions: settings.event_partitions,
            retention: settings.event_retention,
        },
    ];
    wanted.extend(participants.iter().map(|participant| Wanted {
        name: wire::topics::commands(prefix, participant),
        holds: Holds::Commands,
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
/// When the broker does not answer, refuses to create a topic, or has one that would lose commands
/// or replies.
pub async fn ensure(settings: &Settings, participants: &[&str]) -> Result<Vec<Finding>, Error> {
    let topics = describe(settings, participants).await?;
    let findings = judge(&topics)?;
    let missing = topics.iter().filter(|topic| topic.found.is_none());
    let missing: Vec<&Wanted> = missing.map(|topic| &topic.wanted).collect();
    if missing.is_empty() || create(settings, &missing).await? {
        return Ok(findings);
    }
    // Somebody else made one of them, perhaps otherwise; the broker that is asked may not have heard of it.
    let deadline = Instant::now() + ANSWER_WITHIN;
    loop {
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        let topics = describe(settings, participants).await?;
        if topics.iter().all(|topic| topic.found.is_some()) || Instant::now() >= deadline {
            return judge(&topics);
        }
    }
}

fn judge(topics: &[Topic]) -> Result<Vec<Finding>, Error> {
    let findings: Vec<Finding> = topics.iter().flat_map(Topic::findings).collect();
    match findings.iter().find(|finding| finding.is_fatal()) {
        Some(fatal) => Err(Error::Unfit(fatal.clone())),
        None => Ok(findings),
    }
}

/// What the topics are like now.
///
/// # Errors
///
/// When the broker does not answer. That it does not tell a topic's settings is none: then they are
/// unknown.
pub async fn describe(settings: &Settings, participants: &[&str]) -> Result<Vec<Topic>, Error> {
    let client = client(settings)?;
    let (client, found) = tokio::task::spawn_blocking(move || {
        // All topics: a question about one of them might create it.
        let metadata = client.inner().fetch_metadata(None, ANSWER_WITHIN);
        (client, metadata)
    })
    .await
    .map_err(|_| Error::Stopped)?;
    let mut found = shapes(&found.map_err(unreachable(settings))?);
    let wanted = wanted(settings, participants).into_iter();
    let mut topics: Vec<Topic> = wanted
        .map(|wanted| Topic {
            found: found.remove(&wanted.name),
            wanted,
        })
        .collect();
    describe_settings(&client, &mut topics).await;
    Ok(topics)
}

/// The topics by name, without their settings.
fn shapes(metadata: &Metadata) -> BTreeMap<String, Found> {
    let topics = metadata.topics().iter();
    let shapes = topics.map(|topic| {
        let first = topic.partitions().first();
        let found = Found {
            partitions: count(topic.partitions().len()),
            replication: first.map_or(0, |partition| count(partition.replicas().len())),
            settings: Err("they were not asked for".to_owned()),
        };
        (topic.name().to_owned(), found)
    });
    shapes.collect()
}

/// Asks for the settings of those that exist, all at once.
async fn describe_settings(client: &AdminClient<DefaultClientContext>, topics: &mut [Topic]) {
    let names: Vec<String> = topics
        .iter()
        .filter(|topic| topic.found.is_some())
        .map(|topic| topic.wanted.name.clone())
        .collect();
    if names.is_empty() {
        return;
    }
    let asked: Vec<_> = names
        .iter()
        .map(|name| ResourceSpecifier::Topic(name))
        .collect();
    let answers = client.describe_configs(&asked, &options()).await;
    for topic in topics {
        let Topic { wanted, found } = topic;
        if let Some(found) = found {
            let answers = answers.as_deref().map_err(ToString::to_string);
            found.settings = answers.and_then(|answers| settings_of(&wanted.name, answers));
        }
    }
}

/// What the broker said of one topic. A refusal does not say which topic it is about.
fn settings_of(topic: &str, answers: &[ConfigResourceResult]) -> Result<TopicSettings, String> {
    let answered = answers.iter().filter_map(|answer| answer.as_ref().ok());
    let is_meant = |config: &&ConfigResource| match &config.specifier {
        OwnedResourceSpecifier::Topic(name) => name == topic,
        _ => false,
    };
    if let Some(config) = answered.into_iter().find(is_meant) {
        let value = |name| config.get(name)?.value.as_deref();
        return TopicSettings::read(value).map_err(|name| format!("the broker left {name} out"));
    }
    let refused = answers.iter().find_map(|answer| answer.as_ref().err());
    Err(refused.map_or_else(
        || "the broker left them out".to_owned(),
        ToString::to_string,
    ))
}

/// Says whether all of them were made here.
async fn create(settings: &Settings, missing: &[&Wanted]) -> Result<bool, Error> {
    let client = client(settings)?;
    let set: Vec<_> = missing.iter().map(|wanted| wanted.settings()).collect();
    let new = missing.iter().zip(&set).map(|(wanted, set)| {
        let replication = TopicReplication::Fixed(settings.replication);
        let new = NewTopic::new(&wanted.name, wanted.partitions, replication);
        set.iter()
            .fold(new, |new, (name, value)| new.set(name, value))
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let answers = client.create_topics(&new, &options()).await;
    let mut are_ours = true;
    for answer in answers.map_err(unreachable(settings))? {
        match answer {
            Ok(_) => {}
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => are_ours = false,
            Err((topic, code)) => {
                let reason = code.to_string();
                return Err(Error::CannotCreate { topic, reason });
            }
        }
    }
    Ok(are_ours)
}

/// A setting of a topic that is a number; `None` where the broker does not say.
pub(super) async fn number(settings: &Settings, topic: &str, name: &str) -> Option<u64> {
    let client = client(settings).ok()?;
    let asked = [ResourceSpecifier::Topic(topic)];
    let answers = client.describe_configs(&asked, &options()).await.ok()?;
    let resource = answers.into_iter().next()?.ok()?;
    let entry = resource.get(name)?;
    entry.value.as_deref()?.parse().ok()
}

fn client(settings: &Settings) -> Result<AdminClient<DefaultClientContext>, Error> {
    settings.client(&[]).create().map_err(Error::refused)
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
