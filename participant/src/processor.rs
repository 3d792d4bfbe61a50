//! Carries out what the poller read, in order, and tells the offsets when it is done with.
//!
//! While one batch is committed, the next is read; while the replies of one are on their way, the
//! next is carried out. Offsets follow in the order of the batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::answering::{Answering, Stopping, rounds};
use crate::batch::Job;
use crate::clock;
use crate::health::Health;
use crate::kafka::{Offsets, Outstanding, Record, Replies, reply, tell_late};

/// A batch whose transactions are committed.
pub(crate) struct Handled {
    replies: Arc<Outstanding>,
    records: Vec<(i32, i64)>,
}

pub(crate) struct Processor {
    pub(crate) answering: Answering,
    pub(crate) replies: Arc<Replies>,
    /// The replies that were sent last.
    pub(crate) latest: Arc<Outstanding>,
    pub(crate) batch_max: usize,
    pub(crate) stopping: CancellationToken,
    pub(crate) handled: mpsc::Sender<Handled>,
    pub(crate) health: Health,
}

impl Processor {
    /// Runs until told to stop, then finishes the batch in hand.
    pub(crate) async fn run(mut self, mut records: mpsc::UnboundedReceiver<Record>) {
        let mut batch = Vec::new();
        loop {
            let count = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return,
                count = records.recv_many(&mut batch, self.batch_max) => count,
            };
            if count == 0 || self.handle(std::mem::take(&mut batch)).await.is_err() {
                return;
            }
        }
    }

    async fn handle(&mut self, batch: Vec<Record>) -> Result<(), Stopping> {
        let _in_hand = self.health.in_hand();
        let replies = Outstanding::new();
        let records = batch
            .iter()
            .map(|record| (record.partition, record.offset))
            .collect();
        for round in rounds(batch.into_iter().filter_map(|record| record.job)) {
            let jobs: Vec<&Job> = round.iter().collect();
            let answers = self.answering.answer(&jobs).await?;
            let mut answered: Vec<_> = jobs.into_iter().zip(answers).collect();
            // One request to the broker for each partition, not one whenever the partition changes.
            answered.sort_by_key(|(job, _)| job.message.reply_to.partition);
            let now = clock::now();
            let answered = answered.into_iter();
            let outgoing = answered.map(|(job, answer)| reply(&job.message, answer, now));
            let outgoing = outgoing.collect();
            self.latest.landed().await;
            self.replies.send(outgoing, &replies);
        }
        self.latest = Arc::clone(&replies);
        replies.one_less();
        self.handled
            .send(Handled { replies, records })
            .await
            .map_err(|_| Stopping)
    }
}

/// Releases offsets in the order of the batches, each after its replies are acknowledged; no more
/// once the producer is broken.
pub(crate) async fn release_offsets(
    settings: Settings,
    mut handled: mpsc::Receiver<Handled>,
    offsets: Offsets,
    waiting: Arc<AtomicUsize>,
    broken: CancellationToken,
    health: Health,
) {
    while let Some(batch) = handled.recv().await {
        tokio::select! {
            () = batch.replies.acknowledged() => {}
            () = broken.cancelled() => return,
            never = tell_late(&settings, &batch.replies, &health) => match never {},
        }
        health.replies(Ok(()));
        for (partition, offset) in &batch.records {
            offsets.done(*partition, *offset);
        }
        waiting.fetch_sub(batch.records.len(), Ordering::AcqRel);
    }
}
