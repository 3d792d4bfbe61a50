//! The topics: made where they are missing, looked at where they exist.
//!
//! Invariant: an existing topic is never changed. What it is like is judged in
//! [`sagas::wire::topics`]: a topic that would lose commands or replies ends the start, everything
//! else is a warning, and a person decides.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sagas::wire;
use sagas::wire::topics::{Finding, Found, Holds, Wanted};
use sagas_kafka::topics::{self, Admin, within};

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
    let metadata = found.map_err(unreachable(settings))?;
    let wanted = wanted(settings, participants).into_iter();
    let mut topics: Vec<Topic> = wanted
        .map(|wanted| Topic {
            found: topics::shape(&metadata, &wanted.name),
            wanted,
        })
        .collect();
    describe_settings(&client, &mut topics).await;
    Ok(topics)
}

/// Asks for the settings of those that exist, all at once.
async fn describe_settings(client: &Admin, described: &mut [Topic]) {
    let existing = described.iter().filter(|topic| topic.found.is_some());
    let names: Vec<&str> = existing.map(|topic| &*topic.wanted.name).collect();
    let answers = topics::settings(client, &names, &within(ANSWER_WITHIN)).await;
    let found = described
        .iter_mut()
        .filter_map(|topic| topic.found.as_mut());
    for (found, settings) in found.zip(answers) {
        found.settings = settings;
    }
}

/// Says whether all of them were made here.
async fn create(settings: &Settings, missing: &[&Wanted]) -> Result<bool, Error> {
    let client = client(settings)?;
    let options = within(ANSWER_WITHIN);
    let answers = topics::create(&client, missing, settings.replication, &options).await;
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
    topics::number(&client, topic, name, &within(ANSWER_WITHIN)).await
}

fn client(settings: &Settings) -> Result<Admin, Error> {
    settings.client(&[]).create().map_err(Error::refused)
}

fn unreachable(settings: &Settings) -> impl FnOnce(KafkaError) -> Error {
    let brokers = settings.brokers.clone();
    move |source| Error::Unreachable { brokers, source }
}
