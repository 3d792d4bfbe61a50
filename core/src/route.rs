//! Which lane of a replica an event goes to.
//!
//! A saga's lane follows from its id, by other bits than its shard and its reply partition, so that
//! the three are independent. It is affinity, never correctness: the revision decides.

use sagas::SagaId;

/// The lane, of `lanes`, that a saga's submissions, orders and wakes go to.
#[must_use]
pub fn lane_of(saga: SagaId, lanes: usize) -> usize {
    let (_, low) = saga.0.as_u64_pair();
    usize::try_from(low >> 40).unwrap_or(0) % lanes.max(1)
}

/// The lane, of `lanes`, that reads a reply partition.
#[must_use]
pub fn lane_of_partition(partition: i32, lanes: usize) -> usize {
    usize::try_from(partition).unwrap_or(0) % lanes.max(1)
}
