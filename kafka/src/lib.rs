//! Kafka clients, as far as service and SDK use them alike.
//!
//! ```text
//!   send_now, pace   a flight leaves when it is complete, and the next one waits for its answer
//!   Alone            a record that was refused in company, sent again by itself
//!   topics           topics as the broker tells of them, and their creation
//!   topic_id         whether a topic is still the one that it was
//!   waiting          records that wait although the broker answers
//!   callback         what librdkafka says of itself, in the log
//! ```
//!
//! Not here: which records there are, and what their delivery means.

mod alone;
pub mod callback;
mod option;
mod outgoing;
mod pace;
mod send_now;
mod topic_id;
pub mod topics;
pub mod waiting;

use rdkafka::message::{Header, OwnedHeaders};
use sagas::wire::CONTENT_TYPE;

pub use alone::{Alone, NotTaken, is_refused};
pub use option::without_value;
pub use outgoing::Outgoing;
pub use pace::{FLIGHT_MAX, FULL_WAIT, hear_reports};
pub use send_now::send_now;
pub use topic_id::{TopicId, topic_id};

/// The headers of every record.
#[must_use]
pub fn headers() -> OwnedHeaders {
    let (key, value) = CONTENT_TYPE;
    let value = Some(value);
    OwnedHeaders::new_with_capacity(1).insert(Header { key, value })
}
