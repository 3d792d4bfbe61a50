//! A service at work, and how it ends.
//!
//! Order of an end: no more records are handed on; the batch in hand is committed and its replies
//! handed over; the broker acknowledges them; the offsets are committed; the group is left. No
//! database call is cut short on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::answering::Answering;
use crate::batch::{Handlers, next_savepoint};
use crate::health::{self, Health};
use crate::kafka::{Outstanding, Poller, Replies};
use crate::processor::{Processor, release_offsets};
use crate::{Error, Settings, purge};

/// How many batches may wait for the broker to acknowledge their replies.
const UNACKNOWLEDGED_BATCHES_MAX: usize = 16;

/// A service at work. Dropped, it stops in the background; [`Running::stop`] waits for it.
#[derive(Debug)]
pub struct Running {
    stopping: CancellationToken,
    ended: CancellationToken,
    supervisor: JoinHandle<Result<(), Error>>,
    finished: Arc<AtomicBool>,
    unreadable: Arc<AtomicU64>,
    health: Health,
    stop_within: Duration,
    _stop_on_drop: DropGuard,
}

pub(crate) fn start(
    participant: &str,
    partitions: i32,
    settings: Settings,
    handlers: Arc<dyn Handlers>,
    health: Health,
) -> Result<Running, Error> {
    // A producer that can never send again stops the service.
    let broken = CancellationToken::new();
    let stopping = broken.child_token();
    let ended = CancellationToken::new();
    let (records, read) = mpsc::unbounded_channel();
    let (handled, to_release) = mpsc::channel(UNACKNOWLEDGED_BATCHES_MAX);
    let replies = Arc::new(Replies::new(&settings, broken.clone())?);
    let (poller, offsets) = Poller::new(
        &settings,
        participant,
        partitions,
        records,
        stopping.clone(),
        health.clone(),
    )?;
    let (waiting, finished) = (Arc::clone(&poller.waiting), Arc::clone(&poller.finished));
    let unreadable = Arc::clone(&poller.unreadable);
    let processor = Processor {
        answering: Answering {
            database: settings.database.clone(),
            handlers,
            next_savepoint: next_savepoint(settings.handler_timeout),
            stopping: stopping.clone(),
        },
        replies: Arc::clone(&replies),
        latest: Outstanding::none(),
        batch_max: settings.batch_max,
        stopping: stopping.clone(),
        handled,
        health: health.clone(),
    };
    let stop_within = settings.stop_within;
    let polled = spawn_poller(participant, poller, stopping.clone())?;
    // Nobody waits for its end: it holds nothing.
    tokio::spawn(health::probe(
        settings.database.clone(),
        health.clone(),
        stopping.clone(),
    ));
    let parts = Parts {
        polled,
        processed: tokio::spawn(processor.run(read)),
        released: tokio::spawn(release_offsets(
            settings.clone(),
            to_release,
            offsets,
            waiting,
            broken.clone(),
            health.clone(),
        )),
        purged: tokio::spawn(purge::hourly(settings, stopping.clone())),
        finished: Arc::clone(&finished),
        replies,
        broken,
    };
    let end = ended.clone().drop_guard();
    let supervisor = tokio::spawn(async move {
        let _end = end;
        parts.join().await
    });
    let _stop_on_drop = stopping.clone().drop_guard();
    Ok(Running {
        stopping,
        ended,
        supervisor,
        finished,
        unreadable,
        health,
        stop_within,
        _stop_on_drop,
    })
}

/// A thread of its own, because leaving the group blocks and must not hold up a runtime's end.
fn spawn_poller(
    participant: &str,
    poller: Poller,
    stopping: CancellationToken,
) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
    let (ended, polled) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("poll-{participant}"))
        .spawn(move || {
            let _stop = stopping.drop_guard();
            let result = poller.run();
            // Nobody listens any more where the stop took too long.
            let _ = ended.send(result);
        })
        .map_err(|source| Error::Thread { source })?;
    Ok(polled)
}

struct Parts {
    polled: oneshot::Receiver<Result<(), Error>>,
    processed: JoinHandle<()>,
    released: JoinHandle<()>,
    purged: JoinHandle<()>,
    finished: Arc<AtomicBool>,
    /// Kept until the last reply is acknowledged: a dropped producer forgets what it has not sent.
    replies: Arc<Replies>,
    broken: CancellationToken,
}

impl Parts {
    async fn join(self) -> Result<(), Error> {
        let panicked = |what| move |_| Error::Panicked(what);
        // The processor's end closes the channel of the releaser.
        let processed = self.processed.await.map_err(panicked("processor"));
        let released = self.released.await.map_err(panicked("offset release"));
        drop(self.replies);
        self.finished.store(true, Ordering::Release);
        let polled = self.polled.await.unwrap_or(Err(Error::Panicked("poller")));
        let purged = self.purged.await.map_err(panicked("purge"));
        processed.and(released).and(polled).and(purged)?;
        if self.broken.is_cancelled() {
            Err(Error::ProducerBroken)
        } else {
            Ok(())
        }
    }
}

impl Running {
    /// Stops: finishes the batch in hand, sends its replies, commits the offsets, leaves the group.
    ///
    /// # Errors
    ///
    /// When that takes longer than `stop_within`, for example because Kafka is away, or when a
    /// part of the service had ended before. Nothing is lost by either: commands come again.
    pub async fn stop(self) -> Result<(), Error> {
        self.stopping.cancel();
        match tokio::time::timeout(self.stop_within, self.supervisor).await {
            Ok(ended) => ended.unwrap_or(Err(Error::Panicked("supervisor"))),
            Err(_) => {
                self.finished.store(true, Ordering::Release);
                Err(Error::StopTimedOut(self.stop_within))
            }
        }
    }

    /// Waits until the service has ended, by itself or by [`Running::stop`].
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Its health; the same view that [`Service::health`](crate::Service::health) gave.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// How many records were skipped because they are no commands of the wire format.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }
}
