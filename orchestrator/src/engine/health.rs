//! What a replica says of itself, and the refusal of work for which it has no way.
//!
//! Invariant: work is refused at once where it is known that it cannot be done, with the part in trouble.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sagas::SagaId;
use sagas_core::Cause;
use sagas_core::readiness::Part;
use sagas_core::schedule::ANSWER_WITHIN;
use tokio::sync::oneshot;

use super::lanes::Door;
use super::shell::Message;
use super::{Engine, Error};

/// How the parts are that the engine needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is wrong with Postgres.
    pub postgres: Option<Cause>,
    /// Whether Postgres answers reads, as far as is known.
    pub answers_reads: bool,
    /// What is wrong with Kafka.
    pub kafka: Option<Cause>,
    /// What is wrong with topics through which not everybody's work goes.
    pub topics: BTreeMap<Arc<str>, Cause>,
    /// Whether the engine is being stopped.
    pub is_stopping: bool,
}

impl Engine {
    /// How Postgres and Kafka are, as far as this replica can tell.
    #[must_use]
    pub fn health(&self) -> Health {
        let readiness = self.shared.readiness.borrow().clone();
        Health {
            postgres: readiness.postgres,
            answers_reads: readiness.answers_reads,
            kafka: readiness.kafka,
            topics: readiness.topics,
            is_stopping: self.is_stopping(),
        }
    }

    /// Why a new saga has no chance; `None` where some lane has room, and work flows. Cheap enough to ask
    /// for every request.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        self.trouble().or_else(|| {
            let has_room = self.shared.lanes.iter().any(Door::takes_some);
            (!has_room).then_some(Error::Overloaded)
        })
    }

    pub(super) async fn ask<Answer>(
        &self,
        saga: SagaId,
        message: impl FnOnce(oneshot::Sender<Answer>) -> Message,
    ) -> Result<Answer, Error> {
        if self.is_stopping() {
            return Err(Error::Stopping);
        }
        if let Some(trouble) = self.trouble() {
            return Err(trouble);
        }
        let (tell, told) = oneshot::channel();
        let lane = self.shared.lanes.of(saga);
        lane.ask(message(tell))?;
        match tokio::time::timeout(ANSWER_WITHIN, told).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Error::Stopping),
            Err(_) => Err(self.late()),
        }
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Relaxed)
    }

    fn trouble(&self) -> Option<Error> {
        let readiness = self.shared.readiness.borrow();
        let (part, cause) = readiness.trouble()?;
        let cause = cause.clone();
        Some(Error::Unavailable { part, cause })
    }

    fn late(&self) -> Error {
        let late = "there was no answer in time; it may still be carried out";
        match self.trouble() {
            Some(Error::Unavailable { part, cause }) => Error::Unavailable {
                part,
                cause: cause.within(late),
            },
            _ => Error::Unavailable {
                part: Part::Replica,
                cause: Cause::ours(late),
            },
        }
    }
}

impl Error {
    pub(super) fn of_postgres(cause: Cause) -> Self {
        Self::Unavailable {
            part: Part::Postgres,
            cause,
        }
    }
}
