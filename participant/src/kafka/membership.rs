//! Whether this instance gets partitions of its topic, and what is done while it gets none.
//!
//! The member that leads a group asks the group's coordinator how many partitions the topic has. A
//! coordinator that has not heard of a topic that was just made, or hears of it again, says that there
//! is none; then nobody gets a partition, and librdkafka (2.12) leaves it at that: its own list of the
//! topic, which another broker gave it, does not change any more.
//!
//! Invariant: the group is joined only when this consumer itself has seen all partitions. An instance
//! without any, in a group that has at least one for each member, says so and joins anew, at longer
//! and longer intervals. Instances beyond the number of partitions stand by, and nothing is the matter.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;

use crate::health::Health;

/// How often the assignment is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an instance may be without a partition before the group is looked at. Joining takes a
/// second or two.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// How long between two looks at the group at most: a new join moves the others' partitions, too.
const IDLE_LONGEST: Duration = Duration::from_secs(60);
/// How long the broker may take to answer; no command is read meanwhile, and none could come.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The membership of one instance in its group.
pub(super) struct Membership {
    topic: String,
    group: String,
    /// How many partitions the topic has, as the start saw it.
    partitions: i32,
    is_member: bool,
    look_at: Instant,
    idle: Idle,
}

/// How long an instance has had no partition, and when the group is looked at.
#[derive(Debug, Clone, Copy)]
struct Idle {
    since: Option<Instant>,
    patience: Duration,
}

/// What an instance without a partition has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Wait: not for long enough yet, or the partitions move at the moment.
    Wait,
    /// Stand by: the others have all partitions.
    StandBy,
    /// Join anew, and say so: there is a partition for it.
    JoinAnew,
    /// Join anew on the chance that there is one.
    TryAnew,
    /// Say that the topic is gone.
    NoTopic,
}

/// The group, as the broker tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// Its members have their partitions.
    Settled {
        members: usize,
    },
    Moving,
    /// The broker does not tell, or this service has no right to ask.
    Unknown,
}

impl Membership {
    pub(super) fn new(topic: &str, group: &str, partitions: i32) -> Self {
        Self {
            topic: topic.to_owned(),
            group: group.to_owned(),
            partitions,
            is_member: false,
            look_at: Instant::now(),
            idle: Idle::new(),
        }
    }

    /// Joins the group when it is time to, and anew where that is needed.
    pub(super) fn look_after<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        health: &Health,
    ) -> Result<(), KafkaError> {
        let now = Instant::now();
        if now < self.look_at {
            return Ok(());
        }
        self.look_at = now + LOOK_EVERY;
        if !self.is_member {
            return self.join(consumer, health, now);
        }
        let assigned = consumer.assignment().map_or(0, |assigned| assigned.count());
        if assigned > 0 {
            self.idle = Idle::new();
            health.assignment(Ok(()));
            return Ok(());
        }
        if !self.idle.lasts(now) {
            return Ok(());
        }
        let Some(partitions) = self.seen(consumer) else {
            // The broker is away, which the group's state says already.
            return Ok(());
        };
        let topic = &self.topic;
        let verdict = self.idle.verdict(self.group(consumer), partitions);
        match verdict {
            Verdict::Wait => return Ok(()),
            Verdict::StandBy | Verdict::TryAnew => health.assignment(Ok(())),
            Verdict::NoTopic => health.assignment(Err(&format!("there is no topic {topic}"))),
            Verdict::JoinAnew => health.assignment(Err(&format!(
                "no partition of {topic} is assigned to this instance, although there is one for it"
            ))),
        }
        if matches!(verdict, Verdict::JoinAnew | Verdict::TryAnew) {
            tracing::warn!(topic, "no partition was assigned; joining the group anew");
            consumer.unsubscribe();
            consumer.subscribe(&[topic])?;
        }
        self.idle.again(now);
        Ok(())
    }

    /// Joins the group if this consumer sees the topic as it was made.
    fn join<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        health: &Health,
        now: Instant,
    ) -> Result<(), KafkaError> {
        let topic = &self.topic;
        if self
            .seen(consumer)
            .is_some_and(|seen| seen >= self.partitions)
        {
            consumer.subscribe(&[topic])?;
            self.is_member = true;
            self.idle = Idle::new();
            health.assignment(Ok(()));
        } else if self.idle.lasts(now) {
            health.assignment(Err(&format!(
                "the broker does not show all partitions of {topic}"
            )));
        }
        Ok(())
    }

    /// How many partitions this consumer sees; `None` when no broker answers.
    fn seen<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) -> Option<i32> {
        let metadata = consumer.fetch_metadata(Some(&self.topic), ANSWER_WITHIN);
        let seen = metadata.ok()?.topics().first()?.partitions().len();
        Some(i32::try_from(seen).unwrap_or(i32::MAX))
    }

    fn group<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) -> Group {
        let Ok(groups) = consumer.fetch_group_list(Some(&self.group), ANSWER_WITHIN) else {
            return Group::Unknown;
        };
        match groups.groups().iter().find(|one| one.name() == self.group) {
            None => Group::Unknown,
            Some(group) if group.state() == "Stable" => Group::Settled {
                members: group.members().len(),
            },
            Some(_) => Group::Moving,
        }
    }
}

impl Idle {
    fn new() -> Self {
        Self {
            since: None,
            patience: IDLE_MAX,
        }
    }

    /// It has no partition now. Whether that has lasted for so long that something is to be done.
    fn lasts(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        now.saturating_duration_since(since) >= self.patience
    }

    /// Something was done; the next time is after twice as long.
    fn again(&mut self, now: Instant) {
        self.since = Some(now);
        self.patience = (self.patience * 2).min(IDLE_LONGEST);
    }

    fn verdict(self, group: Group, partitions: i32) -> Verdict {
        let partitions = usize::try_from(partitions).unwrap_or(0);
        match group {
            _ if partitions == 0 => Verdict::NoTopic,
            Group::Settled { members } if members <= partitions => Verdict::JoinAnew,
            Group::Settled { .. } => Verdict::StandBy,
            Group::Moving => Verdict::Wait,
            // One instance too many looks like this for ever: it joins anew seldom.
            Group::Unknown if self.patience >= IDLE_LONGEST => Verdict::TryAnew,
            Group::Unknown => Verdict::StandBy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_joins_anew_only_where_there_is_a_partition_for_it() {
        let verdict = |group, partitions| Idle::new().verdict(group, partitions);
        let of = |members| Group::Settled { members };
        assert_eq!(verdict(of(1), 4), Verdict::JoinAnew, "alone");
        assert_eq!(verdict(of(4), 4), Verdict::JoinAnew);
        assert_eq!(verdict(of(5), 4), Verdict::StandBy, "one too many");
        assert_eq!(verdict(of(1), 0), Verdict::NoTopic);
        assert_eq!(verdict(Group::Moving, 4), Verdict::Wait);
        assert_eq!(verdict(Group::Unknown, 4), Verdict::StandBy);
        let patient = Idle {
            patience: IDLE_LONGEST,
            ..Idle::new()
        };
        assert_eq!(patient.verdict(Group::Unknown, 4), Verdict::TryAnew);
    }

    #[test]
    fn nothing_is_done_for_five_seconds_and_then_less_and_less_often() {
        let start = Instant::now();
        let mut idle = Idle::new();
        let mut done = Vec::new();
        for second in 0..200 {
            let now = start + Duration::from_secs(second);
            if idle.lasts(now) {
                idle.again(now);
                done.push(second);
            }
        }
        assert_eq!(done, [5, 15, 35, 75, 135, 195]);
    }
}
