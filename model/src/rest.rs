//! Whether every state can come to rest: a walk back from the resting states over the fair moves.
//!
//! stateright's `eventually` is unsound where the graph has cycles, and every re-send makes one. This
//! asks the weaker question that has a sound answer: is rest in reach from everywhere.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::state::State;

/// The states that were met, and the fair moves between them.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    known: HashMap<u64, u32>,
    at_rest: Vec<u32>,
    /// From, to.
    moves: Vec<(u32, u32)>,
    /// In a debug build: what was seen of all states, without what tells apart those that look alike.
    pub(crate) looks: HashSet<u64>,
}

/// Tells states apart, as stateright does: by 64 bits of their identity.
pub(crate) fn digest(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

impl Graph {
    /// The number of a state.
    pub(crate) fn meet(&mut self, digest: u64, is_at_rest: bool) -> u32 {
        let next = u32::try_from(self.known.len()).expect("fewer states than fit into memory");
        let number = *self.known.entry(digest).or_insert(next);
        if number == next && is_at_rest {
            self.at_rest.push(number);
        }
        number
    }

    pub(crate) fn connect(&mut self, from: u32, to: u32) {
        if from != to {
            self.moves.push((from, to));
        }
    }

    /// Digests of the states from which no resting state can be reached.
    pub(crate) fn doomed(mut self) -> Vec<u64> {
        self.moves.sort_unstable_by_key(|(_, to)| *to);
        let mut can_rest = vec![false; self.known.len()];
        while let Some(state) = self.at_rest.pop() {
            let is_known = std::mem::replace(&mut can_rest[state as usize], true);
            if is_known {
                continue;
            }
            let first = self.moves.partition_point(|(_, to)| *to < state);
            let into = self.moves[first..].iter();
            let into = into.take_while(|(_, to)| *to == state);
            self.at_rest.extend(into.map(|(from, _)| *from));
        }
        let known = self.known.into_iter();
        let doomed = known.filter(|(_, number)| !can_rest[*number as usize]);
        doomed.map(|(digest, _)| digest).collect()
    }
}
