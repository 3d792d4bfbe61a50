//! Searches every interleaving of one step for one that breaks the barrier's promises.
//!
//! An orchestrator (edits, cancels, fences, undoes), a network and a participant with a purge share
//! one state. A command or reply that was ever sent can be delivered at any time, any number of
//! times, or never: that is loss, repetition, delay and reordering at once. A handler may succeed,
//! refuse or fail whenever it runs. The participant decides with the real [`decide`].
//!
//! Three faults, each a simplification that looks harmless, must each be found: a search that finds
//! nothing in them could not find anything in the real barrier either.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, and its report"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use sagas::Outcome;
use sagas::barrier::{Answer, Ask, Decision, Row, decide};

/// A first version and two edits: enough for "older", "same" and "newer" at once.
const GENERATIONS: u32 = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    KeyByCommandId,
    ForgetRefusals,
    PurgeWithoutWatermark,
}

/// What the orchestrator knows of the step, or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Belief {
    Waits(Ask),
    TookEffect,
    Refused,
    NeverHappened,
    Compensated,
    CompensationRefused,
    /// A person says how it ended; the handler of the compensation never ran and never will.
    Resolved,
    /// The participant has forgotten; a person decides.
    Expired,
}

type Sent = (Ask, u32);
type Reply = (Ask, u32, Outcome, Option<u32>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    belief: Belief,
    generation: u32,
    commands: BTreeSet<Sent>,
    replies: BTreeSet<Reply>,
    rows: BTreeMap<u32, Row>,
    below_watermark: bool,
    purged: bool,
    forward_effects: Vec<u32>,
    compensating_effects: u32,
    undone: bool,
    refused_up_to: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    Succeeds,
    Refuses,
    Fails,
}

/// A next world and how it came about, or the promise that was broken on the way.
type Next = (String, Result<World, &'static str>);

impl World {
    fn start() -> Self {
        Self {
            belief: Belief::Waits(Ask::Forward),
            generation: 1,
            commands: BTreeSet::from([(Ask::Forward, 1)]),
            replies: BTreeSet::new(),
            rows: BTreeMap::new(),
            below_watermark: false,
            purged: false,
            forward_effects: Vec::new(),
            compensating_effects: 0,
            undone: false,
            refused_up_to: 0,
        }
    }

    fn nexts(&self, fault: Fault) -> Vec<Next> {
        let mut all: Vec<Next> = Vec::new();
        for (what, world) in self.orders() {
            all.push((what, Ok(world)));
        }
        for reply in &self.replies {
            all.push((
                format!("orchestrator reads {reply:?}"),
                self.read_reply(*reply),
            ));
        }
        for command in &self.commands {
            for handler in [Handler::Succeeds, Handler::Refuses, Handler::Fails] {
                let what = format!("participant takes {command:?}, handler {handler:?}");
                all.push((what, self.take_command(*command, handler, fault)));
            }
        }
        if !self.purged {
            let below_watermark = fault != Fault::PurgeWithoutWatermark;
            let rows = BTreeMap::new();
            let world = Self {
                rows,
                purged: true,
                below_watermark,
                ..self.clone()
            };
            all.push(("purge".to_owned(), Ok(world)));
        }
        all
    }

    /// What an operator, a refused sibling or exhausted retries may make the orchestrator send.
    fn orders(&self) -> Vec<(String, Self)> {
        let mut all = Vec::new();
        let mut send = |ask: Ask, edit: bool| {
            let generation = self.generation + u32::from(edit);
            if generation <= GENERATIONS {
                let mut world = Self {
                    belief: Belief::Waits(ask),
                    generation,
                    ..self.clone()
                };
                world.commands.insert((ask, generation));
                all.push((format!("orchestrator sends {ask:?}@{generation}"), world));
            }
        };
        match self.belief {
            Belief::Waits(Ask::Forward) => {
                send(Ask::Forward, true);
                send(Ask::FenceForward, false);
                send(Ask::Compensate, false);
            }
            Belief::Refused => send(Ask::Forward, true),
            Belief::TookEffect => send(Ask::Compensate, false),
            Belief::Waits(Ask::FenceForward) => send(Ask::Compensate, false),
            Belief::Waits(Ask::Compensate) | Belief::CompensationRefused => {
                send(Ask::Compensate, true);
                send(Ask::FenceCompensation, true);
            }
            Belief::Waits(Ask::FenceCompensation)
            | Belief::NeverHappened
            | Belief::Compensated
            | Belief::Resolved
            | Belief::Expired => {}
        }
        all
    }

    fn read_reply(&self, reply: Reply) -> Result<Self, &'static str> {
        let (ask, generation, outcome, effective) = reply;
        if self.belief != Belief::Waits(ask) || generation != self.generation {
            return Ok(self.clone());
        }
        let belief = match (ask, outcome) {
            (_, Outcome::Failed) => self.belief,
            (_, Outcome::Expired) => Belief::Expired,
            (Ask::Forward | Ask::FenceForward, Outcome::Succeeded) => {
                if effective != self.forward_effects.first().copied() {
                    return Err("a reply names the generation that took effect");
                }
                Belief::TookEffect
            }
            (Ask::Forward, Outcome::Rejected) => Belief::Refused,
            (Ask::FenceForward, Outcome::Fenced) => Belief::NeverHappened,
            (Ask::Compensate | Ask::FenceCompensation, Outcome::Succeeded) => Belief::Compensated,
            (Ask::Compensate, Outcome::Rejected) => Belief::CompensationRefused,
            (Ask::FenceCompensation, Outcome::Fenced) => Belief::Resolved,
            _ => return Err("an answer fits what was asked"),
        };
        Ok(Self {
            belief,
            ..self.clone()
        })
    }

    fn take_command(
        &self,
        (ask, generation): Sent,
        handler: Handler,
        fault: Fault,
    ) -> Result<Self, &'static str> {
        let mut world = self.clone();
        let key = if fault == Fault::KeyByCommandId {
            generation
        } else {
            0
        };
        let row = world.rows.get(&key).cloned();
        let decision = decide(row.as_ref(), ask, generation, self.below_watermark);
        let json = || "{}".to_owned();
        let (row, answer) = match (decision, handler) {
            (Decision::Answer(answer), _) => (None, answer),
            (Decision::Write(row, answer), _) => (Some(row), answer),
            (_, Handler::Fails) => (None, Answer::failed(json())),
            (Decision::RunForward, Handler::Refuses) => some(Row::refused(generation, json())),
            (Decision::RunForward, Handler::Succeeds) => {
                world.forward_effect(generation)?;
                some(Row::done(generation, json()))
            }
            (Decision::RunCompensation, Handler::Refuses) => {
                some(row.unwrap().compensation_refused(generation, json()))
            }
            (Decision::RunCompensation, Handler::Succeeds) => {
                world.compensating_effect()?;
                some(row.unwrap().compensated(generation, json()))
            }
        };
        if (answer.outcome == Outcome::Expired) != self.below_watermark {
            return Err("expired is answered where rows were dropped, and only there");
        }
        if ask == Ask::Forward && answer.outcome == Outcome::Rejected {
            world.refused_up_to = world.refused_up_to.max(generation);
        }
        world.undone |= matches!(row, Some(Row::Compensated { .. }));
        if let Some(row) = row
            && !(fault == Fault::ForgetRefusals && matches!(row, Row::Rejected { .. }))
        {
            world.rows.insert(key, row);
        }
        world
            .replies
            .insert((ask, generation, answer.outcome, answer.effective));
        Ok(world)
    }

    fn forward_effect(&mut self, generation: u32) -> Result<(), &'static str> {
        self.forward_effects.push(generation);
        if self.forward_effects.len() > 1 {
            return Err("a step takes effect at most once");
        }
        if self.undone {
            return Err("nothing takes effect after the step was undone");
        }
        if generation <= self.refused_up_to {
            return Err("a refusal is final");
        }
        Ok(())
    }

    fn compensating_effect(&mut self) -> Result<(), &'static str> {
        self.compensating_effects += 1;
        if self.compensating_effects > 1 {
            return Err("a step is compensated at most once");
        }
        if self.undone {
            return Err("nothing takes effect after the step was undone");
        }
        if self.forward_effects.is_empty() {
            return Err("only an effect is compensated");
        }
        Ok(())
    }

    /// The orchestrator passes over them, and never waits for the same answer again once it has
    /// stopped: worlds that differ only in them have the same future.
    fn forget_replies_that_nobody_waits_for(&mut self) {
        let (belief, waits_for) = (self.belief, self.generation);
        self.replies.retain(|(ask, generation, ..)| {
            belief == Belief::Waits(*ask) && *generation == waits_for
        });
    }

    /// What the orchestrator believes is so, and stays so while it believes it.
    fn belief_holds(&self) -> Result<(), &'static str> {
        let forward = u32::try_from(self.forward_effects.len()).unwrap();
        let holds = match self.belief {
            Belief::Waits(_) | Belief::Expired => true,
            Belief::TookEffect | Belief::CompensationRefused => {
                forward == 1 && self.compensating_effects == 0
            }
            Belief::Refused | Belief::NeverHappened => forward == 0,
            Belief::Compensated => forward == self.compensating_effects,
            Belief::Resolved => self.compensating_effects == 0,
        };
        if holds {
            Ok(())
        } else {
            Err("what the answers said is so")
        }
    }
}

fn some((row, answer): (Row, Answer)) -> (Option<Row>, Answer) {
    (Some(row), answer)
}

struct Found {
    states: usize,
    beliefs: BTreeSet<Belief>,
    /// The broken promise and the shortest way to it.
    violation: Option<(&'static str, Vec<String>)>,
}

fn search(fault: Fault) -> Found {
    let mut came_from: HashMap<World, Option<(World, String)>> = HashMap::new();
    let mut queue = VecDeque::from([World::start()]);
    came_from.insert(World::start(), None);
    let mut beliefs = BTreeSet::new();
    while let Some(world) = queue.pop_front() {
        beliefs.insert(world.belief);
        for (what, next) in world.nexts(fault) {
            let checked = next.and_then(|next| next.belief_holds().map(|()| next));
            match checked {
                Ok(mut next) => {
                    next.forget_replies_that_nobody_waits_for();
                    if !came_from.contains_key(&next) {
                        came_from.insert(next.clone(), Some((world.clone(), what)));
                        queue.push_back(next);
                    }
                }
                Err(promise) => {
                    let violation = Some((promise, path(&came_from, world, what)));
                    return Found {
                        states: came_from.len(),
                        beliefs,
                        violation,
                    };
                }
            }
        }
    }
    Found {
        states: came_from.len(),
        beliefs,
        violation: None,
    }
}

fn path(
    came_from: &HashMap<World, Option<(World, String)>>,
    mut world: World,
    last: String,
) -> Vec<String> {
    let mut steps = vec![last];
    while let Some(Some((before, what))) = came_from.get(&world) {
        steps.push(what.clone());
        world = before.clone();
    }
    steps.reverse();
    steps
}

#[test]
fn no_interleaving_of_one_step_breaks_a_promise() {
    let found = search(Fault::None);
    println!("{} states searched", found.states);
    assert_eq!(found.violation, None, "after {} states", found.states);
    for belief in [
        Belief::TookEffect,
        Belief::Refused,
        Belief::NeverHappened,
        Belief::Compensated,
        Belief::CompensationRefused,
        Belief::Resolved,
        Belief::Expired,
    ] {
        assert!(
            found.beliefs.contains(&belief),
            "{belief:?} was never reached"
        );
    }
}

#[track_caller]
fn check_caught(fault: Fault, promise: &str) {
    let (broken, steps) = search(fault).violation.expect("the fault goes unnoticed");
    println!("{broken}:\n  {}", steps.join("\n  "));
    assert_eq!(broken, promise);
}

#[test]
fn rows_keyed_by_command_id_are_caught() {
    check_caught(Fault::KeyByCommandId, "a step takes effect at most once");
}

#[test]
fn forgotten_refusals_are_caught() {
    check_caught(Fault::ForgetRefusals, "a refusal is final");
}

#[test]
fn a_purge_without_watermark_is_caught() {
    check_caught(
        Fault::PurgeWithoutWatermark,
        "a step takes effect at most once",
    );
}
