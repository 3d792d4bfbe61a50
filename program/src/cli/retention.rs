//! `retention`: what is kept for how long, what goes when; and does what is due, if asked to.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sagas::Timestamp;
use sagas_core::Registry;
use sagas_log::chain;
use sagas_orchestrator::engine::retention::run_once;
use sagas_orchestrator::store::partition::Archived;
use sagas_orchestrator::store::purge::{COUNTED_MAX, DueToGo};
use sagas_orchestrator::store::retention::Policy;
use sagas_orchestrator::store::{Error, Store};
use serde_json::json;

use super::arguments::{Output, RetentionArguments};
use super::startup::prepare;
use super::{Failure, places, say, table};
use crate::config::Span;

pub(super) async fn run(
    registry: &Registry,
    arguments: &RetentionArguments,
) -> Result<(), Failure> {
    let policy = places::policy(registry, &arguments.retention)?;
    let store = places::store(&arguments.postgres, 1)?;
    prepare(&store, &arguments.postgres, false).await?;
    let result = report(&store, &policy, arguments.dry_run).await;
    store.close().await;
    let report = result.map_err(|error| {
        let name = places::postgres_name(&arguments.postgres);
        Failure::Failed(format!("{name}: {}", chain(&error)))
    })?;
    say(&match arguments.output {
        Output::Table => report.as_text(),
        Output::Json => format!("{:#}", report.as_json()),
    });
    Ok(())
}

/// What was found, and done.
struct Report {
    policy: Policy,
    now: Timestamp,
    due: DueToGo,
    /// Sagas by partition and definition, before anything was done.
    archived: Vec<Archived>,
    /// Bytes of each partition, by the first day on which it may be gone.
    partitions: BTreeMap<NaiveDate, u64>,
    /// `None` in a dry run.
    done: Option<Done>,
}

/// What a run did.
#[derive(Default)]
struct Done {
    moved: u64,
    dropped: usize,
    held_up: Option<String>,
    keys: u64,
    dead_letters: u64,
}

async fn report(store: &Store, policy: &Policy, is_dry: bool) -> Result<Report, Error> {
    let now = store.database_time().await?;
    let due = store.due_to_go(policy, now).await?;
    let (archived, partitions) = (store.archived_sagas().await?, store.partitions().await?);
    let partitions = partitions.iter().map(|found| (found.day, found.bytes));
    let partitions = partitions.collect();
    let done = if is_dry {
        None
    } else {
        Some(work(store, policy, now).await?)
    };
    Ok(Report {
        policy: policy.clone(),
        now,
        due,
        archived,
        partitions,
        done,
    })
}

/// One run; what held up a drop becomes text.
async fn work(store: &Store, policy: &Policy, now: Timestamp) -> Result<Done, Error> {
    let done = run_once(store, policy, now).await?;
    Ok(Done {
        moved: done.moved,
        dropped: done.dropped.partitions.len(),
        held_up: done.dropped.held_up.as_ref().map(|error| chain(error)),
        keys: done.keys,
        dead_letters: done.dead_letters,
    })
}

impl Report {
    fn as_text(&self) -> String {
        let mut lines = self.kept();
        let rows = self.rows();
        if rows.is_empty() {
            lines.push("\nThe archive holds no sagas yet.".to_owned());
        } else {
            let head = ["DEFINITION", "KEPT", "PARTITION", "SAGAS", "SIZE", "GOES"];
            let mut text = Vec::new();
            table::write(&mut text, head, &rows).expect("a Vec takes all that is written");
            lines.push(format!("\n{}", String::from_utf8_lossy(&text).trim_end()));
        }
        lines.push(String::new());
        match &self.done {
            None => lines.extend(self.would_do()),
            Some(done) => lines.extend(done.told()),
        }
        lines.join("\n")
    }

    fn kept(&self) -> Vec<String> {
        let policy = &self.policy;
        let span = |kept| Span(kept).to_string();
        let mut lines = vec![
            format!("sagas         {} after their end", span(policy.finished)),
            format!("keys          {} after their first use", span(policy.keys)),
            format!("dead letters  {}", span(policy.dead_letters)),
        ];
        let own = policy.definitions.iter();
        lines.extend(own.map(|(name, kept)| format!("sagas of {name}: {}", span(*kept))));
        lines
    }

    /// One row for each definition in each partition.
    fn rows(&self) -> Vec<[String; 6]> {
        let rows = self.archived.iter().map(|held| {
            [
                held.definition.clone(),
                Span(self.policy.kept(&held.definition)).to_string(),
                held.day.to_string(),
                held.sagas.to_string(),
                size(self.bytes(held)),
                self.goes(held),
            ]
        });
        rows.collect()
    }

    /// The share of the partition's bytes that falls to these sagas.
    fn bytes(&self, held: &Archived) -> u64 {
        let of_day = self.archived.iter().filter(|other| other.day == held.day);
        let all: u64 = of_day.map(|other| other.sagas).sum();
        let bytes = self.partitions.get(&held.day).copied().unwrap_or(0);
        let share = u128::from(bytes) * u128::from(held.sagas) / u128::from(all.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    fn goes(&self, held: &Archived) -> String {
        let today = self.now.to_chrono().date_naive();
        match held.day.signed_duration_since(today).num_days() {
            ..=0 => "now".to_owned(),
            1 => "tomorrow".to_owned(),
            days => format!("in {days} days"),
        }
    }

    fn would_do(&self) -> Vec<String> {
        let today = self.now.to_chrono().date_naive();
        let partitions = self.partitions.range(..=today);
        vec![
            "This was a dry run; a run now would".to_owned(),
            format!(
                "  move {} finished sagas to the archive",
                count(self.due.sagas)
            ),
            format!("  drop {} partitions of the archive", partitions.count()),
            format!(
                "  free {} idempotency keys, but those of sagas that are still kept",
                count(self.due.keys)
            ),
            format!("  drop {} dead letters", count(self.due.dead_letters)),
        ]
    }

    fn as_json(&self) -> serde_json::Value {
        let archived = self.archived.iter().map(|held| {
            json!({
                "definition": held.definition,
                "kept_s": self.policy.kept(&held.definition).as_secs(),
                "drop_on": held.day.to_string(),
                "sagas": held.sagas,
                "bytes": self.bytes(held),
            })
        });
        let today = self.now.to_chrono().date_naive();
        let due = self.partitions.range(..=today);
        json!({
            "archived": archived.collect::<Vec<_>>(),
            "due": {
                "sagas": self.due.sagas,
                "partitions": due.count(),
                "keys": self.due.keys,
                "dead_letters": self.due.dead_letters,
            },
            "done": self.done.as_ref().map(|done| json!({
                "sagas": done.moved,
                "partitions": done.dropped,
                "keys": done.keys,
                "dead_letters": done.dead_letters,
                "held_up": done.held_up,
            })),
        })
    }
}

impl Done {
    fn told(&self) -> Vec<String> {
        let mut lines = vec![
            format!("moved {} finished sagas to the archive", self.moved),
            format!("dropped {} partitions of the archive", self.dropped),
            format!("freed {} idempotency keys", self.keys),
            format!("dropped {} dead letters", self.dead_letters),
        ];
        if let Some(why) = &self.held_up {
            let text = "a partition is still read, and goes with a later run";
            lines.push(format!("{text}: {why}"));
        }
        lines
    }
}

/// Counting ends somewhere.
fn count(number: u64) -> String {
    if number >= COUNTED_MAX.unsigned_abs() {
        return format!("{number} or more");
    }
    number.to_string()
}

/// `812 kB`, `3.4 MB`, `1.2 GB`.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        1_000_000_000.. => format!("{} GB", tenths(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn sample() -> Report {
        let held = |definition: &str, day: &str, sagas| Archived {
            definition: definition.to_owned(),
            day: day.parse().unwrap(),
            sagas,
        };
        Report {
            policy: Policy {
                definitions: [("place-order".to_owned(), 7 * DAY)].into(),
                ..Policy::default()
            },
            // 2026-11-26, 14:00 UTC.
            now: Timestamp::from_micros(1_795_701_600_000_000),
            due: DueToGo {
                sagas: 12,
                keys: COUNTED_MAX.unsigned_abs(),
                dead_letters: 3,
            },
            archived: vec![
                held("place-order", "2026-11-26", 40),
                held("book-trip", "2026-12-20", 30),
                held("place-order", "2026-12-20", 10),
            ],
            partitions: BTreeMap::from([
                ("2026-11-26".parse().unwrap(), 30_000),
                ("2026-12-20".parse().unwrap(), 4_000_000_000),
            ]),
            done: None,
        }
    }

    #[test]
    fn a_dry_run_says_what_goes_when_and_what_a_run_would_do() {
        let expected = "\
sagas         30d after their end
keys          180d after their first use
dead letters  90d
sagas of place-order: 7d

DEFINITION   KEPT  PARTITION   SAGAS  SIZE    GOES
place-order  7d    2026-11-26  40     30 kB   now
book-trip    30d   2026-12-20  30     3.0 GB  in 24 days
place-order  7d    2026-12-20  10     1.0 GB  in 24 days

This was a dry run; a run now would
  move 12 finished sagas to the archive
  drop 1 partitions of the archive
  free 1000000 or more idempotency keys, but those of sagas that are still kept
  drop 3 dead letters";
        assert_eq!(sample().as_text(), expected);
        let json = sample().as_json();
        assert_eq!(json["archived"][1]["bytes"], 3_000_000_000_u64);
        assert!(json["done"].is_null());
    }

    #[test]
    fn a_run_says_what_it_did_and_what_it_could_not() {
        let done = Some(Done {
            moved: 5,
            held_up: Some("statement timeout".to_owned()),
            ..Done::default()
        });
        let report = Report { done, ..sample() };
        let text = report.as_text();
        assert!(
            text.contains("\nmoved 5 finished sagas to the archive\n"),
            "{text}"
        );
        assert!(
            text.ends_with("goes with a later run: statement timeout"),
            "{text}"
        );
        assert_eq!(report.as_json()["done"]["sagas"], 5);
    }
}
