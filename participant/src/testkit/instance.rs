//! One instance of the service, as far as it answers commands: what a process is, without Kafka.
//!
//! Not here: what a case expects. An instance is thrown away like a process that crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sagas::SagaId;
use sagas::barrier::Answer;
use sagas::wire::CommandMessage;
use tokio_util::sync::CancellationToken;

use super::fault::{Fault, Faulty};
use super::plan::Plan;
use crate::answering::{Answering, rounds};
use crate::batch::{Handlers, Job, next_savepoint};
use crate::{Error, Settings};

/// How long a handler may take, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Instance(Answering);

/// No answer within [`PATIENCE`].
#[derive(Debug)]
pub(super) struct Silent;

impl Instance {
    /// Starts one, with trouble behind its handlers where `fault` says so.
    pub(super) fn start(plan: &Plan, fault: Option<(Fault, SagaId)>) -> Result<Self, Error> {
        let database = plan.database.clone();
        let settings = Settings::new("no-broker", database.clone());
        let next_savepoint = next_savepoint(settings.handler_timeout);
        let service = (plan.service)(settings);
        let registry = service.into_registry()?;
        let handlers: Arc<dyn Handlers> = match fault {
            Some((fault, saga)) => Arc::new(Faulty::new(registry, fault, saga)),
            None => Arc::new(registry),
        };
        Ok(Self(Answering {
            database: Some(database),
            handlers,
            next_savepoint,
            stopping: CancellationToken::new(),
        }))
    }

    /// Answers one command.
    pub(super) async fn answer(&self, message: CommandMessage<'static>) -> Result<Answer, Silent> {
        let mut answers = self.answer_all(vec![message]).await?;
        Ok(answers.remove(0))
    }

    /// Answers commands of different sagas that were read together; the answers are in their order.
    pub(super) async fn answer_all(
        &self,
        messages: Vec<CommandMessage<'static>>,
    ) -> Result<Vec<Answer>, Silent> {
        let order: Vec<SagaId> = messages.iter().map(|message| message.saga).collect();
        let mut by_saga = BTreeMap::new();
        let answering = async {
            for round in rounds(messages.into_iter().map(Job::new)) {
                let jobs: Vec<&Job> = round.iter().collect();
                let answers = self.0.answer(&jobs).await.expect("nobody stops it");
                let sagas = jobs.iter().map(|job| job.message.saga);
                by_saga.extend(sagas.zip(answers));
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, answering).await;
        in_time.map_err(|_| Silent)?;
        let answer = |saga| by_saga.remove(saga).expect("every command is answered");
        Ok(order.iter().map(answer).collect())
    }
}

impl std::fmt::Display for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no answer within {PATIENCE:?}")
    }
}
