//! The periods and bounds of a replica's rounds: the same in production and in the simulator.

use std::time::Duration;

/// How often a replica says that it lives; a silence of four such beats means that it does not.
pub const BEAT: Duration = Duration::from_millis(500);
/// Wakes are looked for this often: a wake is at most so much late.
pub const WAKES_EVERY: Duration = Duration::from_millis(250);
/// Wakes taken at a time, over all shards of this replica: as many as two commits take, so that new
/// sagas still come in beside them. However many sagas ask a participant again that does not answer,
/// they do so 4 000 times a second at most.
pub const WAKES_MAX: u32 = 1000;
/// Wakes that nobody serves are looked for this often, in all shards.
pub const LATE_EVERY: Duration = Duration::from_secs(3);
/// A wake that is so late is not being served by the replica that its shard hangs on: while a deploy
/// is under way, that one may lack the saga's definition. Some rounds and commits fit in before.
pub const LATE_BY: Duration = Duration::from_secs(5);
/// Such wakes taken at a time: little enough that replicas which all fall behind do not make each
/// other's work many times over.
pub const LATE_MAX: u32 = 200;
/// Outbox rows are looked for this often.
pub const OUTBOX_EVERY: Duration = Duration::from_secs(3);
/// An outbox row of this age is not being published by the lane that wrote it.
pub const OUTBOX_AGE: Duration = Duration::from_secs(5);
/// Outbox rows taken at a time.
pub const OUTBOX_MAX: u32 = 200;
/// Acknowledged outbox rows are deleted with the next commit; without one, after this time.
pub const DELIVERIES_WAIT: Duration = Duration::from_secs(1);
/// Sagas that are loaded at a time. Each comes with its whole history, which is long when a participant
/// was away, and a lane may ask for as many as it has room for.
pub const LOAD_MAX: usize = 200;
/// A caller gets an answer within this time, or is told that there is none.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Commits per lane whose messages for one topic the broker may owe an acknowledgement for.
pub const PUBLICATIONS_MAX: usize = 64;
