//! What must hold of every run, whatever went wrong in it: one promise, one function, one name.
//!
//! Invariant: a check reads the journal, the tables and the logs after the run, and nothing else. For
//! each a bug can be seeded in production that it notices (`cargo xtask sabotage`): one that cannot
//! fail is worth nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagas::{Definition, SagaId};
use sagas_core::loaded::Loaded;

use crate::journal::Journal;
use crate::world::World;

mod admission;
mod commits;
mod effects;
mod gates;
mod history;
mod loads;
mod messages;
mod orders;
mod replies;
mod retries;
mod shares;
mod submissions;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The check that noticed it.
    pub check: &'static str,
    /// The saga that it is about.
    pub saga: Option<SagaId>,
    /// What is wrong.
    pub text: String,
}

/// What the checks read.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) world: &'a World,
    pub(crate) journal: &'a Journal,
    /// Every saga as it lies in the database at the end.
    pub(crate) sagas: BTreeMap<SagaId, Stored>,
}

/// A saga at the end.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) loaded: Loaded,
    pub(crate) definition: Arc<Definition>,
}

/// What a check finds: the saga that it is about, and what is wrong.
pub(crate) type Finding = Result<(), (Option<SagaId>, String)>;

type Check = fn(&Evidence<'_>) -> Finding;

macro_rules! checks {
    ($($module:ident::$check:ident),+ $(,)?) => {
        const CHECKS: &[(&str, Check)] = &[$((stringify!($check), $module::$check)),+];
    };
}
checks! {
    submissions::acknowledged_submissions_exist_exactly_once,
    submissions::the_same_key_names_the_same_saga,
    orders::answered_orders_are_stored,
    orders::orders_are_applied_once,
    orders::orders_are_refused_by_the_stored_state,
    commits::revisions_grow_by_one,
    commits::terminal_states_never_change,
    commits::no_saga_without_a_wake_or_a_person,
    commits::what_is_read_is_what_was_committed,
    commits::only_who_has_the_definition_moves_a_saga,
    commits::what_is_in_doubt_is_read_again,
    commits::a_saga_is_in_one_commit_at_a_time,
    admission::new_sagas_leave_room_for_those_that_run,
    admission::a_burst_of_one_definition_keeps_no_other_out,
    loads::a_lane_has_one_load_under_way,
    shares::everything_is_served_by_one_replica,
    shares::a_beat_comes_when_another_replica_is_dead,
    history::only_legal_status_transitions,
    history::history_replays_to_the_state,
    history::wakes_know_what_was_published,
    effects::effects_happen_at_most_once,
    effects::no_effect_after_its_tombstone,
    effects::no_compensation_without_a_reason,
    effects::no_compensation_beside_the_point_of_no_return,
    effects::steps_are_undone_after_their_dependents,
    effects::effects_agree_with_the_end,
    replies::a_reply_counts_for_its_own_command_only,
    replies::no_step_is_given_up_on_unread,
    retries::retry_delays_follow_the_policy,
    retries::nobody_is_called_silent_who_was_never_asked,
    gates::silence_counts_only_while_the_topic_takes_something,
    gates::a_topic_that_takes_nothing_holds_nobody_else,
    gates::a_topic_holds_no_more_than_its_bound,
    gates::what_was_withheld_is_sent_when_its_topic_opens,
    messages::a_command_is_published_only_when_stored,
    messages::offsets_never_run_ahead_of_the_database,
    messages::no_useful_reply_is_buried,
    messages::every_lifecycle_event_is_published,
    messages::lifecycle_events_come_in_order,
    messages::lifecycle_events_have_no_gap_in_their_order,
    commits::everything_comes_to_rest,
}

/// Names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(name, _)| *name)
}

/// Everything that is wrong with a run, at most once per check.
#[must_use]
pub fn violations(world: &World) -> Vec<Violation> {
    let evidence = Evidence::of(world);
    let found = CHECKS.iter().filter_map(|(check, run)| {
        let (saga, text) = run(&evidence).err()?;
        Some(Violation { check, saga, text })
    });
    found.collect()
}

impl<'a> Evidence<'a> {
    fn of(world: &'a World) -> Self {
        let ids: Vec<SagaId> = world.store.ids().collect();
        let loaded = world.store.load(&ids).into_iter();
        let sagas = loaded.filter_map(|loaded| {
            let definition = world.scene.registry.newest(&loaded.row.definition)?;
            let definition = Arc::clone(definition);
            Some((loaded.row.id, Stored { loaded, definition }))
        });
        Self {
            world,
            journal: &world.journal,
            sagas: sagas.collect(),
        }
    }
}

/// Fails with `text` about `saga` unless `holds`.
pub(crate) fn require(holds: bool, saga: SagaId, text: impl FnOnce() -> String) -> Finding {
    if holds {
        Ok(())
    } else {
        Err((Some(saga), text()))
    }
}
