//! The clients that wait for a saga to end, as tasks; `sagas_core::waiters` says when to look for what.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sagas::SagaId;
use sagas_core::lane::End;
use sagas_core::waiters::{self, Place};
use tokio::sync::oneshot;

use super::Waited;

type Client = oneshot::Sender<Option<End>>;

/// The clients of this replica.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<waiters::Waiters<Client>>,
}

/// The end that a client waits for.
#[derive(Debug)]
pub struct Ending(oneshot::Receiver<Option<End>>);

impl Ending {
    /// The end of a saga of which nothing here will tell: a wait for it ends at once.
    #[must_use]
    pub fn untold() -> Self {
        Self(oneshot::channel().1)
    }

    /// Waits until the saga has ended or is stuck, on whichever replica.
    pub async fn within(self, limit: Duration) -> Waited {
        match tokio::time::timeout(limit, self.0).await {
            Ok(Ok(Some(end))) => Waited::Here(end),
            Ok(Ok(None)) => Waited::Elsewhere,
            Ok(Err(_)) | Err(_) => Waited::InVain,
        }
    }
}

impl Waiters {
    /// Completes when the saga has ended, or is stuck, from now on; says how where this replica
    /// committed it.
    pub(super) fn wait_for(&self, saga: SagaId, place: Place) -> Ending {
        let (tell, told) = oneshot::channel();
        self.lock().wait(saga, tell, place, Instant::now());
        Ending(told)
    }

    /// From now on, each saga that a client waits for now may be anywhere.
    pub(super) fn scatter(&self) {
        self.lock().scatter(Instant::now());
    }

    /// Tells the clients that wait for `saga`.
    pub(super) fn ended(&self, saga: SagaId, end: Option<&End>) {
        let clients = self.lock().ended(saga);
        for client in clients {
            // One that stopped waiting does not mind.
            let _ = client.send(end.cloned());
        }
    }

    /// The sagas that are to be looked for now.
    pub(super) fn to_look_for(&self) -> Vec<SagaId> {
        self.lock().due(Instant::now(), Client::is_closed)
    }

    fn lock(&self) -> MutexGuard<'_, waiters::Waiters<Client>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
