//! Dead letters: records that nobody can use, kept with the reason, and told once each.
//!
//! Invariant: a letter is told when the commit that stores it holds, so that what the log names is
//! found at `/v1/dead-letters`.

use saga_core::batch::DeadLetter;
use saga_log::{Limit, limited};
use uuid::Uuid;

/// Somebody else's records may come by the thousand.
static LETTERS: Limit = Limit::each("a dead letter was kept");

/// Says where the record was, and why it is of no use.
pub(super) fn tell(letter: &DeadLetter) {
    let DeadLetter {
        topic,
        partition,
        offset,
        reason,
        ..
    } = letter;
    let saga = saga(letter).map(tracing::field::display);
    limited!(
        LETTERS, warn, "a dead letter was kept", %topic, partition, offset, saga, reason
    );
}

/// The saga that its key names, if that is an id; the key itself may be anything.
fn saga(letter: &DeadLetter) -> Option<Uuid> {
    std::str::from_utf8(letter.key.as_deref()?)
        .ok()?
        .parse()
        .ok()
}
