//! `topics`: what Kafka has, and what the definitions of this binary need.

use serde_json::{Value, json};

use super::arguments::{Output, TopicsArguments, TopicsVerb};
use super::{Failure, places, say, table};
use crate::bus::topics::{self, Topic, Warning};
use crate::cause::{Cause, chain};
use crate::config::Span;
use crate::{Registry, bus};

pub(super) async fn run(registry: &Registry, arguments: &TopicsArguments) -> Result<(), Failure> {
    let settings = places::bus(&arguments.kafka)?;
    let participants = registry.participants();
    if arguments.verb == TopicsVerb::Create {
        let warnings = topics::ensure(&settings, &participants)
            .await
            .map_err(|error| failure(&settings, &error))?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
    }
    let topics = topics::describe(&settings, &participants)
        .await
        .map_err(|error| failure(&settings, &error))?;
    say(&shown(&topics, arguments.output));
    let wrong = topics
        .iter()
        .filter(|topic| problem(topic).is_some())
        .count();
    if arguments.verb == TopicsVerb::Check && wrong > 0 {
        return Err(Failure::Found(format!(
            "{wrong} of {} topics are not as the settings want them; `topics create` creates what \
             is missing",
            topics.len()
        )));
    }
    Ok(())
}

/// Why Kafka could not be asked, or did not do it.
pub(super) fn failure(settings: &bus::Settings, error: &bus::Error) -> Failure {
    let text = chain(error);
    let brokers = &settings.brokers;
    match error {
        bus::Error::Unreachable { .. } => {
            let attempt = format!("cannot reach Kafka at {brokers} (--brokers)");
            Failure::Unreachable(Cause::of(error).within(&attempt))
        }
        bus::Error::Settings(_) => Failure::Usage(format!("{text}; see --kafka-options")),
        _ => Failure::Failed(format!("cannot prepare Kafka at {brokers}: {text}")),
    }
}

/// What is not as it should be: nothing, or a text.
fn problem(topic: &Topic) -> Option<String> {
    if topic.found.is_none() {
        return Some("missing".to_owned());
    }
    let warnings = topics::warnings(topic)
        .into_iter()
        .map(|warning| match warning {
            Warning::Partitions { configured, .. } => format!("{configured} partitions wanted"),
            Warning::Retention { configured, .. } => {
                format!("retention {} wanted", Span(configured))
            }
        });
    let problems: Vec<_> = warnings.collect();
    (!problems.is_empty()).then(|| problems.join(", "))
}

fn shown(topics: &[Topic], output: Output) -> String {
    if output == Output::Json {
        let topics: Vec<_> = topics.iter().map(as_json).collect();
        return format!("{:#}", json!({ "topics": topics }));
    }
    let rows: Vec<_> = topics.iter().map(as_row).collect();
    let mut text = Vec::new();
    let head = ["TOPIC", "PARTITIONS", "REPLICATION", "RETENTION", "STATE"];
    table::write(&mut text, head, &rows).expect("a Vec takes all that is written");
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

fn as_json(topic: &Topic) -> Value {
    let found = topic.found.map(|found| {
        json!({
            "partitions": found.partitions,
            "replication": found.replication,
            "retention_ms": found.retention.map(|kept| kept.as_millis().to_string()),
        })
    });
    json!({
        "name": topic.wanted.name,
        "wanted": {
            "partitions": topic.wanted.partitions,
            "retention_ms": topic.wanted.retention.as_millis().to_string(),
        },
        "found": found,
        "problem": problem(topic),
    })
}

fn as_row(topic: &Topic) -> [String; 5] {
    let absent = || "-".to_owned();
    let found = topic.found;
    let retention = found.map(|found| {
        let kept = found.retention.map(|kept| Span(kept).to_string());
        kept.unwrap_or_else(|| "for ever".to_owned())
    });
    [
        topic.wanted.name.clone(),
        found.map_or_else(absent, |found| found.partitions.to_string()),
        found.map_or_else(absent, |found| found.replication.to_string()),
        retention.unwrap_or_else(absent),
        problem(topic).unwrap_or_else(|| "ok".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bus::topics::{Found, Wanted};

    const DAY: Duration = Duration::from_secs(86_400);

    fn topic(name: &str, found: Option<(i32, Duration)>) -> Topic {
        Topic {
            wanted: Wanted {
                name: name.to_owned(),
                partitions: 16,
                retention: 7 * DAY,
            },
            found: found.map(|(partitions, kept)| Found {
                partitions,
                replication: 1,
                retention: Some(kept),
            }),
        }
    }

    #[test]
    fn every_topic_has_a_line_that_says_what_is_wrong_with_it() {
        let topics = [
            topic("saga.replies", Some((16, 7 * DAY))),
            topic("saga.events", Some((4, DAY))),
            topic("saga.rooms.commands", None),
        ];
        let table = [
            "TOPIC                PARTITIONS  REPLICATION  RETENTION  STATE",
            "saga.replies         16          1            7d         ok",
            "saga.events          4           1            1d         16 partitions wanted, \
             retention 7d wanted",
            "saga.rooms.commands  -           -            -          missing",
        ];
        assert_eq!(shown(&topics, Output::Table), table.join("\n"));
        let json: Value = serde_json::from_str(&shown(&topics, Output::Json)).unwrap();
        assert_eq!(json["topics"][0]["problem"], Value::Null);
        assert_eq!(json["topics"][2]["found"], Value::Null);
    }
}
