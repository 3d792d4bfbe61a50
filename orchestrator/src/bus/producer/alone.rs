//! Records that were refused in company, sent again one by one.
//!
//! The broker answers for a whole request. A client of its own, whose requests carry one record each,
//! makes its answer one about the record. It lives for as long as there is something to send again,
//! and [`IDLE`] longer; the producer beside it goes on meanwhile.
//!
//! Invariant: each record that comes here gets one verdict, when all is said and done.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use saga_core::record::OutgoingRecord;
use saga_kafka::headers;
use sagas::SagaId;
use sagas::wire::topics;

use super::{Error, Settings, config, give_up};
use crate::bus::context::Context;
use crate::bus::delivery::Countdown;
use crate::bus::spread::Spread;

/// How long the client is kept for the next record.
const IDLE: Duration = Duration::from_secs(10);

/// How long one look at its deliveries takes.
const POLL: Duration = Duration::from_millis(5);

/// A record to send again, and the batch that waits for it.
pub(in crate::bus) struct Again {
    pub(in crate::bus) record: OutgoingRecord,
    pub(in crate::bus) countdown: Arc<Countdown>,
}

/// The record that a delivery report is about.
pub(in crate::bus) fn record(message: &BorrowedMessage<'_>) -> OutgoingRecord {
    let key = message.key().and_then(|key| str::from_utf8(key).ok());
    OutgoingRecord {
        topic: message.topic().into(),
        key: key
            .and_then(|key| key.parse().ok())
            .unwrap_or(SagaId(uuid::Uuid::nil())),
        value: message.payload().unwrap_or_default().to_vec(),
    }
}

/// What the client calls back.
#[derive(Debug)]
struct Alone {
    spread: Spread,
}

impl ClientContext for Alone {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Context.error(error, reason);
    }
}

impl ProducerContext<Spread> for Alone {
    type DeliveryOpaque = Arc<Countdown>;

    fn get_custom_partitioner(&self) -> Option<&Spread> {
        Some(&self.spread)
    }

    fn delivery(&self, result: &DeliveryResult<'_>, countdown: Arc<Countdown>) {
        match result {
            Ok(message) => countdown.settle(message.topic(), Ok(())),
            Err((error, message)) => give_up(record(message), error.clone(), &countdown),
        }
    }
}

type Client = BaseProducer<Alone, Spread>;

/// Starts the thread, which ends with the other end of the channel.
pub(super) fn start(settings: Settings, records: Receiver<Again>) -> Result<(), Error> {
    let run = move || {
        while let Ok(first) = records.recv() {
            match connect(&settings) {
                Ok(client) => serve(&client, first, &records),
                Err(error) => first.countdown.settle(&first.record.topic, Err(error)),
            }
        }
    };
    let thread = std::thread::Builder::new().name("kafka-alone".to_owned());
    thread.spawn(run).map(drop).map_err(Error::Thread)
}

fn connect(settings: &Settings) -> Result<Client, Error> {
    let mut config = config(settings);
    // Not for anybody to set otherwise: more than one, and the answer is not about the record.
    config.set("batch.num.messages", "1").set("linger.ms", "0");
    let spread = Spread::new(topics::events(&settings.prefix));
    config
        .create_with_context(Alone { spread })
        .map_err(Error::refused)
}

/// Sends until nothing more comes, or until the client can send no more; what a client that is dropped
/// still holds ends with an error.
fn serve(client: &Client, first: Again, records: &Receiver<Again>) {
    let mut next = Some(first);
    while client.client().fatal_error().is_none() {
        if let Some(again) = next.take() {
            send(client, again);
        }
        client.poll(POLL);
        next = if client.in_flight_count() == 0 {
            let Ok(again) = records.recv_timeout(IDLE) else {
                return;
            };
            Some(again)
        } else {
            match records.try_recv() {
                Ok(again) => Some(again),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return,
            }
        };
    }
    if let Some(again) = next {
        let Again { record, countdown } = again;
        countdown.settle(&record.topic, Err(Error::Stopped));
    }
}

fn send(client: &Client, again: Again) {
    let Again { record, countdown } = again;
    let key = record.key.to_string();
    loop {
        let outgoing = BaseRecord::with_opaque_to(&record.topic, Arc::clone(&countdown))
            .key(&key)
            .payload(&record.value)
            .headers(headers());
        let Err((error, _)) = client.send(outgoing) else {
            return;
        };
        if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
            return give_up(record, error, &countdown);
        }
        client.poll(POLL);
    }
}
