//! Topics that others made, or that appear or change while a reader is at work.

use std::collections::BTreeSet;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use sagas_orchestrator::bus::{self, Error, Producer, topics};

use crate::broker::{Reader, SOON, number, publish, ready, record, settings, until};

fn admin(settings: &bus::Settings) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    config.create().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_added_are_counted_and_read() {
    let settings = ready().await;
    let producer = Producer::new(&settings).unwrap();
    until("four", || producer.reply_partitions() == Some(4));
    let reader = Reader::start(&settings, 0..4);
    publish(&producer, vec![record(&settings, 1)]).unwrap();
    assert_eq!(number(&reader.next(1)[0]), 1);

    let topic = sagas::wire::topics::replies(&settings.prefix);
    let more = NewPartitions::new(&topic, 7);
    let (admin, options) = (admin(&settings), AdminOptions::new());
    let added = admin.create_partitions(&[more], &options).await;
    assert_eq!(added.unwrap(), [Ok(topic.clone())]);
    until("seven", || producer.reply_partitions() == Some(7));
    reader.assign(4..7);
    until("the others are given back", || {
        reader.consumer.assigned() == (4..7).collect()
    });
    // A client of its own knows all seven at once.
    let producer = Producer::new(&settings).unwrap();
    let mut read = BTreeSet::new();
    let mut next = 2;
    while read.len() < 3 {
        publish(&producer, vec![record(&settings, next)]).unwrap();
        next += 1;
        read.extend(reader.rest().iter().map(|record| record.partition));
    }
    assert_eq!(read, (4..7).collect());
    reader.consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_began_before_its_topic_was_made_reads_it() {
    let settings = tokio::task::spawn_blocking(settings).await.unwrap();
    let reader = Reader::start(&settings, 0..4);
    let missing = reader.consumer.partitions().await.unwrap_err();
    assert!(matches!(missing, Error::Missing { .. }), "{missing:?}");
    topics::ensure(&settings, &[]).await.unwrap();
    let producer = Producer::new(&settings).unwrap();
    publish(&producer, vec![record(&settings, 1)]).unwrap();
    assert_eq!(number(&reader.next(1)[0]), 1);
    reader.consumer.stop().await;
}

/// Topics for one participant, those of this name with this setting.
async fn made(name: &str, setting: (&str, &str)) -> bus::Settings {
    let settings = tokio::task::spawn_blocking(settings).await.unwrap();
    let topic = format!("{}.{name}", settings.prefix);
    let new = NewTopic::new(&topic, 4, TopicReplication::Fixed(1)).set(setting.0, setting.1);
    let (admin, options) = (admin(&settings), AdminOptions::new());
    let made = admin.create_topics(&[new], &options).await;
    assert_eq!(made.unwrap(), [Ok(topic.clone())]);
    until("the broker shows the topic", || {
        let all = admin.inner().fetch_metadata(None, SOON).unwrap();
        all.topics().iter().any(|known| known.name() == topic)
    });
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_compacts_commands_or_replies_is_refused_and_one_of_events_is_named() {
    let compacts = ("cleanup.policy", "compact");
    for name in ["replies", "rooms.commands"] {
        let settings = made(name, compacts).await;
        let refused = topics::ensure(&settings, &["rooms"]).await.unwrap_err();
        assert!(matches!(refused, Error::Unfit(_)), "{refused:?}");
        let text = refused.to_string();
        let said = format!(
            "{}.{name} has cleanup.policy=compact, which",
            settings.prefix
        );
        assert!(text.contains(&said), "{text}");
    }
    let settings = made("events", compacts).await;
    let findings = topics::ensure(&settings, &["rooms"]).await.unwrap();
    assert!(
        findings
            .iter()
            .any(|one| one.to_string().contains("compact"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_takes_less_than_we_send_is_named_and_one_that_we_make_does_not() {
    // The broker's default, too, is a limit below ours.
    let settings = made("rooms.commands", ("retention.ms", "604800000")).await;
    let findings = topics::ensure(&settings, &["rooms"]).await.unwrap();
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let prefix = &settings.prefix;
    let limit = format!(
        "the topic {prefix}.rooms.commands takes records of up to 1048588 bytes, and there may be \
         larger commands; set its max.message.bytes to 8388608"
    );
    assert!(said.contains(&limit), "{said:?}");
    assert!(
        said.iter().all(|one| one.contains("rooms.commands")),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_read_are_unknown_and_stop_nothing() {
    // librdkafka's own broker does not tell them.
    let cluster = MockCluster::new(1).unwrap();
    let settings = bus::Settings {
        brokers: cluster.bootstrap_servers(),
        ..bus::Settings::default()
    };
    for wanted in topics::wanted(&settings, &[]) {
        let partitions = wanted.partitions;
        cluster.create_topic(&wanted.name, partitions, 1).unwrap();
    }
    let findings = topics::ensure(&settings, &[]).await.unwrap();
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let unknown = "the settings of the topic saga.replies cannot be read, so it is unknown";
    assert!(said[0].starts_with(unknown), "{said:?}");
    assert_eq!(said.len(), 2);
}
