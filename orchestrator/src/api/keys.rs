//! The look for the idempotency keys of submissions that a check refuses.
//!
//! What was accepted once stays accepted, whatever today's definitions, limits, load or broker say of
//! it: so a refused submission is looked for by its key before it is refused. Where no check refuses,
//! nothing is read; the commit finds the key.
//!
//! Invariant: one look is under way at a time, for all that asked meanwhile. However many submissions an
//! overloaded replica refuses, they take one connection of the readers' between them.

use sagas::SagaId;
use tokio::sync::{mpsc, oneshot};

use super::problem::Problem;
use crate::store::Store;

/// Keys of one look. As many again wait at the door; those behind wait for room.
const LOOK_MAX: usize = 1_000;

/// Where keys are looked for.
pub(super) struct Keys(mpsc::Sender<Question>);

struct Question {
    id: SagaId,
    tell: oneshot::Sender<Found>,
}

/// The stored digest of the first submission under the key; `None`: the key is free.
type Found = Result<Option<Vec<u8>>, Problem>;

impl Keys {
    /// Looks in this store, as long as the value lives. Must be called inside a tokio runtime.
    pub(super) fn of(store: Store) -> Self {
        let (ask, questions) = mpsc::channel(LOOK_MAX);
        tokio::spawn(look(store, questions));
        Self(ask)
    }

    /// The digest that is stored under the key of this saga.
    pub(super) async fn digest(&self, id: SagaId) -> Found {
        let (tell, told) = oneshot::channel();
        let asked = self.0.send(Question { id, tell }).await;
        match (asked, told.await) {
            (Ok(()), Ok(found)) => found,
            _ => Err(Problem::stopping()),
        }
    }
}

async fn look(store: Store, mut questions: mpsc::Receiver<Question>) {
    let mut asked = Vec::new();
    while questions.recv_many(&mut asked, LOOK_MAX).await > 0 {
        let ids: Vec<SagaId> = asked.iter().map(|question| question.id).collect();
        let found = store.digests(&ids).await.map_err(Problem::from);
        for Question { id, tell } in asked.drain(..) {
            let found = found.as_ref().map(|found| found.get(&id).cloned());
            // Whoever does not wait any more does not mind.
            let _ = tell.send(found.map_err(Clone::clone));
        }
    }
}
