//! Every small world keeps every rule, and every rule notices a bug that is seeded for it.

use model::{CONFIGURATIONS, Configuration, Report, Rule, Sabotage, search};

fn named(name: &str) -> &'static Configuration {
    let mut all = CONFIGURATIONS.iter();
    all.find(|configuration| configuration.name == name)
        .unwrap_or_else(|| panic!("there is no configuration {name}"))
}

#[track_caller]
fn is_well(report: &Report, name: &str) {
    let broken: Vec<String> = report.broken.iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{name}: {}", broken.join("\n"));
    assert!(
        report.unseen.is_empty(),
        "{name}: never seen: {:?}",
        report.unseen
    );
}

#[test]
fn every_small_world_keeps_every_rule() {
    for configuration in CONFIGURATIONS.iter().filter(|world| world.is_small) {
        let report = search(configuration, None, 1);
        println!(
            "{}: {} moves, {} states, depth {}, {:.1} s: {configuration}",
            configuration.name,
            report.states,
            report.unique,
            report.depth,
            report.took.as_secs_f64()
        );
        is_well(&report, configuration.name);
        assert!(report.unique > 30, "{}: too small", configuration.name);
    }
}

/// The small world in which a seeded bug can be seen.
fn stage(sabotage: Sabotage) -> &'static Configuration {
    named(match sabotage {
        Sabotage::PurgesWithoutWatermark => "pair-purge",
        Sabotage::CancelsWithoutFence | Sabotage::ForgetsOrders => "pair-one-order",
        Sabotage::WritesOverNewer | Sabotage::BelievesTheCopy => "pair-copy",
        Sabotage::ForgetsWhatItCannotRead => "pair-unreadable",
        Sabotage::UndoesEverythingAtOnce | Sabotage::StartsTooEarly => "undoable",
        Sabotage::RunsTwice
        | Sabotage::ForgetsRefusals
        | Sabotage::LeavesNoTombstone
        | Sabotage::TakesSilenceForRefusal
        | Sabotage::TakesSilenceForSuccess
        | Sabotage::UndoesWithoutWaiting
        | Sabotage::NeverWakes
        | Sabotage::NeverSendsAgain
        | Sabotage::RebuildsCommands
        | Sabotage::LosesHistory
        | Sabotage::IgnoresFingerprints
        | Sabotage::TakesAnyVersion => "pair-crash-loss",
    })
}

#[test]
fn every_seeded_bug_is_noticed_by_its_rule() {
    for sabotage in Sabotage::ALL {
        let report = search(stage(sabotage), Some(sabotage), 1);
        let broken: Vec<Rule> = report.broken.iter().map(|broken| broken.rule).collect();
        let rule = sabotage.is_noticed_by();
        assert!(
            broken.contains(&rule),
            "{sabotage:?}: {rule:?} is not among {broken:?}"
        );
    }
}

#[test]
fn every_rule_has_a_bug_that_breaks_it() {
    for rule in Rule::ALL {
        let mut bugs = Sabotage::ALL.into_iter();
        assert!(
            bugs.any(|sabotage| sabotage.is_noticed_by() == rule),
            "{rule:?}"
        );
    }
}

/// Taking states for one that behave alike saves most of the work; it must not save any of the sights.
#[test]
fn what_is_searched_once_for_many_states_leaves_nothing_out() {
    for name in [
        "pair-one-order",
        "pair-unreadable",
        "pair-crash-loss",
        "pair-purge",
        "undoable",
        "fork",
        "branch-deadline",
    ] {
        let reduced = *named(name);
        let whole = Configuration {
            is_whole: true,
            ..reduced
        };
        let (whole, reduced) = (search(&whole, None, 1), search(&reduced, None, 1));
        is_well(&whole, name);
        assert!(reduced.unique < whole.unique, "{name}");
        let (whole, reduced) = (whole.looks, reduced.looks);
        assert!(
            whole == reduced,
            "{name}: {} of {} sights",
            reduced.len(),
            whole.len()
        );
    }
}
