//! The id of a topic: another one, where the topic was deleted and made again under its name.
//!
//! librdkafka knows the ids and tells them by an admin call that rdkafka does not wrap. It goes on at its old offsets
//! in a topic that was made anew (2.12: "FIXME: an offset reset must be triggered"): records before them
//! would be passed over.

use std::ffi::CString;
use std::time::Duration;

use rdkafka::bindings as ffi;
use rdkafka::client::{Client, ClientContext};

/// The id of a topic, as a number; equal where the topic is the same.
pub type TopicId = u128;

/// The topic's id; `None` where the broker does not say, or has no such topic. Blocks for `within` at most.
#[allow(
    unsafe_code,
    reason = "rdkafka does not wrap the call that tells topic ids"
)]
#[must_use]
pub fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    within: Duration,
) -> Option<TopicId> {
    let name = CString::new(topic).ok()?;
    let millis = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
    let operation = ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let mut names = [name.as_ptr()];
    // SAFETY: the client is alive, because it is borrowed, and may be used on any thread. What is made here is
    // destroyed here, each once, after its last use; a result lives as long as its event. librdkafka copies the
    // names and the options.
    unsafe {
        let rk = client.native_ptr();
        let queue = ffi::rd_kafka_queue_new(rk);
        let options = ffi::rd_kafka_AdminOptions_new(rk, operation);
        let mut error = [0; 128];
        ffi::rd_kafka_AdminOptions_set_request_timeout(
            options,
            millis,
            error.as_mut_ptr(),
            error.len(),
        );
        let topics = ffi::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        ffi::rd_kafka_DescribeTopics(rk, topics, options, queue);
        let event = ffi::rd_kafka_queue_poll(queue, millis);
        let id = read(event);
        if !event.is_null() {
            ffi::rd_kafka_event_destroy(event);
        }
        ffi::rd_kafka_TopicCollection_destroy(topics);
        ffi::rd_kafka_AdminOptions_destroy(options);
        ffi::rd_kafka_queue_destroy(queue);
        id
    }
}

/// # Safety
///
/// The event is null, or one that the caller has from librdkafka and has not destroyed.
#[allow(
    unsafe_code,
    reason = "rdkafka does not wrap the call that tells topic ids"
)]
unsafe fn read(event: *mut ffi::rd_kafka_event_t) -> Option<TopicId> {
    // SAFETY: pointers come from librdkafka, are looked at only where they are not null, and point into the event.
    unsafe {
        if event.is_null() || ffi::rd_kafka_event_error(event) as i32 != 0 {
            return None;
        }
        let result = ffi::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let mut count = 0;
        let topics = ffi::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if count != 1 || topics.is_null() {
            return None;
        }
        let topic = *topics;
        let error = ffi::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() && ffi::rd_kafka_error_code(error) as i32 != 0 {
            return None;
        }
        let id = ffi::rd_kafka_TopicDescription_topic_id(topic);
        let half = |bits: i64| u128::from(bits.cast_unsigned());
        let high = half(ffi::rd_kafka_Uuid_most_significant_bits(id));
        let id = high << 64 | half(ffi::rd_kafka_Uuid_least_significant_bits(id));
        // A broker that knows no ids says zero.
        (id != 0).then_some(id)
    }
}
