//! A bounded number of seeds, in every test run; `cargo xtask simulate` runs as many as you like.
#![allow(
    clippy::print_stdout,
    reason = "the seeds that were run belong into the output"
)]

use simulation::{SAGAS, run};

/// Some five seconds in a debug build.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=60;

#[test]
fn every_promise_holds_in_a_bounded_number_of_seeds() {
    println!("seeds {SEEDS:?}, {SAGAS} sagas each");
    for seed in SEEDS {
        let outcome = run(seed, SAGAS, false);
        assert!(
            outcome.violations.is_empty(),
            "cargo xtask simulate --from {seed}: {:#?}",
            outcome.violations
        );
    }
}

#[test]
fn two_runs_of_one_seed_give_the_same_trace() {
    for seed in 100..110 {
        let (one, two) = (run(seed, SAGAS, true), run(seed, SAGAS, true));
        assert!(
            one.lines.len() > 500,
            "seed {seed} has {} lines",
            one.lines.len()
        );
        assert_eq!(one, two, "seed {seed}");
    }
}

#[test]
fn a_trace_changes_nothing() {
    for seed in 100..105 {
        let silent = run(seed, SAGAS, false);
        let mut traced = run(seed, SAGAS, true);
        traced.lines.clear();
        assert_eq!(silent, traced, "seed {seed}");
    }
}

#[test]
fn every_fault_really_happens_within_a_few_seeds() {
    use simulation::faults::Fault;
    use std::collections::BTreeSet;

    let mut missing: BTreeSet<Fault> = Fault::ALL.iter().copied().collect();
    for seed in 1..=150 {
        if missing.is_empty() {
            return;
        }
        let outcome = run(seed, 10, false);
        missing.retain(|fault| !outcome.faults.contains_key(fault));
    }
    assert_eq!(missing, BTreeSet::new());
}
