//! The shell of a lane: carries out what the lane decides, and decides nothing.
//!
//! Database work runs in tasks of its own that nobody cancels; results come back as inputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sagas::machine::Order;
use sagas::{SagaId, Timestamp};
use sagas_core::Registry;
use sagas_core::Submission;
use sagas_core::batch::{Batch, Outgoing};
use sagas_core::lane::{
    Bounds, Input, Lane, OrderAnswer, OutgoingCommand, Output, StartAnswer, Ticket,
};
use sagas_core::outgoing::Topics;
use sagas_core::record::OutgoingRecord;
use sagas_core::schedule::DELIVERIES_WAIT;
use sagas_core::unsent;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::flow::Flow;
use super::lanes::{LetIn, Room};
use super::meter::Meter;
use super::notes;
use super::unsent::{explain, tell};
use super::waiters::Waiters;
use crate::bus::{Delivery, Done, Limits, Producer, ReplyConsumer};
use crate::cause;
use crate::clock::Clock;
use crate::store::Store;

/// What comes to a lane from outside.
#[derive(Debug)]
pub(super) enum Message {
    Submit {
        id: SagaId,
        submission: Submission,
        tell: oneshot::Sender<StartAnswer>,
        let_in: LetIn,
    },
    Order {
        saga: SagaId,
        order: Order,
        tell: oneshot::Sender<OrderAnswer>,
    },
    Input(Input),
    /// Finish what is accepted, and end.
    Stop,
}

/// The parts that all lanes of a replica share.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) producer: Producer,
    pub(super) consumer: Arc<ReplyConsumer>,
    pub(super) clock: Arc<Clock>,
    pub(super) topics: Arc<Topics>,
    pub(super) waiters: Arc<Waiters>,
    pub(super) meter: Arc<Meter>,
    pub(super) flow: Arc<Flow>,
}

pub(super) struct Shell {
    lane: Lane,
    limits: Arc<Limits>,
    parts: Parts,
    room: Room,
    /// Results of tasks that this shell started: bounded by the lane, which starts few.
    results: mpsc::UnboundedReceiver<Input>,
    report: mpsc::UnboundedSender<Input>,
    /// Callers that wait for their submission.
    starting: BTreeMap<Ticket, (oneshot::Sender<StartAnswer>, LetIn)>,
    /// Callers that wait for their order.
    ordering: BTreeMap<Ticket, oneshot::Sender<OrderAnswer>>,
    last_ticket: u64,
    is_stopping: bool,
}

impl Shell {
    pub(super) fn new(registry: Registry, bounds: Bounds, parts: Parts, room: Room) -> Self {
        let (report, results) = mpsc::unbounded_channel();
        Self {
            lane: Lane::new(registry, bounds),
            limits: parts.producer.limits(),
            parts,
            room,
            results,
            report,
            starting: BTreeMap::new(),
            ordering: BTreeMap::new(),
            last_ticket: 0,
            is_stopping: false,
        }
    }

    /// Runs until it is told to stop and everything accepted is done.
    pub(super) async fn run(mut self) {
        while !(self.is_stopping && self.lane.is_idle()) {
            self.wait().await;
            self.take_what_is_there();
            if self.is_stopping {
                self.lane.flush_deliveries();
            }
            let outputs = self.lane.turn(self.parts.clock.now());
            let waiting = self.lane.waiting();
            self.room.inside.store(waiting, Ordering::Relaxed);
            self.carry_out(outputs);
        }
    }

    async fn wait(&mut self) {
        let now = self.parts.clock.now();
        let resume = self.lane.resume_at().map(|at| at.since(now));
        let has_room = self.takes_events() && !self.is_stopping;
        tokio::select! {
            biased;
            Some(result) = self.results.recv() => self.lane.take(result, self.parts.clock.now()),
            Some(message) = self.room.inbox.recv(), if has_room => {
                self.accept(message, self.parts.clock.now());
            }
            () = sleep(resume.unwrap_or_default()), if resume.is_some() => {}
            () = sleep(DELIVERIES_WAIT), if self.lane.has_only_deliveries() => {
                self.lane.flush_deliveries();
            }
        }
    }

    fn takes_events(&self) -> bool {
        self.room.admission.takes_events(self.lane.waiting())
    }

    /// Takes what arrived meanwhile, so that it comes into the same batch.
    fn take_what_is_there(&mut self) {
        let now = self.parts.clock.now();
        while let Ok(result) = self.results.try_recv() {
            self.lane.take(result, now);
        }
        while self.takes_events()
            && let Ok(message) = self.room.inbox.try_recv()
        {
            self.accept(message, now);
        }
    }

    fn accept(&mut self, message: Message, now: Timestamp) {
        match message {
            Message::Submit {
                id,
                submission,
                tell,
                let_in,
            } => {
                let ticket = self.ticket();
                self.starting.insert(ticket, (tell, let_in));
                self.lane.take(Input::start(id, ticket, submission), now);
            }
            Message::Order { saga, order, tell } => {
                let ticket = self.ticket();
                self.ordering.insert(ticket, tell);
                self.lane.take(Input::order(saga, ticket, order), now);
            }
            Message::Input(input) => self.lane.take(input, now),
            Message::Stop => self.is_stopping = true,
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        let mut advances = Vec::new();
        let mut publications = Vec::new();
        for output in outputs {
            match output {
                Output::Load(sagas) => self.load(sagas),
                Output::Commit { number, batch } => self.commit(number, *batch),
                Output::Publish {
                    publication,
                    commands,
                    events,
                } => publications.push(self.publication(publication, &commands, events)),
                Output::Started(ticket, answer) => {
                    if let Some((caller, _)) = self.starting.remove(&ticket) {
                        // Whoever went away asks again with the same key.
                        let _ = caller.send(answer);
                    }
                }
                Output::Ordered(ticket, answer) => {
                    if let Some(caller) = self.ordering.remove(&ticket) {
                        let _ = caller.send(answer);
                    }
                }
                Output::Note(note) => notes::log(note, &self.parts.topics),
                Output::Ended(saga, end) => self.parts.waiters.ended(saga, Some(&end)),
                Output::Advance {
                    partition,
                    next_offset,
                } => {
                    advances.push((partition, next_offset));
                }
            }
        }
        self.parts.producer.publish_together(publications);
        if !advances.is_empty() {
            self.parts.consumer.commit(&advances);
        }
    }

    /// The records of a publication, and what is to be done when the broker has answered for them.
    fn publication(
        &self,
        publication: u64,
        commands: &[OutgoingCommand],
        events: Vec<Outgoing>,
    ) -> (Vec<OutgoingRecord>, Done) {
        let topics = &self.parts.topics;
        let commands = commands.iter().map(|command| topics.command(command));
        let records = events.iter().map(|event| topics.outgoing(event));
        let records: Vec<_> = commands.chain(records).collect();
        let first = records.first().map(|record| record.key);
        let (limits, report) = (self.limits.clone(), self.report.clone());
        let runtime = Handle::current();
        let done = move |delivery: Delivery| {
            if let Some(error) = &delivery.failure {
                tell(error, first);
            }
            let published = Input::Published {
                publication,
                is_acknowledged: delivery.failure.is_none(),
            };
            if delivery.refused.is_empty() {
                // A shell that is gone has left its sagas to their wakes.
                let _ = report.send(published);
                return;
            }
            runtime.spawn(async move {
                let refused = explain(&limits, delivery.refused).await;
                let unsent = refused.into_iter().map(|one| unsent::read(one, &events));
                let _ = report.send(Input::Unsent(unsent.collect()));
                let _ = report.send(published);
            });
        };
        (records, Box::new(done))
    }

    fn load(&self, asked: Vec<SagaId>) {
        let (store, report) = (self.parts.store.clone(), self.report.clone());
        tokio::spawn(async move {
            let result = store.load(&asked).await.map_err(|error| cause::of(&error));
            let _ = report.send(Input::Loaded { asked, result });
        });
    }

    fn commit(&self, number: u64, batch: Batch) {
        let (store, report) = (self.parts.store.clone(), self.report.clone());
        let (clock, meter) = (self.parts.clock.clone(), self.parts.meter.clone());
        let flow = self.parts.flow.clone();
        flow.asked();
        tokio::spawn(async move {
            let sent = Instant::now();
            let result = store.commit(&batch).await;
            flow.answered(result.as_ref().map(drop));
            if let Ok(committed) = &result {
                meter.committed(batch.starts.len() + batch.updates.len(), sent.elapsed());
                clock.observe(committed.database_time, sent);
            }
            let _ = report.send(Input::Committed { number, result });
        });
    }
}
