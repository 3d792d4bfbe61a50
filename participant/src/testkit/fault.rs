//! Trouble that is put behind a real handler, once it has done its work.
//!
//! Invariant: the handler itself is the user's, unchanged; what follows it is what a database does
//! now and then.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sagas::SagaId;
use sagas::wire::CommandMessage;

use crate::batch::Handlers;
use crate::handler::{Erased, HandlerError, Results, Tx};
use crate::service::Registry;

/// What happens behind the handler that runs a command of `saga`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Once: the connection breaks, and the transaction with it.
    ConnectionBreaks,
    /// Each time: a statement fails.
    StatementFails,
}

/// The handlers of a service, with trouble behind them.
pub(super) struct Faulty {
    registry: Arc<Registry>,
    by_command: BTreeMap<&'static str, FaultyHandler>,
}

struct FaultyHandler {
    registry: Arc<Registry>,
    fault: Fault,
    saga: SagaId,
    takes_many: bool,
    has_happened: AtomicBool,
}

impl Faulty {
    pub(super) fn new(registry: Registry, fault: Fault, saga: SagaId) -> Self {
        let registry = Arc::new(registry);
        let faulty = |(command, handler): (_, &dyn Erased)| {
            let handler = FaultyHandler {
                registry: Arc::clone(&registry),
                fault,
                saga,
                takes_many: handler.takes_many(),
                has_happened: AtomicBool::new(false),
            };
            (command, handler)
        };
        let by_command = registry.handlers().map(faulty).collect();
        Self {
            by_command,
            registry,
        }
    }
}

impl Handlers for Faulty {
    fn of(&self, message: &CommandMessage<'_>) -> Option<&dyn Erased> {
        self.registry.of(message)?;
        let handler = self.by_command.get(message.command.as_ref())?;
        Some(handler)
    }
}

impl Erased for FaultyHandler {
    fn takes_many(&self) -> bool {
        self.takes_many
    }

    fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        commands: &'a [&'a CommandMessage<'static>],
    ) -> Pin<Box<dyn Future<Output = Results> + Send + 'a>> {
        Box::pin(async move {
            let handler = self.registry.of(commands[0]);
            let handler = handler.expect("a command without a handler comes to none");
            let results = handler.run(tx, commands).await?;
            if commands.iter().all(|command| command.saga != self.saga) {
                return Ok(results);
            }
            match self.fault {
                Fault::StatementFails => {
                    sqlx::query("SELECT 1 / 0").execute(&mut **tx).await?;
                    Ok(results)
                }
                Fault::ConnectionBreaks if self.has_happened.swap(true, Ordering::Relaxed) => {
                    Ok(results)
                }
                // What sqlx says when the connection is gone; the transaction is rolled back.
                Fault::ConnectionBreaks => Err(HandlerError::Database(sqlx::Error::WorkerCrashed)),
            }
        })
    }
}
