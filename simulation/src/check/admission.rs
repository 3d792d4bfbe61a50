//! What comes in when much waits already.

use super::{Evidence, Finding, require};

/// A new saga comes in only while less waits in its lane than four commits take, so that replies, wakes
/// and orders have room.
pub(super) fn new_sagas_leave_room_for_those_that_run(evidence: &Evidence<'_>) -> Finding {
    let layout = &evidence.world.layout;
    let most = (4 * layout.bounds.batch_max).min(layout.inbox_max);
    for (saga, waiting) in &evidence.journal.admitted {
        require(*waiting < most, *saga, || {
            format!("it came in while {waiting} events waited, where {most} fill four commits")
        })?;
    }
    Ok(())
}
