//! A real Kafka broker is started, asked by librdkafka, stopped, killed and started again.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails with the test")]

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sagas_local::{Kafka, KafkaOptions};

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn create_topic(bootstrap: &str, name: &str) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
    let topic = NewTopic::new(name, 3, TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let results = runtime
        .block_on(admin.create_topics([&topic], &options))
        .unwrap();
    assert_eq!(results, [Ok(name.to_owned())]);
}

/// The number of partitions of a topic, as soon as the broker knows any.
fn partitions(bootstrap: &str, name: &str) -> usize {
    let consumer: BaseConsumer = client(bootstrap).create().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let count = consumer
            .fetch_metadata(Some(name), Duration::from_secs(5))
            .map(|metadata| metadata.topics()[0].partitions().len());
        match count {
            Ok(count) if count > 0 => return count,
            last if Instant::now() >= deadline => panic!("no topic {name}: {last:?}"),
            _ => {}
        }
    }
}

fn is_away(bootstrap: &str) -> bool {
    std::net::TcpStream::connect(bootstrap).is_err()
}

#[test]
fn a_topic_survives_a_stop_and_a_kill_on_the_same_port() {
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let bootstrap = kafka.bootstrap();
    create_topic(&bootstrap, "kept");
    assert_eq!(partitions(&bootstrap, "kept"), 3);

    kafka.stop().unwrap();
    assert!(is_away(&bootstrap));
    kafka.start_again().unwrap();
    assert_eq!(partitions(&bootstrap, "kept"), 3);

    kafka.kill().unwrap();
    assert!(is_away(&bootstrap));
    kafka.start_again().unwrap();
    assert_eq!(partitions(&bootstrap, "kept"), 3);

    let folder = kafka.log().parent().unwrap().to_owned();
    drop(kafka);
    assert!(is_away(&bootstrap));
    assert!(!folder.exists(), "{} is still there", folder.display());
}

#[test]
fn a_folder_of_the_caller_is_kept_over_a_change_of_ports() {
    let folder = sagas_local::folder::Temporary::new("local-test").unwrap();
    let options = KafkaOptions {
        data: Some(folder.path().to_owned()),
        ..KafkaOptions::default()
    };
    let first = Kafka::start(options.clone()).unwrap();
    create_topic(&first.bootstrap(), "kept");
    drop(first);

    let second = Kafka::start(options).unwrap();
    assert_eq!(partitions(&second.bootstrap(), "kept"), 3);
}

#[test]
fn a_setting_that_kafka_refuses_shows_its_log() {
    let settings = vec![("log.segment.bytes".to_owned(), "many".to_owned())];
    let error = Kafka::start(KafkaOptions {
        settings,
        ..KafkaOptions::default()
    })
    .unwrap_err();
    assert!(error.to_string().contains("many"), "{error}");
}

#[test]
fn a_folder_without_jars_names_the_command_that_fetches_them() {
    let folder = sagas_local::folder::Temporary::new("local-test").unwrap();
    let libs = folder.path().join("libs");
    assert!(!sagas_local::kafka::is_complete(&libs));
    std::fs::create_dir(&libs).unwrap();
    assert!(
        !sagas_local::kafka::is_complete(&libs),
        "without a stamp, a download may be half done"
    );
    std::fs::write(sagas_local::kafka::stamp(&libs), sagas_local::kafka::POM).unwrap();
    assert!(sagas_local::kafka::is_complete(&libs));

    let error = sagas_local::Error::KafkaMissing { folder: libs };
    assert!(error.to_string().contains("cargo xtask kafka"), "{error}");
}
