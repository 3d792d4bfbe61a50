//! `topics`: what Kafka has, and what the definitions of this binary need.

use sagas::wire::topics::{Difference, RECORD_BYTES_MAX};
use sagas_orchestrator::bus;
use sagas_orchestrator::bus::topics::{self, Topic};
use sagas_orchestrator::cause::{self, chain};
use serde_json::{Value, json};

use super::arguments::{Output, TopicsArguments, TopicsVerb};
use super::{Failure, places, say, table};
use crate::Registry;
use crate::config::Span;

pub(super) async fn run(registry: &Registry, arguments: &TopicsArguments) -> Result<(), Failure> {
    let settings = places::bus(&arguments.kafka)?;
    let participants = registry.participants();
    if arguments.verb == TopicsVerb::Create {
        let findings = topics::ensure(&settings, &participants)
            .await
            .map_err(|error| failure(&settings, &error))?;
        for finding in findings {
            tracing::warn!("{finding}");
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
            Failure::Unreachable(cause::of(error).within(&attempt))
        }
        bus::Error::Unfit(_) => Failure::Failed(text),
        bus::Error::Settings(_) => Failure::Usage(format!("{text}; see --kafka-options")),
        _ => Failure::Failed(format!("cannot prepare Kafka at {brokers}: {text}")),
    }
}

/// What is not as it should be: nothing, or a text.
fn problem(topic: &Topic) -> Option<String> {
    if topic.found.is_none() {
        return Some("missing".to_owned());
    }
    let findings = topic.findings().into_iter();
    let problems = findings.map(|finding| match finding.difference {
        Difference::Partitions { wanted, .. } => format!("{wanted} partitions wanted"),
        Difference::Retention { wanted, .. } => format!("retention {} wanted", Span(wanted)),
        Difference::RetentionBytes { found } => format!("retention.bytes={found}, -1 wanted"),
        Difference::Compacts { policy } => format!("cleanup.policy={policy}, delete wanted"),
        Difference::RecordBytes { found } => {
            format!("max.message.bytes={found}, {RECORD_BYTES_MAX} wanted")
        }
        Difference::Unknown { why } => format!("settings unknown: {why}"),
    });
    let problems: Vec<_> = problems.collect();
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
    let found = topic.found.as_ref().map(|found| {
        // What is unknown is null; what is kept for ever has the -1 that Kafka has for it.
        let settings = found.settings.as_ref().ok();
        let kept = settings.map(|settings| {
            let kept = settings.retention.map(|kept| kept.as_millis().to_string());
            kept.unwrap_or_else(|| "-1".to_owned())
        });
        json!({
            "partitions": found.partitions,
            "replication": found.replication,
            "retention_ms": kept,
            "cleanup_policy": settings.map(|settings| &settings.cleanup_policy),
            "max_message_bytes": settings.map(|settings| settings.record_bytes_max),
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
    let found = topic.found.as_ref();
    let retention = found.map(|found| match &found.settings {
        Ok(settings) => {
            let kept = settings.retention.map(|kept| Span(kept).to_string());
            kept.unwrap_or_else(|| "for ever".to_owned())
        }
        Err(_) => "unknown".to_owned(),
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

    use sagas::wire::topics::{Found, Holds, TopicSettings, Wanted};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn topic(name: &str, found: Option<(i32, Duration)>) -> Topic {
        Topic {
            wanted: Wanted {
                name: name.to_owned(),
                holds: Holds::Events,
                partitions: 16,
                retention: 7 * DAY,
            },
            found: found.map(|(partitions, kept)| Found {
                partitions,
                replication: 1,
                settings: Ok(TopicSettings {
                    cleanup_policy: "delete".to_owned(),
                    retention: Some(kept),
                    retention_bytes: None,
                    record_bytes_max: RECORD_BYTES_MAX.into(),
                }),
            }),
        }
    }

    #[test]
    fn every_topic_has_a_line_that_says_what_is_wrong_with_it() {
        let mut unknown = topic("saga.keys.commands", Some((16, DAY)));
        if let Some(found) = &mut unknown.found {
            found.settings = Err("no right".to_owned());
        }
        let topics = [
            topic("saga.replies", Some((16, 7 * DAY))),
            topic("saga.events", Some((4, DAY))),
            topic("saga.rooms.commands", None),
            unknown,
        ];
        let table = [
            "TOPIC                PARTITIONS  REPLICATION  RETENTION  STATE",
            "saga.replies         16          1            7d         ok",
            "saga.events          4           1            1d         16 partitions wanted, \
             retention 7d wanted",
            "saga.rooms.commands  -           -            -          missing",
            "saga.keys.commands   16          1            unknown    settings unknown: no right",
        ];
        assert_eq!(shown(&topics, Output::Table), table.join("\n"));
        let json: Value = serde_json::from_str(&shown(&topics, Output::Json)).unwrap();
        assert_eq!(json["topics"][0]["problem"], Value::Null);
        assert_eq!(json["topics"][2]["found"], Value::Null);
        assert_eq!(json["topics"][0]["found"]["retention_ms"], "604800000");
        assert_eq!(json["topics"][3]["found"]["retention_ms"], Value::Null);
    }
}
