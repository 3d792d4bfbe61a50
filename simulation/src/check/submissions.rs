//! What callers were told.

use std::collections::{BTreeMap, BTreeSet};

use sagas::SagaId;
use sagas::machine::EntryKind;

use super::{Evidence, Finding, require};

/// Promise 1: an acknowledged submission runs exactly one saga, and it was there when the caller was
/// told.
pub(super) fn acknowledged_submissions_exist_exactly_once(evidence: &Evidence<'_>) -> Finding {
    let mut made: BTreeSet<SagaId> = BTreeSet::new();
    for accepted in &evidence.journal.accepted {
        let id = accepted.id;
        require(accepted.is_stored, id, || {
            "it was acknowledged before it was stored".to_owned()
        })?;
        let is_first = !accepted.is_new || made.insert(id);
        require(is_first, id, || {
            "two callers were told that they made it".to_owned()
        })?;
        let Some(stored) = evidence.sagas.get(&id) else {
            return Err((Some(id), "it was acknowledged and is not there".to_owned()));
        };
        let history = stored.loaded.history.iter();
        let starts = history.filter(|entry| entry.event == EntryKind::Started);
        let starts = starts.count();
        require(starts == 1, id, || format!("it was started {starts} times"))?;
    }
    let starts = evidence.journal.commits.iter();
    let mut started = BTreeSet::new();
    for start in starts.filter(|commit| commit.expected.is_none()) {
        let id = start.saga;
        require(started.insert(id), id, || {
            "the database started it twice".to_owned()
        })?;
    }
    Ok(())
}

/// The same key gives the same saga, whose input is that of every submission that was accepted.
pub(super) fn the_same_key_names_the_same_saga(evidence: &Evidence<'_>) -> Finding {
    let mut by_key: BTreeMap<&str, SagaId> = BTreeMap::new();
    let journal = evidence.journal;
    for accepted in &journal.accepted {
        let asked = &journal.submissions[accepted.submission];
        let id = accepted.id;
        if let Some(key) = &asked.key {
            let first = *by_key.entry(key).or_insert(id);
            require(first == id, id, || {
                format!("the key {key} names {first}, too")
            })?;
        }
        require(asked.id == id, id, || {
            format!("its caller asked for {}", asked.id)
        })?;
        let is_its = evidence
            .input(id)
            .is_some_and(|input| input == asked.input.text());
        require(is_its, id, || {
            format!("it has another input than {:?}", asked.input)
        })?;
    }
    for conflict in &journal.conflicts {
        let asked = &journal.submissions[*conflict];
        let differs = evidence
            .input(asked.id)
            .is_some_and(|input| input != asked.input.text());
        require(differs, asked.id, || {
            "its own submission was refused as another one".to_owned()
        })?;
    }
    Ok(())
}

impl Evidence<'_> {
    fn input(&self, id: SagaId) -> Option<&str> {
        let entry = self.sagas.get(&id)?.loaded.history.first()?;
        Some(entry.input.as_ref()?.text())
    }
}
