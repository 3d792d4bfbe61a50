//! The sweep of the outbox: lifecycle events and notices that the lane which wrote them did not publish.
//!
//! Every few seconds it walks through the rows of this replica's slots, a page at a time, to the end:
//! rows that cannot be published stand before no others. What is published when is for
//! [`Sweep`] to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use sagas::Timestamp;
use sagas_core::batch::{OutboxId, Slots};
use sagas_core::membership::Assignment;
use sagas_core::record::Refused;
use sagas_core::schedule::{OUTBOX_AGE, OUTBOX_MAX};
use sagas_core::sweep::{Next, Part, Sweep};
use sagas_core::unsent;
use sagas_log::{Limit, limited, trouble};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::letters;
use super::rounds::Rounds;
use super::shell::Parts;
use super::unsent::explain;
use crate::bus::Delivery;
use crate::cause::chain;
use crate::store::outbox::{Left, UnreadableRow};

/// Pages of one round. A walk that is longer goes on from there in the next round, so that no number of
/// rows that cannot be published stands before others.
const PAGES_MAX: usize = 50;

/// Each names its row.
static UNREADABLE: Limit = Limit::each("an outbox row cannot be read");

/// Rows that were shown as unreadable and are not shown again.
const SHOWN_MAX: usize = 1_000;

/// Answers of the broker that are taken at a time, so that their rows are deleted by one statement.
const SETTLED_MAX: usize = 1_000;

/// Answer of the broker to one part.
struct Settled {
    row: OutboxId,
    topic: Arc<str>,
    delivery: Delivery,
}

struct Task {
    parts: Parts,
    sweep: Sweep,
    report: mpsc::UnboundedSender<Settled>,
    shown: BTreeSet<OutboxId>,
    /// Place of the last row that the walk has met; `None` where the next one begins.
    after: Option<(Timestamp, Uuid)>,
}

/// Publishes what is left in the slots of this replica, until the engine stops.
pub(super) async fn outbox(
    parts: Parts,
    assignment: watch::Receiver<Assignment>,
    mut rounds: Rounds,
) {
    let (report, mut settled) = mpsc::unbounded_channel();
    let mut task = Task {
        parts,
        sweep: Sweep::default(),
        report,
        shown: BTreeSet::new(),
        after: None,
    };
    let mut some = Vec::new();
    loop {
        tokio::select! {
            biased;
            _ = settled.recv_many(&mut some, SETTLED_MAX) => {
                task.settle(std::mem::take(&mut some)).await;
            }
            goes_on = rounds.next() => {
                if !goes_on {
                    return;
                }
                let slots = assignment.borrow().slots();
                if !slots.own.is_empty() {
                    task.walk(&slots).await;
                }
            }
        }
    }
}

impl Task {
    async fn walk(&mut self, slots: &Slots) {
        let page_max = usize::try_from(OUTBOX_MAX).unwrap_or(usize::MAX);
        for _ in 0..PAGES_MAX {
            let page = self
                .parts
                .store
                .outbox(slots, OUTBOX_AGE, self.after, OUTBOX_MAX);
            let page = match page.await {
                Ok(page) => page,
                Err(error) => {
                    let error = chain(&error);
                    trouble!(warn, "cannot look for events left behind", error);
                    return;
                }
            };
            let is_last = page.len() < page_max;
            self.after = page.last().map(Left::place).filter(|_| !is_last);
            let mut clean = Vec::new();
            for left in &page {
                self.take(left, &mut clean).await;
            }
            self.delete(&clean).await;
            if is_last {
                self.sweep.end_of_walk();
                return;
            }
        }
    }

    /// Publishes a row, or finishes it; a row of which nothing was refused is added to `clean`.
    async fn take(&mut self, left: &Left, clean: &mut Vec<OutboxId>) {
        let events = match &left.events {
            Ok(events) => events,
            Err(error) => return self.show_unreadable(left, error).await,
        };
        let records = events.iter();
        let records = records.map(|event| self.parts.topics.outgoing(event));
        match self.sweep.look(left.id, records.collect()) {
            Next::Publish(parts) => parts.into_iter().for_each(|part| self.publish(part)),
            Next::Finish(refused) if refused.is_empty() => clean.push(left.id),
            Next::Finish(refused) => self.bury(left.id, refused).await,
        }
    }

    fn publish(&self, part: Part) {
        let Part {
            row,
            topic,
            records,
        } = part;
        let report = self.report.clone();
        self.parts.producer.publish(records, move |delivery| {
            // A task that has ended leaves its rows to the next sweep.
            let _ = report.send(Settled {
                row,
                topic,
                delivery,
            });
        });
    }

    async fn settle(&mut self, some: Vec<Settled>) {
        let mut clean = Vec::new();
        for settled in some {
            let (row, topic) = (settled.row, &settled.topic);
            let Delivery { refused, failure } = settled.delivery;
            if let Some(error) = &failure {
                let (error, topic) = (chain(error), &**topic);
                trouble!(
                    warn,
                    "the broker did not take events that were left behind",
                    topic,
                    error
                );
            }
            let refused = explain(&self.parts.producer.limits(), refused).await;
            let word = failure.is_none().then_some(refused);
            match self.sweep.settle(row, topic, word) {
                None => {}
                Some(refused) if refused.is_empty() => clean.push(row),
                Some(refused) => self.bury(row, refused).await,
            }
        }
        self.delete(&clean).await;
    }

    /// Deletes rows that the broker has. One that stays is deleted after a later walk.
    async fn delete(&mut self, rows: &[OutboxId]) {
        if rows.is_empty() {
            return;
        }
        match self.parts.store.delivered(rows).await {
            Ok(()) => rows.iter().for_each(|row| self.sweep.forget(*row)),
            Err(error) => {
                let error = chain(&error);
                trouble!(warn, "cannot delete events that were published", error);
            }
        }
    }

    /// Deletes a row, and keeps as dead letters what was refused of it.
    async fn bury(&mut self, row: OutboxId, refused: Vec<Refused>) {
        let batch = unsent::buried(row, refused);
        match self.parts.store.commit(&batch).await {
            Ok(committed) => {
                letters::tell_counted_of(&batch, &committed);
                self.sweep.forget(row);
            }
            Err(error) => {
                let error = chain(&error);
                trouble!(warn, "cannot keep events that were refused", error);
            }
        }
    }

    /// Shows a row that this binary cannot read as a dead letter, and leaves it where it is: a newer
    /// binary may have written it, and publishes it once it has the slot.
    async fn show_unreadable(&mut self, left: &Left, error: &UnreadableRow) {
        if self.shown.contains(&left.id) {
            return;
        }
        let (row, slot, cause) = (left.id.id, left.id.slot, chain(error));
        limited!(UNREADABLE, error, "an outbox row cannot be read", %row, slot, error = cause);
        let topic = self.parts.topics.events().clone();
        let batch = unsent::shown(topic, left.id, &error.to_string(), &error.text);
        match self.parts.store.commit(&batch).await {
            Ok(committed) => {
                letters::tell_counted_of(&batch, &committed);
                if self.shown.len() >= SHOWN_MAX {
                    self.shown.clear();
                }
                self.shown.insert(left.id);
            }
            Err(error) => {
                let error = chain(&error);
                trouble!(warn, "cannot show an outbox row that cannot be read", error);
            }
        }
    }
}
