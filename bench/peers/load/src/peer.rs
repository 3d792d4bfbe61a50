//! What a driver does for its peer; the load and the figures are not its business.

use std::future::Future;

/// A peer that runs and takes sagas of three trivial steps.
pub trait Peer: Send + Sync + 'static {
    /// What one saga in flight keeps from saga to saga, such as its connection.
    type Client: Send;

    /// What a new saga in flight needs.
    ///
    /// # Errors
    ///
    /// When the peer cannot be reached.
    fn client(&self) -> impl Future<Output = anyhow::Result<Self::Client>> + Send;

    /// Starts one saga and waits until its three steps have been done.
    ///
    /// # Errors
    ///
    /// When it ended otherwise.
    fn saga(&self, client: &mut Self::Client) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Waits until the books hold no open saga; belongs to the round that is timed.
    ///
    /// Only for a peer that does not tell its client of the end but of the last step.
    ///
    /// # Errors
    ///
    /// When the peer cannot be asked.
    fn settle(&self) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { Ok(()) }
    }

    /// What the peer has written down since its start.
    ///
    /// # Errors
    ///
    /// When the peer cannot be asked.
    fn books(&self) -> impl Future<Output = anyhow::Result<Books>> + Send;
}

/// What a peer has written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Sagas that have succeeded.
    pub succeeded: u64,
    /// Sagas in every other state.
    pub others: u64,
    /// Steps done; a step that was repeated may count again.
    pub steps: u64,
}

impl Books {
    /// Steps of a saga.
    const STEPS: u64 = 3;

    /// Compares with the number of sagas that the clients have seen end.
    ///
    /// # Errors
    ///
    /// When they differ, or when a step is missing; the text names all figures.
    pub fn check(self, ended: u64) -> anyhow::Result<()> {
        let Self {
            succeeded,
            others,
            steps,
        } = self;
        anyhow::ensure!(
            succeeded == ended && others == 0 && steps >= ended * Self::STEPS,
            "{ended} sagas ended for the clients; the peer's books hold {succeeded} that succeeded, \
             {others} in other states, and {steps} steps"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_saga_an_open_one_and_a_missing_step_are_errors() {
        let books = |succeeded, others, steps| Books {
            succeeded,
            others,
            steps,
        };
        assert!(books(2, 0, 6).check(2).is_ok());
        assert!(
            books(2, 0, 7).check(2).is_ok(),
            "a repeated step is allowed"
        );
        for wrong in [books(1, 0, 6), books(2, 1, 6), books(2, 0, 5)] {
            assert!(wrong.check(2).is_err(), "{wrong:?}");
        }
    }
}
