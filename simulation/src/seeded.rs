//! Which check must notice which bug of production code: one row for each invariant.

use sagas::sabotage::Bug;

/// One invariant.
#[derive(Debug)]
pub struct Row {
    /// What holds always.
    pub invariant: &'static str,
    /// What breaks it.
    pub bug: Bug,
    /// What must notice.
    pub proof: Proof,
}

/// Where a bug must show.
#[derive(Debug, Clone, Copy)]
pub enum Proof {
    /// In the simulator: the name of a check.
    Simulation(&'static str),
    /// In a test, which fails.
    Test {
        /// Arguments of `cargo test`.
        arguments: &'static [&'static str],
        /// The test's whole name.
        test: &'static str,
    },
}

impl Proof {
    /// The name of the check or the test.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Simulation(name) | Self::Test { test: name, .. } => name,
        }
    }
}

/// Scripts of the state machine.
const MACHINE: &[&str] = &["-p", "sagas", "--features", "sabotage", "--test", "machine"];

/// What one replica decides.
const CORE: &[&str] = &["-p", "sagas-core", "--features", "sagas/sabotage", "--lib"];

const fn simulated(invariant: &'static str, bug: Bug, check: &'static str) -> Row {
    let proof = Proof::Simulation(check);
    Row {
        invariant,
        bug,
        proof,
    }
}

/// Every invariant of `docs/invariants.md` that one process keeps.
pub const ROWS: &[Row] = &[
    simulated(
        "an acknowledged submission exists exactly once",
        Bug::AnswersBeforeTheCommit,
        "acknowledged_submissions_exist_exactly_once",
    ),
    simulated(
        "an acknowledged submission survives a failover",
        Bug::TakesVisibleForAcknowledged,
        "acknowledged_submissions_exist_exactly_once",
    ),
    simulated(
        "the same key names the same saga",
        Bug::TakesAnySubmissionForTheFirst,
        "the_same_key_names_the_same_saga",
    ),
    simulated(
        "an operator's order that was answered is stored",
        Bug::AppliesOrdersAgain,
        "answered_orders_are_stored",
    ),
    simulated(
        "an order is applied once",
        Bug::AppliesOrdersAgain,
        "orders_are_applied_once",
    ),
    simulated(
        "an order is refused for what is stored",
        Bug::TrustsOldStates,
        "orders_are_refused_by_the_stored_state",
    ),
    simulated(
        "legal status transitions only",
        Bug::TurnsForwardAgain,
        "only_legal_status_transitions",
    ),
    simulated(
        "a command is published only when it is stored",
        Bug::PublishesBeforeTheCommit,
        "a_command_is_published_only_when_stored",
    ),
    simulated(
        "a command is sent with the bytes that were stored",
        Bug::ChangesBytes,
        "a_command_is_published_only_when_stored",
    ),
    simulated(
        "at most one forward and one compensating effect per step",
        Bug::RunsAgain,
        "effects_happen_at_most_once",
    ),
    simulated(
        "no effect after its tombstone",
        Bug::ForgetsTombstones,
        "no_effect_after_its_tombstone",
    ),
    simulated(
        "no compensation without a reason",
        Bug::UndoesUnasked,
        "no_compensation_without_a_reason",
    ),
    simulated(
        "no compensation after the point of no return",
        Bug::CancelsWithoutFence,
        "no_compensation_beside_the_point_of_no_return",
    ),
    Row {
        invariant: "another order under the id of an applied one is refused",
        bug: Bug::TakesAnyOrderForTheFirst,
        proof: Proof::Test {
            arguments: MACHINE,
            test: "repeats::another_order_under_the_id_of_an_applied_one_is_refused_and_names_it",
        },
    },
    Row {
        invariant: "a step is done by hand only when its turn has come",
        bug: Bug::SkipsBeforeItsTurn,
        proof: Proof::Test {
            arguments: MACHINE,
            test: "by_hand::a_step_is_not_skipped_before_its_turn",
        },
    },
    simulated(
        "dependents are undone first",
        Bug::UndoesWithoutWaiting,
        "steps_are_undone_after_their_dependents",
    ),
    simulated(
        "every step that took effect before a refusal is undone",
        Bug::TakesSilenceForRefusal,
        "effects_agree_with_the_end",
    ),
    simulated(
        "terminal states never change",
        Bug::MovesWhatHasEnded,
        "terminal_states_never_change",
    ),
    simulated(
        "revisions grow by one",
        Bug::SkipsRevisions,
        "revisions_grow_by_one",
    ),
    simulated(
        "a reply counts only for its own command, step and saga",
        Bug::TakesAnyReply,
        "a_reply_counts_for_its_own_command_only",
    ),
    simulated(
        "a step is not given up on while an answer could not be used",
        Bug::GivesUpOnTheUnreadable,
        "no_step_is_given_up_on_unread",
    ),
    simulated(
        "offsets never run ahead of the database",
        Bug::AdvancesOffsetsEarly,
        "offsets_never_run_ahead_of_the_database",
    ),
    simulated(
        "no saga without a wake or a person",
        Bug::ForgetsWakes,
        "no_saga_without_a_wake_or_a_person",
    ),
    simulated(
        "everything comes to rest once faults stop",
        Bug::IgnoresWakes,
        "everything_comes_to_rest",
    ),
    simulated(
        "what is read is what was committed",
        Bug::ReadsStale,
        "what_is_read_is_what_was_committed",
    ),
    Row {
        invariant: "what is read is what was committed",
        bug: Bug::ReadsStale,
        proof: Proof::Test {
            arguments: &[
                "-p",
                "simulation",
                "--features",
                "sabotage",
                "--test",
                "contract",
            ],
            test: "store::postgres_keeps_the_contract_of_the_store",
        },
    },
    simulated(
        "retry delays follow the policy",
        Bug::RetriesAtOnce,
        "retry_delays_follow_the_policy",
    ),
    Row {
        invariant: "retry delays follow the policy",
        bug: Bug::RetriesAtOnce,
        proof: Proof::Test {
            arguments: &["-p", "sagas", "--features", "sabotage", "--lib"],
            test: "retry::tests::delays_double_up_to_the_cap_within_a_fifth",
        },
    },
    simulated(
        "history replays to the state",
        Bug::ForgetsAttempts,
        "history_replays_to_the_state",
    ),
    simulated(
        "a wake takes for published only what the broker has",
        Bug::TakesAllForPublished,
        "wakes_know_what_was_published",
    ),
    simulated(
        "who was never asked is not called silent",
        Bug::TakesRefusedForSent,
        "nobody_is_called_silent_who_was_never_asked",
    ),
    simulated(
        "every lifecycle event is published",
        Bug::DropsEvents,
        "every_lifecycle_event_is_published",
    ),
    simulated(
        "lifecycle events match the history in order",
        Bug::ScattersEvents,
        "lifecycle_events_come_in_order",
    ),
    simulated(
        "lifecycle events, in the order of their numbers, are the history without a gap",
        Bug::NumbersEventsAnew,
        "lifecycle_events_have_no_gap_in_their_order",
    ),
    simulated(
        "after a commit whose answer was lost, its sagas are read again",
        Bug::KeepsAmbiguousStates,
        "what_is_in_doubt_is_read_again",
    ),
    simulated(
        "a saga is in at most one commit of a lane",
        Bug::CommitsASagaTwiceAtOnce,
        "a_saga_is_in_one_commit_at_a_time",
    ),
    simulated(
        "a lane has one load under way, of a bounded number of sagas",
        Bug::LoadsAtOnce,
        "a_lane_has_one_load_under_way",
    ),
    simulated(
        "a load that fails is an answer to all that wait behind it",
        Bug::ForgetsWaitingLoads,
        "everything_comes_to_rest",
    ),
    simulated(
        "replicas that hear of the same ones share everything out, each number to one",
        Bug::KeepsItsShare,
        "everything_is_served_by_one_replica",
    ),
    simulated(
        "a replica beats again at the instant at which another one is dead",
        Bug::WaitsForItsBeat,
        "a_beat_comes_when_another_replica_is_dead",
    ),
    simulated(
        "a saga whose shard hangs on a replica without its definition is moved by another one",
        Bug::LooksAtItsOwnOnly,
        "everything_comes_to_rest",
    ),
    Row {
        invariant: "a heartbeat that is ahead of the database's clock counts only while it changes",
        bug: Bug::BelievesTheFuture,
        proof: Proof::Test {
            arguments: CORE,
            test: "membership::tests::a_heartbeat_from_the_future_counts_only_while_it_changes",
        },
    },
    Row {
        invariant: "a saga that cannot be read stops none that is loaded with it",
        bug: Bug::StopsForTheUnreadable,
        proof: Proof::Test {
            arguments: CORE,
            test: "lane::tests::failures::a_saga_that_cannot_be_read_stops_none_that_is_loaded_with_it",
        },
    },
    Row {
        invariant: "an event that is published is not repeated because of its neighbour",
        bug: Bug::RepeatsItsNeighbours,
        proof: Proof::Test {
            arguments: CORE,
            test: "sweep::tests::a_part_that_failed_is_published_again_without_its_neighbours",
        },
    },
    simulated(
        "new sagas leave room for those that run",
        Bug::AdmitsAllStarts,
        "new_sagas_leave_room_for_those_that_run",
    ),
    Row {
        invariant: "a replica is not ready when a write is not answered for two seconds",
        bug: Bug::TakesSilenceForWell,
        proof: Proof::Test {
            arguments: CORE,
            test: "readiness::tests::a_question_without_an_answer_is_trouble_after_two_seconds_and_an_answer_ends_it",
        },
    },
    Row {
        invariant: "the trouble of one participant's topic makes no replica unready, and is named",
        bug: Bug::TakesOneTopicForAll,
        proof: Proof::Test {
            arguments: CORE,
            test: "readiness::tests::a_topic_that_everybody_needs_makes_unready_and_another_one_is_named",
        },
    },
    simulated(
        "a burst of one definition does not keep another out",
        Bug::LetsABurstKeepOthersOut,
        "a_burst_of_one_definition_keeps_no_other_out",
    ),
    simulated(
        "a client that waits for the end of a saga is told, wherever it ends",
        Bug::ForgetsWhoWaits,
        "everything_comes_to_rest",
    ),
    simulated(
        "an answer of the database ends its own commit",
        Bug::MixesUpCommits,
        "a_command_is_published_only_when_stored",
    ),
    simulated(
        "a reply that its saga can use is no dead letter",
        Bug::BuriesReplies,
        "no_useful_reply_is_buried",
    ),
    simulated(
        "a binary moves no saga whose definition it lacks or has changed",
        Bug::TakesAnyDefinition,
        "only_who_has_the_definition_moves_a_saga",
    ),
    simulated(
        "no silence counts, and nothing is given up, while the topic takes nothing",
        Bug::CountsClosedTopics,
        "silence_counts_only_while_the_topic_takes_something",
    ),
    simulated(
        "a topic that takes nothing holds no other topic's sagas",
        Bug::OneGateForAll,
        "a_topic_that_takes_nothing_holds_nobody_else",
    ),
    simulated(
        "a topic that takes nothing holds a bounded number of records in memory",
        Bug::IgnoresGates,
        "a_topic_holds_no_more_than_its_bound",
    ),
    simulated(
        "what was withheld is sent when its topic takes something again",
        Bug::ForgetsTheWithheld,
        "what_was_withheld_is_sent_when_its_topic_opens",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::check;

    #[test]
    fn every_bug_and_every_check_has_a_row() {
        let bugs: BTreeSet<Bug> = ROWS.iter().map(|row| row.bug).collect();
        assert_eq!(bugs, Bug::ALL.iter().copied().collect());
        let simulated = |row: &Row| match row.proof {
            Proof::Simulation(check) => Some(check),
            Proof::Test { .. } => None,
        };
        let checks: BTreeSet<&str> = ROWS.iter().filter_map(simulated).collect();
        assert_eq!(checks, check::names().collect());
    }

    #[test]
    fn the_page_of_invariants_names_them() {
        let page = include_str!("../../docs/invariants.md");
        for row in ROWS {
            let mut lines = page.lines();
            let is_there = lines.any(|line| {
                line.contains(row.invariant)
                    && line.contains(row.bug.name())
                    && line.contains(row.proof.name())
            });
            assert!(is_there, "no line of docs/invariants.md says: {row:?}");
        }
    }
}
