//! What a service writes: handlers, what they receive and what they may answer.
//!
//! A handler runs inside the transaction that also stores its answer. It may run again for the same
//! command, after its transaction was rolled back; only the last run's effects are committed. It must
//! not end the transaction by a statement of its own (`COMMIT`, `ROLLBACK`); savepoints are fine.

use sagas::wire::Fault;
use sagas::{Command, CommandId, Direction, SagaId, Timestamp};
use sqlx::{Postgres, Transaction};

mod erased;

#[cfg(feature = "testkit")]
pub(crate) use erased::Results;
pub(crate) use erased::{All, Each, Erased, Tx, With, receive, to_json};

/// A command, as its handler receives it.
#[derive(Debug, Clone)]
pub struct Received<C> {
    /// The saga that sends it.
    pub saga: SagaId,
    /// The step it belongs to.
    pub step: String,
    /// Forward or compensate; a fence reaches no handler.
    pub direction: Direction,
    /// One more for each edit.
    pub generation: u32,
    /// Which try. Decides nothing.
    pub attempt: u32,
    /// What is to be done.
    pub command: C,
    /// The command's id, the same for all attempts.
    pub id: CommandId,
    /// When the saga started.
    pub started_at: Timestamp,
    /// The saga's deadline: when it turns back, if it has not passed its point of no return. Only on
    /// forward commands that are given up then, of sagas that have one.
    pub deadline: Option<Timestamp>,
}

/// Why a handler did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// A business reason. Nothing happened, and this answer is final.
    #[error("rejected: {code}: {message}")]
    Rejected {
        /// A short, stable word.
        code: String,
        /// A sentence for people.
        message: String,
    },
    /// It did not work this time; the orchestrator will ask again. Nothing is committed.
    #[error("failed: {code}: {message}")]
    Failed {
        /// A short, stable word.
        code: String,
        /// A sentence for people.
        message: String,
    },
    /// A statement did not work. Never becomes a refusal.
    #[error("a statement of the handler failed")]
    Database(#[from] sqlx::Error),
}

impl HandlerError {
    /// A refusal for a business reason.
    pub fn rejected(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Rejected {
            code: code.into(),
            message: message.into(),
        }
    }

    /// A failure that may pass.
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// A refusal of one command of a batch. What the handler did for that command has to be nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// A short, stable word.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl Rejection {
    /// A refusal for a business reason.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.code, rejection.message)
    }
}

/// `async fn(&mut Transaction<'_, Postgres>, Received<C>) -> Result<C::Reply, HandlerError>`.
///
/// Implemented for every such function; there is nothing to implement by hand.
pub trait Handler<Tx, C: Command>: Send + Sync {
    /// The function's future.
    type Future: Future<Output = Result<C::Reply, HandlerError>> + Send;

    /// Calls the function.
    fn call(&self, tx: Tx, received: Received<C>) -> Self::Future;
}

impl<Tx, C, F, Fut> Handler<Tx, C> for F
where
    C: Command,
    F: Fn(Tx, Received<C>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<C::Reply, HandlerError>> + Send,
{
    type Future = Fut;

    fn call(&self, tx: Tx, received: Received<C>) -> Fut {
        self(tx, received)
    }
}

/// `async fn(&mut Transaction<'_, Postgres>, Vec<Received<C>>) -> Result<Vec<Result<C::Reply,
/// Rejection>>, HandlerError>`: all commands of one type in a batch, for volume.
///
/// One answer per command, in their order. An error takes back the whole batch; its commands are
/// then handed in one by one.
pub trait BatchHandler<Tx, C: Command>: Send + Sync {
    /// The function's future.
    type Future: Future<Output = Result<Vec<Result<C::Reply, Rejection>>, HandlerError>> + Send;

    /// Calls the function.
    fn call(&self, tx: Tx, received: Vec<Received<C>>) -> Self::Future;
}

impl<Tx, C, F, Fut> BatchHandler<Tx, C> for F
where
    C: Command,
    F: Fn(Tx, Vec<Received<C>>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Vec<Result<C::Reply, Rejection>>, HandlerError>> + Send,
{
    type Future = Fut;

    fn call(&self, tx: Tx, received: Vec<Received<C>>) -> Fut {
        self(tx, received)
    }
}

/// A handler with state: `impl Handle<ReserveStock> for Inventory`, with an `async fn`.
pub trait Handle<C: Command>: Send + Sync + 'static {
    /// Does what the command says, inside `tx`.
    fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        received: Received<C>,
    ) -> impl Future<Output = Result<C::Reply, HandlerError>> + Send;
}
