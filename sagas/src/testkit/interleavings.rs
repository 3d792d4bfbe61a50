//! Every order of deliveries: whatever was sent may arrive at any time, any number of times, in any
//! order, or never; any step may be refused, or given up on; an operator may cancel, the deadline may
//! pass. From every state that is met, a fair world must lead to an end.
//!
//! Messages are never used up, which covers loss, repetition and delay at once; so the states are
//! finite in number, but many. The search is breadth first and stops at a bound: whatever breaks
//! after few events is found, and its script is short.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::failure::Failure;
use super::invariants::Broken;
use super::participants::Verdict;
use super::promises::Effect;
use super::report::Report;
use super::run::{Plan, Run};
use super::subject::Subject;
use crate::barrier::Row;
use crate::definition::StepSet;
use crate::direction::{Direction, Outcome};
use crate::machine::{Event, Progress};
use crate::time::Timestamp;

/// What may happen next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Deliver { command: usize, verdict: Verdict },
    Answer { reply: usize },
    GiveUp { step: usize },
    PassDeadline { at: Timestamp },
    Cancel,
}

/// Looks at `states_max` states, or at all of them if there are fewer.
pub(super) fn search(
    subject: &Subject<'_>,
    states_max: usize,
    report: &mut Report,
) -> Result<(), Failure> {
    let name = || "one of all interleavings".to_owned();
    let mut start = Run::new(subject);
    start.case(&name, |run| run.apply(&Event::Start))?;
    let mut known = HashSet::from([key(&start)]);
    let mut open = VecDeque::from([start]);
    while let Some(run) = open.pop_front() {
        run.clone().case(&name, can_end)?;
        for next in moves(&run) {
            let mut after = run.clone();
            after.case(&name, |run| make(run, next))?;
            if known.len() < states_max && known.insert(key(&after)) {
                open.push_back(after);
            }
        }
    }
    report.states = known.len();
    report.all_states = known.len() < states_max;
    Ok(())
}

/// Whatever was sent and answered arrives, and then the world is fair.
fn can_end(run: &mut Run<'_>) -> Result<(), Broken> {
    run.is_thorough = false;
    run.commands = run.sent.iter().cloned().collect();
    run.replies = run.answered.iter().cloned().collect();
    run.settle(&Plan::default())
}

fn moves(run: &Run<'_>) -> Vec<Move> {
    let definition = run.subject.definition;
    let mut moves = Vec::new();
    for (command, send) in run.sent.iter().enumerate() {
        let step = &definition.steps()[send.step];
        let verdict = Verdict::Accepts;
        moves.push(Move::Deliver { command, verdict });
        let may_refuse = send.direction == Direction::Forward
            && step.refusable
            && step.kind.is_awaited()
            && !run.participants.has_run(send.step);
        let verdict = Verdict::Refuses;
        moves.extend(may_refuse.then_some(Move::Deliver { command, verdict }));
    }
    let news = (0..run.answered.len()).filter(|reply| run.is_news(*reply));
    moves.extend(news.map(|reply| Move::Answer { reply }));
    for (step, progress) in run.saga.moving.steps.iter().enumerate() {
        let may_give_up = matches!(progress, Progress::Forward(_))
            && definition.steps()[step].kind.may_be_given_up();
        moves.extend(may_give_up.then_some(Move::GiveUp { step }));
    }
    if run.saga.status().is_terminal() {
        return moves;
    }
    moves.extend(run.saga.orders.is_empty().then_some(Move::Cancel));
    let deadline = definition
        .deadline()
        .map(|after| run.saga.started_at + after);
    let deadline = deadline.filter(|at| run.now < *at);
    moves.extend(deadline.map(|at| Move::PassDeadline { at }));
    moves
}

fn make(run: &mut Run<'_>, next: Move) -> Result<(), Broken> {
    match next {
        Move::Deliver { command, verdict } => run.deliver(&run.sent[command].clone(), verdict),
        Move::Answer { reply } => run.apply(&Event::Reply(run.answered[reply].clone())),
        Move::GiveUp { step } => run.stay_silent(step),
        Move::PassDeadline { at } => run.pass_until(at),
        Move::Cancel => run.cancel(),
    }
}

/// What makes two states the same. Instants, attempts and why a saga turned back change nothing of
/// what can happen next; payloads follow from the step.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    steps: Vec<&'static str>,
    turned_back: bool,
    cancelled: bool,
    is_overdue: bool,
    participants: (Vec<Option<Row>>, StepSet, Vec<Effect>),
    sent: BTreeSet<(usize, Direction, u32)>,
    answered: BTreeSet<(String, Direction, Outcome)>,
    /// Whether a reply is known decides what a compensation is built from.
    has_reply: Vec<bool>,
}

fn key(run: &Run<'_>) -> Key {
    let deadline = run.subject.definition.deadline();
    let sent = run.sent.iter();
    let answered = run.answered.iter();
    Key {
        steps: run.saga.moving.steps.iter().map(Progress::as_str).collect(),
        turned_back: run.saga.is_unwinding(),
        cancelled: !run.saga.orders.is_empty(),
        is_overdue: deadline.is_some_and(|after| run.now >= run.saga.started_at + after),
        participants: run.participants.key(),
        sent: sent
            .map(|send| (send.step, send.direction, send.generation))
            .collect(),
        answered: answered
            .map(|reply| (reply.step.clone(), reply.direction, reply.outcome))
            .collect(),
        has_reply: run.saga.replies.iter().map(Option::is_some).collect(),
    }
}
