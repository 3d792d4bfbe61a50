//! Trouble: servers that go away, programs that are killed, frozen or asked to end, and what may
//! not come of it.
//!
//! Every test here lets customers go on placing orders, breaks something, and in the end holds the
//! books against what the customers were told. One runs at a time: each needs the machine, and
//! measures, and says what it measured.

#![allow(clippy::print_stdout, reason = "the figures are half of the result")]

mod backlog;
mod books;
mod definition;
mod drain;
mod kafka;
mod killed;
mod outage;
mod postgres;
mod release;
mod replicas;
mod shoppers;
mod start;
mod unready;

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

/// How long all sagas may take to end once nothing is broken any more, on a busy machine.
const ALL_ENDED_WITHIN: Duration = Duration::from_secs(120);

/// Waits until no other test of this module runs.
async fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

/// Runs what blocks the thread: starting and stopping servers and programs.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
