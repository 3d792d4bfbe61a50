//! Whether work flows: the verdict on what a replica was answered, was not answered, and could read.
//!
//! ```text
//!   commits, records ─► Debt (one for Postgres, one for each topic) ─┐
//!   heartbeat, the broker's word ────────────────────────────────────┼─► Readiness ─► /readyz, new submissions
//!   probes: what nobody writes or reads otherwise (`probes.rs`) ─────┘
//! ```
//!
//! Invariants: trouble shows by evidence alone, [`OVERDUE_AFTER`] after the first question that stays without a
//! good answer, and goes with the first good one; nothing is concluded from nothing having happened, which
//! is why probes are sent. One bad element is not the place: while others are answered, there is none.
//! One participant's topic makes no replica unready.
//!
//! Instants are the time since the replica's start.

pub mod probes;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sagas::sabotage::{Bug, is_seeded};

use crate::Cause;

/// How long a write, or a read, may take. What is well takes milliseconds, and a partition gets another
/// leader within a second.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(2);

/// Refusals in a row that count: the first one may be about what was asked.
const REFUSALS_MIN: u32 = 2;

/// How long a refusal is believed that no other follows: nobody may ask again.
const REFUSAL_BELIEVED: Duration = Duration::from_secs(10);

/// What a place owes to those who have written there.
#[derive(Debug, Clone, Default)]
pub struct Debt {
    owed: usize,
    /// The first question since the last good answer.
    since: Option<Duration>,
    /// Since the last good answer.
    refusals: u32,
    /// The last one.
    refusal: Option<(Duration, Cause)>,
    good_at: Option<Duration>,
}

/// What is wrong with a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was answered well for so long, and something was asked.
    Silent(Duration),
    /// It refuses.
    Refuses(Cause),
}

impl Debt {
    /// So many questions were put.
    pub fn asked(&mut self, questions: usize, now: Duration) {
        self.owed += questions;
        self.since.get_or_insert(now);
    }

    /// One was answered as it should be.
    pub fn answered(&mut self, now: Duration) {
        self.owed = self.owed.saturating_sub(1);
        let good_at = Some(now);
        *self = Self {
            owed: self.owed,
            since: good_at.filter(|_| self.owed > 0),
            good_at,
            ..Self::default()
        };
    }

    /// One was refused, and that may be the place's fault.
    pub fn refused(&mut self, cause: Cause, now: Duration) {
        self.owed = self.owed.saturating_sub(1);
        self.refusals = self.refusals.saturating_add(1);
        self.refusal = Some((now, cause));
    }

    /// What is wrong, as far as the answers tell.
    #[must_use]
    pub fn trouble(&self, now: Duration) -> Option<Trouble> {
        if let Some((at, cause)) = &self.refusal
            && self.refusals >= REFUSALS_MIN
            && now.saturating_sub(*at) < REFUSAL_BELIEVED
        {
            return Some(Trouble::Refuses(cause.clone()));
        }
        let silent = now.saturating_sub(self.since?);
        let is_overdue = self.owed > 0 && silent >= OVERDUE_AFTER;
        (is_overdue && !is_seeded(Bug::TakesSilenceForWell)).then_some(Trouble::Silent(silent))
    }

    /// Whether it works: it has given a good answer just now.
    #[must_use]
    pub fn is_flowing(&self, now: Duration) -> bool {
        let is_fresh = |at| now.saturating_sub(at) < OVERDUE_AFTER;
        self.good_at.is_some_and(is_fresh)
    }

    /// Whether a question is worth while: the last good answer is old, or a refusal came since.
    #[must_use]
    pub fn is_quiet(&self, now: Duration) -> bool {
        let is_old = |at| now.saturating_sub(at) >= probes::EVERY;
        self.refusals > 0 || self.good_at.is_none_or(is_old)
    }
}

/// A part that work flows through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The database.
    Postgres,
    /// The broker.
    Kafka,
    /// Neither is known to be in trouble.
    Replica,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "Postgres",
            Self::Kafka => "Kafka",
            Self::Replica => "this replica",
        })
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Why the last heartbeat failed, or is silent.
    pub heartbeat: Option<Cause>,
    /// What commits came to.
    pub commits: Option<Trouble>,
    /// Why the broker cannot be asked. One of several may hang, and be the one that was asked.
    pub broker: Option<Cause>,
    /// Whether the broker has taken records of replies or events within [`OVERDUE_AFTER`].
    pub is_flowing: bool,
    /// Topics that take nothing.
    pub topics: Vec<Topic>,
    /// What is not read of the replies.
    pub unread: probes::Unread,
}

/// A topic that takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Whether everybody's work goes through it: replies or lifecycle events.
    pub is_shared: bool,
    /// What is wrong with it.
    pub trouble: Trouble,
    /// Why, where that was looked up.
    pub why: Option<String>,
}

/// Whether a replica can take work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readiness {
    /// What is wrong with Postgres.
    pub postgres: Option<Cause>,
    /// Whether Postgres answers at all; it may refuse writes and answer reads.
    pub answers_reads: bool,
    /// What is wrong with Kafka.
    pub kafka: Option<Cause>,
    /// What is wrong with topics that not everybody needs, or with some partitions of one.
    pub topics: BTreeMap<Arc<str>, Cause>,
}

impl Readiness {
    /// The verdict; `replies` is the name of their topic.
    #[must_use]
    pub fn of(seen: Evidence, replies: &Arc<str>) -> Self {
        let answers_reads = seen.heartbeat.is_none();
        let commits = seen.commits.map(Trouble::of_commits);
        let is_shared = |topic: &Topic| topic.is_shared || is_seeded(Bug::TakesOneTopicForAll);
        let (shared, others): (Vec<_>, Vec<_>) = seen.topics.into_iter().partition(is_shared);
        let mut topics: BTreeMap<_, _> = others
            .into_iter()
            .map(|topic| (topic.name.clone(), topic.into_cause()))
            .collect();
        let unread = seen.unread.into_cause(replies);
        let unread = unread.and_then(|(is_all, cause)| {
            if is_all {
                return Some(cause);
            }
            topics.insert(replies.clone(), cause);
            None
        });
        let unwritten = shared.into_iter().next().map(Topic::into_cause);
        Self {
            postgres: seen.heartbeat.or(commits),
            answers_reads,
            kafka: unwritten
                .or_else(|| seen.broker.filter(|_| !seen.is_flowing))
                .or(unread),
            topics,
        }
    }

    /// The part that is in trouble, if one is.
    #[must_use]
    pub fn trouble(&self) -> Option<(Part, &Cause)> {
        let of = |part| move |cause| (part, cause);
        let postgres = self.postgres.as_ref().map(of(Part::Postgres));
        postgres.or_else(|| self.kafka.as_ref().map(of(Part::Kafka)))
    }
}

impl Trouble {
    fn of_commits(self) -> Cause {
        match self {
            Self::Silent(silent) => {
                Cause::ours(format!("no commit was answered for {} s", silent.as_secs()))
            }
            Self::Refuses(cause) => cause.within("it takes no commit"),
        }
    }
}

impl Topic {
    fn into_cause(self) -> Cause {
        let Self { name, why, .. } = self;
        match self.trouble {
            Trouble::Refuses(cause) => cause.within(&format!("the topic {name} takes no record")),
            Trouble::Silent(silent) => {
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                let seconds = silent.as_secs();
                Cause::ours(format!(
                    "the topic {name} has acknowledged no record for {seconds} s{why}"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn silent(millis: u64) -> Option<Trouble> {
        Some(Trouble::Silent(ms(millis)))
    }

    #[test]
    fn a_question_without_an_answer_is_trouble_after_two_seconds_and_an_answer_ends_it() {
        let mut debt = Debt::default();
        assert_eq!(debt.trouble(ms(9_000)), None, "nothing was asked");
        debt.asked(1, ms(100));
        assert_eq!(debt.trouble(ms(2_099)), None);
        debt.asked(1, ms(2_000));
        assert_eq!(debt.trouble(ms(2_100)), silent(2_000));
        debt.answered(ms(3_000));
        assert_eq!(debt.trouble(ms(4_999)), None, "one is owed still");
        assert_eq!(debt.trouble(ms(5_000)), silent(2_000));
        debt.answered(ms(6_000));
        assert_eq!(debt.trouble(ms(60_000)), None);
    }

    #[test]
    fn one_that_hangs_is_no_trouble_while_others_are_answered() {
        let mut debt = Debt::default();
        debt.asked(1, ms(0));
        for second in 1..60 {
            debt.asked(1, ms(second * 1_000));
            debt.answered(ms(second * 1_000 + 5));
            assert_eq!(debt.trouble(ms(second * 1_000 + 900)), None);
        }
    }

    #[test]
    fn a_refusal_counts_when_the_next_one_follows_and_until_a_good_answer() {
        let cause = || Cause::ours("disk full");
        let mut debt = Debt::default();
        debt.asked(1, ms(0));
        debt.refused(cause(), ms(5));
        assert_eq!(debt.trouble(ms(10)), None, "it may be about what was asked");
        assert!(debt.is_quiet(ms(10)), "so it is asked again at once");
        debt.asked(1, ms(20));
        debt.refused(cause(), ms(25));
        assert_eq!(debt.trouble(ms(30)), Some(Trouble::Refuses(cause())));
        debt.asked(1, ms(40));
        assert_eq!(debt.trouble(ms(50)), Some(Trouble::Refuses(cause())));
        debt.answered(ms(60));
        assert_eq!(debt.trouble(ms(70)), None);
        assert!(!debt.is_quiet(ms(70)));
        assert!(debt.is_quiet(ms(60) + probes::EVERY));
    }

    #[test]
    fn refusals_that_nobody_asks_after_are_forgotten() {
        let mut debt = Debt::default();
        debt.asked(2, ms(0));
        debt.refused(Cause::ours("no such topic"), ms(10));
        debt.refused(Cause::ours("no such topic"), ms(20));
        assert!(debt.trouble(ms(9_000)).is_some());
        assert_eq!(debt.trouble(ms(11_000)), None);
    }

    #[test]
    fn questions_that_are_refused_late_are_a_silence_too() {
        let mut debt = Debt::default();
        debt.asked(1, ms(0));
        debt.refused(Cause::ours("lock timeout"), ms(5_000));
        debt.asked(1, ms(5_100));
        assert_eq!(debt.trouble(ms(5_200)), silent(5_200));
    }

    fn topic(name: &str, is_shared: bool) -> Topic {
        Topic {
            name: name.into(),
            is_shared,
            trouble: Trouble::Silent(ms(2_500)),
            why: Some("not enough replicas".to_owned()),
        }
    }

    #[test]
    fn a_topic_that_everybody_needs_makes_unready_and_another_one_is_named() {
        let replies = "saga.replies".into();
        let topics = vec![topic("saga.stock.commands", false)];
        let seen = Evidence {
            topics,
            ..Evidence::default()
        };
        let named = Readiness::of(seen, &replies);
        assert_eq!(named.trouble(), None);
        let text = named.topics["saga.stock.commands"].to_string();
        let said =
            "the topic saga.stock.commands has acknowledged no record for 2 s: not enough replicas";
        assert_eq!(text, said);

        let seen = Evidence {
            topics: vec![topic("saga.events", true)],
            ..Evidence::default()
        };
        let unready = Readiness::of(seen, &replies);
        let (part, cause) = unready.trouble().unwrap();
        assert_eq!(part, Part::Kafka);
        assert!(cause.to_string().contains("saga.events"), "{cause}");
        assert!(unready.topics.is_empty());
    }

    #[test]
    fn the_part_in_trouble_is_named_and_no_other() {
        let replies = "saga.replies".into();
        let commits = Evidence {
            commits: silent(3_000),
            ..Evidence::default()
        };
        let commits = Readiness::of(commits, &replies);
        let (part, cause) = commits.trouble().unwrap();
        let text = cause.to_string();
        assert_eq!(
            (part, &*text),
            (Part::Postgres, "no commit was answered for 3 s")
        );
        assert!(commits.answers_reads && commits.kafka.is_none());

        let away = Evidence {
            heartbeat: Some(Cause::ours("no answer within 2s")),
            commits: silent(3_000),
            ..Evidence::default()
        };
        let away = Readiness::of(away, &replies);
        assert!(!away.answers_reads);
        assert_eq!(away.postgres.unwrap().to_string(), "no answer within 2s");

        let broker = |is_flowing| Evidence {
            broker: Some(Cause::ours("no answer")),
            is_flowing,
            ..Evidence::default()
        };
        let silent = Readiness::of(broker(false), &replies);
        assert_eq!(silent.trouble().unwrap().0, Part::Kafka);
        let one_of_several = Readiness::of(broker(true), &replies);
        assert_eq!(one_of_several.trouble(), None);
    }
}
