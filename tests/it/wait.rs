//! Waiting for what a test expects, with a deadline; never for a length of time.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// Looks until `look` gives something, and returns it; panics after `within`, saying what was seen
/// last.
#[track_caller]
pub(crate) fn until<T, E, F>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) -> impl Future<Output = T>
where
    E: Debug,
    F: Future<Output = Result<T, E>>,
{
    let place = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + within;
        loop {
            match look().await {
                Ok(seen) => return seen,
                Err(seen) => assert!(
                    Instant::now() < deadline,
                    "{place}: not within {within:?}: {what}; last seen: {seen:?}"
                ),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
