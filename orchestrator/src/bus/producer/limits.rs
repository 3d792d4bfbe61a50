//! How much the topics take, as the broker says when somebody asks; only for messages to people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sagas_core::record::{Refusal, Refused};

use crate::bus::{Settings, topics};

/// How long an answer is believed; a person who raises a limit reads the new one soon.
const BELIEVED: Duration = Duration::from_secs(60);

/// What the broker said of a topic, and when.
type Said = (Instant, Option<u64>);

/// The limits of topics, as far as the broker tells them.
#[derive(Debug)]
pub struct Limits {
    settings: Settings,
    said: Mutex<BTreeMap<Arc<str>, Said>>,
}

impl Limits {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            said: Mutex::default(),
        }
    }

    /// Says of records that are too large how much their topics take.
    pub async fn look_up(&self, refused: &mut [Refused]) {
        for Refused { record, why } in refused {
            if *why == (Refusal::TooLarge { limit: None }) {
                let limit = self.of(&record.topic).await;
                *why = Refusal::TooLarge { limit };
            }
        }
    }

    async fn of(&self, topic: &Arc<str>) -> Option<u64> {
        let said = self.said().get(topic).copied();
        if let Some((at, limit)) = said
            && at.elapsed() < BELIEVED
        {
            return limit;
        }
        let limit = topics::number(&self.settings, topic, "max.message.bytes").await;
        let said = (Instant::now(), limit);
        self.said().insert(topic.clone(), said);
        limit
    }

    fn said(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
