//! The broker, asked once a second: whether it answers, for `/readyz`, which must not wait for it, how
//! many partitions the topics of replies and events have, and, where records wait all the same, why.
//!
//! Invariant: the number of partitions is what the broker said, never what the settings say. More
//! are believed at once; fewer only after a minute, because a broker that lags behind the others
//! still tells of the topic as it was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sagas::wire;
use sagas_kafka::{TopicId, topic_id};
use sagas_log::trouble;

use super::context::Context;
use super::late::Late;
use super::outstanding::Outstanding;
use super::{Error, Settings};
use crate::cause::{self, Cause};

const EVERY: Duration = Duration::from_secs(1);
/// A broker that needs longer than that to name a topic's partitions is not of use.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a broker may lag behind. Only a topic that was made again has fewer partitions for good.
const FEWER_AFTER: Duration = Duration::from_secs(60);

/// Asks on a thread of its own, until it is dropped.
pub(super) struct Watch {
    shared: Arc<Shared>,
    thread: std::thread::Thread,
}

struct Shared {
    trouble: Mutex<Option<Trouble>>,
    partitions: Mutex<Partitions>,
    event_partitions: Mutex<Partitions>,
    /// The id of the reply topic.
    topic_id: Mutex<Option<TopicId>>,
    /// Why records of these topics wait.
    late: Mutex<BTreeMap<Arc<str>, String>>,
    is_stopping: AtomicBool,
}

struct Trouble {
    since: Instant,
    what: String,
}

impl Watch {
    pub(super) fn start(settings: &Settings, outstanding: Arc<Outstanding>) -> Result<Self, Error> {
        // A consumer, because a producer that asks for a topic may create it.
        let config = settings.client(&[("allow.auto.create.topics", "false")]);
        let client: BaseConsumer<Context> = config
            .create_with_context(Context)
            .map_err(Error::refused)?;
        let topic = wire::topics::replies(&settings.prefix);
        let events = wire::topics::events(&settings.prefix);
        let shared = Arc::new(Shared {
            trouble: Mutex::new(Some(Trouble {
                since: Instant::now(),
                what: "it was not asked yet".to_owned(),
            })),
            partitions: Mutex::default(),
            event_partitions: Mutex::default(),
            topic_id: Mutex::default(),
            late: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        });
        let watched = Arc::clone(&shared);
        let mut late = Late::new(settings.clone(), outstanding);
        let thread = std::thread::Builder::new()
            .name("kafka-watch".to_owned())
            .spawn(move || {
                while !watched.is_stopping.load(Ordering::Acquire) {
                    let answer = ask(&client, &topic);
                    let answers = answer.is_ok();
                    watched.note(answer, Instant::now());
                    // The broker has just answered, or not: a topic may still be absent.
                    if answers && let Ok(found) = ask(&client, &events) {
                        lock(&watched.event_partitions).see(found, Instant::now());
                    }
                    if answers && let Some(id) = topic_id(client.client(), &topic, ANSWER_WITHIN) {
                        *lock(&watched.topic_id) = Some(id);
                    }
                    late.look(&client, answers, Instant::now());
                    *lock(&watched.late) = late.reasons();
                    // Errors that came meanwhile would pile up.
                    while client.poll(Duration::ZERO).is_some() {}
                    std::thread::park_timeout(EVERY);
                }
            })
            .map_err(Error::Thread)?
            .thread()
            .clone();
        Ok(Self { shared, thread })
    }

    pub(super) fn trouble(&self) -> Option<Cause> {
        let trouble = lock(&self.shared.trouble);
        trouble.as_ref().map(|Trouble { since, what }| {
            let seconds = since.elapsed().as_secs();
            let text = format!("the broker has not answered for {seconds} s: {what}");
            Cause::ours(text)
        })
    }

    /// Why records of the topic wait, where that was looked up.
    pub(super) fn why_late(&self, topic: &str) -> Option<String> {
        lock(&self.shared.late).get(topic).cloned()
    }

    /// The id of the reply topic, as it was last seen; `None` before the broker has said so.
    pub(super) fn topic_id(&self) -> Option<TopicId> {
        *lock(&self.shared.topic_id)
    }

    /// As [`Self::reply_partitions`], of the topic of lifecycle events.
    pub(super) fn event_partitions(&self) -> Option<i32> {
        lock(&self.shared.event_partitions).count
    }

    /// How many partitions the reply topic has; `None` before the broker has said so.
    pub(super) fn reply_partitions(&self) -> Option<i32> {
        lock(&self.shared.partitions).count
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Shared {
    fn note(&self, answer: Result<i32, Cause>, now: Instant) {
        if let Ok(partitions) = answer {
            lock(&self.partitions).see(partitions, now);
        }
        let mut trouble = lock(&self.trouble);
        *trouble = answer.err().map(|cause| {
            trouble!(warn, "Kafka cannot be used", error = cause.chain());
            Trouble {
                since: trouble.as_ref().map_or(now, |trouble| trouble.since),
                what: cause.to_string(),
            }
        });
    }
}

/// How many partitions the reply topic has, after looks that may contradict each other.
#[derive(Debug, Default)]
struct Partitions {
    count: Option<i32>,
    fewer_since: Option<Instant>,
}

impl Partitions {
    fn see(&mut self, found: i32, now: Instant) {
        if self.count.is_none_or(|count| count <= found) {
            (self.count, self.fewer_since) = (Some(found), None);
            return;
        }
        let since = *self.fewer_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= FEWER_AFTER {
            (self.count, self.fewer_since) = (Some(found), None);
        }
    }
}

/// The number of partitions, at least one of which can be written.
fn ask(client: &BaseConsumer<Context>, topic: &str) -> Result<i32, Cause> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_WITHIN);
    let metadata = metadata.map_err(|error| {
        let attempt = format!("cannot ask for the partitions of {topic}");
        cause::of(&error).within(&attempt)
    })?;
    let topics = metadata.topics().iter();
    let partitions: Vec<_> = topics.flat_map(|topic| topic.partitions()).collect();
    if partitions.iter().any(|partition| partition.leader() >= 0) {
        Ok(i32::try_from(partitions.len()).unwrap_or(i32::MAX))
    } else {
        Err(Cause::ours(format!("no partition of {topic} has a leader")))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_partitions_are_believed_at_once_and_fewer_after_a_minute() {
        let start = Instant::now();
        let mut partitions = Partitions::default();
        let mut sees = |found, seconds| {
            partitions.see(found, start + Duration::from_secs(seconds));
            partitions.count
        };
        assert_eq!(sees(4, 0), Some(4));
        assert_eq!(sees(8, 1), Some(8));
        assert_eq!(sees(4, 2), Some(8), "a broker that lags");
        assert_eq!(sees(8, 61), Some(8));
        assert_eq!(sees(4, 62), Some(8), "the minute begins again");
        assert_eq!(sees(4, 121), Some(8));
        assert_eq!(sees(2, 122), Some(2), "the topic was made again");
    }
}
