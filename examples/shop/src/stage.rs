//! The whole shop on this machine: servers, orchestrator, services. Demo and benchmark run on it.
//!
//! Invariant: servers are started before what uses them, and ended after it. What is left when this
//! process is killed is ended by the guards of [`sagas_local`].

pub mod child;
pub mod folder;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use sagas_local::{Kafka, KafkaOptions, Postgres, PostgresOptions};
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;

use crate::audit::Urls;
use crate::client::Client;
use crate::services::ServiceName;
use child::Child;
use folder::Folder;

/// How long the orchestrator may take until it is ready; a new Postgres and Kafka included.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// The port that people know.
const PORT_FIRST: u16 = 8080;

/// The orchestrator's database.
const DATABASE: &str = "saga";

/// The in-process broker does not wake a fetch when a record comes, so fetches must be short.
const IN_PROCESS_OPTIONS: &str = "fetch.wait.max.ms=5";

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which broker.
    pub kafka: KafkaKind,
    /// Where databases and logs are kept; `None`: gone at the end.
    pub data: Option<PathBuf>,
    /// Port of REST; `None`: 8080, or a free one if it is taken.
    pub port: Option<u16>,
    /// Variables for orchestrator and services, which get no others of theirs: (`SAGA_LANES`, `2`).
    pub settings: Vec<(String, String)>,
    /// Gets a line for each thing that takes a while.
    pub tell: fn(&str),
}

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KafkaKind {
    /// A real Kafka.
    Real,
    /// The broker that librdkafka has for tests, inside the orchestrator's process.
    InProcess,
}

/// Everything that runs. Fields drop in order.
#[derive(Debug)]
pub struct Stage {
    /// A client of the orchestrator.
    pub client: Client,
    /// The orchestrator's address.
    pub url: String,
    /// The five databases.
    pub urls: Urls,
    services: Mutex<Vec<Child>>,
    orchestrator: Mutex<Child>,
    servers: Option<Servers>,
    _folder: Folder,
}

/// The servers that the orchestrator does not have itself.
#[derive(Debug)]
pub struct Servers {
    /// All databases.
    pub postgres: Postgres,
    /// The broker.
    pub kafka: Kafka,
}

/// Where the orchestrator and the services find each other.
#[derive(Debug)]
pub struct Addresses {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// The orchestrator's database.
    pub database_url: String,
}

impl Stage {
    /// Starts everything, and returns when the orchestrator is ready.
    ///
    /// # Errors
    ///
    /// When something cannot be started, or ends by itself.
    pub async fn open(options: &Options) -> anyhow::Result<Self> {
        let tell = options.tell;
        let folder = Folder::open(options.data.as_deref())?;
        let port = options.port.map_or_else(port, Ok)?;
        let url = format!("http://127.0.0.1:{port}");
        let client = Client::new(&url)?;
        tell(&format!("Logs are in {}", folder.logs().display()));
        let (servers, addresses, mut orchestrator) = match options.kafka {
            KafkaKind::InProcess => {
                tell("Starting Postgres, the orchestrator and a broker inside its process …");
                let (addresses, child) = dev(&folder, port, &options.settings).await?;
                (None, addresses, child)
            }
            KafkaKind::Real => {
                tell("Starting Postgres, Kafka and the orchestrator …");
                let (servers, addresses) = servers(&folder).await?;
                let child = serve(&folder, &addresses, port, &options.settings)?;
                (Some(servers), addresses, child)
            }
        };
        tell("Starting the four services …");
        let urls = databases(&addresses).await?;
        let mut settings = options.settings.clone();
        if options.kafka == KafkaKind::InProcess {
            settings.push((
                "SAGA_KAFKA_OPTIONS".to_owned(),
                IN_PROCESS_OPTIONS.to_owned(),
            ));
        }
        let services = ServiceName::ALL
            .into_iter()
            .map(|name| service(&folder, name, &urls, &addresses.brokers, &settings))
            .collect::<anyhow::Result<Vec<_>>>()?;
        ready(&client, &mut orchestrator).await?;
        Ok(Self {
            client,
            url,
            urls,
            services: Mutex::new(services),
            orchestrator: Mutex::new(orchestrator),
            servers,
            _folder: folder,
        })
    }

    /// Waits for a child that ends by itself, which none should.
    pub async fn first_end(&self) -> anyhow::Error {
        loop {
            if let Err(error) = self.orchestrator.lock().await.check() {
                return error;
            }
            for service in self.services.lock().await.iter_mut() {
                if let Err(error) = service.check() {
                    return error;
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Every process, by name; Postgres and Kafka with what they start.
    pub async fn processes(&self) -> Vec<(&'static str, u32)> {
        let mut processes = vec![self.orchestrator.lock().await.id()];
        processes.extend(self.services.lock().await.iter().map(Child::id));
        if let Some(servers) = &self.servers {
            processes.extend(servers.postgres.pid().map(|pid| ("postgres", pid)));
            processes.extend(servers.kafka.pid().map(|pid| ("kafka", pid)));
        }
        processes
    }

    /// Ends everything in order. Blocks for as long as that takes: some seconds at most.
    pub fn close(self) {
        let mut services = self.services.into_inner();
        for service in &mut services {
            service.ask_to_end();
        }
        drop(services);
        drop(self.orchestrator);
    }
}

/// The orchestrator with a Postgres and a broker of its own.
async fn dev(
    folder: &Folder,
    port: u16,
    settings: &[(String, String)],
) -> anyhow::Result<(Addresses, Child)> {
    let file = folder.path("addresses");
    // What an earlier run left would be taken for the answer.
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).context("remove the addresses of an earlier run");
        }
        _ => {}
    }
    let mut command = child::program("shop-orchestrator", settings)?;
    command
        .arg("dev")
        .arg("--data")
        .arg(folder.path("postgres"));
    command.arg("--addresses").arg(&file);
    command.args(["--port", &port.to_string()]);
    let mut child = Child::start("orchestrator", folder, command)?;
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        if let Some(addresses) = read_addresses(&file) {
            return Ok((addresses, child));
        }
        child.check()?;
        if Instant::now() > deadline {
            bail!("the orchestrator has no addresses after {READY_LIMIT:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}

fn read_addresses(file: &Path) -> Option<Addresses> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = |key: &str| {
        let line = text.split_inclusive('\n').find_map(|line| {
            let line = line.strip_suffix('\n')?;
            line.strip_prefix(key)?.strip_prefix('=')
        });
        line.map(str::to_owned)
    };
    Some(Addresses {
        brokers: value("SAGA_BROKERS")?,
        database_url: value("SAGA_DATABASE_URL")?,
    })
}

/// A Postgres with the orchestrator's database, and a real Kafka.
///
/// # Errors
///
/// When one of them cannot be started.
pub async fn servers(folder: &Folder) -> anyhow::Result<(Servers, Addresses)> {
    let (postgres, kafka) = (folder.path("postgres"), folder.path("kafka"));
    let start = move || {
        let postgres = Postgres::start(PostgresOptions {
            data: Some(postgres),
            // As docs/deploy.md recommends.
            settings: vec![("autovacuum_naptime".to_owned(), "10s".to_owned())],
            ..PostgresOptions::default()
        })?;
        let kafka = Kafka::start(KafkaOptions {
            data: Some(kafka),
            ..KafkaOptions::default()
        })?;
        Ok::<_, sagas_local::Error>(Servers { postgres, kafka })
    };
    let servers = tokio::task::spawn_blocking(start).await??;
    let maintenance = servers.postgres.url("postgres");
    let mut connection = PgConnection::connect(&maintenance).await?;
    create_database(&mut connection, DATABASE).await?;
    let addresses = Addresses {
        brokers: servers.kafka.bootstrap(),
        database_url: servers.postgres.url(DATABASE),
    };
    Ok((servers, addresses))
}

fn serve(
    folder: &Folder,
    addresses: &Addresses,
    port: u16,
    settings: &[(String, String)],
) -> anyhow::Result<Child> {
    let mut command = child::program("shop-orchestrator", settings)?;
    command.args(["serve", "--brokers", &addresses.brokers]);
    command.args(["--drain-delay", "0s"]);
    command.env("SAGA_DATABASE_URL", &addresses.database_url);
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    Child::start("orchestrator", folder, command)
}

fn service(
    folder: &Folder,
    name: ServiceName,
    urls: &Urls,
    brokers: &str,
    settings: &[(String, String)],
) -> anyhow::Result<Child> {
    let url = match name {
        ServiceName::Orders => &urls.orders,
        ServiceName::Inventory => &urls.inventory,
        ServiceName::Payments => &urls.payments,
        ServiceName::Shipping => &urls.shipping,
    };
    let mut command = child::program("shop", settings)?;
    command.args(["service", name.as_str(), "--seed", "--brokers", brokers]);
    command.env("SHOP_DATABASE_URL", url);
    Child::start(name.as_str(), folder, command)
}

/// Waits until the orchestrator is ready.
///
/// # Errors
///
/// When it ends before, or takes too long.
pub async fn ready(client: &Client, orchestrator: &mut Child) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_LIMIT;
    while !client.is_ready().await {
        orchestrator.check()?;
        if Instant::now() > deadline {
            bail!("the orchestrator is not ready after {READY_LIMIT:?}; see its log");
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// One database per service, beside the orchestrator's, on the same server.
async fn databases(addresses: &Addresses) -> anyhow::Result<Urls> {
    let url = &addresses.database_url;
    let (server, _) = url
        .rsplit_once('/')
        .context("the database URL has no database")?;
    let mut connection = PgConnection::connect(url).await?;
    for name in ServiceName::ALL {
        create_database(&mut connection, name.as_str()).await?;
    }
    let of = |name: ServiceName| format!("{server}/{}", name.as_str());
    Ok(Urls {
        orchestrator: url.clone(),
        orders: of(ServiceName::Orders),
        inventory: of(ServiceName::Inventory),
        payments: of(ServiceName::Payments),
        shipping: of(ServiceName::Shipping),
    })
}

/// Creates it unless an earlier run did.
async fn create_database(connection: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    let exists = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1");
    if exists
        .bind(name)
        .fetch_optional(&mut *connection)
        .await?
        .is_none()
    {
        // Only names from this file and from `ServiceName`.
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(connection).await?;
    }
    Ok(())
}

/// 8080 if nobody has it, else a free one.
fn port() -> anyhow::Result<u16> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, PORT_FIRST)) {
        Ok(_) => Ok(PORT_FIRST),
        Err(_) => Ok(sagas_local::port::free()?),
    }
}
