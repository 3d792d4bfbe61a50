//! Which replies nobody will ever read: the saga refuses them now, and in everything that can follow.
//!
//! They are taken out of the world, because states that differ only in them behave alike. A search
//! in a debug build keeps them aside and asks the state machine again after every move.

use sagas::machine::{Progress, Purpose, Saga};
use sagas::{Direction, Outcome};

use crate::state::Answered;

/// Whether `saga` refuses the reply from now on, whatever happens.
pub(crate) fn is_dead(saga: &Saga, answered: &Answered) -> bool {
    if saga.status().is_terminal() {
        return true;
    }
    let (step, generation) = (answered.mail.step, answered.mail.generation);
    let (progress, papers) = (&saga.moving.steps[step], &saga.papers[step]);
    match answered.mail.direction {
        // The next fence has the next generation.
        Direction::Fence => {
            let flight = progress.flight().filter(|_| is_fencing(progress));
            flight.is_none_or(|flight| flight.generation != generation)
        }
        // So has the next compensation; and what is undone stays so.
        Direction::Compensate => {
            let newest = papers.compensation.as_ref();
            *progress == Progress::Compensated
                || newest.is_none_or(|newest| newest.generation != generation)
        }
        Direction::Forward => {
            let newest = papers.forward.as_ref();
            let is_newest = newest.is_some_and(|newest| newest.generation == generation);
            is_dead_forward(saga, answered, is_newest)
        }
    }
}

fn is_dead_forward(saga: &Saga, answered: &Answered, is_newest: bool) -> bool {
    let Answered { mail, outcome, .. } = answered;
    let may_be_late = match outcome {
        Outcome::Succeeded | Outcome::Rejected | Outcome::AlreadyCompensated => {
            let truth = (mail.step, mail.generation, *outcome);
            !saga.late.contains(&truth)
        }
        Outcome::Failed | Outcome::Fenced | Outcome::Expired => false,
    };
    let was_answered = saga.replies[mail.step].is_some();
    match &saga.moving.steps[mail.step] {
        // The command may be in flight still, or again.
        Progress::Idle | Progress::Forward(_) | Progress::Parked(_) => false,
        Progress::Fencing(fence) if fence.purpose != Purpose::Resolve => false,
        Progress::Done
        | Progress::Compensating(_)
        | Progress::Fencing(_)
        | Progress::Compensated
            if is_newest =>
        {
            was_answered || !may_be_late
        }
        Progress::Rejected(_) if is_newest => true,
        Progress::Done
        | Progress::Skipped
        | Progress::ByHand
        | Progress::Rejected(_)
        | Progress::Unknown
        | Progress::Compensating(_)
        | Progress::Fencing(_)
        | Progress::Compensated => !may_be_late,
    }
}

fn is_fencing(progress: &Progress) -> bool {
    matches!(progress, Progress::Fencing(_))
}
