//! Postgres: the only place where a saga's state is kept.
//!
//! ```text
//!   commit      one batch, one statement, one round trip     (the engine; commit/commit.sql)
//!   load, due   what a lane needs to go on                   (the engine)
//!   heartbeat, outbox, probe                                 (the engine)
//!   lacking, open_sagas_of   before a binary serves          (`serve`, `saga definitions check`)
//!   archive, partitions, purge   what has ended goes         (the engine, `saga retention`)
//!   list, counts, ended, dead_letters, …                     (REST, on the primary, uncached)
//!        │
//!     session   one statement at a time, in a task of its own, with bounds on every wait;
//!        │      connections of their own for commits, and for readers
//!     kind      which statement's answer is confirmed before it is used
//!     breaker   no more than one statement asks where an answer is owed
//!   connections closed, not given back, where they lead to another server or have become old
//! ```
//!
//! Invariants:
//! * No transaction of this module spans two statements. So there is nothing to roll back, no
//!   connection can come back to the pool inside a transaction, and a caller that goes away at any
//!   `.await` interrupts nothing: the statement runs to its end and its connection is sound.
//! * What this module answers to lanes, sweeps and the answer to a POST is acknowledged by Postgres,
//!   hence survives a failover; what it shows to people may be taken back by one (`kind.rs`).
//!
//! It decides nothing about sagas, publishes nothing, and caches nothing.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;

use sagas_core::kind;
use sqlx::postgres::PgConnectOptions;

pub mod archive;
mod breaker;
mod commit;
mod connections;
pub mod dead_letter;
pub mod definition;
mod destination;
pub mod durability;
mod error;
pub mod lacking;
pub mod list;
mod load;
mod lock;
pub mod outbox;
pub mod overview;
pub mod partition;
mod probe;
pub mod purge;
pub mod replica;
pub mod retention;
mod schema;
mod session;
mod sql;
mod terms;

pub use load::Due;

pub use error::{Error, Failure};

use breaker::Breaker;
use connections::{Connections, Server};
use destination::Destination;

use sagas::SagaId;

/// How to reach the database.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://user:password@host:port/database?sslmode=…`. A secret.
    pub url: String,
    /// Connections of this replica.
    pub connections_max: u32,
    /// How many of them are for commits alone, at most half: one for each commit that may be under
    /// way. A server process that does nothing else is warm, and nobody's long list is in its way.
    pub commits_max: u32,
    /// Shards of the installation, fixed by its first migration: 1 to 32767.
    pub shards: u16,
}

/// Without the URL, which holds a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("connections_max", &self.connections_max)
            .field("commits_max", &self.commits_max)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

/// The texts of all statements whose arguments are numbered by the program, as they reach Postgres, in
/// every combination of their parts. For a test, which has a database prepare them.
pub fn assembled() -> impl Iterator<Item = Arc<str>> {
    let single = [archive::text(), outbox::text(), replica::text()];
    let texts = single.into_iter().chain(commit::texts());
    texts.chain(list::texts())
}

/// Of its connections, a replica keeps one in so many for readers.
const READERS_SHARE: u32 = 4;

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Connections,
    commits: Connections,
    readers: Connections,
    /// What is shown comes from here; what may wait for a standby is not to be in its way.
    shown_by: Connections,
    breaker: Breaker,
    shards: u16,
    destination: Destination,
}

impl Store {
    /// Prepares connections without opening one: a database that is away shows with the first use.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the URL is malformed, or the number of shards is out of range.
    pub fn connect(settings: &Settings) -> Result<Self, Error> {
        if settings.shards == 0 || i16::try_from(settings.shards).is_err() {
            return Err(Error::ShardsOutOfRange(settings.shards));
        }
        let options = PgConnectOptions::from_str(&settings.url).map_err(Error::Url)?;
        let commits_max = settings
            .commits_max
            .min(settings.connections_max / 2)
            .max(1);
        let readers_max = (settings.connections_max / READERS_SHARE).max(1);
        let others_max = settings
            .connections_max
            .saturating_sub(commits_max + readers_max)
            .max(1);
        let server = Server::default();
        let pool = session::pool(options.clone(), others_max, &server);
        let commits = session::commits(options.clone(), commits_max, &server);
        let readers = session::readers(options, readers_max, &server);
        Ok(Self {
            shown_by: pool.clone(),
            breaker: Breaker::new(readers.clone()),
            pool,
            commits,
            readers,
            shards: settings.shards,
            destination: Destination::default(),
        })
    }

    /// The same database, where what is shown comes on connections that are kept for readers: what people
    /// and clients ask is in no lane's way, and neither lanes nor the move to the archive are in theirs.
    #[must_use]
    pub fn for_readers(&self) -> Self {
        Self {
            shown_by: self.readers.clone(),
            ..self.clone()
        }
    }

    /// Shards of the installation.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// Ends all connections, once what runs on them has ended.
    pub async fn close(&self) {
        for connections in [&self.pool, &self.commits, &self.readers] {
            connections.pool().close().await;
        }
    }

    /// The number of shards, as the database has it.
    fn shards_stored(&self) -> i16 {
        i16::try_from(self.shards).expect("connect has checked that it fits")
    }

    /// The shard of a saga, as the database has it.
    fn shard(&self, saga: SagaId) -> i16 {
        let shard = saga.shard(self.shards);
        i16::try_from(shard).expect("connect has checked that all shards fit")
    }
}
