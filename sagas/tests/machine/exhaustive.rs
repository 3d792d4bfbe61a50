//! Every interleaving of small sagas: whatever was sent may arrive at any time, any number of
//! times, in any order, or never; handlers fail; every flight may become overdue at any moment; an
//! operator may cancel at any moment.
//!
//! Messages are kept in sets and never used up, which covers loss, repetition and delay at once.
//! Instants are forgotten after each transition, and every command has one attempt (what is never
//! used up need not be sent again), so the states are finite in number. Two things are checked: the promises in every state, and that from
//! every state the saga can still come to rest.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use sagas::StepKind::{Compensatable, Pivot, Retriable};
use sagas::machine::{Event, Flight, Moving, Progress, Reply, Saga, Send, Waits, transition};
use sagas::{Definition, Direction, Json, Outcome, SagaId, StepKind, Timestamp};
use uuid::Uuid;

use crate::invariants::Broken;
use crate::script::order;
use crate::world::participant::Participants;
use crate::world::promises;
use crate::world::sabotage::Sabotage;
use crate::world::spec::{Fate, Spec, StepSpec};

/// Far above what the shapes below need; a limit all the same.
const STATES_MAX: usize = 50_000;

#[derive(Clone)]
struct State {
    saga: Saga,
    participants: Participants,
    commands: Vec<Send>,
    replies: Vec<Reply>,
}

/// What may happen next.
#[derive(Debug, Clone)]
enum Move {
    Deliver { command: usize, fails: bool },
    Answer { reply: usize },
    Overdue { step: usize },
    Cancel,
}

struct Search<'a> {
    definition: &'a Definition,
    spec: &'a Spec,
    /// Index of every state that was met.
    known: HashMap<Key, usize>,
    /// Every state that is still to be looked at.
    open: Vec<(usize, State)>,
    /// For every state, the states that lead to it without a fault.
    before: Vec<Vec<usize>>,
    at_rest: Vec<usize>,
}

fn explore(spec: &Spec, sabotage: Option<Sabotage>) -> Result<usize, Broken> {
    let definition = spec.build_with_attempts(1);
    let id = SagaId(Uuid::from_u128(7));
    let new = Saga::new(&definition, id, Json::null(), Timestamp::default());
    let mut state = State {
        saga: new,
        participants: Participants::new(spec, sabotage),
        commands: Vec::new(),
        replies: Vec::new(),
    };
    apply(&definition, &mut state, Event::Start, Timestamp::default());
    let mut search = Search {
        definition: &definition,
        spec,
        known: HashMap::new(),
        open: Vec::new(),
        before: Vec::new(),
        at_rest: Vec::new(),
    };
    search.meet(state, None)?;
    while let Some((index, state)) = search.open.pop() {
        for next in moves(&definition, &state) {
            let is_fair = matches!(
                next,
                Move::Deliver { fails: false, .. } | Move::Answer { .. } | Move::Overdue { .. }
            );
            let mut after = state.clone();
            make(&definition, &mut after, &next);
            search.meet(after, is_fair.then_some(index))?;
        }
    }
    search.everything_can_come_to_rest()
}

impl Search<'_> {
    fn meet(&mut self, state: State, from: Option<usize>) -> Result<(), Broken> {
        let key = key(&state);
        let count = self.known.len();
        let index = *self.known.entry(key).or_insert(count);
        if index == count {
            assert!(
                count < STATES_MAX,
                "the search does not end: {:#?}",
                self.spec
            );
            self.before.push(Vec::new());
            promises::at_any_time(self.definition, &state.saga, &state.participants)?;
            if state.saga.status().is_terminal() {
                let State {
                    saga, participants, ..
                } = &state;
                promises::check(self.definition, self.spec, saga, participants)?;
                self.at_rest.push(index);
            }
            self.open.push((index, state));
        }
        self.before[index].extend(from);
        Ok(())
    }

    /// Walks back from every resting state; returns how many states there are.
    fn everything_can_come_to_rest(mut self) -> Result<usize, Broken> {
        let mut can_rest = vec![false; self.before.len()];
        while let Some(index) = self.at_rest.pop() {
            if !std::mem::replace(&mut can_rest[index], true) {
                self.at_rest.append(&mut self.before[index]);
            }
        }
        match can_rest.iter().position(|can_rest| !can_rest) {
            None => Ok(can_rest.len()),
            Some(stuck) => {
                let state = self.known.iter().find(|(_, index)| **index == stuck);
                Err(format!("it can never come to rest: {state:?}"))
            }
        }
    }
}

fn moves(definition: &Definition, state: &State) -> Vec<Move> {
    let mut moves = vec![Move::Cancel];
    for command in 0..state.commands.len() {
        moves.extend([false, true].map(|fails| Move::Deliver { command, fails }));
    }
    moves.extend((0..state.replies.len()).map(|reply| Move::Answer { reply }));
    for (step, progress) in state.saga.moving.steps.iter().enumerate() {
        // Beyond the point of no return silence makes a new attempt, and nothing else.
        let may_be_given_up = matches!(progress, Progress::Forward(_))
            && definition.steps()[step].kind == Compensatable;
        moves.extend(may_be_given_up.then_some(Move::Overdue { step }));
    }
    moves
}

fn make(definition: &Definition, state: &mut State, next: &Move) {
    let now = Timestamp::default();
    match next {
        Move::Deliver { command, fails } => {
            let command = state.commands[*command].clone();
            let (outcome, payload) = state.participants.handle(&command, *fails);
            let reply = Reply {
                step: Spec::name(command.step),
                direction: command.direction,
                generation: command.generation,
                attempt: command.attempt,
                outcome,
                payload,
            };
            if !state.replies.contains(&reply) {
                state.replies.push(reply);
            }
        }
        Move::Answer { reply } => {
            let reply = state.replies[*reply].clone();
            apply(definition, state, Event::Reply(reply), now);
        }
        Move::Overdue { step } => {
            if let Some(flight) = flight(&mut state.saga.moving.steps[*step]) {
                flight.due_at = now;
            }
            apply(definition, state, Event::Wake { published: true }, now);
        }
        Move::Cancel => apply(definition, state, Event::Order(order("1")), now),
    }
}

fn flight(progress: &mut Progress) -> Option<&mut Flight> {
    match progress {
        Progress::Forward(flight) | Progress::Compensating(flight) => Some(flight),
        Progress::Fencing(fence) => Some(&mut fence.flight),
        _ => None,
    }
}

/// Applies an event, remembers what is sent, and forgets all instants.
fn apply(definition: &Definition, state: &mut State, event: Event, now: Timestamp) {
    let Ok(transition) = transition(definition, &state.saga, event, now) else {
        return;
    };
    for send in transition.sends {
        if !state.commands.contains(&send) {
            state.commands.push(send);
        }
    }
    state.saga = transition.next;
    state.saga.revision = 1;
    state.saga.wake_at = None;
    for flight in state.saga.moving.steps.iter_mut().filter_map(flight) {
        flight.sent_at = now;
        flight.due_at = now + Duration::from_secs(10);
        flight.exhausted_since = flight.exhausted_since.map(|_| now);
        flight.failure = None;
    }
}

/// What makes two states the same. Why a saga turned back, and what a fault says, changes nothing
/// of what happens next, so it is left out; so are payloads, which follow from the step.
fn key(state: &State) -> Key {
    let Moving { steps, reason, .. } = &state.saga.moving;
    let steps = steps.iter().map(|progress| {
        let waits_for_retry = progress
            .flight()
            .is_some_and(|flight| flight.waits == Waits::Retry);
        (progress.as_str(), waits_for_retry)
    });
    let commands = state
        .commands
        .iter()
        .map(|send| (send.step, send.direction));
    let replies = state.replies.iter();
    Key {
        steps: steps.collect(),
        turned_back: reason.is_some(),
        cancelled: !state.saga.orders.is_empty(),
        participants: state.participants.clone(),
        commands: commands.collect(),
        replies: replies
            .map(|reply| (reply.step.clone(), reply.direction, reply.outcome))
            .collect(),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    steps: Vec<(&'static str, bool)>,
    turned_back: bool,
    cancelled: bool,
    participants: Participants,
    commands: BTreeSet<(usize, Direction)>,
    replies: BTreeSet<(String, Direction, Outcome)>,
}

/// Every assignment of success and refusal to the steps of a shape.
fn worlds(shape: &[(StepKind, &[usize])]) -> Vec<Spec> {
    (0..1_u32 << shape.len())
        .filter_map(|refusals| {
            let steps = shape.iter().enumerate().map(|(index, (kind, needs))| {
                let refusable = *kind != Retriable;
                let is_refused = refusals >> index & 1 == 1;
                let fate = if is_refused {
                    Fate::Refused
                } else {
                    Fate::Succeeds
                };
                let needs = needs.to_vec();
                (refusable || !is_refused).then_some(StepSpec {
                    needs,
                    refusable,
                    fate,
                    ..StepSpec::new(*kind)
                })
            });
            let steps: Option<Vec<StepSpec>> = steps.collect();
            steps.map(|steps| Spec {
                steps,
                deadline: None,
            })
        })
        .collect()
}

const CHAIN: &[(StepKind, &[usize])] = &[(Compensatable, &[]), (Pivot, &[0]), (Retriable, &[1])];
const PARALLEL: &[(StepKind, &[usize])] = &[(Compensatable, &[]), (Compensatable, &[])];
const SEQUENCE: &[(StepKind, &[usize])] = &[(Compensatable, &[]), (Compensatable, &[0])];

#[test]
fn every_interleaving_of_small_sagas_keeps_the_promises_and_can_end() {
    for shape in [CHAIN, PARALLEL, SEQUENCE] {
        for spec in worlds(shape) {
            match explore(&spec, None) {
                Ok(states) => {
                    assert!(
                        states > 50,
                        "the search saw {states} states only: {spec:#?}"
                    )
                }
                Err(broken) => panic!("{broken}\n{spec:#?}"),
            }
        }
    }
}

#[test]
fn the_search_notices_a_missing_tombstone_and_a_forgotten_refusal() {
    for sabotage in [
        Sabotage::LeavesNoTombstone,
        Sabotage::ForgetsRefusals,
        Sabotage::RunsTwice,
    ] {
        let is_noticed = worlds(SEQUENCE)
            .iter()
            .any(|spec| explore(spec, Some(sabotage)).is_err());
        assert!(is_noticed, "{sabotage:?}");
    }
}
