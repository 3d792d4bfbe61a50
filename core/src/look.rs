//! The looks for wakes that have come: which shards, how late, and how many at a time.
//!
//! A replica looks for wakes of its own shards, and, less often, for wakes of any shard that are
//! seconds late: the shard may hang on a replica that lacks the saga's definition. Two replicas that wake
//! one saga do no harm.

use std::time::Duration;

use sagas::sabotage::{Bug, is_seeded};

use crate::membership::Assignment;
use crate::schedule::{LATE_BY, LATE_MAX, WAKES_MAX};

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Of these shards.
    pub shards: Vec<u16>,
    /// At wakes that came at least so long ago.
    pub late_by: Duration,
    /// At most so many.
    pub limit: u32,
    /// And of one shard, so that a look is short however many are due.
    pub of_each: u32,
}

impl Look {
    /// The look at a replica's own shards; `None` while it has none.
    #[must_use]
    pub fn own(assignment: &Assignment) -> Option<Self> {
        let shards = assignment.shards.clone();
        (!shards.is_empty()).then(|| Self::of(shards, Duration::ZERO, WAKES_MAX))
    }

    /// The look at wakes of any of so many shards that nobody serves.
    #[must_use]
    pub fn late(shards: u16) -> Option<Self> {
        let all = (0..shards).collect();
        let looks = !is_seeded(Bug::LooksAtItsOwnOnly);
        looks.then(|| Self::of(all, LATE_BY, LATE_MAX))
    }

    fn of(shards: Vec<u16>, late_by: Duration, limit: u32) -> Self {
        let of_each = share(limit, shards.len());
        Self {
            shards,
            late_by,
            limit,
            of_each,
        }
    }
}

/// How many of one shard a look takes that takes so many of all: twice its part, because they are never
/// quite even.
fn share(limit: u32, shards: usize) -> u32 {
    let shards = u32::try_from(shards).unwrap_or(u32::MAX).max(1);
    limit.min((2 * limit).div_ceil(shards))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_look_takes_much_more_than_it_may_give() {
        assert_eq!(share(1000, 64), 32);
        assert_eq!(share(1000, 1), 1000);
        assert_eq!(share(1000, 0), 1000);
        assert_eq!(share(200, 64), 7);
        assert_eq!(share(200, 10_000), 1);
    }

    #[test]
    fn a_replica_without_shards_looks_at_none_of_its_own() {
        assert_eq!(Look::own(&Assignment::default()), None);
        let late = Look::late(4).unwrap();
        assert_eq!((late.shards.len(), late.late_by), (4, LATE_BY));
    }
}
