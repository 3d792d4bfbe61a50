//! Topics as the broker tells of them, and their creation.
//!
//! What a topic should be like, and whether another one will do, is judged in [`sagas::wire::topics`].
//!
//! Not here: the question for the metadata, because rdkafka blocks the thread that asks it.

use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, ConfigResourceResult, NewTopic,
    OwnedResourceSpecifier, ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaResult;
use rdkafka::metadata::Metadata;
use sagas::wire::topics::{Found, TopicSettings, Wanted};

/// A client that asks for topics and makes them.
pub type Admin = AdminClient<DefaultClientContext>;

/// A time limit for the broker's answer, and for what it does meanwhile.
#[must_use]
pub fn within(limit: Duration) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(limit))
        .operation_timeout(Some(limit))
}

/// The topic without its settings; `None` where the broker knows none of this name.
#[must_use]
pub fn shape(metadata: &Metadata, topic: &str) -> Option<Found> {
    let mut topics = metadata.topics().iter();
    let partitions = topics.find(|found| found.name() == topic)?.partitions();
    let first = partitions.first();
    Some(Found {
        partitions: count(partitions.len()),
        replication: first.map_or(0, |partition| count(partition.replicas().len())),
        settings: Err("they were not asked for".to_owned()),
    })
}

/// The settings of each of these topics, or why they are unknown. One request for all of them.
pub async fn settings(
    admin: &Admin,
    topics: &[&str],
    options: &AdminOptions,
) -> Vec<Result<TopicSettings, String>> {
    if topics.is_empty() {
        return Vec::new();
    }
    let answers = admin.describe_configs(&specifiers(topics), options).await;
    let answers = answers.as_deref().map_err(ToString::to_string);
    let of_each = topics
        .iter()
        .map(|topic| settings_of(topic, answers.clone()?));
    of_each.collect()
}

/// What the broker said of one topic. A refusal does not say which topic it is about.
fn settings_of(topic: &str, answers: &[ConfigResourceResult]) -> Result<TopicSettings, String> {
    let mut answered = answers.iter().filter_map(|answer| answer.as_ref().ok());
    let is_meant = |config: &&ConfigResource| match &config.specifier {
        OwnedResourceSpecifier::Topic(name) => name == topic,
        _ => false,
    };
    if let Some(config) = answered.find(is_meant) {
        let value = |name| config.get(name)?.value.as_deref();
        return TopicSettings::read(value).map_err(|name| format!("the broker left {name} out"));
    }
    let refused = answers.iter().find_map(|answer| answer.as_ref().err());
    Err(refused.map_or_else(
        || "the broker left them out".to_owned(),
        ToString::to_string,
    ))
}

/// A setting of a topic that is a number; `None` where the broker does not say.
pub async fn number(admin: &Admin, topic: &str, name: &str, options: &AdminOptions) -> Option<u64> {
    let answers = admin.describe_configs(&specifiers(&[topic]), options).await;
    let config = answers.ok()?.into_iter().next()?.ok()?;
    config.get(name)?.value.as_deref()?.parse().ok()
}

/// Creates topics; one that exists already is an answer like any other.
///
/// # Errors
///
/// When the broker does not answer.
pub async fn create(
    admin: &Admin,
    missing: &[&Wanted],
    replication: i32,
    options: &AdminOptions,
) -> KafkaResult<Vec<TopicResult>> {
    let set: Vec<_> = missing.iter().map(|wanted| wanted.settings()).collect();
    let new = missing.iter().zip(&set).map(|(wanted, set)| {
        let replication = TopicReplication::Fixed(replication);
        let new = NewTopic::new(&wanted.name, wanted.partitions, replication);
        set.iter()
            .fold(new, |new, (name, value)| new.set(name, value))
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    admin.create_topics(&new, options).await
}

fn specifiers<'a>(topics: &[&'a str]) -> Vec<ResourceSpecifier<'a>> {
    let topics = topics.iter().copied();
    topics.map(ResourceSpecifier::Topic).collect()
}

fn count(items: usize) -> i32 {
    i32::try_from(items).unwrap_or(i32::MAX)
}
