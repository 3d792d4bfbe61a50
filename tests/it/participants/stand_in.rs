//! The shipping service, played by a test: it gets each command as it lies in Kafka, and answers
//! when the test says so, what the test says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use sagas::barrier::Answer;
use sagas::wire::{CommandMessage, ReplyMessage};
use sagas::{Direction, Outcome};
use serde_json::{Map, Value, json};
use shop::services::ServiceName;
use sqlx::PgPool;
use uuid::Uuid;

use crate::broker::{Broker, Record};
use crate::world::{SOON, World};

pub(super) struct StandIn {
    broker: Broker,
    commands: BaseConsumer,
    database: PgPool,
}

impl StandIn {
    /// Takes the place of the shipping service, on its database.
    pub(super) async fn for_shipping(world: &World) -> Self {
        let shipping = ServiceName::Shipping;
        let database = PgPool::connect(world.database_of(shipping)).await.unwrap();
        shipping.migrate(&database).await.unwrap();
        let mut connection = database.acquire().await.unwrap();
        shipping.seed(&mut connection).await.unwrap();
        let broker = Broker::of(world);
        Self {
            commands: broker.commands(shipping.as_str()),
            broker,
            database,
        }
    }

    /// The next command, whichever it is.
    pub(super) fn next(&self) -> CommandMessage<'static> {
        let deadline = Instant::now() + SOON;
        loop {
            assert!(Instant::now() < deadline, "no command within {SOON:?}");
            let wait = Duration::from_millis(20);
            let polled = tokio::task::block_in_place(|| self.commands.poll(wait));
            // An error is news of a connection, which comes back by itself.
            if let Some(Ok(message)) = polled {
                let record = Record::from(&message);
                let (key, value) = (record.key.as_deref(), record.value.as_deref());
                let command = CommandMessage::parse(key, value).unwrap();
                return command.into_owned();
            }
        }
    }

    /// The next command of this direction; the others are sent again, and passed over.
    pub(super) fn next_of(&self, direction: Direction) -> CommandMessage<'static> {
        std::iter::repeat_with(|| self.next())
            .find(|command| command.direction == direction)
            .unwrap()
    }

    /// The next command of this saga.
    pub(super) fn next_for(&self, saga: Uuid) -> CommandMessage<'static> {
        std::iter::repeat_with(|| self.next())
            .find(|command| command.saga.0 == saga)
            .unwrap()
    }

    /// The next command of this attempt.
    pub(super) fn attempt(&self, attempt: u32) -> CommandMessage<'static> {
        std::iter::repeat_with(|| self.next())
            .find(|command| command.attempt == attempt)
            .unwrap()
    }

    /// Plans the shipment; gives the reply.
    pub(super) async fn plan(&self, command: &CommandMessage<'_>) -> Value {
        let wanted: Value = serde_json::from_slice(&command.payload).unwrap();
        let order: Uuid = wanted["order"].as_str().unwrap().parse().unwrap();
        let planned = sqlx::query_scalar(
            "WITH booked AS (
                 UPDATE shipping_day SET booked = booked + $2 WHERE day = current_date
                 RETURNING day
             )
             INSERT INTO shipment (order_id, day, pieces) SELECT $1, day, $2 FROM booked
             RETURNING day::text",
        );
        let planned = planned.bind(order).bind(wanted["pieces"].as_i64().unwrap());
        let day: String = planned.fetch_one(&self.database).await.unwrap();
        json!({ "ships_on": day })
    }

    /// Answers, and gives the place of the reply.
    pub(super) async fn answer(
        &self,
        command: &CommandMessage<'_>,
        outcome: Outcome,
        payload: &Value,
    ) -> BTreeMap<i32, i64> {
        self.answer_changed(command, outcome, payload, |_| ()).await
    }

    /// The same, with something else in the value of the reply.
    pub(super) async fn answer_changed(
        &self,
        command: &CommandMessage<'_>,
        outcome: Outcome,
        payload: &Value,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> BTreeMap<i32, i64> {
        let is_stored = matches!(outcome, Outcome::Succeeded | Outcome::Rejected);
        let answer = Answer {
            outcome,
            effective: is_stored.then_some(command.generation),
            payload: Cow::Owned(payload.to_string()),
        };
        let partition = command.reply_to.partition;
        let mut reply = Record {
            partition,
            ..Record::of(&ReplyMessage::to(command, answer, command.time))
        };
        let mut object = reply.object();
        object.as_object_mut().map(change);
        reply.value = Some(object.to_string().into_bytes());
        BTreeMap::from([(partition, self.broker.write_reply(&reply).await)])
    }

    /// Waits until the orchestrator is done with this reply.
    pub(super) async fn heard(&self, place: &BTreeMap<i32, i64>) {
        self.broker.finished(place).await;
    }
}
