//! Log lines about records that wait although the broker answers ([`sagas_kafka::waiting`]).
//!
//! Invariant: a topic is told of when its records begin to wait, when the cause becomes another one, each
//! half minute, and once when they have gone; no more often.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sagas::wire::topics::Shortage;
use sagas_kafka::waiting::{
    ANSWER_WITHIN, LOOK_EVERY, OVERDUE_AFTER, REPLICAS_NEEDED, UNKNOWN, shortage,
};

use super::context::Context;
use super::outstanding::{Outstanding, Overdue};
use super::{Settings, topics};
use crate::cause::{self, Cause};

/// Between two lines about the same cause.
const SAID_EVERY: Duration = Duration::from_secs(30);

/// Looks at what waits, and tells of it.
pub(super) struct Late {
    settings: Settings,
    outstanding: Arc<Outstanding>,
    /// Since when the broker answers. What waited for it alone goes within a moment.
    answers_since: Option<Instant>,
    topics: BTreeMap<Arc<str>, Told>,
}

struct Told {
    looked_at: Instant,
    said_at: Instant,
    reason: Reason,
}

/// Why the records wait, as far as the broker tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    Lacks(Shortage),
    /// The topic looks as it should.
    Unknown,
    /// It could not be looked at.
    NotSeen(Cause),
}

impl Late {
    pub(super) fn new(settings: Settings, outstanding: Arc<Outstanding>) -> Self {
        Self {
            settings,
            outstanding,
            answers_since: None,
            topics: BTreeMap::new(),
        }
    }

    /// To be called each second, with whether the broker answers.
    pub(super) fn look(&mut self, client: &BaseConsumer<Context>, answers: bool, now: Instant) {
        let overdue = self.outstanding.overdue(now);
        if !answers {
            self.answers_since = None;
            return;
        }
        let since = *self.answers_since.get_or_insert(now);
        if now.saturating_duration_since(since) < OVERDUE_AFTER {
            return;
        }
        self.topics.retain(|topic, _| {
            let waits = overdue.contains_key(topic);
            if !waits {
                tracing::info!(%topic, "records no longer wait for the broker");
            }
            waits
        });
        for (topic, overdue) in overdue {
            let told = self.topics.get(&topic);
            if told.is_none_or(|told| now >= told.looked_at + LOOK_EVERY) {
                let reason = self.reason(client, &topic);
                self.tell(topic, overdue, reason, now);
            }
        }
    }

    /// Why records wait, by topic, in words for outside.
    pub(super) fn reasons(&self) -> BTreeMap<Arc<str>, String> {
        let told = self.topics.iter();
        let told = told.map(|(topic, told)| (topic.clone(), told.reason.told()));
        told.collect()
    }

    fn tell(&mut self, topic: Arc<str>, overdue: Overdue, reason: Reason, now: Instant) {
        let before = self.topics.get(&topic);
        let before = before.filter(|told| told.reason == reason && now < told.said_at + SAID_EVERY);
        let said_at = before.map(|told| told.said_at);
        if said_at.is_none() {
            let Overdue { since, records } = overdue;
            let seconds = now.saturating_duration_since(since).as_secs();
            let code = match &reason {
                Reason::Lacks(shortage) => shortage.code(),
                Reason::Unknown | Reason::NotSeen(_) => None,
            };
            tracing::warn!(
                %topic,
                records,
                seconds,
                code,
                cause = %reason,
                "records wait although the broker answers"
            );
        }
        let told = Told {
            looked_at: now,
            said_at: said_at.unwrap_or(now),
            reason,
        };
        self.topics.insert(topic, told);
    }

    fn reason(&self, client: &BaseConsumer<Context>, topic: &str) -> Reason {
        let metadata = match client.fetch_metadata(Some(topic), ANSWER_WITHIN) {
            Ok(metadata) => metadata,
            Err(error) => return Reason::NotSeen(cause::of(&error)),
        };
        let lacks = shortage(&metadata, topic, self.needed(topic));
        lacks.map_or(Reason::Unknown, Reason::Lacks)
    }

    fn needed(&self, topic: &str) -> Option<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
        runtime.block_on(topics::number(&self.settings, topic, REPLICAS_NEEDED))
    }
}

impl Reason {
    /// The reason without any library's words.
    fn told(&self) -> String {
        match self {
            Self::NotSeen(cause) => format!("unknown: {cause}"),
            Self::Lacks(_) | Self::Unknown => self.to_string(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks(shortage) => shortage.fmt(f),
            Self::Unknown => f.write_str(UNKNOWN),
            Self::NotSeen(cause) => write!(f, "unknown: {}", cause.chain()),
        }
    }
}
