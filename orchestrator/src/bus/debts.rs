//! What each topic owes: records without a verdict, as `sagas_core::readiness` counts them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sagas_core::readiness::{Debt, Trouble};

use super::Error;
use crate::cause;
use crate::clock::uptime;

/// By topic; there are as many as participants, and two more.
#[derive(Debug, Default)]
pub(super) struct Debts(Mutex<BTreeMap<Arc<str>, Arc<TopicDebt>>>);

/// What one topic owes.
#[derive(Debug, Default)]
pub(super) struct TopicDebt(Mutex<Debt>);

impl Debts {
    pub(super) fn of(&self, topic: &Arc<str>) -> Arc<TopicDebt> {
        let mut debts = self.lock();
        match debts.get(topic) {
            Some(debt) => Arc::clone(debt),
            None => Arc::clone(debts.entry(Arc::clone(topic)).or_default()),
        }
    }

    /// The topics that are in trouble.
    pub(super) fn troubles(&self, now: Duration) -> Vec<(Arc<str>, Trouble)> {
        let debts = self.lock();
        let troubles = debts.iter().filter_map(|(topic, debt)| {
            let trouble = debt.lock().trouble(now)?;
            Some((Arc::clone(topic), trouble))
        });
        troubles.collect()
    }

    /// Whether it is long ago that this topic has taken a record.
    pub(super) fn is_quiet(&self, topic: &str, now: Duration) -> bool {
        let debts = self.lock();
        debts
            .get(topic)
            .is_none_or(|debt| debt.lock().is_quiet(now))
    }

    /// Whether this topic has just taken a record.
    pub(super) fn is_flowing(&self, topic: &str, now: Duration) -> bool {
        let debts = self.lock();
        debts
            .get(topic)
            .is_some_and(|debt| debt.lock().is_flowing(now))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<TopicDebt>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TopicDebt {
    pub(super) fn asked(&self, records: usize) {
        self.lock().asked(records, uptime());
    }

    pub(super) fn settled(&self, result: Result<(), &Error>) {
        match result {
            Ok(()) => self.lock().answered(uptime()),
            Err(error) => self.lock().refused(cause::of(error), uptime()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Debt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
