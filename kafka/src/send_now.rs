//! The one call to librdkafka that rdkafka does not offer, and the only `unsafe` of this crate.
//!
//! A producer lets records linger, so that they share a request. Ours know when no more come: then
//! `rd_kafka_flush` ends the wait. rdkafka's `flush` gives it no time, in which it does nothing. The
//! alternative is to let records linger for 0.1 ms, which librdkafka rounds up to 1 ms at each hop of
//! a quiet service, while under load a flight is torn into several requests for each partition.

use std::time::Duration;

use rdkafka::bindings::rd_kafka_flush;
use rdkafka::client::{Client, ClientContext};

/// Has everything sent at once, and waits until the broker has answered for it and the reports were
/// taken by another thread, or until `within` is over.
#[allow(
    unsafe_code,
    reason = "rdkafka does not wrap this call with its time limit"
)]
pub fn send_now<C: ClientContext>(client: &Client<C>, within: Duration) {
    let millis = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive, because it is borrowed, and may be used on any thread. What the
    // call returns, says only whether time was up.
    unsafe { rd_kafka_flush(client.native_ptr(), millis) };
}
