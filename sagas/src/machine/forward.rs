//! What may start: every step whose needs are all settled, at once.
//!
//! A step is settled when it took effect, was skipped, or was done by hand. Its turn comes when all its
//! ancestors are settled; before that, neither is its command sent nor may a person do it by hand. Whether a
//! conditional step runs is decided here, once, and stored: it is put in flight, or skipped for good. A
//! step that is *given* another is skipped with it.

use super::entry::EntryKind;
use super::progress::{Progress, Trouble};
use super::turn::Turn;
use super::{Direction, Transition};
use crate::definition::Unbuildable;
use crate::json::Json;

/// Accepts the saga and sends its first commands.
pub(super) fn start(turn: Turn<'_>) -> Transition {
    let input = turn.next.input.clone();
    let mut transition = turn.finish(EntryKind::Started);
    transition.entry.input = Some(input);
    transition
}

/// Puts every idle step in flight whose needs are settled, or skips it.
///
/// A step comes after those that it needs, so one pass settles whatever a skip or a notification
/// settles. A step whose command cannot be built is parked; steps beside it go on.
pub(super) fn start_what_is_ready(turn: &mut Turn<'_>) {
    for step in 0..turn.definition.steps().len() {
        if *turn.progress(step) != Progress::Idle || !is_its_turn(turn, step) {
            continue;
        }
        match command(turn, step) {
            Ok(Some(payload)) if turn.definition.steps()[step].kind.is_awaited() => {
                turn.launch_forward(step, payload);
            }
            Ok(Some(payload)) => turn.notify(step, payload),
            Ok(None) => turn.skip(step),
            Err(error) => {
                let direction = Direction::Forward;
                turn.park(step, Trouble::CommandUnbuildable { direction, error });
            }
        }
    }
}

/// Whether everything that comes before the step is settled.
pub(super) fn is_its_turn(turn: &Turn<'_>, step: usize) -> bool {
    let mut ancestors = turn.definition.steps()[step].ancestors.iter();
    ancestors.all(|earlier| turn.progress(earlier).is_settled())
}

/// The command of a step that is ready; `None` where its condition does not hold.
fn command(turn: &Turn<'_>, step: usize) -> Result<Option<Json>, Unbuildable> {
    let definition = &turn.definition.steps()[step];
    let mut given = definition.given.iter();
    if given.any(|need| *turn.progress(need) == Progress::Skipped) {
        return Ok(None);
    }
    let (input, replies) = (&turn.next.input, turn.next.known());
    if !definition.runs(input, replies)? {
        return Ok(None);
    }
    definition.payload(input, replies).map(Some)
}
