//! What an offset says: every record before it is in the database, or changed nothing there.

use sagas::machine::{Event, Reply, Row, transition};
use sagas::{Outcome, Saga, SagaId, Timestamp};
use sagas_core::incoming;
use sagas_core::lane::Input;
use sagas_core::loaded::Loaded;

use super::reading::GROUP;
use super::{Life, World};
use crate::journal::{Commit, Passed};
use crate::store::UNSTORABLE;

#[cfg(test)]
mod tests;

impl World {
    /// Notes of each record that the offset moves past what the database lacks of it now.
    pub(crate) fn note_passed(&mut self, life: Life, partition: i32, next: i64) {
        let from = self
            .bus
            .stored_offset(GROUP, &self.scene.replies, partition);
        for offset in from..next {
            let lacks = self.lacks(life, partition, offset);
            self.journal.passed.push(Passed {
                partition,
                offset,
                lacks,
            });
        }
    }

    /// Notes a reply that goes to the dead letters although its saga could use it.
    pub(crate) fn note_burial(&mut self, partition: i32, offset: i64) {
        let topic = self.scene.replies.clone();
        let record = self.bus.read_reply(&topic, partition, offset);
        let input = record.map(incoming::read);
        let Some(arrival) = input.as_ref().and_then(Input::as_reply) else {
            return;
        };
        let is_storable = !arrival.reply.payload.text().contains(UNSTORABLE);
        let loaded = self.store.load(&[arrival.saga]).pop();
        let loaded = loaded.filter(|_| is_storable);
        if loaded.is_some_and(|loaded| self.would_change(loaded, &arrival.reply)) {
            let reply = format!("{:?}", arrival.reply);
            self.journal.buried.push((arrival.saga, reply));
        }
    }

    fn lacks(&mut self, life: Life, partition: i32, offset: i64) -> Option<String> {
        let topic = self.scene.replies.clone();
        if self.durable().is_buried(&topic, partition, offset) {
            return None;
        }
        let record = self.bus.read_reply(&topic, partition, offset)?;
        let input = incoming::read(record);
        let Some(arrival) = input.as_reply() else {
            return Some("an unreadable record is not among the dead letters".to_owned());
        };
        let Some(loaded) = self.durable().load(&[arrival.saga]).pop() else {
            return Some("a reply of an unknown saga is not among the dead letters".to_owned());
        };
        // Whoever cannot run it leaves it to the next wake elsewhere, which asks again.
        // Where that offset was not stored, the next one to pass it is not to blame either.
        if !self.can_run(life, arrival.saga) {
            self.journal.left.insert((partition, offset));
        }
        if self.journal.left.contains(&(partition, offset)) {
            return None;
        }
        // What was said before says nothing new; after a person has intervened it might be taken for
        // news all the same.
        let is_taken = loaded.history.iter().any(|entry| {
            let reply = &arrival.reply;
            entry.step.as_ref() == Some(&reply.step)
                && entry.direction == Some(reply.direction)
                && entry.generation.unwrap_or(1) == reply.generation
                && entry.outcome == Some(reply.outcome)
                && (reply.outcome != Outcome::Failed || entry.attempt == Some(reply.attempt))
        });
        let came = self.journal.came.get(&(life, arrival.at)).copied();
        let lacks = !is_taken
            && self.would_change(loaded, &arrival.reply)
            && !came.is_some_and(|came| self.had_no_use(came, arrival.saga, &arrival.reply));
        lacks.then(|| {
            format!(
                "the reply {:?} would still move {}",
                arrival.reply, arrival.saga
            )
        })
    }

    fn would_change(&self, loaded: Loaded, reply: &Reply) -> bool {
        let saga = self.restore(loaded);
        saga.is_some_and(|saga| self.has_use(&saga, reply))
    }

    /// Whether the saga had no use for the reply in a state that was the stored one at some instant
    /// after it had come to its lane.
    ///
    /// Then it may be passed, though by now another process may have moved the saga to where it would
    /// count: it is as if it had come at that instant, before the move. Nothing hangs on it, because
    /// what the move waits for it has sent, and a command in flight is sent, and answered, again.
    fn had_no_use(&self, came: Timestamp, saga: SagaId, reply: &Reply) -> bool {
        let commits = self.journal.commits.iter();
        let commits = commits.filter(|commit| commit.saga == saga);
        let replaced_at = commits.clone().skip(1).map(|next| {
            let stored_at = &self.journal.stored_at;
            stored_at.get(&(saga, next.revision)).copied()
        });
        let mut states = commits.zip(replaced_at.chain([None]));
        states.any(|(commit, replaced_at)| {
            let was_there = replaced_at.is_none_or(|at| at >= came);
            let saga = was_there.then(|| self.as_committed(commit)).flatten();
            saga.is_some_and(|saga| !self.has_use(&saga, reply))
        })
    }

    /// The saga as this commit left it.
    fn as_committed(&self, commit: &Commit) -> Option<Saga> {
        let mut loaded = self.store.load(&[commit.saga]).pop()?;
        loaded.row.revision = commit.revision;
        loaded.row.wake_at = commit.wake_at;
        loaded.row.moving = commit.moving.clone();
        let history = &mut loaded.history;
        history.retain(|entry| entry.revision <= commit.revision);
        self.restore(loaded)
    }

    fn has_use(&self, saga: &Saga, reply: &Reply) -> bool {
        let definition = self.scene.registry.newest(&saga.definition);
        definition.is_some_and(|definition| {
            let event = Event::Reply(reply.clone());
            transition(definition, saga, event, self.now()).is_ok()
        })
    }

    /// A stored saga, put together as the lane does it.
    pub(crate) fn restore(&self, loaded: Loaded) -> Option<Saga> {
        let row = loaded.row;
        let definition = self.scene.registry.newest(&row.definition)?;
        let row = Row {
            id: row.id,
            started_at: row.started_at,
            revision: row.revision,
            wake_at: row.wake_at,
            moving: row.moving,
        };
        Saga::restore(definition, row, &loaded.history).ok()
    }

    /// The number of a saga's step with that name.
    pub(crate) fn step_number(name: &str) -> usize {
        name.strip_prefix("step-")
            .and_then(|number| number.parse().ok())
            .unwrap_or(usize::MAX)
    }
}
