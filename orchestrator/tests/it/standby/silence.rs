//! Postgres owes answers because its standby is away: how much more it is asked, and on what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use sagas_core::CommitError;
use sagas_core::batch::Batch;
use sagas_orchestrator::store::{Error, Store};
use tokio::task::JoinSet;

use super::{Pair, SOON};
use crate::database::{SHARDS, connect};
use crate::sample::{self, id};

/// Of the store under test: as many connections as its pools may open.
const CONNECTIONS: i64 = 6;

const PROCESSES: &str = "SELECT count(*) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND application_name LIKE 'saga-orchestrator%'";

/// Far more than there are connections.
const CALLERS: u128 = 20;

/// Refusals after which it is plain that nothing more is asked.
const REFUSALS: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn server_processes_stay_within_the_pools_while_the_standby_is_away() {
    let mut pair = Pair::open().await;
    pair.store.close().await;
    pair.until(PROCESSES, |processes| processes == 0).await;
    let store = connect(&pair.primary.url("postgres"), SHARDS);
    store.ping().await.unwrap();
    pair.take_standby_away().await;

    let refusals = Arc::new(AtomicU32::new(0));
    let mut callers = JoinSet::new();
    for number in 1..=CALLERS {
        callers.spawn(go_on_asking(store.clone(), number, refusals.clone()));
    }
    let deadline = Instant::now() + 2 * SOON;
    while refusals.load(Ordering::Relaxed) < REFUSALS {
        let processes = pair.number(PROCESSES).await;
        assert!(processes <= CONNECTIONS, "{processes} server processes");
        assert!(Instant::now() < deadline, "{refusals:?} refusals");
    }
    store
        .show(id(1))
        .await
        .expect("what is shown does not wait");

    pair.bring_standby_back();
    let back = Instant::now();
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
        let processes = pair.number(PROCESSES).await;
        assert!(processes <= CONNECTIONS, "{processes} server processes");
    }
    assert!(back.elapsed() < SOON, "{:?}", back.elapsed());
}

/// Until its saga is stored and read, each time anew.
async fn go_on_asking(store: Store, number: u128, refusals: Arc<AtomicU32>) {
    let (_, start) = sample::start(&sample::chain(), id(number), "a");
    let batch = Batch {
        starts: vec![start],
        ..Batch::default()
    };
    loop {
        let cause = match store.commit(&batch).await {
            Ok(_) => match store.load(&[id(number)]).await {
                Ok(_) => return,
                Err(Error::Unavailable(failure)) => failure.to_string(),
                Err(error) => panic!("{error:?}"),
            },
            Err(CommitError::Unavailable(cause) | CommitError::Ambiguous(cause)) => {
                cause.to_string()
            }
            Err(error) => panic!("{error:?}"),
        };
        let is_refused = cause.starts_with("commits of Postgres wait for its synchronous standby");
        refusals.fetch_add(u32::from(is_refused), Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}
