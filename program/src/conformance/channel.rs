//! Kafka, as a conformance run uses it: commands out, replies in, on a topic of the run's own.
//!
//! Everything blocks, on a thread for it: a run is one conversation, and waits for each answer.

use std::fmt;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sagas::wire::size::REPLY_BYTES_MAX;
use sagas::wire::topics::{Holds, Wanted};
use sagas::wire::{CommandMessage, ReplyMessage, ReplyTo};
use sagas_log::chain;
use sagas_orchestrator::bus;

use tokio::runtime::Handle;

use super::Error;

/// Two, so that a participant that lets its client choose the partition is noticed.
const PARTITIONS: i32 = 2;
/// Where replies are asked for.
const PARTITION: i32 = 1;
/// How long the broker may take to answer.
const BROKER_WITHIN: Duration = Duration::from_secs(10);
const TAKE: &str = "take a command";
/// Should the topic be left behind: nobody needs it after the run.
const RETENTION: Duration = Duration::from_secs(3_600);

/// The topic that replies of this run come to.
pub(super) struct ReplyTopic {
    admin: AdminClient<DefaultClientContext>,
    name: String,
}

impl ReplyTopic {
    pub(super) async fn create(settings: &bus::Settings, run: &str) -> Result<Self, Error> {
        let client = settings.client(&[]).create();
        let admin: AdminClient<_> = client.map_err(bus::Error::refused)?;
        let name = format!("{}.conformance-{run}.replies", settings.prefix);
        let replication = TopicReplication::Fixed(settings.replication);
        let wanted = Wanted {
            name: name.clone(),
            holds: Holds::Replies,
            partitions: PARTITIONS,
            retention: RETENTION,
        };
        let set = wanted.settings();
        let topic = NewTopic::new(&name, PARTITIONS, replication);
        let topic = set
            .iter()
            .fold(topic, |topic, (name, value)| topic.set(name, value));
        let answers = admin.create_topics(&[topic], &options()).await;
        let answers = answers.map_err(|source| bus::Error::Unreachable {
            brokers: settings.brokers.clone(),
            source,
        })?;
        for answer in answers {
            answer.map_err(|(topic, code)| bus::Error::CannotCreate {
                topic,
                reason: code.to_string(),
            })?;
        }
        Ok(Self { admin, name })
    }

    /// Cleans up. A broker that forbids it keeps the topic, empty after an hour.
    pub(super) async fn delete(self) {
        if let Err(error) = self.admin.delete_topics(&[&self.name], &options()).await {
            tracing::warn!(
                error = chain(&error),
                topic = self.name,
                "the topic of this run stays"
            );
        }
    }
}

fn options() -> AdminOptions {
    let within = Some(BROKER_WITHIN);
    AdminOptions::new()
        .request_timeout(within)
        .operation_timeout(within)
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum NoReply {
    /// Nothing came in time.
    Silence(Duration),
    /// What came is no reply, or is not where it was asked for.
    Nonsense(String),
}

/// How a record has its payload, other than as it is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadForm {
    /// As `null`, for one that says nothing and should be left out.
    Null,
    /// In `data_base64`.
    InBase64,
}

impl PayloadForm {
    /// The value of the record.
    fn value(self, message: &CommandMessage<'_>) -> Vec<u8> {
        let without_data = CommandMessage {
            payload: b"null".as_slice().into(),
            ..message.clone()
        };
        let mut value = without_data.value();
        value.pop().expect("it ends with a brace");
        let payload = match self {
            Self::Null => r#","data":null}"#.to_owned(),
            Self::InBase64 => {
                let text = BASE64_STANDARD.encode(&message.payload);
                format!(r#","data_base64":"{text}"}}"#)
            }
        };
        value.extend_from_slice(payload.as_bytes());
        value
    }
}

impl fmt::Display for PayloadForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "with data",
            Self::InBase64 => "in data_base64",
        })
    }
}

/// The line to the participant.
pub(super) struct Channel {
    producer: FutureProducer,
    replies: BaseConsumer,
    commands: String,
    partitions: i32,
    reply_topic: String,
    within: Duration,
    /// Replies that came while another one was waited for.
    unclaimed: Vec<ReplyMessage<'static>>,
}

impl Channel {
    pub(super) fn open(
        settings: &bus::Settings,
        commands: String,
        replies: &ReplyTopic,
        within: Duration,
    ) -> Result<Self, Error> {
        let reply_topic = replies.name.clone();
        let consumer = settings.client(&[
            // Nobody joins it, and nothing is stored in it.
            ("group.id", &reply_topic),
            ("enable.auto.commit", "false"),
            ("fetch.queue.backoff.ms", "5"),
            // As the orchestrator reads them.
            ("isolation.level", "read_uncommitted"),
            ("allow.auto.create.topics", "false"),
        ]);
        let replies: BaseConsumer = consumer.create().map_err(bus::Error::refused)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&reply_topic, partition, Offset::Beginning)
                .map_err(kafka("read replies"))?;
        }
        replies.assign(&list).map_err(kafka("read replies"))?;
        let producer = settings.client(&[
            ("enable.idempotence", "true"),
            ("linger.ms", "0"),
            ("message.timeout.ms", "10000"),
        ]);
        // All topics: a question about one of them might create it.
        let metadata = replies.fetch_metadata(None, BROKER_WITHIN);
        let metadata = metadata.map_err(kafka("say which topics it has"))?;
        let topics = metadata.topics().iter();
        let found = topics.filter(|topic| topic.name() == commands);
        let count: usize = found.map(|topic| topic.partitions().len()).sum();
        let partitions = i32::try_from(count).unwrap_or(i32::MAX);
        if partitions == 0 {
            return Err(Error::NoCommandTopic { topic: commands });
        }
        Ok(Self {
            producer: producer.create().map_err(bus::Error::refused)?,
            replies,
            commands,
            partitions,
            reply_topic,
            within,
            unclaimed: Vec::new(),
        })
    }

    pub(super) fn reply_to(&self) -> ReplyTo<'static> {
        ReplyTo {
            topic: self.reply_topic.clone().into(),
            partition: PARTITION,
        }
    }

    /// Sends commands, each to the partition beside it, counted round and round. The broker has all
    /// of them when this returns.
    pub(super) fn send(&self, messages: &[(&CommandMessage<'_>, i32)]) -> Result<(), Error> {
        let mut sent = Vec::with_capacity(messages.len());
        for (message, partition) in messages {
            let (key, value) = (message.key(), message.value());
            let record = FutureRecord::to(&self.commands).key(&key);
            let record = record.headers(bus::headers());
            sent.push(self.produce(record.payload(&*value), *partition)?);
        }
        sent.into_iter().try_for_each(delivered)
    }

    /// Sends a command whose payload has another form.
    pub(super) fn send_as(
        &self,
        message: &CommandMessage<'_>,
        form: PayloadForm,
        partition: i32,
    ) -> Result<(), Error> {
        let (key, value) = (message.key(), form.value(message));
        let record = FutureRecord::to(&self.commands).key(&key);
        delivered(self.produce(record.payload(&*value), partition)?)
    }

    /// Sends a record that is no command.
    pub(super) fn send_unreadable(&self, partition: i32) -> Result<(), Error> {
        let key = "nobody".to_owned();
        let record = FutureRecord::to(&self.commands).key(&key);
        delivered(self.produce(record.payload(b"nothing".as_slice()), partition)?)
    }

    fn produce(
        &self,
        record: FutureRecord<'_, String, [u8]>,
        partition: i32,
    ) -> Result<DeliveryFuture, Error> {
        let record = record.partition(partition.rem_euclid(self.partitions));
        let sent = self.producer.send_result(record);
        sent.map_err(|(error, _)| kafka(TAKE)(error))
    }

    /// Waits for the reply to this attempt of a command.
    pub(super) fn reply(
        &mut self,
        command: &CommandMessage<'_>,
    ) -> Result<ReplyMessage<'static>, NoReply> {
        self.reply_within(command, self.within)
    }

    /// The same within another time.
    pub(super) fn reply_within(
        &mut self,
        command: &CommandMessage<'_>,
        within: Duration,
    ) -> Result<ReplyMessage<'static>, NoReply> {
        let is_it = |reply: &ReplyMessage<'_>| {
            (reply.command, reply.attempt) == (command.id, command.attempt)
        };
        let deadline = Instant::now() + within;
        loop {
            if let Some(place) = self.unclaimed.iter().position(is_it) {
                return Ok(self.unclaimed.remove(place));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // An error is news of a connection, which comes back by itself.
            if let Some(Ok(record)) = self.replies.poll(left.min(Duration::from_millis(100))) {
                self.unclaimed
                    .push(read(&record).map_err(NoReply::Nonsense)?);
            } else if left.is_zero() {
                return Err(NoReply::Silence(within));
            }
        }
    }
}

/// Waits until the broker has a record.
fn delivered(sent: DeliveryFuture) -> Result<(), Error> {
    match Handle::current().block_on(sent) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(kafka(TAKE)(error)),
        Err(_) => Err(bus::Error::Stopped.into()),
    }
}

fn read(record: &BorrowedMessage<'_>) -> Result<ReplyMessage<'static>, String> {
    let reply = ReplyMessage::parse(record.key(), record.payload())
        .map_err(|error| format!("a record that is no reply: {error}"))?;
    let bytes = reply.payload.len();
    if bytes > REPLY_BYTES_MAX {
        return Err(format!(
            "a reply with {bytes} bytes of data; above {REPLY_BYTES_MAX} a command is answered \
             failed, code reply-too-large"
        ));
    }
    match record.partition() {
        PARTITION => Ok(reply.into_owned()),
        other => Err(format!(
            "a reply on partition {other}; replypartition was {PARTITION}"
        )),
    }
}

fn kafka(what: &'static str) -> impl FnOnce(KafkaError) -> Error {
    move |source| Error::Kafka { what, source }
}
