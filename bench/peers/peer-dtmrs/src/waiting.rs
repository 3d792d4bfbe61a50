//! Who waits for which saga's last step.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot::{Receiver, Sender, channel};

/// The sagas in flight. An entry goes when its saga is done.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<String, Sender<()>>>);

impl Waiting {
    /// To be called before the saga is submitted: what comes when its last step is done.
    pub(crate) fn wait_for(&self, saga: &str) -> Receiver<()> {
        let (sender, receiver) = channel();
        self.sagas().insert(saga.to_owned(), sender);
        receiver
    }

    /// The last step of a saga is done; a second time means nothing.
    pub(crate) fn done(&self, saga: &str) {
        if let Some(sender) = self.sagas().remove(saga) {
            // Nobody listens once the time limit has passed, and that is an error already.
            let _ = sender.send(());
        }
    }

    fn sagas(&self) -> std::sync::MutexGuard<'_, HashMap<String, Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
