//! What comes in when much waits already.

use super::{Evidence, Finding, require};

/// A new saga comes in only while less waits in its lane than four commits take, or eight if little of its
/// definition waits, so that replies, wakes and orders have room.
pub(super) fn new_sagas_leave_room_for_those_that_run(evidence: &Evidence<'_>) -> Finding {
    let (most, own_most) = bounds(evidence);
    for asked in evidence
        .journal
        .asked_in
        .iter()
        .filter(|asked| asked.is_let_in)
    {
        let beside_a_burst = asked.own < own_most && asked.waiting < whole(evidence);
        let fits = asked.waiting < most || beside_a_burst;
        require(fits, asked.saga, || {
            format!("it came in, {asked:?}, where {most} events fill four commits")
        })?;
    }
    Ok(())
}

/// A saga is turned away only if its own definition has its part of the room, or nothing starts at all.
pub(super) fn a_burst_of_one_definition_keeps_no_other_out(evidence: &Evidence<'_>) -> Finding {
    let (most, own_most) = bounds(evidence);
    let whole = whole(evidence);
    for asked in evidence
        .journal
        .asked_in
        .iter()
        .filter(|asked| !asked.is_let_in)
    {
        let is_right = asked.waiting >= most && (asked.own >= own_most || asked.waiting >= whole);
        require(is_right, asked.saga, || {
            format!("it was turned away, {asked:?}, where {most} events fill four commits")
        })?;
    }
    Ok(())
}

/// Events beyond which nothing starts: eight commits, or three quarters of the room.
fn whole(evidence: &Evidence<'_>) -> usize {
    let (most, _) = bounds(evidence);
    let room = evidence.world.layout.inbox_max.max(1);
    (2 * most).min(most.max(room - room / 4))
}

/// Events that fill four commits, and the part of one definition.
fn bounds(evidence: &Evidence<'_>) -> (usize, usize) {
    let layout = &evidence.world.layout;
    let most = (4 * layout.bounds.batch_max).min(layout.inbox_max).max(1);
    (most, (most / 8).max(1))
}
