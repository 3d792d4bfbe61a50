//! The pace of a producer: a full queue, a flight on its way, and the reports of its delivery.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Partitioner, ProducerContext};

/// How long a full queue of librdkafka is left alone before it is tried again. The broker takes longer
/// than that to empty a full queue, so it never runs dry meanwhile.
pub const FULL_WAIT: Duration = Duration::from_millis(5);

/// How long what comes next waits for the broker's answer to what was sent before.
///
/// librdkafka spins while records of a partition wait for a request that is on its way, so nothing
/// is handed over meanwhile; what gathers goes in larger requests. With one broker away the others
/// get their records at this pace.
pub const FLIGHT_MAX: Duration = Duration::from_millis(20);

/// How long one poll for delivery reports lasts; each is handled the moment it comes. rdkafka counts
/// in whole milliseconds and spins through the last one of every poll: at the 100 ms of its
/// `ThreadedProducer`, that alone is one percent of a processor.
const POLL: Duration = Duration::from_secs(1);

/// Handles the reports of a producer until its other holders have dropped it. Dropped by the caller
/// then, it reports what it still holds as lost.
pub fn hear_reports<C, P>(producer: &Arc<BaseProducer<C, P>>)
where
    C: ProducerContext<P>,
    P: Partitioner,
{
    while Arc::strong_count(producer) > 1 {
        producer.poll(POLL);
    }
}
