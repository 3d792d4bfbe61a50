//! One test's surroundings: a database, topics, and the orchestrator's side of the conversation.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use sagas::barrier::Ask;
use sagas::id::TENANT_DEFAULT;
use sagas::wire::{CONTENT_TYPE, CommandMessage, Fault, ReplyMessage, ReplyTo, topics};
use sagas::{Command, CommandId, Direction, Outcome, SagaId, Timestamp};
use sagas_participant::Settings;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::servers::{servers, unique};
use crate::service::{Count, PARTICIPANT, SCHEMA, Wish, service};

pub const DEADLINE: Duration = Duration::from_secs(40);
/// Replies are asked for on a partition that no key hash would choose for all of them.
const REPLY_PARTITION: i32 = 1;

pub struct World {
    pub pool: PgPool,
    pub prefix: String,
    /// The same, but for a test that lets the service create its topic.
    pub prefix_of_commands: String,
    pub url: String,
    pub brokers: String,
    producer: BaseProducer,
    replies: BaseConsumer,
    read: Vec<ReplyMessage<'static>>,
}

impl World {
    /// Fresh topics, a fresh database on the shared Postgres, the inbox migrated.
    pub async fn new() -> Self {
        let name = unique("w");
        servers().postgres.create_database(&name).unwrap();
        Self::on(&servers().postgres.url(&name), &servers().kafka.bootstrap()).await
    }

    /// The same over other servers.
    pub async fn on(url: &str, brokers: &str) -> Self {
        let prefix = unique("p");
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .connect(url)
            .await
            .unwrap();
        sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
        sqlx::raw_sql("CREATE SEQUENCE conflicts")
            .execute(&pool)
            .await
            .unwrap();
        let client = client(brokers);
        let admin: AdminClient<DefaultClientContext> = client.create().unwrap();
        let reply_topic = topics::replies(&prefix);
        let command_topic = topics::commands(&prefix, PARTICIPANT);
        let new = [&reply_topic, &command_topic]
            .map(|topic| NewTopic::new(topic, 4, TopicReplication::Fixed(1)));
        admin
            .create_topics(&new, &AdminOptions::new())
            .await
            .unwrap();
        let replies: BaseConsumer = client.clone().set("group.id", "nobody").create().unwrap();
        let mut assigned = TopicPartitionList::new();
        assigned
            .add_partition_offset(&reply_topic, REPLY_PARTITION, Offset::Beginning)
            .unwrap();
        replies.assign(&assigned).unwrap();
        let producer = client.clone().set("linger.ms", "20").create().unwrap();
        let world = Self {
            pool,
            prefix_of_commands: prefix.clone(),
            prefix,
            url: url.to_owned(),
            brokers: brokers.to_owned(),
            producer,
            replies,
            read: Vec::new(),
        };
        service(world.settings()).migrate().await.unwrap();
        world
    }

    pub fn settings(&self) -> Settings {
        Settings {
            prefix: self.prefix.clone(),
            ..Settings::new(&self.brokers, self.pool.clone())
        }
    }

    pub fn command<C: Command>(&self, key: &str, ask: Ask, generation: u32, payload: &C) -> Sent {
        let saga = SagaId::from_key(TENANT_DEFAULT, key);
        let direction = ask.direction();
        let now = days_ago(0);
        CommandMessage {
            id: CommandId::of(saga, "step", direction, generation),
            participant: C::PARTICIPANT.into(),
            command: C::NAME.into(),
            definition: "counting".into(),
            saga,
            step: "step".into(),
            direction,
            fences_compensation: ask == Ask::FenceCompensation,
            generation,
            attempt: 1,
            started_at: now,
            revision: 1,
            deadline: None,
            reply_to: ReplyTo {
                topic: topics::replies(&self.prefix).into(),
                partition: REPLY_PARTITION,
            },
            time: now,
            traceparent: None,
            payload: serde_json::to_vec(payload).unwrap().into(),
        }
    }

    /// The first forward command of the saga `key`.
    pub fn count(&self, key: &str, wish: Wish) -> Sent {
        self.command(key, Ask::Forward, 1, &Count { wish })
    }

    pub fn send(&self, message: &Sent) {
        self.produce(message, None);
    }

    pub fn send_to(&self, partition: i32, message: &Sent) {
        self.produce(message, Some(partition));
    }

    fn produce(&self, message: &Sent, partition: Option<i32>) {
        let topic = topics::commands(&self.prefix_of_commands, PARTICIPANT);
        let (key, value) = (message.key(), message.value());
        // Without the header, which no participant needs.
        let record = BaseRecord::to(&topic).key(&key).payload(&value);
        let record = partition.into_iter().fold(record, BaseRecord::partition);
        self.producer
            .send(record)
            .map_err(|(error, _)| error)
            .unwrap();
    }

    /// A record that is no command.
    pub fn send_garbage(&self) {
        let topic = topics::commands(&self.prefix_of_commands, PARTICIPANT);
        let record: BaseRecord<'_, str, str> = BaseRecord::to(&topic).key("x").payload("garbage");
        self.producer
            .send(record)
            .map_err(|(error, _)| error)
            .unwrap();
    }

    /// The broker has all that was sent.
    pub fn flush(&self) {
        self.producer.flush(DEADLINE).unwrap();
    }

    /// All replies so far, once there are `count`.
    pub fn replies(&mut self, count: usize) -> &[ReplyMessage<'static>] {
        self.replies_until(|replies| replies.len() >= count)
    }

    /// All replies so far, once `enough` says so.
    pub fn replies_until(
        &mut self,
        enough: impl Fn(&[ReplyMessage<'static>]) -> bool,
    ) -> &[ReplyMessage<'static>] {
        self.flush();
        let until = Instant::now() + DEADLINE;
        while !enough(&self.read) {
            assert!(
                Instant::now() < until,
                "after {DEADLINE:?} only {:#?}",
                self.read
            );
            let polled =
                tokio::task::block_in_place(|| self.replies.poll(Duration::from_millis(20)));
            let Some(Ok(message)) = polled else { continue };
            let headers = message.headers().unwrap().iter();
            let headers = headers.map(|header| (header.key, header.value.unwrap()));
            let (name, media_type) = CONTENT_TYPE;
            assert_eq!(headers.collect::<Vec<_>>(), [(name, media_type.as_bytes())]);
            let reply = ReplyMessage::parse(message.key(), message.payload()).unwrap();
            self.read.push(reply.into_owned());
        }
        &self.read
    }

    /// The last reply of each saga, once there are `count` replies in all.
    pub fn outcomes(&mut self, count: usize) -> BTreeMap<SagaId, (Outcome, String)> {
        self.replies(count)
            .iter()
            .map(|reply| (reply.saga, (reply.outcome, code(reply))))
            .collect()
    }

    /// Sends one command and waits for its reply.
    pub fn ask(&mut self, message: &Sent) -> ReplyMessage<'static> {
        let before = self.read.len();
        self.send(message);
        self.replies(before + 1).last().unwrap().clone()
    }

    /// How often each direction took effect for the saga `key`: (forward, compensate).
    pub async fn effects(&self, key: &str) -> (i64, i64) {
        sqlx::query_as(
            "SELECT count(*) FILTER (WHERE direction = 'forward'),
                    count(*) FILTER (WHERE direction = 'compensate')
               FROM effect WHERE saga = $1",
        )
        .bind(SagaId::from_key(TENANT_DEFAULT, key).0)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// How many sagas took effect, and the most effects of one of them.
    pub async fn effects_of_all(&self) -> (i64, i64) {
        sqlx::query_as(
            "SELECT count(*), coalesce(max(effects), 0)
               FROM (SELECT count(*) AS effects FROM effect GROUP BY saga, direction) AS each",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// Rows that a transaction took and did not give back or fill.
    pub async fn rows_left_taken(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM saga_inbox WHERE status = 'taken'")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

pub type Sent = CommandMessage<'static>;

pub fn saga(key: &str) -> SagaId {
    SagaId::from_key(TENANT_DEFAULT, key)
}

/// The code of a fault; empty where the payload is none.
pub fn code(reply: &ReplyMessage<'_>) -> String {
    serde_json::from_slice::<Fault>(&reply.payload)
        .map(|fault| fault.code.into_owned())
        .unwrap_or_default()
}

pub fn text<'a>(reply: &'a ReplyMessage<'_>) -> (Outcome, Option<u32>, &'a str) {
    (
        reply.outcome,
        reply.effective,
        str::from_utf8(&reply.payload).unwrap(),
    )
}

pub fn client(brokers: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers);
    client.set("fetch.queue.backoff.ms", "5");
    client
}

/// A saga of today; one of a fixed day would be purged some day.
#[expect(clippy::disallowed_methods, reason = "a test, which is its own clock")]
pub fn days_ago(days: u64) -> Timestamp {
    let ago = Duration::from_secs(days * 24 * 60 * 60);
    let since_epoch = (SystemTime::now() - ago)
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_micros(i64::try_from(since_epoch.as_millis()).unwrap() * 1000)
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let until = Instant::now() + DEADLINE;
    let mut every = tokio::time::interval(Duration::from_millis(20));
    while !condition().await {
        assert!(Instant::now() < until, "{what}: not within {DEADLINE:?}");
        every.tick().await;
    }
}

/// What a reply echoes of its command.
pub fn assert_echoes(reply: &ReplyMessage<'_>, command: &Sent) {
    let echoed = (
        reply.command,
        reply.direction,
        reply.generation,
        reply.attempt,
        reply.revision,
    );
    let sent = (
        command.id,
        command.direction,
        command.generation,
        command.attempt,
        command.revision,
    );
    assert_eq!(echoed, sent);
    assert_eq!(
        (reply.step.as_ref(), reply.saga),
        (command.step.as_ref(), command.saga)
    );
    assert!(reply.direction != Direction::Fence || command.ask() != Ask::Forward);
}
