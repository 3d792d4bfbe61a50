//! Whether the broker answers: asked once a second, for `/readyz`, which must not wait for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sagas::wire;

use super::context::Context;
use super::{Error, Settings};
use crate::cause::Cause;
use crate::limit::trouble;

const EVERY: Duration = Duration::from_secs(1);
/// A broker that needs longer than that to name a topic's partitions is not of use.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Asks on a thread of its own, until it is dropped.
pub(super) struct Watch {
    shared: Arc<Shared>,
    thread: std::thread::Thread,
}

struct Shared {
    trouble: Mutex<Option<Trouble>>,
    is_stopping: AtomicBool,
}

struct Trouble {
    since: Instant,
    what: String,
}

impl Watch {
    pub(super) fn start(settings: &Settings) -> Result<Self, Error> {
        // A consumer, because a producer that asks for a topic may create it.
        let config = settings.client(&[("allow.auto.create.topics", "false")]);
        let client: BaseConsumer<Context> = config
            .create_with_context(Context)
            .map_err(Error::Settings)?;
        let topic = wire::topics::replies(&settings.prefix);
        let shared = Arc::new(Shared {
            trouble: Mutex::new(Some(Trouble {
                since: Instant::now(),
                what: "it was not asked yet".to_owned(),
            })),
            is_stopping: AtomicBool::new(false),
        });
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("kafka-watch".to_owned())
            .spawn(move || {
                while !watched.is_stopping.load(Ordering::Acquire) {
                    watched.note(ask(&client, &topic));
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

    pub(super) fn health(&self) -> Result<(), String> {
        match &*self.shared.lock() {
            None => Ok(()),
            Some(Trouble { since, what }) => {
                let seconds = since.elapsed().as_secs();
                Err(format!(
                    "the broker has not answered for {seconds} s: {what}"
                ))
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, answer: Result<(), Cause>) {
        let mut trouble = self.lock();
        *trouble = answer.err().map(|cause| {
            trouble!(warn, "Kafka cannot be used", error = cause.chain());
            Trouble {
                since: trouble.as_ref().map_or_else(Instant::now, |now| now.since),
                what: cause.to_string(),
            }
        });
    }
}

fn ask(client: &BaseConsumer<Context>, topic: &str) -> Result<(), Cause> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_WITHIN);
    let metadata = metadata.map_err(|error| {
        let attempt = format!("cannot ask for the partitions of {topic}");
        Cause::of(&error).within(&attempt)
    })?;
    let mut partitions = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions());
    if partitions.any(|partition| partition.leader() >= 0) {
        Ok(())
    } else {
        Err(Cause::ours(format!("no partition of {topic} has a leader")))
    }
}
