//! `topics`: what Kafka has, and what the definitions of this binary need.

use std::fmt::Write as _;

use serde_json::json;

use super::arguments::{Output, TopicsArguments, TopicsVerb};
use super::failure::chain;
use super::{Failure, places, say, table};
use crate::Registry;
use crate::bus::topics::{self, Topic};
use crate::bus::{self};

pub(super) async fn run(registry: &Registry, arguments: &TopicsArguments) -> Result<(), Failure> {
    let settings = places::bus(&arguments.kafka)?;
    let participants = registry.participants();
    if let TopicsVerb::Create = arguments.verb {
        let warnings = topics::ensure(&settings, &participants)
            .await
            .map_err(|error| unreachable_brokers(&settings, &error))?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
    }
    let topics = topics::describe(&settings, &participants)
        .await
        .map_err(|error| unreachable_brokers(&settings, &error))?;
    say(&shown(&topics, arguments.output));
    let wrong = topics
        .iter()
        .filter(|topic| problem(topic).is_some())
        .count();
    if matches!(arguments.verb, TopicsVerb::Check) && wrong > 0 {
        return Err(Failure::Found(format!(
            "{wrong} of {} topics are not as the settings want them; `topics create` creates what \
             is missing",
            topics.len()
        )));
    }
    Ok(())
}

fn unreachable_brokers(settings: &bus::Settings, error: &bus::Error) -> Failure {
    let brokers = &settings.brokers;
    Failure::Unreachable(format!(
        "cannot ask Kafka at {brokers}: {}; see --brokers",
        chain(error)
    ))
}

fn problem(topic: &Topic) -> Option<String> {
    if topic.found.is_none() {
        return Some("missing".to_owned());
    }
    let warnings: Vec<_> = topics::warnings(topic)
        .iter()
        .map(ToString::to_string)
        .collect();
    (!warnings.is_empty()).then(|| warnings.join("; "))
}

fn shown(topics: &[Topic], output: Output) -> String {
    if output == Output::Json {
        let topics: Vec<_> = topics
            .iter()
            .map(|topic| {
                json!({
                    "name": topic.wanted.name,
                    "partitions_wanted": topic.wanted.partitions,
                    "partitions_found": topic.found.map(|found| found.partitions),
                    "problem": problem(topic),
                })
            })
            .collect();
        return format!("{:#}", json!({ "topics": topics }));
    }
    let rows: Vec<_> = topics
        .iter()
        .map(|topic| {
            let found = topic.found.map(|found| found.partitions);
            [
                topic.wanted.name.clone(),
                found.map_or_else(|| "-".to_owned(), |found| found.to_string()),
                problem(topic).unwrap_or_else(|| "ok".to_owned()),
            ]
        })
        .collect();
    let mut text = Vec::new();
    let head = ["TOPIC", "PARTITIONS", "STATE"];
    let written = table::write(&mut text, head, &rows);
    let mut text = String::from_utf8_lossy(&text).trim_end().to_owned();
    if let Err(error) = written {
        let _ = write!(text, "\n{error}");
    }
    text
}
