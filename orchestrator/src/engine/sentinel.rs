//! The watch over whether work flows: it collects what was seen, sends probes where nothing comes and goes,
//! and publishes the verdict of `sagas_core::readiness`.
//!
//! Invariant: it waits for nothing, so the verdict is never older than a round.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sagas::wire;
use sagas_core::Cause;
use sagas_core::readiness::probes::{self, Probes, Unread};
use sagas_core::readiness::{Evidence, Readiness};
use sagas_core::record::OutgoingRecord;
use sagas_kafka::TopicId;
use tokio::sync::{mpsc, watch};

use super::rounds::Rounds;
use super::shell::Parts;
use crate::bus::{Begin, Reading};
use crate::clock::uptime;

/// How often it looks. An answer that is owed for 2 s is known within three.
pub(super) const EVERY: Duration = Duration::from_millis(250);

/// How long a reader may get nothing before it is made to begin again: longer than a leader needs to come back.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// A probe has a verdict: the topic, its partition, whether it has arrived.
type Landed = (Arc<str>, i32, bool);

/// The watch of one replica.
pub(super) struct Sentinel {
    parts: Parts,
    heartbeat: watch::Receiver<Option<Cause>>,
    verdict: watch::Sender<Readiness>,
    replies: Probed,
    events: Probed,
    report: mpsc::UnboundedSender<Landed>,
    landed: mpsc::UnboundedReceiver<Landed>,
    /// Whether a commit of nothing is on its way.
    is_committing: Arc<AtomicBool>,
    /// The reply topic that is read.
    topic_id: Option<TopicId>,
    /// When reading was begun again.
    begun_at: Instant,
}

struct Probed {
    topic: Arc<str>,
    probes: Probes,
}

impl Probed {
    fn new(topic: String) -> Self {
        Self {
            topic: topic.into(),
            probes: Probes::default(),
        }
    }
}

impl Sentinel {
    pub(super) fn new(
        parts: Parts,
        prefix: &str,
        heartbeat: watch::Receiver<Option<Cause>>,
        verdict: watch::Sender<Readiness>,
    ) -> Self {
        let (report, landed) = mpsc::unbounded_channel();
        let sentinel = Self {
            parts,
            heartbeat,
            verdict,
            replies: Probed::new(wire::topics::replies(prefix)),
            events: Probed::new(wire::topics::events(prefix)),
            report,
            landed,
            is_committing: Arc::default(),
            topic_id: None,
            begun_at: Instant::now(),
        };
        // Before the first round, what the broker has not said is trouble.
        let evidence = sentinel.evidence();
        let first = Readiness::of(evidence, &sentinel.replies.topic);
        sentinel.verdict.send_replace(first);
        sentinel
    }

    /// Looks until the rounds end.
    pub(super) async fn run(mut self, mut rounds: Rounds) {
        while rounds.next().await {
            self.hear_of_probes();
            let reading = self.parts.consumer.reading();
            let mut evidence = self.evidence();
            evidence.unread = self.replies.probes.unread(
                &reading.read_at,
                &reading.partitions,
                reading.is_held,
                uptime(),
            );
            self.begin_again(&evidence.unread);
            self.publish(&Readiness::of(evidence, &self.replies.topic));
            self.probe_replies(&reading);
            self.probe_events();
            self.probe_commits();
        }
    }

    /// A topic of another id is another topic, whose records are read from the first one on. A reader that
    /// gets nothing although records lie there is made to begin again.
    fn begin_again(&mut self, unread: &Unread) {
        let id = self.parts.producer.reply_topic_id();
        let topic = &self.replies.topic;
        if id.is_some() && self.topic_id.is_some_and(|known| Some(known) != id) {
            tracing::warn!(%topic, "the topic was deleted and made again; it is read from its beginning");
            self.parts.consumer.begin_again(Begin::Oldest);
        }
        self.topic_id = id.or(self.topic_id);
        let is_stuck = unread
            .nothing_for
            .is_some_and(|silent| silent >= STUCK_AFTER);
        if is_stuck && self.begun_at.elapsed() >= STUCK_AFTER {
            self.begun_at = Instant::now();
            tracing::warn!(%topic, "nothing is read although records lie there; reading begins again");
            self.parts.consumer.begin_again(Begin::Stored);
        }
    }

    fn evidence(&self) -> Evidence {
        let topics = [&self.replies.topic, &self.events.topic];
        let mut topics = topics.into_iter();
        Evidence {
            is_flowing: topics.any(|topic| self.parts.producer.is_flowing(topic)),
            heartbeat: self.heartbeat.borrow().clone(),
            commits: self.parts.flow.trouble(),
            broker: self.parts.producer.trouble(),
            topics: self.parts.producer.topics_in_trouble(),
            ..Evidence::default()
        }
    }

    fn publish(&self, now: &Readiness) {
        let before = self.verdict.send_replace(now.clone());
        match (before.trouble(), now.trouble()) {
            (None, Some((part, cause))) => {
                let cause = cause.chain();
                tracing::warn!(%part, cause, "not ready: new sagas are refused");
            }
            (Some(_), None) => tracing::info!("ready: work flows"),
            _ => {}
        }
        for (topic, cause) in &now.topics {
            if !before.topics.contains_key(topic) {
                let cause = cause.chain();
                tracing::warn!(%topic, cause, "a topic is in trouble; all others are used");
            }
        }
    }

    fn hear_of_probes(&mut self) {
        while let Ok((topic, partition, has_landed)) = self.landed.try_recv() {
            for probed in [&mut self.replies, &mut self.events] {
                if probed.topic == topic {
                    probed.probes.settled(partition, has_landed, uptime());
                }
            }
        }
    }

    /// A reply that is read says that replies can be written. A replica that reads none asks the broker.
    fn probe_replies(&mut self, reading: &Reading) {
        let now = uptime();
        let is_recent = |at: &Duration| now.saturating_sub(*at) < probes::EVERY;
        let is_quiet = if reading.partitions.is_empty() {
            self.parts.producer.is_quiet(&self.replies.topic)
        } else {
            !reading.read_at.values().any(is_recent)
        };
        if !is_quiet {
            return;
        }
        let all = || (0..self.parts.producer.reply_partitions().unwrap_or(0)).collect();
        let partitions = if reading.partitions.is_empty() {
            all()
        } else {
            reading.partitions.clone()
        };
        if let Some(partition) = self.replies.probes.due(&partitions, now) {
            self.send(&self.replies.topic, partition);
        }
    }

    fn probe_events(&mut self) {
        if !self.parts.producer.is_quiet(&self.events.topic) {
            return;
        }
        let count = self.parts.producer.event_partitions().unwrap_or(0);
        let partitions: BTreeSet<i32> = (0..count).collect();
        if let Some(partition) = self.events.probes.due(&partitions, uptime()) {
            self.send(&self.events.topic, partition);
        }
    }

    fn send(&self, topic: &Arc<str>, partition: i32) {
        let probe = wire::probe(self.parts.clock.now());
        let record = OutgoingRecord {
            topic: topic.clone(),
            key: probe.saga,
            value: probe.value(),
        };
        let (report, topic) = (self.report.clone(), topic.clone());
        self.parts
            .producer
            .publish_to(partition, record, move |delivery| {
                // Whoever has stopped does not mind.
                let _ = report.send((topic, partition, delivery.is_complete()));
            });
    }

    fn probe_commits(&self) {
        if !self.parts.flow.is_quiet() || self.is_committing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (store, flow) = (self.parts.store.clone(), self.parts.flow.clone());
        let is_committing = self.is_committing.clone();
        flow.asked();
        tokio::spawn(async move {
            let result = store.probe().await;
            flow.answered(result.as_ref().copied());
            is_committing.store(false, Ordering::Release);
        });
    }
}
