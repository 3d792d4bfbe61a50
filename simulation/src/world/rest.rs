//! The end of a world: faults cease, every saga ends, all messages come once more, and everything is
//! still at rest.

use std::time::Duration;

use super::replicas::Stage;
use super::{Happening, World};
use crate::commands::SERVICES;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// Far longer than any retry, silence or outage in a world takes.
const PATIENCE: Duration = Duration::from_secs(300);

impl World {
    /// From now on nothing goes wrong, and what did is over.
    pub(crate) fn be_quiet(&mut self) {
        self.faults.end();
        let now = self.now();
        self.say(None, || "from here on nothing goes wrong".to_owned());
        self.quiet_since = Some(now);
        self.database_away_until = now;
        self.database_slow_until = now;
        self.standby_returns();
        self.broker.away_until = now;
        self.deploy_everywhere();
        self.agenda.after(EVERY, Happening::Look);
    }

    /// The deploy goes on to its end: every process runs the newest binary. Sometimes one is forgotten
    /// beside others, and the sagas that it cannot move must end all the same. (Where the others have no
    /// reply partition of their own, it reads their replies, and nobody can use them.)
    fn deploy_everywhere(&mut self) {
        let has_partitions = self.layout.reply_partitions >= self.replicas.len();
        let may_be_forgotten = self.replicas.len() > 1 && has_partitions;
        let mut forgotten = (may_be_forgotten && self.rng.chance(500)).then_some(());
        for replica in 0..self.replicas.len() {
            if self.replicas[replica].older.is_some() && self.replicas[replica].is_alive() {
                if forgotten.take().is_some() {
                    continue;
                }
                self.end_process(replica);
            }
        }
    }

    /// Has everything come to rest? Then all messages come once more, and after that it ends.
    pub(crate) fn look(&mut self) {
        let trouble = self.unrest();
        let waited = self
            .quiet_since
            .map_or(Duration::ZERO, |since| self.now().since(since));
        match trouble {
            None if self.is_replaying => self.is_done = true,
            None => self.repeat_everything(),
            Some(trouble) if waited > PATIENCE => {
                self.journal.unrest = Some(trouble);
                self.is_done = true;
            }
            Some(_) => {}
        }
        self.agenda.after(EVERY, Happening::Look);
    }

    fn repeat_everything(&mut self) {
        self.is_replaying = true;
        self.say(None, || "every message comes once more".to_owned());
        for service in 0..SERVICES.len() {
            for partition in 0..self.layout.command_partitions {
                let partition = i32::try_from(partition).unwrap_or(0);
                self.reassign(service, partition, Some(0));
            }
        }
        for partition in 0..self.bus.partitions(&self.scene.replies) {
            self.rewind_replies(partition, 0);
        }
    }

    /// What is not at rest yet.
    fn unrest(&self) -> Option<String> {
        if self.clients.open > 0 {
            return Some(format!("{} clients wait", self.clients.open));
        }
        if let Some(saga) = self.store.open().next() {
            let number = self.numbers.get(&saga);
            let status = self.store.status(saga);
            return Some(format!("saga {number:?} ({saga}) is still {status:?}"));
        }
        if !self.clients.waiting.is_empty() {
            let waiting = self.clients.waiting.len();
            return Some(format!("{waiting} clients wait for sagas that have ended"));
        }
        if self.store.outbox_rows() > 0 {
            return Some("lifecycle events wait to be published".to_owned());
        }
        if let Some(busy) = (0..SERVICES.len()).find(|service| !self.is_service_idle(*service)) {
            return Some(format!("{} has commands to read", SERVICES[busy]));
        }
        let lanes = self.replicas.iter().flat_map(|replica| &replica.lanes);
        let are_idle = lanes.into_iter().all(super::lanes::LaneShell::is_idle);
        if !are_idle
            || self
                .replicas
                .iter()
                .any(|replica| replica.stage != Stage::Up)
        {
            return Some("a replica has work to do".to_owned());
        }
        self.unread()
    }

    fn unread(&self) -> Option<String> {
        let partitions = 0..self.bus.partitions(&self.scene.replies);
        let mut unread = partitions.filter(|partition| {
            let end = self.bus.end(&self.scene.replies, *partition);
            let positions = self.replicas.iter();
            let mut positions =
                positions.filter_map(|replica| replica.reading.get(partition)?.next);
            // Somebody reads it, and whoever does is done.
            !positions.clone().any(|_| true) || positions.any(|next| next < end)
        });
        unread
            .next()
            .map(|partition| format!("replies/{partition} is not read to its end"))
    }
}
