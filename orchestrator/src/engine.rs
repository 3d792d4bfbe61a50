//! The engine: the only place where a transition is committed.
//!
//! ```text
//!   REST ─submit, order─┐                              ┌─► Postgres (store)
//!   replies (bus) ──────┼─► lane 0..n, each: shell(core)├─► commands, events (bus)
//!   wakes (scan) ───────┘         one door, one path    └─► answers to callers
//! ```
//!
//! A saga's lane is a function of its id; its commands name a reply partition of that lane, so its
//! replies come back to where its state is cached. That is speed, never correctness.

mod flow;
mod health;
mod lanes;
mod letters;
mod meter;
mod notes;
mod outbox;
mod replicas;
pub mod retention;
mod rounds;
mod scan;
mod sentinel;
mod shell;
mod unsent;
mod waiters;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sagas::machine::{Order, OrderResult, Refusal};
use sagas::{SagaId, Timestamp};
use sagas_core::Registry;
use sagas_core::Submission;
use sagas_core::admission::Admission;
use sagas_core::incoming;
use sagas_core::lane::{Bounds, End, NotRunnable, OrderAnswer, StartAnswer, TooLarge};
use sagas_core::membership::Replica;
use sagas_core::membership::{Assignment, Membership};
use sagas_core::outgoing::Topics;
use sagas_core::readiness::{Part, Readiness};
use sagas_core::registry::Pin;
use sagas_core::schedule::{
    BEAT, LATE_EVERY, LOAD_MAX, OUTBOX_EVERY, PUBLICATIONS_MAX, WAKES_EVERY,
};
use sagas_core::waiters::{ANYWHERE_EVERY, Place};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use health::Health;
pub use meter::CommitFigures;
pub use waiters::Ending;

use crate::bus::{self, Producer, ReplyConsumer};
use crate::cause::Cause;
use crate::clock::Clock;
use crate::store::retention::Policy;
use crate::store::{self, Store};
use lanes::{Door, Lanes};
use replicas::{Heart, introduce};
use rounds::Rounds;
use sentinel::Sentinel;
use shell::{Message, Parts, Shell};

/// What the engine can be set to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Lanes of this replica.
    pub lanes: usize,
    /// Events in one commit.
    pub batch_max: usize,
    /// Events that wait in a lane, and as many before it; new starts are refused long before.
    pub inbox_max: usize,
    /// Sagas in memory, over all lanes.
    pub cache_max: usize,
    /// The broker.
    pub bus: bus::Settings,
    /// How this replica is called in the list of replicas.
    pub replica_name: String,
    /// What is kept for how long.
    pub retention: Policy,
}

/// A running engine; clones share it.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lanes: Lanes,
    parts: Parts,
    readiness: watch::Receiver<Readiness>,
    stop: CancellationToken,
    background: TaskTracker,
    shells: std::sync::Mutex<Vec<JoinHandle<()>>>,
    is_stopping: AtomicBool,
}

/// A submission that is committed.
#[derive(Debug)]
pub struct Accepted {
    /// The saga.
    pub id: SagaId,
    /// Whether this submission made it; otherwise an earlier one under the same key did.
    pub is_new: bool,
    /// For whoever wants to wait for its end.
    pub ending: Ending,
}

/// What came of waiting for a saga's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// This replica committed it.
    Here(End),
    /// Another replica did; the database knows how.
    Elsewhere,
    /// It has not ended within the time.
    InVain,
}

/// Why a submission or an order came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key belongs to another submission.
    #[error("the idempotency key was used before, for another definition or input (saga {id})")]
    KeyUsedOtherwise {
        /// The saga that the key names.
        id: SagaId,
    },
    /// There is no such saga.
    #[error("there is no such saga")]
    NotFound,
    /// The order makes no sense for the saga as it is.
    #[error(transparent)]
    Refused(Refusal),
    /// This binary cannot advance the saga.
    #[error(transparent)]
    NotRunnable(NotRunnable),
    /// A part that it needs does not do its work, or nothing answered in time.
    #[error("{part}: {cause}")]
    Unavailable {
        /// The part.
        part: Part,
        /// What is wrong with it.
        cause: Cause,
    },
    /// The database refuses the data itself.
    #[error("the database refuses the data: {0}")]
    Unstorable(Cause),
    /// One of the saga's first commands is too large; nothing was accepted.
    #[error(transparent)]
    CommandTooLarge(TooLarge),
    /// The lane has no room.
    #[error("too many events wait")]
    Overloaded,
    /// The engine is being stopped.
    #[error("this replica is being stopped")]
    Stopping,
}

/// Why the engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database does not answer, or refuses.
    #[error("the first heartbeat failed")]
    Store(#[from] store::Error),
    /// The broker does not answer, has no reply topic, or its settings are wrong.
    #[error("the broker cannot be used")]
    Bus(#[from] bus::Error),
}

/// Sagas that must wait for a lane's second commit to begin beside the first. A commit of fewer
/// costs more a saga than the wait for the first one does (`docs/performance.md`).
pub const SECOND_COMMIT_MIN: usize = 64;

/// One commit's commands are on their way, and those of the next wait in the producer for the answer: with a
/// third, two commits would share a flight, and one costs half as much.
const AHEAD_MAX: u64 = 2;

impl Engine {
    /// Starts lanes, consumer and heartbeat.
    ///
    /// # Errors
    ///
    /// When the database or the broker does not answer, there is no reply topic, or the broker's
    /// settings are wrong.
    pub async fn start(
        registry: Registry,
        store: Store,
        settings: Settings,
    ) -> Result<Self, StartError> {
        let names: Vec<&str> = registry.names().collect();
        let (lanes, rooms) = Lanes::new(
            settings.lanes.max(1),
            Admission::new(settings.inbox_max, settings.batch_max),
            &names,
        );
        let producer = Producer::new(&settings.bus)?;
        let sink = lanes.clone();
        let consumer = ReplyConsumer::start(&settings.bus, move |record| {
            let lane = sink.reading(record.partition);
            lane.hand_over(incoming::read(record))
        })?;
        let partitions = consumer.partitions().await?;
        // After Kafka has answered: from now on the others leave a share of the work to this replica.
        let own = introduce(&settings.replica_name, &registry);
        let sent = Instant::now();
        let (_, database_time) = store.heartbeat(&own).await?;
        let clock = Arc::new(Clock::started(database_time, sent));
        let parts = Parts {
            store,
            producer,
            consumer: Arc::new(consumer),
            clock,
            topics: Arc::new(Topics::new(&settings.bus.prefix, &registry.participants())),
            waiters: Arc::default(),
            meter: Arc::default(),
            flow: Arc::default(),
        };
        let shells = rooms.into_iter().map(|room| {
            let bounds = settings.bounds();
            let shell = Shell::new(registry.clone(), bounds, parts.clone(), room);
            tokio::spawn(shell.run())
        });
        let shells = std::sync::Mutex::new(shells.collect());
        let (verdict, readiness) = watch::channel(Readiness::default());
        let shared = Shared {
            lanes,
            parts,
            readiness,
            stop: CancellationToken::new(),
            background: TaskTracker::new(),
            shells,
            is_stopping: AtomicBool::new(false),
        };
        shared.start_background(own, partitions, &settings, verdict);
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Whether a new saga has a chance: some lane has room, for some definition. Cheap enough to ask for
    /// every request.
    #[must_use]
    pub fn takes_starts(&self) -> bool {
        self.shared.lanes.iter().any(Door::takes_some)
    }

    /// Starts a saga. Once this returns, the saga is found after any crash.
    ///
    /// # Errors
    ///
    /// [`Error::KeyUsedOtherwise`]; [`Error::CommandTooLarge`]; [`Error::Unavailable`], [`Error::Overloaded`] and
    /// [`Error::Stopping`], after which the same submission under the same key can be repeated.
    pub async fn submit(&self, submission: Submission) -> Result<Accepted, Error> {
        let id = submission.id().unwrap_or_else(|| SagaId(Uuid::now_v7()));
        let door = self.shared.lanes.of(id);
        let Some(let_in) = door.let_in(submission.definition.name()) else {
            return Err(Error::Overloaded);
        };
        let waiters = &self.shared.parts.waiters;
        // From now on: it may have ended before its client hears that it was accepted.
        let mut ending = waiters.wait_for(id, Place::Here);
        let answer = self
            .ask(id, |tell| Message::Submit {
                id,
                submission,
                tell,
                let_in,
            })
            .await?;
        match answer {
            StartAnswer::Accepted { id, is_new } => {
                if !is_new {
                    ending = waiters.wait_for(id, Place::Anywhere);
                }
                Ok(Accepted { id, is_new, ending })
            }
            StartAnswer::KeyUsedOtherwise { id } => Err(Error::KeyUsedOtherwise { id }),
            StartAnswer::CommandTooLarge(too_large) => Err(Error::CommandTooLarge(too_large)),
            StartAnswer::Unavailable(why) => Err(Error::of_postgres(why)),
            StartAnswer::Unstorable(why) => Err(Error::Unstorable(why)),
        }
    }

    /// The end of a saga that was accepted before, on any replica.
    #[must_use]
    pub fn ending(&self, id: SagaId) -> Ending {
        self.shared.parts.waiters.wait_for(id, Place::Anywhere)
    }

    /// Gives an order. Repeated with the same id, it is applied once and answered again.
    ///
    /// # Errors
    ///
    /// When the saga does not exist, the order makes no sense for it, or as for
    /// [`Engine::submit`].
    pub async fn order(&self, saga: SagaId, order: Order) -> Result<OrderResult, Error> {
        let answer = self
            .ask(saga, |tell| Message::Order { saga, order, tell })
            .await?;
        match answer {
            OrderAnswer::Applied { result, .. } => Ok(result),
            OrderAnswer::Refused(refusal) => Err(Error::Refused(refusal)),
            OrderAnswer::NotFound => Err(Error::NotFound),
            OrderAnswer::NotRunnable(why) => Err(Error::NotRunnable(why)),
            OrderAnswer::Unavailable(why) => Err(Error::of_postgres(why)),
            OrderAnswer::Unstorable(why) => Err(Error::Unstorable(why)),
        }
    }

    /// Database time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.parts.clock.now()
    }

    /// How many partitions the reply topic has, as the broker said within the last seconds.
    #[must_use]
    pub fn reply_partitions(&self) -> Option<u32> {
        let found = self.shared.parts.producer.reply_partitions();
        found.and_then(|found| u32::try_from(found).ok())
    }

    /// What the last commits of this replica were like.
    #[must_use]
    pub fn commit_figures(&self) -> CommitFigures {
        self.shared.parts.meter.figures()
    }

    /// Stops: nothing new is accepted, what is accepted is committed and published, the consumer
    /// ends. Returns whether all of it was done within the time.
    pub async fn stop(&self, within: Duration) -> bool {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        self.shared.stop.cancel();
        self.shared.background.close();
        let all = async {
            self.shared.background.wait().await;
            self.shared.parts.consumer.stop().await;
            for lane in self.shared.lanes.iter() {
                lane.stop().await;
            }
            let shells = std::mem::take(
                &mut *self
                    .shared
                    .shells
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner),
            );
            for shell in shells {
                // A shell that panicked has nothing left to finish.
                let _ = shell.await;
            }
        };
        let is_done = tokio::time::timeout(within, all).await.is_ok();
        self.shared
            .parts
            .producer
            .flush(Duration::from_secs(1))
            .await;
        is_done
    }
}

impl Shared {
    fn start_background(
        &self,
        own: Replica,
        partitions: i32,
        settings: &Settings,
        verdict: watch::Sender<Readiness>,
    ) {
        let (trouble, heartbeat) = watch::channel(None);
        let (assignment, assignments) = watch::channel(Assignment::default());
        let shards = self.parts.store.shards();
        let heart = Heart {
            membership: Membership::new(own.id, shards, self.lanes.count()),
            own,
            store: self.parts.store.clone(),
            clock: self.parts.clock.clone(),
            consumer: self.parts.consumer.clone(),
            lanes: self.lanes.clone(),
            assignment,
            producer: self.parts.producer.clone(),
            partitions,
            trouble,
        };
        let definitions: Arc<[Pin]> = heart.own.definitions.clone().into();
        let rounds = |period| Rounds::every(period, self.stop.clone());
        let (parts, lanes) = (&self.parts, self.lanes.clone());
        self.background.spawn(heart.run(rounds(BEAT)));
        let sentinel = Sentinel::new(parts.clone(), &settings.bus.prefix, heartbeat, verdict);
        self.background.spawn(sentinel.run(rounds(sentinel::EVERY)));
        self.background.spawn(scan::wakes(
            parts.clone(),
            lanes.clone(),
            definitions.clone(),
            assignments.clone(),
            rounds(WAKES_EVERY),
        ));
        self.background.spawn(scan::late(
            parts.clone(),
            lanes,
            definitions,
            rounds(LATE_EVERY),
        ));
        let policy = &settings.retention;
        retention::start(&self.background, parts, policy, &assignments, &self.stop);
        self.background.spawn(outbox::outbox(
            parts.clone(),
            assignments.clone(),
            rounds(OUTBOX_EVERY),
        ));
        self.background.spawn(scan::waiters(
            parts.clone(),
            assignments,
            rounds(ANYWHERE_EVERY),
        ));
    }
}

impl Settings {
    fn bounds(&self) -> Bounds {
        let cache_max = self.cache_max / self.lanes.max(1);
        Bounds {
            batch_max: self.batch_max.max(1),
            second_commit_min: SECOND_COMMIT_MIN,
            ahead_max: AHEAD_MAX,
            cache_max: NonZeroUsize::new(cache_max).unwrap_or(NonZeroUsize::MIN),
            load_max: LOAD_MAX,
            publications_max: PUBLICATIONS_MAX,
        }
    }
}
