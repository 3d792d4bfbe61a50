//! A shop of its own for each test: five databases on one server, with the seed in them.
//!
//! Databases are copied from templates, which are made once per test process.

use std::sync::atomic::{AtomicU32, Ordering};

use sagas::{Command, CommandId, Direction, SagaId, Timestamp};
use sagas_local::{Postgres as Server, PostgresOptions};
use sagas_orchestrator::store::{self, Store};
use sagas_participant::{BatchHandler, Received, Rejection};
use shop::audit::{self, Audit, Urls};
use shop::services::ServiceName;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::OnceCell;

pub(crate) const ORCHESTRATOR: &str = "orchestrator";

static SERVER: OnceCell<Server> = OnceCell::const_new();
static SHOPS: AtomicU32 = AtomicU32::new(0);

/// Five databases.
pub(crate) struct Shop {
    pub(crate) urls: Urls,
    pub(crate) orders: PgPool,
    pub(crate) inventory: PgPool,
    pub(crate) payments: PgPool,
    pub(crate) shipping: PgPool,
}

/// Runs a handler over commands in a transaction of its own, and commits.
pub(crate) async fn ask<C, F>(pool: &PgPool, handler: F, commands: Vec<C>) -> Vec<Answer<C>>
where
    C: Command,
    F: for<'t, 'c> BatchHandler<&'t mut Transaction<'c, Postgres>, C>,
{
    let mut tx = pool.begin().await.unwrap();
    let batch = commands.into_iter().map(received).collect();
    let answers = handler.call(&mut tx, batch).await.unwrap();
    tx.commit().await.unwrap();
    answers
}

type Answer<C> = Result<<C as Command>::Reply, Rejection>;

pub(crate) fn received<C: Command>(command: C) -> Received<C> {
    let saga = SagaId(uuid::Uuid::now_v7());
    Received {
        saga,
        step: "step".to_owned(),
        direction: Direction::Forward,
        generation: 1,
        attempt: 1,
        command,
        id: CommandId::of(saga, "step", Direction::Forward, 1),
        started_at: Timestamp::default(),
        deadline: None,
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let server = SERVER.get_or_init(server).await;
        let shop = SHOPS.fetch_add(1, Ordering::Relaxed);
        let mut postgres = PgConnection::connect(&server.url("postgres"))
            .await
            .unwrap();
        let mut copies = Vec::new();
        for name in names() {
            let copy = format!("{name}_{shop}");
            let statement = format!("CREATE DATABASE {copy} TEMPLATE {name}");
            execute(&mut postgres, statement).await;
            copies.push(server.url(&copy));
        }
        let [orchestrator, orders, inventory, payments, shipping] =
            <[String; 5]>::try_from(copies).unwrap();
        Self {
            orders: pool(&orders),
            inventory: pool(&inventory),
            payments: pool(&payments),
            shipping: pool(&shipping),
            urls: Urls {
                orchestrator,
                orders,
                inventory,
                payments,
                shipping,
            },
        }
    }

    pub(crate) fn orchestrator(&self) -> PgPool {
        pool(&self.urls.orchestrator)
    }

    pub(crate) fn store(&self) -> Store {
        store(&self.urls.orchestrator)
    }

    pub(crate) async fn audit(&self) -> Audit {
        audit::run(&self.urls).await.unwrap()
    }

    /// Changes rows behind everybody's back.
    pub(crate) async fn tamper(&self, database: &str, statements: &str) {
        let url = match database {
            ORCHESTRATOR => &self.urls.orchestrator,
            "orders" => &self.urls.orders,
            "inventory" => &self.urls.inventory,
            "payments" => &self.urls.payments,
            "shipping" => &self.urls.shipping,
            other => panic!("there is no database {other}"),
        };
        let mut connection = PgConnection::connect(url).await.unwrap();
        execute(&mut connection, statements.to_owned()).await;
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let services = ServiceName::ALL.into_iter().map(ServiceName::as_str);
    std::iter::once(ORCHESTRATOR).chain(services)
}

async fn execute(connection: &mut PgConnection, statements: String) {
    let statements = sqlx::AssertSqlSafe(statements);
    sqlx::raw_sql(statements).execute(connection).await.unwrap();
}

fn pool(url: &str) -> PgPool {
    PgPool::connect_lazy(url).unwrap()
}

fn store(url: &str) -> Store {
    let settings = store::Settings {
        url: url.to_owned(),
        connections_max: 1,
        commits_max: 1,
        shards: 4,
    };
    Store::connect(&settings).unwrap()
}

/// The server lives as long as the process: its guard ends it.
async fn server() -> Server {
    let start = || {
        Server::start(PostgresOptions {
            fsync: false,
            ..PostgresOptions::default()
        })
    };
    let server = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    for name in names() {
        server.create_database(name).unwrap();
    }
    store(&server.url(ORCHESTRATOR)).migrate().await.unwrap();
    for service in ServiceName::ALL {
        let pool = pool(&server.url(service.as_str()));
        service.migrate(&pool).await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        service.seed(&mut connection).await.unwrap();
        service.seed(&mut connection).await.unwrap();
        drop(connection);
        pool.close().await;
    }
    // A template must have no connection; those of the store close a moment after it.
    let url = server.url("postgres");
    let mut postgres = PgConnection::connect(&url).await.unwrap();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{ORCHESTRATOR}'"
    );
    execute(&mut postgres, end).await;
    server
}
