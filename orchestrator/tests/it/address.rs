//! An address that leads to another server for a while: what is asked meanwhile is refused, never
//! answered by a standby, and everything goes on by itself once the address leads to the primary again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sagas_core::batch::Batch;
use sagas_local::folder::Temporary;
use sagas_local::{Postgres, PostgresOptions};
use sagas_orchestrator::store::list::ListFilter;
use sagas_orchestrator::store::{Error, Store};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::database::{SHARDS, connect};
use crate::sample::{self, id};

/// A server that came back must be in use within this time.
const SOON: Duration = Duration::from_secs(5);

/// An address that leads to one server after the other. What is connected stays connected.
struct Address {
    at: SocketAddr,
    to: Arc<Mutex<u16>>,
    connected: Arc<Mutex<JoinSet<()>>>,
}

impl Address {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let to = Arc::new(Mutex::new(port));
        let connected = Arc::<Mutex<JoinSet<()>>>::default();
        let (target, all) = (Arc::clone(&to), Arc::clone(&connected));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let port = *target.lock().unwrap();
                all.lock().unwrap().spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", port)).await;
                    if let Ok(mut server) = server {
                        let copied = tokio::io::copy_bidirectional(&mut client, &mut server);
                        // Either side may hang up at any time.
                        let _ = copied.await;
                    }
                });
            }
        });
        Self { at, to, connected }
    }

    fn lead_to(&self, server: &Postgres) {
        *self.to.lock().unwrap() = server.port();
    }

    fn hang_up(&self) {
        self.connected.lock().unwrap().abort_all();
    }

    fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.at)
    }
}

async fn started(options: PostgresOptions) -> Postgres {
    let start = || Postgres::start(options).unwrap();
    tokio::task::spawn_blocking(start).await.unwrap()
}

fn fast() -> PostgresOptions {
    PostgresOptions {
        fsync: false,
        ..PostgresOptions::default()
    }
}

/// A server in recovery that has an installation without sagas. It replays nothing.
async fn standby(folder: &Temporary) -> Postgres {
    let options = PostgresOptions {
        data: Some(folder.path().to_owned()),
        ..fast()
    };
    let mut server = started(options).await;
    let store = connect(&server.url("postgres"), SHARDS);
    store.migrate().await.unwrap();
    store.close().await;
    server.stop().unwrap();
    std::fs::write(folder.path().join("cluster/standby.signal"), "").unwrap();
    server.start_again().unwrap();
    server
}

/// A batch that starts this saga.
fn start(number: u128) -> Batch {
    let (_, start) = sample::start(&sample::definition(1), id(number), "a");
    Batch {
        starts: vec![start],
        ..Batch::default()
    }
}

fn all() -> ListFilter {
    ListFilter {
        limit: 10,
        ..ListFilter::default()
    }
}

/// How many sagas a reader finds.
async fn listed(store: &Store) -> Result<usize, Error> {
    Ok(store.for_readers().list(&all()).await?.len())
}

/// Commits go on within a short time.
async fn goes_on(store: &Store, batch: &Batch) {
    let deadline = Instant::now() + SOON;
    while let Err(error) = store.commit(batch).await {
        assert!(Instant::now() < deadline, "{error:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_standby_is_asked_and_all_goes_on_when_the_address_leads_to_the_primary_again() {
    let folder = Temporary::new("saga-standby").unwrap();
    let (primary, standby) = (started(fast()).await, standby(&folder).await);
    let address = Address::to(primary.port()).await;
    let store = connect(&address.url(), SHARDS);
    store.migrate().await.unwrap();
    store.commit(&start(1)).await.unwrap();
    assert_eq!(listed(&store).await.unwrap(), 1);

    address.lead_to(&standby);
    address.hang_up();
    // Connections that were cut tell so once each; what comes then is from the standby.
    for _ in 0..20 {
        let answer = listed(&store).await;
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
        store.commit(&start(2)).await.unwrap_err();
        store.ping().await.unwrap_err();
    }
    let last = listed(&store).await.unwrap_err();
    let cause = std::error::Error::source(&last).unwrap().to_string();
    assert!(cause.contains("leads to a standby"), "{cause}");

    address.lead_to(&primary);
    goes_on(&store, &start(2)).await;
    assert_eq!(listed(&store).await.unwrap(), 2);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn readers_leave_a_server_that_others_have_found_to_be_no_primary_any_more() {
    let folder = Temporary::new("saga-standby").unwrap();
    let (primary, standby) = (started(fast()).await, standby(&folder).await);
    let address = Address::to(primary.port()).await;
    let store = connect(&address.url(), SHARDS);
    store.migrate().await.unwrap();
    store.commit(&start(1)).await.unwrap();
    assert_eq!(listed(&store).await.unwrap(), 1);

    // The old primary is cut off, not ended: connections to it stay open.
    address.lead_to(&standby);
    let mut side = PgConnection::connect(&primary.url("postgres"))
        .await
        .unwrap();
    side.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'saga-orchestrator'",
    )
    .await
    .unwrap();
    let deadline = Instant::now() + SOON;
    while store.ping().await.is_ok() || listed(&store).await.is_ok() {
        assert!(Instant::now() < deadline);
    }
    address.lead_to(&primary);
    goes_on(&store, &start(2)).await;
    assert_eq!(listed(&store).await.unwrap(), 2);
}

#[tokio::test]
async fn commits_go_on_once_the_server_is_no_longer_read_only_and_readers_never_stop() {
    let server = started(fast()).await;
    let store = connect(&server.url("postgres"), SHARDS);
    store.migrate().await.unwrap();
    store.commit(&start(1)).await.unwrap();
    let mut side = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    for on_off in ["on", "off"] {
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {on_off}");
        let begin = "BEGIN READ WRITE; COMMIT; SET default_transaction_read_only = off";
        side.execute(begin).await.unwrap();
        side.execute(sqlx::AssertSqlSafe(set)).await.unwrap();
        side.execute("SELECT pg_reload_conf()").await.unwrap();
        if on_off == "off" {
            break;
        }
        let deadline = Instant::now() + SOON;
        while store.commit(&start(2)).await.is_ok() || store.ping().await.is_ok() {
            assert!(Instant::now() < deadline);
        }
        assert!(listed(&store).await.unwrap() > 0);
    }
    goes_on(&store, &start(3)).await;
    store.ping().await.unwrap();
}
