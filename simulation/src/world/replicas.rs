//! Processes of the orchestrator: start, heartbeat, share of the work, pause, end.
//!
//! The background tasks do what `engine::replicas` and `engine::scan` do, with the same decisions of the
//! core; their loops are tokio's there and the agenda's here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sagas::{SagaId, Timestamp};
use sagas_core::Registry;
use sagas_core::batch::{OutboxId, Outgoing};
use sagas_core::clock::Clock;
use sagas_core::lane::Input;
use sagas_core::look::Look;
use sagas_core::membership::{Membership, ReplicaSeen};
use sagas_core::registry::Pin;
use sagas_core::route;
use sagas_core::schedule::{BEAT, LATE_EVERY, OUTBOX_EVERY, WAKES_EVERY};
use sagas_core::waiters::{ANYWHERE_EVERY, Waiters};
use uuid::Uuid;

use super::broker::Producer;
use super::database::{Answered, Question, Reply};
use super::lanes::LaneShell;
use super::{BEGIN, Happening, Life, Round, Waits, World};
use crate::faults::Fault;
use crate::journal::Heard;

/// One replica, over all its lives.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) life: u32,
    pub(crate) stage: Stage,
    pub(crate) id: Uuid,
    clock: Option<Clock>,
    /// What its own clock is ahead of true time, in microseconds.
    pub(crate) skew: i64,
    /// The last instant of its own clock; it never goes back.
    local: Timestamp,
    pub(crate) paused_until: Timestamp,
    pub(crate) lanes: Vec<LaneShell>,
    /// Which of the older binaries runs; `None`: the newest.
    pub(crate) older: Option<usize>,
    pub(crate) membership: Membership,
    /// Requests whose clients wait.
    pub(crate) waiters: Waiters<u64>,
    pub(crate) reading: BTreeMap<i32, super::reading::Reading>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Down,
    /// It waits for its first heartbeat.
    Starting,
    Up,
    /// It finishes what it has accepted.
    Stopping,
}

impl Replica {
    pub(crate) fn down() -> Self {
        Self {
            life: 0,
            stage: Stage::Down,
            id: Uuid::nil(),
            clock: None,
            skew: 0,
            local: BEGIN,
            paused_until: BEGIN,
            lanes: Vec::new(),
            older: None,
            membership: Membership::new(Uuid::nil(), 0, 0),
            waiters: Waiters::default(),
            reading: BTreeMap::new(),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.stage != Stage::Down
    }
}

impl World {
    pub(crate) fn begin_process(&mut self, number: usize) {
        let (id, skew) = (self.rng.uuid(), self.rng.between(0, 4_000_000));
        let skew = i64::try_from(skew).unwrap_or(0) - 2_000_000;
        let is_older = !self.replicas[number].is_alive() && self.strikes(Fault::BinaryLacks, 150);
        let older = is_older.then(|| self.rng.index(self.scene.older.len()));
        self.journal.is_mixed |= is_older;
        let layout = &self.layout;
        let registry = older.map_or(&self.scene.registry, |older| &self.scene.older[older]);
        let lanes = (0..layout.lanes).map(|_| LaneShell::new(registry, &layout.bounds));
        let lanes = lanes.collect();
        let replica = &mut self.replicas[number];
        if replica.is_alive() {
            return;
        }
        *replica = Replica {
            life: replica.life + 1,
            stage: Stage::Starting,
            id,
            skew,
            lanes,
            older,
            membership: Membership::new(id, layout.shards, layout.lanes),
            local: BEGIN,
            ..Replica::down()
        };
        let life = self.life(number);
        self.say(None, || {
            format!("replica {number} starts, older binary: {older:?}")
        });
        self.come_round(life, Round::Beat);
    }

    pub(crate) fn life(&self, replica: usize) -> Life {
        let number = self.replicas[replica].life;
        Life { replica, number }
    }

    /// A background task does its round.
    pub(crate) fn come_round(&mut self, life: Life, round: Round) {
        let replica = &self.replicas[life.replica];
        if replica.stage == Stage::Stopping {
            return;
        }
        let awaited = match round {
            Round::Waits => self.awaited(life),
            _ => Vec::new(),
        };
        let replica = &self.replicas[life.replica];
        let share = replica.membership.assignment();
        let question = match round {
            Round::Beat => Question::Heartbeat(sagas_core::membership::Replica {
                id: replica.id,
                name: format!("replica-{}", life.replica),
                started_at: BEGIN,
                definitions: Vec::new(),
            }),
            Round::Wakes => match Look::own(share) {
                Some(look) => Question::Due(look, self.pins(life.replica)),
                None => return self.next_round(life, round),
            },
            Round::Late => match Look::late(self.layout.shards) {
                Some(look) => Question::Due(look, self.pins(life.replica)),
                None => return,
            },
            Round::Outbox if !share.partitions.is_empty() => Question::Outbox(share.slots()),
            Round::Waits if !awaited.is_empty() => Question::Ended(awaited),
            Round::Outbox | Round::Waits => return self.next_round(life, round),
        };
        self.ask(life, question);
    }

    fn next_round(&mut self, life: Life, round: Round) {
        let every = match round {
            Round::Beat => BEAT,
            Round::Wakes => WAKES_EVERY,
            Round::Late => LATE_EVERY,
            Round::Outbox => OUTBOX_EVERY,
            Round::Waits => ANYWHERE_EVERY,
        };
        self.agenda.after(every, Happening::Round(life, round));
    }

    /// An answer of the database reaches its process.
    pub(crate) fn answered(&mut self, answered: Answered) {
        let Answered { life, sent, reply } = answered;
        match reply {
            Reply::Alive(seen, at) => {
                self.observe(life, at, sent);
                let next = self.serve(life, &seen, at);
                self.agenda.after(next, Happening::Round(life, Round::Beat));
            }
            Reply::Left => self.end_process(life.replica),
            Reply::Due(round, due) => {
                due.into_iter().for_each(|saga| self.offer_wake(life, saga));
                self.next_round(life, round);
            }
            Reply::Outbox(rows) => {
                for (row, events) in rows {
                    self.publish_again(life, row, &events);
                }
                self.next_round(life, Round::Outbox);
            }
            Reply::Delivered => {}
            Reply::Ended(ended) => {
                self.end_looked_up(life, &ended);
                self.next_round(life, Round::Waits);
            }
            Reply::Loaded {
                lane,
                asked,
                result,
            } => {
                self.note_loaded(life, lane);
                if let Ok(found) = &result {
                    self.note_read(life, lane, &asked);
                    let left = found
                        .loaded
                        .iter()
                        .filter(|loaded| !self.can_run(life, loaded.row.id));
                    for _ in 0..left.count() {
                        self.faults.count(Fault::LeftToAnother);
                    }
                }
                self.tell(life, lane, Input::Loaded { asked, result });
            }
            Reply::Committed {
                lane,
                number,
                result,
            } => {
                if let Ok(committed) = &result {
                    self.observe(life, committed.database_time, sent);
                }
                self.note_result(life, lane, number, &result);
                self.tell(life, lane, Input::Committed { number, result });
            }
            Reply::Failed(round) => self.next_round(life, round),
        }
    }

    /// The definitions of the binary that a process runs.
    pub(crate) fn registry_of(&self, replica: usize) -> &Registry {
        let older = self.replicas[replica].older;
        older.map_or(&self.scene.registry, |older| &self.scene.older[older])
    }

    fn pins(&self, replica: usize) -> Vec<Pin> {
        let definitions = self.registry_of(replica).iter();
        definitions.map(|known| Pin::of(known)).collect()
    }

    /// Whether a process has the definition that a stored saga pins.
    pub(crate) fn can_run(&self, life: Life, saga: SagaId) -> bool {
        let registry = self.registry_of(life.replica);
        // What a process sent may arrive when the next one runs another binary.
        let is_this_life = self.replicas[life.replica].life == life.number;
        let pins = self.store.pins(saga).filter(|_| is_this_life);
        // Asked of every definition: what the registry itself says is what is examined.
        pins.is_none_or(|(name, version, graph)| {
            let mut definitions = registry.iter();
            definitions.any(|definition| {
                (definition.name(), definition.version()) == (name, version)
                    && definition.fingerprint() == graph
            })
        })
    }

    fn offer_wake(&mut self, life: Life, saga: SagaId) {
        let lane = route::lane_of(saga, self.layout.lanes);
        self.offer(life, lane, Input::wake(saga));
    }

    fn publish_again(&mut self, life: Life, row: OutboxId, events: &[Outgoing]) {
        self.bus.next_flight();
        let (mut records, mut refused) = (Vec::new(), Vec::new());
        for event in events {
            if let Outgoing::Event(event) = event {
                // Later ones may have gone out meanwhile.
                self.journal.stirred.insert(event.saga);
            }
            let record = self.scene.outgoing.outgoing(event);
            match self.refuses(&record) {
                Some(one) => refused.push(one),
                None => records.push(self.address(&record)),
            }
        }
        let waits = Waits::Outbox { life, row, refused };
        self.publish(Producer::Replica(life), records, waits);
    }

    /// A heartbeat was answered. Says when the next one comes.
    fn serve(&mut self, life: Life, seen: &[ReplicaSeen], at: Timestamp) -> Duration {
        let of = self.count_partitions(life);
        let replica = &mut self.replicas[life.replica];
        if replica.stage == Stage::Stopping {
            return BEAT;
        }
        if replica.stage == Stage::Starting {
            replica.stage = Stage::Up;
            for round in [Round::Wakes, Round::Late, Round::Outbox, Round::Waits] {
                self.agenda.after(BEAT / 5, Happening::Round(life, round));
            }
        }
        let observed = at.since(Timestamp::default());
        let heard = replica.membership.hear(seen, at, observed, of);
        let next_beat = heard.beat_within.map_or(BEAT, |within| within.min(BEAT));
        let others = seen.iter().filter(|other| other.id != replica.id);
        self.journal.heard.push(Heard {
            own: replica.id,
            alive: seen.iter().map(|replica| replica.id).collect(),
            of,
            assignment: replica.membership.assignment().clone(),
            oldest: others.map(|other| at.since(other.heartbeat_at)).max(),
            next_beat,
        });
        if !heard.inputs.is_empty() {
            let partitions = replica.membership.assignment().partitions.clone();
            self.say(None, || {
                format!("replica {} reads {partitions:?}", life.replica)
            });
            for (lane, input) in heard.inputs {
                self.give(life, lane, input);
            }
            self.assign(life);
            let now = self.instant(life.replica);
            self.replicas[life.replica].waiters.scatter(now);
        }
        next_beat
    }

    /// How many partitions the reply topic has. A process that runs learns of a new one a while
    /// after it was made, and not when the others do.
    fn count_partitions(&mut self, life: Life) -> i32 {
        let found = self.bus.partitions(&self.scene.replies);
        let known = self.replicas[life.replica].membership.assignment().of;
        if known == 0 || (known != found && self.rng.chance(100)) {
            found
        } else {
            known
        }
    }

    /// The process is gone, with everything that it knew.
    pub(crate) fn end_process(&mut self, number: usize) {
        let life = self.life(number);
        let replica = &mut self.replicas[number];
        if replica.stage != Stage::Stopping {
            self.journal.killed.insert(life);
        }
        replica.stage = Stage::Down;
        replica.lanes.clear();
        replica.reading.clear();
        self.say(None, || format!("replica {number} is gone"));
        self.connections_break(life);
        let wait = self.rng.millis(50, 5_000);
        self.agenda.after(wait, Happening::Begin(number));
    }

    fn observe(&mut self, life: Life, database_time: Timestamp, sent: Timestamp) {
        let received = self.instant(life.replica);
        let took = self.now().since(sent);
        let sent = received
            .checked_sub(took)
            .unwrap_or(received)
            .max(self.origin);
        let replica = &mut self.replicas[life.replica];
        let clock = replica
            .clock
            .get_or_insert_with(|| Clock::started(database_time, sent, received));
        clock.observe(database_time, sent, received);
    }

    /// What the process takes for database time.
    pub(crate) fn process_time(&mut self, replica: usize) -> Timestamp {
        let instant = self.instant(replica);
        let clock = self.replicas[replica].clock.as_ref();
        clock.map_or(BEGIN, |clock| clock.at(instant))
    }

    /// The process's own clock: off by its skew, and never going back.
    pub(crate) fn instant(&mut self, replica: usize) -> Instant {
        let micros = self.now().as_micros() + self.replicas[replica].skew;
        let replica = &mut self.replicas[replica];
        replica.local = replica.local.max(Timestamp::from_micros(micros));
        self.origin + replica.local.since(BEGIN)
    }
}
