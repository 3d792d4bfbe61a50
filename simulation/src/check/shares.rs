//! Who serves what, as replicas have decided from the heartbeats that they heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sagas_core::membership::Assignment;
use sagas_core::schedule::BEAT;
use uuid::Uuid;

use super::{Evidence, Finding};

/// A replica that is silent for so long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(2);

/// Replicas that heard of the same ones share everything out among them, each number to one.
pub(super) fn everything_is_served_by_one_replica(evidence: &Evidence<'_>) -> Finding {
    let mut groups: BTreeMap<(&[Uuid], i32), BTreeMap<Uuid, &Assignment>> = BTreeMap::new();
    for heard in &evidence.journal.heard {
        let (own, assignment) = (heard.own, &heard.assignment);
        let group = groups.entry((&heard.alive, heard.of)).or_default();
        let before = group.insert(own, assignment);
        if before.is_some_and(|before| before != assignment) {
            let text = format!("replica {own} has {assignment:?} and had {before:?}");
            return Err((None, text));
        }
    }
    for ((alive, of), members) in groups {
        let partitions = members.values().flat_map(|own| &own.partitions);
        let partitions: Vec<i32> = partitions.copied().collect();
        let shards = members.values().flat_map(|own| &own.shards);
        let shards: Vec<u16> = shards.copied().collect();
        let all = (0..of).collect();
        let is_whole = members.len() == alive.len();
        let all_shards = (0..evidence.world.layout.shards).collect();
        if !is_shared_out(&partitions, &all, is_whole) {
            let text = format!("{alive:?} share {of} partitions out as {partitions:?}");
            return Err((None, text));
        }
        if !is_shared_out(&shards, &all_shards, is_whole) {
            return Err((None, format!("{alive:?} share shards out as {shards:?}")));
        }
    }
    Ok(())
}

/// Each of them to one; where `is_whole`, none is left over.
fn is_shared_out<T: Copy + Ord>(shared: &[T], all: &BTreeSet<T>, is_whole: bool) -> bool {
    let different: BTreeSet<T> = shared.iter().copied().collect();
    let is_each_once = different.len() == shared.len() && different.is_subset(all);
    is_each_once && (!is_whole || different == *all)
}

/// A replica beats again before another one is dead, so that all that are left take over together.
pub(super) fn a_beat_comes_when_another_replica_is_dead(evidence: &Evidence<'_>) -> Finding {
    for heard in &evidence.journal.heard {
        let left = heard
            .oldest
            .map_or(BEAT, |age| DEAD_AFTER.saturating_sub(age));
        if heard.next_beat > left.min(BEAT) {
            let (own, next) = (heard.own, heard.next_beat);
            let text = format!("replica {own} beats after {next:?}, another is dead in {left:?}");
            return Err((None, text));
        }
    }
    Ok(())
}
