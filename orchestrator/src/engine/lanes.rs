//! The doors of a replica's lanes; `saga_core::admission` says what is let in when much waits already.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use saga_core::admission::Admission;
use saga_core::lane::Input;
use saga_core::route;
use sagas::SagaId;
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
    /// So many lanes, each with this room.
    pub(super) fn new(count: usize, admission: Admission) -> (Self, Vec<Room>) {
        let pairs = (0..count).map(|_| {
            let (sender, inbox) = mpsc::channel(admission.events_max());
            let inside = Arc::new(AtomicUsize::new(0));
            let door = Door {
                inbox: sender,
                inside: Arc::clone(&inside),
                admission,
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
    /// Whether a new saga may come in: what waits goes into the next commits.
    pub(super) fn takes_starts(&self) -> bool {
        let queued = self.inbox.max_capacity() - self.inbox.capacity();
        let inside = self.inside.load(Ordering::Relaxed);
        self.admission.takes_starts(queued + inside)
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
        let (lanes, mut rooms) = Lanes::new(1, Admission::new(5, 1));
        let door = lanes.of(SagaId(uuid::Uuid::nil()));
        let wake = || Message::Input(Input::wake(SagaId(uuid::Uuid::nil())));
        assert!(door.takes_starts());
        rooms[0].inside.store(3, Ordering::Relaxed);
        door.ask(wake()).unwrap();
        assert!(!door.takes_starts(), "three are inside, one at the door");
        for _ in 0..4 {
            door.ask(wake()).unwrap();
        }
        assert!(matches!(door.ask(wake()), Err(Error::Overloaded)));
        rooms[0].inside.store(0, Ordering::Relaxed);
        while rooms[0].inbox.try_recv().is_ok() {}
        assert!(door.takes_starts());
    }
}
