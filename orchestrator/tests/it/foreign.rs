//! The reply topic as producers of other makes use it: compressed, or inside transactions.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sagas::wire;
use sagas_orchestrator::bus;

use crate::broker::{Reader, SOON, number, numbers, ready};

fn producer(settings: &bus::Settings, extra: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    for (name, value) in extra {
        config.set(*name, *value);
    }
    config.create().unwrap()
}

/// Hands a record over that carries `number`, and so many blanks.
fn send(producer: &BaseProducer, settings: &bus::Settings, number: u32, bytes: usize) {
    let topic = wire::topics::replies(&settings.prefix);
    let value = number.to_string() + &" ".repeat(bytes);
    let record = BaseRecord::<(), _>::to(&topic).partition(0).payload(&value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_are_read_in_every_codec_of_kafka() {
    let settings = ready().await;
    let reader = Reader::start(&settings, [0]);
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let producer = producer(&settings, &[("compression.codec", codec)]);
        // Several in one batch, or they are not worth their compression.
        (0..100).for_each(|n| send(&producer, &settings, n, 200));
        producer.flush(SOON).unwrap();
        assert_eq!(numbers(&reader.next(100)), (0..100).collect(), "{codec}");
    }
    reader.consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_larger_than_one_fetch_is_read() {
    let settings = ready().await;
    let reader = Reader::start(&settings, [0]);
    let producer = producer(&settings, &[("message.max.bytes", "8000000")]);
    for number in 0..3 {
        send(&producer, &settings, number, 7_000_000);
    }
    producer.flush(SOON).unwrap();
    assert_eq!(numbers(&reader.next(3)), (0..3).collect());
    reader.consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_hangs_holds_up_nobodys_replies() {
    let settings = ready().await;
    let reader = Reader::start(&settings, [0]);
    let id = format!("{}-hangs", settings.prefix);
    let hanging = producer(&settings, &[("transactional.id", &id)]);
    hanging.init_transactions(SOON).unwrap();
    hanging.begin_transaction().unwrap();
    send(&hanging, &settings, 1, 1);
    hanging.flush(SOON).unwrap();

    let other = producer(&settings, &[]);
    send(&other, &settings, 2, 1);
    other.flush(SOON).unwrap();
    let read: Vec<u32> = reader.next(2).iter().map(number).collect();
    assert_eq!(read, [1, 2], "the transaction is open still");
    hanging.abort_transaction(Duration::from_secs(30)).unwrap();
    reader.consumer.stop().await;
}
