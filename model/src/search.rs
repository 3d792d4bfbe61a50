//! Runs one configuration to its end and says what was found.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::configuration::Configuration;
use crate::rest::Graph;
use crate::rule::Rule;
use crate::sabotage::Sabotage;
use crate::world::World;

/// What a search found.
#[derive(Debug)]
pub struct Report {
    /// Moves that were tried and led somewhere.
    pub states: usize,
    /// States, each looked at once.
    pub unique: usize,
    /// The longest way that was needed to see all of them.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Broken rules, each with the shortest way to it.
    pub broken: Vec<Broken>,
    /// What should have been seen and was not.
    pub unseen: Vec<&'static str>,
    /// In a debug build: digests of how steps and participants stood in all states.
    pub looks: HashSet<u64>,
}

/// A broken rule.
#[derive(Debug)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// The way from the start of the saga.
    pub trace: Vec<String>,
    /// Where it leads.
    pub state: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken: {}", self.rule.in_words())?;
        for (number, action) in self.trace.iter().enumerate() {
            writeln!(f, "  {number:>2} {action}")?;
        }
        write!(f, "{}", self.state)
    }
}

/// Searches a configuration, with a seeded bug or without one.
#[must_use]
pub fn search(configuration: &Configuration, sabotage: Option<Sabotage>, threads: usize) -> Report {
    let started = Instant::now();
    let (mut report, graph) = visit(World::new(*configuration, sabotage), threads);
    report.looks.clone_from(&graph.looks);
    let doomed = graph.doomed();
    if report.broken.is_empty() && !doomed.is_empty() {
        // Once more, for the shortest way to one of them.
        let doomed = doomed.into_iter().collect();
        let fresh = World::new(*configuration, sabotage);
        report = visit(World { doomed, ..fresh }, threads).0;
    }
    report.took = started.elapsed();
    report
}

fn visit(world: World, threads: usize) -> (Report, Graph) {
    let checker = world.checker().threads(threads);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let mut discoveries = checker.discoveries();
    let broken = Rule::ALL.into_iter().filter_map(|rule| {
        let path = discoveries.remove(rule.in_words())?;
        let state = path.last_state().to_string();
        let actions = path.into_actions().into_iter();
        let trace = actions.map(|action| format!("{action:?}")).collect();
        Some(Broken { rule, trace, state })
    });
    let broken: Vec<Broken> = broken.collect();
    let expected = checker.model().properties().into_iter();
    let expected = expected.filter(|property| property.expectation == Expectation::Sometimes);
    let names = expected.map(|property| property.name);
    let unseen = names.filter(|name| !discoveries.contains_key(name));
    let mut graph = checker.model().graph.lock().expect("the search is over");
    let report = Report {
        states: checker.state_count(),
        unique: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: Duration::ZERO,
        broken,
        unseen: unseen.collect(),
        looks: HashSet::new(),
    };
    (report, std::mem::take(&mut *graph))
}
