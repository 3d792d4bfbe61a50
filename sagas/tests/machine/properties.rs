//! Random definitions under random schedules keep the promises; seeded bugs do not.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::str::FromStr;
use std::sync::Once;
use std::{env, panic};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::invariants::Broken;
use crate::world::sabotage::Sabotage;
use crate::world::schedule::{Op, schedules};
use crate::world::spec::{BROKEN, Spec, specs};
use crate::world::{Counts, World};

/// About six seconds in a debug build on one core.
const CASES: u32 = 4000;

/// Fixed: whether a seeded bug is noticed is not a matter of luck.
const SEED_OF_BUGS: u64 = 1;

fn play(spec: &Spec, schedule: &[Op], sabotage: Option<Sabotage>) -> Result<Counts, Broken> {
    let definition = spec.build();
    let mut world = World::new(&definition, spec, sabotage);
    world.play(schedule)?;
    Ok(world.counts)
}

/// `PROPTEST_RNG_SEED` if it is set; a random one otherwise.
fn seed() -> u64 {
    let random = || RandomState::new().hash_one("seed");
    from_environment("PROPTEST_RNG_SEED").unwrap_or_else(random)
}

/// `PROPTEST_CASES` if it is set, for a long search.
fn cases() -> u32 {
    from_environment("PROPTEST_CASES").unwrap_or(CASES)
}

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

fn runner(seed: u64, cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    })
}

/// The broken closures of random worlds panic thousands of times; nobody wants to read that.
fn silence_the_broken_closures() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(BROKEN) {
                print(info);
            }
        }));
    });
}

#[test]
fn random_sagas_under_random_schedules_keep_the_promises() {
    silence_the_broken_closures();
    let seed = seed();
    let counts = RefCell::new(Counts::new());
    let outcome = runner(seed, cases()).run(&(specs(), schedules()), |(spec, schedule)| {
        let played = play(&spec, &schedule, None).map_err(TestCaseError::fail)?;
        for (what, count) in played {
            *counts.borrow_mut().entry(what).or_default() += count;
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("PROPTEST_RNG_SEED={seed} runs it again: {error}");
    }
    let counts = counts.into_inner();
    let expected = [
        "completed",
        "compensated",
        "stuck",
        "command lost",
        "command repeated",
        "reply lost",
        "reply repeated",
        "crash with unsent",
        "purge",
        "withheld",
        "refused",
        "succeeded",
        "rejected",
        "failed",
        "already-compensated",
        "fenced",
        "expired",
    ];
    for what in expected {
        let count = counts.get(what).copied().unwrap_or(0);
        assert!(
            count >= 20,
            "{what:?} happened {count} times only (seed {seed}): {counts:?}"
        );
    }
}

#[test]
fn every_seeded_bug_breaks_a_promise() {
    silence_the_broken_closures();
    for sabotage in Sabotage::ALL {
        let mut runner = runner(SEED_OF_BUGS, CASES);
        let worlds = (specs(), schedules());
        let mut broken = BTreeSet::new();
        let is_noticed = (0..CASES).any(|_| {
            let world = worlds
                .new_tree(&mut runner)
                .expect("the filter lets enough through");
            let (spec, schedule) = world.current();
            let outcome = play(&spec, &schedule, Some(sabotage));
            let noticed = outcome.err().unwrap_or_default();
            let is_noticed = noticed.contains(sabotage.is_noticed_as());
            broken.insert(noticed);
            is_noticed
        });
        assert!(
            is_noticed,
            "{sabotage:?} was not noticed as {:?}, but as {broken:#?}",
            sabotage.is_noticed_as()
        );
    }
}
