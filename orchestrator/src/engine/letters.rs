//! Dead letters: records that nobody can use, kept with the reason, and told once each.
//!
//! Invariant: a letter is told when the commit that stores it holds, so that what the log names is
//! found at `/v1/dead-letters`. Where only a number goes on there, a line says so.

use sagas_core::batch::{Batch, Committed, DeadLetter, LETTERS_KEPT_MAX, LetterKind};
use sagas_log::{Limit, limited, trouble};
use uuid::Uuid;

/// Somebody else's records may come by the thousand.
static LETTERS: Limit = Limit::each("a dead letter was kept");

/// Says where the record was, and why it is of no use.
pub(super) fn tell(letter: &DeadLetter) {
    let DeadLetter {
        topic,
        partition,
        offset,
        kind,
        reason,
        ..
    } = letter;
    let kind = kind.as_str();
    let saga = saga(letter).map(tracing::field::display);
    limited!(
        LETTERS, warn, "a dead letter was kept", %topic, partition, offset, saga, kind, reason
    );
}

/// Says that a letter of this kind has no row.
pub(super) fn tell_counted(kind: LetterKind) {
    let (kind, kept_max) = (kind.as_str(), LETTERS_KEPT_MAX);
    trouble!(
        warn,
        "more dead letters of one kind than are kept on a day; they are only counted",
        kind,
        kept_max
    );
}

/// Says so of the letters of a commit that no lane has made.
pub(super) fn tell_counted_of(batch: &Batch, committed: &Committed) {
    for place in &committed.letters_left_out {
        tell_counted(batch.dead_letters[*place].kind);
    }
}

/// The saga that its key names, if that is an id; the key itself may be anything.
fn saga(letter: &DeadLetter) -> Option<Uuid> {
    std::str::from_utf8(letter.key.as_deref()?)
        .ok()?
        .parse()
        .ok()
}
