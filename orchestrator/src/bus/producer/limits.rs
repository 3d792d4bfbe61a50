//! How much the topics take, as the broker says when somebody asks; only for messages to people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bus::delivery::{Refusal, Refused};
use crate::bus::{Settings, topics};

/// How long an answer is believed; a person who raises a limit reads the new one soon.
const BELIEVED: Duration = Duration::from_secs(60);

/// What the broker said of a topic, and when.
type Said = (Instant, Option<u64>);

#[derive(Debug, Default)]
pub(super) struct Limits {
    said: Mutex<BTreeMap<Arc<str>, Said>>,
}

impl Limits {
    pub(super) async fn look_up(&self, settings: &Settings, refused: &mut [Refused]) {
        for Refused { record, why } in refused {
            if let Refusal::TooLarge {
                limit: limit @ None,
            } = why
            {
                *limit = self.of(settings, &record.topic).await;
            }
        }
    }

    async fn of(&self, settings: &Settings, topic: &Arc<str>) -> Option<u64> {
        let said = self.said().get(topic).copied();
        if let Some((at, limit)) = said
            && at.elapsed() < BELIEVED
        {
            return limit;
        }
        let limit = topics::record_bytes_max(settings, topic).await;
        let said = (Instant::now(), limit);
        self.said().insert(topic.clone(), said);
        limit
    }

    fn said(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
