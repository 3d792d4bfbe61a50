//! The log lines of records that the broker refuses for what they are.

use saga_core::record::Refused;

use crate::bus::Limits;
use crate::limit::{Limit, limited};

/// Many sagas may ask for too much at once.
static REFUSED: Limit = Limit::each("a record is refused for good");

/// Says of refused records how much their topics take, and logs each.
pub(super) async fn explain(limits: &Limits, mut refused: Vec<Refused>) -> Vec<Refused> {
    if refused.is_empty() {
        return refused;
    }
    limits.look_up(&mut refused).await;
    for one in &refused {
        let (saga, topic) = (one.record.key, &*one.record.topic);
        let why = one.to_string();
        limited!(REFUSED, error, "a record is refused for good", %saga, topic, why);
    }
    refused
}
