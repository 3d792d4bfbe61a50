//! One world: replicas, database, broker, participants, clients, and what goes wrong between them.
//!
//! ```text
//!   clients ──► replicas: [ Lane ]  ──ask──► database ──answer──► …      production code in [ ]
//!                  ▲         │
//!               replies   commands ──► broker ──► services: [ barrier ]
//! ```
//!
//! Invariant: whatever crosses a process boundary is an event of its own on the agenda, so that
//! anything may happen in between. Nothing here decides about a saga.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sagas::{SagaId, Timestamp};
use sagas_core::batch::OutboxId;
use sagas_core::record::Refused;
use sagas_core::unsent::Unsent;

use crate::agenda::Agenda;
use crate::bus::Bus;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::layout::{Layout, Scene};
use crate::rng::Rng;
use crate::store::Store;
use crate::trace::Trace;

mod broker;
mod clients;
mod database;
mod doubt;
mod lanes;
mod mischief;
mod offsets;
mod orders;
mod outage;
mod person;
mod reading;
mod replicas;
mod rest;
mod services;
mod standby;
mod turns;
mod waits;

use broker::{Arriving, Broker, Channel};
use clients::{Clients, Errand};
use database::{Answered, Asked};
use doubt::Doubts;
use replicas::Replica;
use services::Service;
use standby::{Away, Turn};

/// The instant at which every world begins.
pub const BEGIN: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A world of twenty sagas has some ten thousand events; one with so many goes round in circles.
const EVENTS_MAX: u32 = 500_000;

/// A run of a process; the next run of the same replica has another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life {
    pub(crate) replica: usize,
    pub(crate) number: u32,
}

/// What happens at one instant.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A replica's process starts.
    Begin(usize),
    /// A background task of a process comes round.
    Round(Life, Round),
    /// A lane gets the processor.
    Turn(Life, usize),
    /// A lane had nothing else to do for a while.
    Flush(Life, usize),
    /// A statement reaches the database.
    Asked(Box<Asked>),
    /// Its answer reaches the process.
    Answered(Box<Answered>),
    /// A record reaches its partition.
    Arrive(Box<Arriving>),
    /// What an outage kept from a partition can go on.
    Resume(Channel),
    /// The broker has all records of a hand-over, or lost them.
    Acknowledge { handover: u64, is_good: bool },
    /// A process learns where to begin in a reply partition.
    Position(Life, i32),
    /// A process reads on in a reply partition.
    Fetch(Life, i32),
    /// An offset reaches the broker.
    StoreOffset(i32, i64),
    /// A service reads commands of a partition; the number tells one assignment from the next.
    Work {
        service: usize,
        partition: i32,
        epoch: u32,
    },
    /// A client does something.
    Client(usize, Errand),
    /// A client waits no longer for a request.
    GiveUp(u64),
    /// A request's answer reaches its client.
    Told(u64, Box<clients::Told>),
    /// A person looks for what waits for one.
    Person,
    /// Something goes wrong.
    Mischief,
    /// Something happens to a standby that is away since then.
    Standby { since: Timestamp, turn: Turn },
    /// From now on nothing goes wrong.
    Quiet,
    /// Everything is looked at: has it come to rest?
    Look,
}

/// A background task of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    Beat,
    Wakes,
    Late,
    Outbox,
    Waits,
}

/// Who waits for a hand-over to the broker.
#[derive(Debug, Clone)]
pub(crate) enum Waits {
    Lane {
        life: Life,
        lane: usize,
        publication: u64,
        unsent: Vec<Unsent>,
        topics: BTreeSet<String>,
    },
    Outbox {
        life: Life,
        row: OutboxId,
        refused: Vec<Refused>,
    },
    Service {
        service: usize,
        partition: i32,
        epoch: u32,
        next: i64,
    },
}

/// A world.
#[derive(Debug)]
pub struct World {
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) rng: Rng,
    pub(crate) seed: u64,
    pub(crate) layout: Layout,
    pub(crate) scene: Scene,
    pub(crate) faults: Faults,
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) broker: Broker,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) services: Vec<Service>,
    pub(crate) clients: Clients,
    pub(crate) journal: Journal,
    pub(crate) trace: Trace,
    pub(crate) doubts: Doubts,
    pub(crate) database_away_until: Timestamp,
    pub(crate) database_slow_until: Timestamp,
    standby_away: Option<Away>,
    /// Which server the address leads to: another one after each failover.
    pub(crate) server: u32,
    /// Numbers of sagas, for people.
    pub(crate) numbers: BTreeMap<SagaId, usize>,
    /// Only differences from it count: it stands for the start of every process's own clock.
    origin: Instant,
    is_replaying: bool,
    quiet_since: Option<Timestamp>,
    is_done: bool,
}

impl World {
    /// The world that `seed` fixes, with so many sagas.
    #[must_use]
    pub fn new(seed: u64, sagas: usize, is_traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let layout = Layout::random(&mut rng);
        let scene = Scene::random(&mut rng);
        let faults = match rng.below(6) {
            0 => Faults::none(),
            1 => Faults::all(),
            2 => Faults::outside(&mut rng),
            _ => Faults::some(&mut rng),
        };
        let mut bus = Bus::default();
        bus.create(&scene.replies, layout.reply_partitions);
        bus.create(&scene.events, 2);
        for topic in &scene.commands {
            bus.create(topic, layout.command_partitions);
        }
        let clients = Clients::random(sagas, &scene, &mut rng);
        let numbers = clients.numbers();
        let services = (0..scene.commands.len()).map(|_| Service::new(&layout));
        let replicas = (0..layout.replicas).map(|_| Replica::down());
        let mut world = Self {
            agenda: Agenda::new(BEGIN),
            seed,
            store: Store::new(layout.shards),
            bus,
            broker: Broker::default(),
            replicas: replicas.collect(),
            services: services.collect(),
            clients,
            journal: Journal::default(),
            trace: Trace::new(is_traced),
            doubts: Doubts::default(),
            database_away_until: BEGIN,
            database_slow_until: BEGIN,
            standby_away: None,
            server: 0,
            numbers,
            origin: Instant::now(),
            is_replaying: false,
            quiet_since: None,
            is_done: false,
            rng,
            layout,
            scene,
            faults,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let layout = self.layout.clone();
        self.say(None, || format!("{layout:?}"));
        for replica in 0..self.replicas.len() {
            let wait = self.rng.millis(0, 300);
            self.agenda.after(wait, Happening::Begin(replica));
        }
        self.clients_begin();
        self.agenda
            .after(Duration::from_millis(500), Happening::Mischief);
        self.agenda.after(Duration::ZERO, Happening::Person);
        self.agenda.after(layout.trouble, Happening::Quiet);
    }

    /// Runs until the world has come to rest, or will not.
    pub fn run(&mut self) {
        let mut events = 0;
        while !self.is_done
            && let Some(happening) = self.agenda.step()
        {
            self.happen(happening);
            events += 1;
            if events == EVENTS_MAX {
                let next = self.agenda.iter().next();
                let unrest = format!("{EVENTS_MAX} events were not enough; next is {next:?}");
                self.journal.unrest = Some(unrest);
                self.is_done = true;
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.agenda.now()
    }

    pub(crate) fn say(&mut self, saga: Option<SagaId>, text: impl FnOnce() -> String) {
        let saga = saga.and_then(|saga| self.numbers.get(&saga).copied());
        self.trace.say(self.agenda.now(), saga, text);
    }

    fn happen(&mut self, happening: Happening) {
        if let Some(life) = happening.life() {
            let replica = &self.replicas[life.replica];
            if replica.life != life.number || !replica.is_alive() {
                return;
            }
            if replica.paused_until > self.now() {
                let until = replica.paused_until;
                return self.agenda.at(until, happening);
            }
        }
        match happening {
            Happening::Begin(replica) => self.begin_process(replica),
            Happening::Round(life, round) => self.come_round(life, round),
            Happening::Turn(life, lane) => self.turn(life, lane),
            Happening::Flush(life, lane) => self.flush(life, lane),
            Happening::Asked(asked) => self.asked(*asked),
            Happening::Answered(answered) => self.answered(*answered),
            Happening::Arrive(arriving) => self.arrive(*arriving),
            Happening::Resume(channel) => self.resume(channel),
            Happening::Acknowledge { handover, is_good } => self.acknowledge(handover, is_good),
            Happening::Position(life, partition) => self.position(life, partition),
            Happening::Fetch(life, partition) => self.fetch(life, partition),
            Happening::StoreOffset(partition, next) => self.store_offset(partition, next),
            Happening::Work {
                service,
                partition,
                epoch,
            } => self.work(service, partition, epoch),
            Happening::Client(client, errand) => self.client_acts(client, errand),
            Happening::GiveUp(request) => self.give_up(request),
            Happening::Told(request, answer) => self.told(request, &answer),
            Happening::Person => self.person_looks(),
            Happening::Mischief => self.mischief(),
            Happening::Standby { since, turn } => self.standby_turns(since, turn),
            Happening::Quiet => self.be_quiet(),
            Happening::Look => self.look(),
        }
    }
}

impl Happening {
    /// The process that this needs.
    fn life(&self) -> Option<Life> {
        match self {
            Self::Round(life, _)
            | Self::Turn(life, _)
            | Self::Flush(life, _)
            | Self::Position(life, _)
            | Self::Fetch(life, _) => Some(*life),
            Self::Answered(answered) => Some(answered.life),
            Self::Begin(_)
            | Self::Asked(_)
            | Self::Arrive(_)
            | Self::Resume(_)
            | Self::Acknowledge { .. }
            | Self::StoreOffset(..)
            | Self::Work { .. }
            | Self::Client(..)
            | Self::GiveUp(_)
            | Self::Told(..)
            | Self::Person
            | Self::Mischief
            | Self::Standby { .. }
            | Self::Quiet
            | Self::Look => None,
        }
    }
}
