//! A truth that comes too late: a final answer to a forward command that is not waited for any more.
//!
//! It is recorded once, shown, and moves nothing, except where it changes what must be undone:
//!
//! | the step | answer | what it changes |
//! |---|---|---|
//! | given up on, its compensation not built yet | `succeeded` | done; the compensation sees the reply |
//! | the same | `rejected`, the newest generation | nothing happened, so nothing is undone |
//! | the same | `rejected`, an older generation | recorded: the newest may have taken effect |
//! | the same | `already-compensated` | it never will happen, so nothing is undone |
//! | given up on, its compensation sent, or confirmed | any | recorded: the compensation's answer decides |
//! | edited, the newer generation in flight or answered | any | recorded: the newest generation's answer decides |
//! | done by hand, or being resolved | any | recorded: the fence has made it final |
//!
//! An answer that was taken, or recorded, and comes again is a duplicate; so is every answer in a saga
//! that has ended.

use super::event::Reply;
use super::progress::{Progress, Purpose, Trouble};
use super::reply::{fault, nothing_in_flight, took_effect};
use super::turn::Turn;
use super::{Direction, Outcome, Refusal};

/// Takes the reply: `true` if it moves nothing.
pub(super) fn take(turn: &mut Turn<'_>, step: usize, reply: &Reply) -> Result<bool, Refusal> {
    let is_final = matches!(
        reply.outcome,
        Outcome::Succeeded | Outcome::Rejected | Outcome::AlreadyCompensated
    );
    if reply.direction != Direction::Forward || !is_final || !is_news(turn, step, reply) {
        return Err(nothing_in_flight(reply));
    }
    if *turn.progress(step) == Progress::Unknown {
        match reply.outcome {
            Outcome::Succeeded => {
                took_effect(turn, step, &reply.payload);
                // A reply that cannot be read changes nothing for a step that is undone.
                if let Progress::Parked(Trouble::ReplyUnreadable { .. }) = turn.progress(step) {
                    turn.set(step, Progress::Unknown);
                    return Ok(record(turn, step, reply));
                }
            }
            // The newest generation may take effect nevertheless.
            Outcome::Rejected if is_of_an_older_generation(turn, step, reply) => {
                return Ok(record(turn, step, reply));
            }
            Outcome::Rejected => {
                let fault = fault(&reply.payload, "rejected");
                turn.set(step, Progress::Rejected(fault));
            }
            Outcome::AlreadyCompensated => turn.set(step, Progress::Compensated),
            Outcome::Failed | Outcome::Fenced | Outcome::Expired => {}
        }
        if is_of_an_older_generation(turn, step, reply) {
            // It was taken; when it comes again, only this says so.
            record(turn, step, reply);
        }
        return Ok(false);
    }
    Ok(record(turn, step, reply))
}

fn record(turn: &mut Turn<'_>, step: usize, reply: &Reply) -> bool {
    let truth = (step, reply.generation, reply.outcome);
    turn.next.late.insert(truth)
}

fn is_of_an_older_generation(turn: &Turn<'_>, step: usize, reply: &Reply) -> bool {
    let newest = turn.next.papers[step].forward.as_ref();
    newest.is_some_and(|newest| reply.generation < newest.generation)
}

fn is_news(turn: &Turn<'_>, step: usize, reply: &Reply) -> bool {
    let Some(newest) = turn.next.papers[step].forward.as_ref() else {
        return false;
    };
    let truth = (step, reply.generation, reply.outcome);
    if reply.generation > newest.generation || turn.next.late.contains(&truth) {
        return false;
    }
    let was_answered = turn.next.replies[step].is_some();
    match turn.progress(step) {
        _ if reply.generation < newest.generation => true,
        Progress::Unknown => true,
        // A tombstone's answer says no more than the compensation's own.
        Progress::Compensating(_) | Progress::Compensated => {
            !was_answered && reply.outcome != Outcome::AlreadyCompensated
        }
        Progress::Fencing(fence) => fence.purpose != Purpose::Cancel && !was_answered,
        Progress::ByHand => reply.outcome != Outcome::AlreadyCompensated,
        Progress::Idle
        | Progress::Forward(_)
        | Progress::Done
        | Progress::Skipped
        | Progress::Rejected(_)
        | Progress::Parked(_) => false,
    }
}
