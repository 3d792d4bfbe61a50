//! Every check can fail: a seeded bug for each, which the check must notice within a few seeds.

use std::collections::BTreeSet;

use simulation::sabotage::Sabotage;
use simulation::{check, run};

const SEEDS: u64 = 150;
/// Fewer than usual: a bug shows in any of them, and this runs twenty times.
const SAGAS: usize = 10;

#[test]
fn every_seeded_bug_is_noticed_by_its_check() {
    let mut silent = Vec::new();
    for (sabotage, check) in Sabotage::ALL {
        if !(1..=SEEDS).any(|seed| notices(seed, *sabotage, check)) {
            silent.push((*sabotage, *check));
        }
    }
    assert_eq!(silent, [], "not noticed within {SEEDS} seeds");
}

#[test]
fn every_check_has_a_seeded_bug() {
    let guarded: BTreeSet<&str> = Sabotage::ALL.iter().map(|(_, check)| *check).collect();
    let all: BTreeSet<&str> = check::names().collect();
    assert_eq!(guarded, all);
}

fn notices(seed: u64, sabotage: Sabotage, check: &str) -> bool {
    let outcome = run(seed, SAGAS, Some(sabotage), false);
    outcome
        .violations
        .iter()
        .any(|violation| violation.check == check)
}
