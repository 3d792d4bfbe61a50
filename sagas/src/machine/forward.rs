//! What may start: every step whose needs are all done, at once.

use super::entry::EntryKind;
use super::saga::{Progress, Trouble};
use super::turn::Turn;
use super::{Direction, Transition};

/// Accepts the saga and sends its first commands.
pub(super) fn start(turn: Turn<'_>) -> Transition {
    let input = turn.next.input.clone();
    let mut transition = turn.finish(EntryKind::Started);
    transition.entry.input = Some(input);
    transition
}

/// Puts every idle step in flight whose needs are done.
///
/// A step whose command cannot be built is parked; steps beside it go on.
pub(super) fn start_what_is_ready(turn: &mut Turn<'_>) {
    for step in 0..turn.definition.steps().len() {
        let definition = &turn.definition.steps()[step];
        let is_ready = *turn.progress(step) == Progress::Idle
            && definition
                .needs
                .iter()
                .all(|need| *turn.progress(need) == Progress::Done);
        if !is_ready {
            continue;
        }
        match definition.payload(&turn.next.input, turn.next.known()) {
            Ok(payload) => turn.launch(step, Direction::Forward, payload),
            Err(error) => {
                let direction = Direction::Forward;
                turn.park(step, Trouble::CommandUnbuildable { direction, error });
            }
        }
    }
}
