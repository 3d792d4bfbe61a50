//! Seeded bugs: each breaks one rule of one double, and the check that guards the rule must notice.

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sabotage {
    /// The store writes whatever revision the row has.
    StoreIgnoresRevisions,
    /// The store takes every start for new.
    StoreForgetsKeys,
    /// The store says that a batch is committed, and keeps none of it.
    StoreLosesCommits,
    /// The store gives states that are a transition behind.
    StoreReadsStale,
    /// The store loses what was said about replies.
    StoreSpoilsHistory,
    /// The store writes a status that the saga does not have.
    StoreSpoilsStatus,
    /// The store keeps no wakes.
    StoreLosesWakes,
    /// The bus acknowledges lifecycle events and drops some.
    BusDropsEvents,
    /// The bus gives lifecycle events out in the wrong order.
    BusReversesEvents,
    /// The shell stores offsets as soon as a record is read.
    ShellStoresOffsetsEarly,
    /// The shell mixes answers up.
    ShellMixesAnswersUp,
    /// The shell tells whoever repeats an order that it makes no sense.
    ShellRefusesRepeats,
    /// The shell tells some operators that their order makes no sense, and drops it.
    ShellRefusesOrders,
    /// The shell calls a commit whose answer was lost one that collided.
    ShellHidesDoubt,
    /// The shell takes some replies for unreadable.
    ShellBuriesReplies,
    /// The store finds wakes long after they were due.
    StoreFindsWakesLate,
    /// A participant answers the second step in the name of the first.
    ServiceMixesStepsUp,
    /// Replicas run another binary than the deploy believes.
    ShellRunsOtherBinary,
    /// A participant runs every command that comes.
    ServiceHasNoBarrier,
    /// A participant forgets that a step was undone.
    ServiceForgetsTombstones,
    /// A participant undoes steps that nobody told it to undo.
    ServiceUndoesUnasked,
    /// A participant says that it undid a step, and does nothing.
    ServiceSkipsCompensation,
    /// A participant says that it undid a step, and does it much later.
    ServiceUndoesLate,
}

impl Sabotage {
    /// Every bug, with the check that must notice it.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::StoreIgnoresRevisions, "revisions_grow_by_one"),
        (
            Self::StoreForgetsKeys,
            "acknowledged_submissions_exist_exactly_once",
        ),
        (
            Self::StoreLosesCommits,
            "a_command_is_published_only_when_stored",
        ),
        (Self::StoreReadsStale, "what_is_read_is_what_was_committed"),
        (Self::StoreSpoilsHistory, "history_replays_to_the_state"),
        (Self::StoreSpoilsStatus, "only_legal_status_transitions"),
        (Self::StoreLosesWakes, "no_saga_without_a_wake_or_a_person"),
        (Self::BusDropsEvents, "every_lifecycle_event_is_published"),
        (Self::BusReversesEvents, "lifecycle_events_come_in_order"),
        (
            Self::ShellStoresOffsetsEarly,
            "offsets_never_run_ahead_of_the_database",
        ),
        (
            Self::ShellMixesAnswersUp,
            "the_same_key_names_the_same_saga",
        ),
        (Self::ServiceHasNoBarrier, "effects_happen_at_most_once"),
        (
            Self::ServiceForgetsTombstones,
            "no_effect_after_its_tombstone",
        ),
        (
            Self::ServiceUndoesUnasked,
            "no_compensation_without_a_reason",
        ),
        (
            Self::ServiceUndoesUnasked,
            "no_compensation_beside_the_point_of_no_return",
        ),
        (Self::StoreIgnoresRevisions, "terminal_states_never_change"),
        (Self::StoreSpoilsHistory, "answered_orders_are_stored"),
        (Self::ShellRefusesRepeats, "orders_are_applied_once"),
        (
            Self::ShellRefusesOrders,
            "orders_are_refused_by_the_stored_state",
        ),
        (Self::ShellHidesDoubt, "what_is_in_doubt_is_read_again"),
        (Self::ShellBuriesReplies, "no_useful_reply_is_buried"),
        (
            Self::ServiceMixesStepsUp,
            "a_reply_counts_for_its_own_command_only",
        ),
        (Self::StoreFindsWakesLate, "retry_delays_follow_the_policy"),
        (
            Self::ShellRunsOtherBinary,
            "only_who_has_the_definition_moves_a_saga",
        ),
        (Self::StoreLosesWakes, "everything_comes_to_rest"),
        (Self::ServiceSkipsCompensation, "effects_agree_with_the_end"),
        (
            Self::ServiceUndoesLate,
            "steps_are_undone_after_their_dependents",
        ),
    ];
}
