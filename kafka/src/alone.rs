//! Records that were refused in company, sent again one by one.
//!
//! The broker answers for a whole request, so one record that it does not take costs those beside it
//! their place too. A client of its own, whose requests carry one record each, makes its answer one
//! about the record. It lives for as long as there is something to send again, and [`IDLE`] longer; the
//! producer beside it goes on meanwhile.
//!
//! Invariant: each record that comes here gets one verdict, when all is said and done.

use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use crate::outgoing::Outgoing;
use crate::{callback, headers, without_value};

/// How long the client is kept for the next record.
const IDLE: Duration = Duration::from_secs(10);

/// How long one look at its deliveries takes.
const POLL: Duration = Duration::from_millis(5);

/// A record without a place in its topic, and the reason.
///
/// The error is the broker's answer; that of a client that could not be made; or
/// [`KafkaError::Canceled`] where the client has failed before it was handed the record.
#[derive(Debug)]
pub struct NotTaken {
    /// The record.
    pub record: Outgoing,
    /// The reason.
    pub error: KafkaError,
}

type Done = Box<dyn FnOnce(Result<(), NotTaken>) + Send + Sync>;

struct Again {
    record: Outgoing,
    done: Done,
}

/// Sends records alone. Clones share one thread; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct Alone(Sender<Again>);

/// Whether the record is refused for what it is, or, in company, for what is beside it.
#[must_use]
pub fn is_refused(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidRecord
                | Code::InvalidDifferentRecord
                | Code::InvalidTimestamp
                | Code::PolicyViolation
        )
    )
}

impl Alone {
    /// Starts the thread. `config` is that of the producer beside it.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    pub fn start(mut config: ClientConfig) -> io::Result<Self> {
        // Not for anybody to set otherwise: more than one, and the answer is not about the record.
        config.set("batch.num.messages", "1").set("linger.ms", "0");
        let (sender, records) = channel();
        let thread = std::thread::Builder::new().name("kafka-alone".to_owned());
        thread.spawn(move || run(&config, &records))?;
        Ok(Self(sender))
    }

    /// Sends a record to the partition that it names, and calls `done` once. Never blocks.
    ///
    /// `done` runs on a thread of the client and must not block.
    pub fn send(
        &self,
        record: Outgoing,
        done: impl FnOnce(Result<(), NotTaken>) + Send + Sync + 'static,
    ) {
        let done = Box::new(done);
        if let Err(unsent) = self.0.send(Again { record, done }) {
            unsent.0.end(KafkaError::Canceled);
        }
    }
}

impl Again {
    fn end(self, error: KafkaError) {
        let Self { record, done } = self;
        done(Err(NotTaken { record, error }));
    }
}

/// What the client calls back.
struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        callback::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        callback::error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Done>;

    fn delivery(&self, result: &DeliveryResult<'_>, done: Box<Done>) {
        done(result.as_ref().map(drop).map_err(|(error, message)| {
            let (record, error) = (Outgoing::of(message), error.clone());
            NotTaken { record, error }
        }));
    }
}

type Client = BaseProducer<Reports>;

fn run(config: &ClientConfig, records: &Receiver<Again>) {
    while let Ok(first) = records.recv() {
        match config.create_with_context(Reports) {
            Ok(client) => serve(&client, first, records),
            Err(error) => first.end(without_value(error)),
        }
    }
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
        again.end(KafkaError::Canceled);
    }
}

fn send(client: &Client, again: Again) {
    let Again { record, done } = again;
    let mut outgoing = BaseRecord::with_opaque_to(&record.topic, Box::new(done))
        .partition(record.partition)
        .key(&record.key)
        .payload(&record.value)
        .headers(headers());
    while let Err((error, returned)) = client.send(outgoing) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            let done = returned.delivery_opaque;
            return done(Err(NotTaken { record, error }));
        }
        client.poll(POLL);
        outgoing = returned;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_whose_client_cannot_be_made_gets_a_verdict_that_names_the_option() {
        let mut config = ClientConfig::new();
        config.set("no.such.option", "hunter2");
        let alone = Alone::start(config).unwrap();
        let (verdict, verdicts) = channel();
        let record = Outgoing {
            topic: "replies".to_owned(),
            partition: 3,
            key: "a saga".to_owned(),
            value: b"a value".to_vec(),
        };
        alone.send(record, move |said| verdict.send(said).unwrap());
        let NotTaken { record, error } = verdicts.recv().unwrap().unwrap_err();
        assert_eq!((record.partition, &*record.key), (3, "a saga"));
        let text = error.to_string();
        assert!(
            text.contains("no.such.option") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
