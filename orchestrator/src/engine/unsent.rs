//! The log lines of records that the broker refuses for what they are.

use sagas::SagaId;
use sagas_core::record::Refused;
use sagas_log::{Limit, limited, trouble};

use crate::bus::{Error, Limits};
use crate::cause::chain;

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
        let (code, error) = (one.why.code(), one.why.words());
        let why = one.to_string();
        limited!(REFUSED, error, "a record is refused for good", %saga, topic, code, error, why);
    }
    refused
}

/// Logs why records were not taken that may be taken later: the record that it is about, or the saga of
/// the first where it is about all of them.
pub(super) fn tell(error: &Error, first: Option<SagaId>) {
    let record = error.record();
    let saga = record.map(|(saga, ..)| saga).or(first);
    let topic = record.map(|(_, topic, _)| topic);
    let code = record.and_then(|(.., code)| code);
    trouble!(
        error,
        "the broker did not take what was published",
        saga = saga.map(tracing::field::display),
        topic,
        code = code.map(tracing::field::display),
        error = chain(error)
    );
}
