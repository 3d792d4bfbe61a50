//! The doors of a replica's lanes; `sagas_core::admission` says what is let in when much waits already.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sagas::SagaId;
use sagas_core::admission::Admission;
use sagas_core::lane::Input;
use sagas_core::route;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Error;
use super::shell::Message;

/// The doors of all lanes.
#[derive(Debug, Clone)]
pub(super) struct Lanes {
    doors: Arc<[Door]>,
}

/// The way into one lane.
#[derive(Debug)]
pub(super) struct Door {
    inbox: mpsc::Sender<Message>,
    inside: Arc<AtomicUsize>,
    admission: Admission,
    /// By definition, how many sagas are to start.
    starting: BTreeMap<String, Arc<AtomicUsize>>,
}

/// A submission that was let in: it counts for its definition until it is answered.
#[derive(Debug)]
pub(super) struct LetIn(Arc<AtomicUsize>);

impl LetIn {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for LetIn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The lane's side of its door.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) inbox: mpsc::Receiver<Message>,
    /// How many events the lane has taken in and not committed; the lane says so.
    pub(super) inside: Arc<AtomicUsize>,
    /// How many of them it may have.
    pub(super) admission: Admission,
}

impl Lanes {
    /// So many lanes, each with this room, for sagas of these definitions.
    pub(super) fn new(
        count: usize,
        admission: Admission,
        definitions: &[&str],
    ) -> (Self, Vec<Room>) {
        let pairs = (0..count).map(|_| {
            let (sender, inbox) = mpsc::channel(admission.events_max());
            let inside = Arc::new(AtomicUsize::new(0));
            let door = Door {
                inbox: sender,
                inside: Arc::clone(&inside),
                admission,
                starting: definitions
                    .iter()
                    .map(|name| ((*name).to_owned(), Arc::default()))
                    .collect(),
            };
            let room = Room {
                inbox,
                inside,
                admission,
            };
            (door, room)
        });
        let (doors, rooms): (Vec<_>, Vec<_>) = pairs.unzip();
        let doors = doors.into();
        (Self { doors }, rooms)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Door> {
        self.doors.iter()
    }

    /// The lane that a saga's submissions, orders and wakes go to.
    pub(super) fn of(&self, saga: SagaId) -> &Door {
        &self.doors[route::lane_of(saga, self.doors.len())]
    }

    /// The lane that reads a reply partition.
    pub(super) fn reading(&self, partition: i32) -> &Door {
        &self.doors[route::lane_of_partition(partition, self.doors.len())]
    }

    /// The lane of this number.
    pub(super) fn at(&self, number: usize) -> &Door {
        &self.doors[number]
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.doors.len()
    }
}

impl Door {
    /// Whether a new saga of any definition may come in: what waits goes into the next commits.
    pub(super) fn takes_some(&self) -> bool {
        let owns = self.starting.values();
        let owns = owns.map(|own| own.load(Ordering::Relaxed));
        self.admission.takes_some(self.waiting(), owns)
    }

    /// Lets a new saga of this definition in, if it may come in.
    pub(super) fn let_in(&self, definition: &str) -> Option<LetIn> {
        let own = self.starting.get(definition)?;
        let takes = self
            .admission
            .takes_start(self.waiting(), own.load(Ordering::Relaxed));
        takes.then(|| LetIn::new(own))
    }

    fn waiting(&self) -> usize {
        let queued = self.inbox.max_capacity() - self.inbox.capacity();
        queued + self.inside.load(Ordering::Relaxed)
    }

    /// Gives the lane what a caller wants, if it has room.
    pub(super) fn ask(&self, message: Message) -> Result<(), Error> {
        self.inbox.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Closed(_) => Error::Stopping,
        })
    }

    /// Gives the lane an input, as soon as it has room; blocks the thread. Says whether the lane is
    /// still there.
    pub(super) fn hand_over(&self, input: Input) -> bool {
        self.inbox.blocking_send(Message::Input(input)).is_ok()
    }

    /// Gives the lane an input, as soon as it has room.
    pub(super) async fn tell(&self, input: Input) {
        // A lane ends only at the very end; then nothing matters any more.
        let _ = self.inbox.send(Message::Input(input)).await;
    }

    /// Gives the lane an input if it has room; what is due now is due at the next look, too.
    pub(super) fn offer(&self, input: Input) {
        let _ = self.inbox.try_send(Message::Input(input));
    }

    pub(super) async fn stop(&self) {
        let _ = self.inbox.send(Message::Stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_sagas_are_refused_while_orders_and_replies_still_come_in() {
        let names = ["order", "refund"];
        let (lanes, mut rooms) = Lanes::new(1, Admission::new(8, 1), &names);
        let door = lanes.of(SagaId(uuid::Uuid::nil()));
        let wake = || Message::Input(Input::wake(SagaId(uuid::Uuid::nil())));
        let order = door.let_in("order");
        assert!(order.is_some());
        rooms[0].inside.store(3, Ordering::Relaxed);
        door.ask(wake()).unwrap();
        assert!(
            door.let_in("order").is_none(),
            "three are inside, one at the door"
        );
        assert!(
            door.takes_some() && door.let_in("refund").is_some(),
            "none of it waits"
        );
        drop(order);
        assert!(door.let_in("order").is_some(), "it was answered");
        for _ in 0..7 {
            door.ask(wake()).unwrap();
        }
        assert!(!door.takes_some());
        assert!(matches!(door.ask(wake()), Err(Error::Overloaded)));
        rooms[0].inside.store(0, Ordering::Relaxed);
        while rooms[0].inbox.try_recv().is_ok() {}
        assert!(door.takes_some());
    }
}
