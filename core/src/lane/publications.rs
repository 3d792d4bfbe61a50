//! What was handed to the broker and is not acknowledged yet.

use std::collections::BTreeMap;

use sagas::SagaId;

use crate::batch::OutboxId;

/// One hand-over: the commands and events of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publication {
    /// The sagas whose commands it carries.
    pub(super) sagas: Vec<SagaId>,
    /// The outbox row whose events it carries.
    pub(super) outbox: Option<OutboxId>,
}

#[derive(Debug, Default)]
pub(super) struct Publications {
    open: BTreeMap<u64, Publication>,
    last: u64,
}

impl Publications {
    pub(super) fn begin(&mut self, publication: Publication) -> u64 {
        self.last += 1;
        self.open.insert(self.last, publication);
        self.last
    }

    pub(super) fn end(&mut self, number: u64) -> Option<Publication> {
        self.open.remove(&number)
    }

    /// The number that the next publication will have.
    pub(super) fn next(&self) -> u64 {
        self.last + 1
    }

    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Whether everything up to `number` is acknowledged.
    pub(super) fn are_acknowledged_up_to(&self, number: u64) -> bool {
        self.open
            .first_key_value()
            .is_none_or(|(oldest, _)| *oldest > number)
    }
}
