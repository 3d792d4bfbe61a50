//! Kafka clients, as far as service and SDK use them alike.
//!
//! Not here: which records there are, and what their delivery means.

mod option;
mod pace;
mod send_now;

use rdkafka::message::{Header, OwnedHeaders};
use sagas::wire::CONTENT_TYPE;

pub use option::without_value;
pub use pace::{FLIGHT_MAX, FULL_WAIT, hear_reports};
pub use send_now::send_now;

/// The headers of every record.
#[must_use]
pub fn headers() -> OwnedHeaders {
    let (key, value) = CONTENT_TYPE;
    let value = Some(value);
    OwnedHeaders::new_with_capacity(1).insert(Header { key, value })
}
