//! The barrier's cases for a running participant, in any language, seen from Kafka alone.
//!
//! ```text
//!   scenario ──► case ──► Talk ──► commands ──► <prefix>.<participant>.commands ──► participant
//!                          │ Model: `sagas::barrier`                                    │
//!                          └──────── replies ◄── a reply topic of this run ◄────────────┘
//! ```
//!
//! A participant is asked as an orchestrator would ask it, but in the order of a bad day, and every
//! answer is compared with what the barrier's table says. A second effect shows in the answer: it
//! names another generation, or another payload, than the one that is stored.
//!
//! Invariant: nothing but the participant's own topic and a topic of this run is written; a case
//! undoes what it did, where the scenario names a compensation.
//!
//! Not here: effects that no answer tells of, unless the scenario names a program that counts them.

use std::path::PathBuf;
use std::time::Duration;

use rdkafka::error::KafkaError;
use sagas::barrier::Report;
use sagas::wire::topics;
use sagas_orchestrator::bus;
use uuid::Uuid;

mod case;
mod channel;
mod clock;
mod model;
mod scale;
mod scenario;
mod talk;

use channel::{Channel, ReplyTopic};
pub(crate) use scenario::Scenario;

/// Why the cases could not be tried, or not to their end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The scenario's file is not there.
    #[error("cannot read {}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The scenario's file says something else.
    #[error("{} is no scenario: {problem}", path.display())]
    NoScenario {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody has created the topic that the participant would read.
    #[error("there is no topic {topic}: is the participant running, with this prefix?")]
    NoCommandTopic {
        /// The topic.
        topic: String,
    },
    /// The broker.
    #[error("the broker is in the way")]
    Bus(#[from] bus::Error),
    /// The broker does not take a command, or does not say what it has.
    #[error("the broker does not {what}")]
    Kafka {
        /// What was attempted.
        what: &'static str,
        /// Why it did not work.
        source: KafkaError,
    },
}

/// Puts the participant through all cases. A reply may take as long as `within`.
pub(crate) async fn run(
    settings: &bus::Settings,
    participant: &str,
    scenario: Scenario,
    within: Duration,
) -> Result<Report, Error> {
    let run = Uuid::now_v7().simple().to_string();
    let commands = topics::commands(&settings.prefix, participant);
    let replies = ReplyTopic::create(settings, &run).await?;
    let channel = Channel::open(settings, commands, &replies, within);
    let participant = participant.to_owned();
    let tried = tokio::task::spawn_blocking(move || case::run_all(channel?, participant, scenario));
    let report = tried.await.map_err(|_| bus::Error::Stopped)?;
    replies.delete().await;
    report
}
