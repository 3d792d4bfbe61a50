//! The benchmark's own sagas on this machine: databases and topics of their own on servers that are
//! shared, one to three replicas of the orchestrator, and the participants.

use std::slice::SliceIndex;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bench::steps3::participants;
use sagas_local::process::{Signal, signal};
use shop::stage::child::{Child, program};
use shop::stage::folder::Folder;
use shop::stage::ready;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use crate::database::Database;
use crate::ground::{Ground, Open};
use crate::load::Client;
use crate::shares::Part;
use crate::summary::summary;
use crate::workload::Workload;

/// What each replica is called; the most that there can be.
const REPLICAS: [&str; 3] = ["orchestrator-1", "orchestrator-2", "orchestrator-3"];

/// How long replicas may take to know of each other.
const KNOWN_LIMIT: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Where a load goes, and who takes part in carrying it.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) client: Client,
    /// A replica that answers questions.
    pub(crate) url: String,
    /// The orchestrator's database.
    pub(crate) database_url: String,
    pub(crate) parts: Vec<Part>,
}

/// Its process and its address.
type Replica = (Child, String);

/// What runs for one workload.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) site: Site,
    has_databases: bool,
    name: String,
    server_url: String,
    brokers: String,
    settings: Vec<(String, String)>,
    participants: Child,
    replicas: Vec<Replica>,
    folder: Folder,
}

impl Stage {
    /// One replica, and participants without databases.
    pub(crate) async fn open(ground: &mut Ground) -> anyhow::Result<Self> {
        Self::start(ground, false).await
    }

    /// One replica, and a database for each participant.
    pub(crate) async fn with_databases(ground: &mut Ground) -> anyhow::Result<Self> {
        Self::start(ground, true).await
    }

    async fn start(ground: &mut Ground, has_databases: bool) -> anyhow::Result<Self> {
        let name = ground.next_name();
        let folder = Folder::open(Some(&ground.folder(&name)))?;
        let settings = ground.settings.clone();
        let Open {
            servers, addresses, ..
        } = ground.open().await?;
        let (server_url, _) = addresses
            .database_url
            .rsplit_once('/')
            .context("the database URL has no database")?;
        let part = |name: &str, pid: Option<u32>| Part {
            name: name.to_owned(),
            pid: pid.unwrap_or_default(),
        };
        let parts = vec![
            part("postgres", servers.postgres.pid()),
            part("kafka", servers.kafka.pid()),
            Part::client(),
        ];
        for database in databases(&name, has_databases) {
            servers.postgres.create_database(&database)?;
        }
        let mut command = program("bench-participants", &[])?;
        command.args(["--brokers", &addresses.brokers, "--prefix", &name]);
        if has_databases {
            command.args(["--databases", &format!("{server_url}/{name}_")]);
        }
        let mut stage = Self {
            site: Site {
                client: Client::new(),
                url: String::new(),
                database_url: format!("{server_url}/{name}"),
                parts,
            },
            has_databases,
            server_url: server_url.to_owned(),
            brokers: addresses.brokers.clone(),
            settings,
            participants: Child::start("participants", &folder, command)?,
            replicas: Vec::new(),
            folder,
            name,
        };
        stage.site.parts.push(part_of(&stage.participants));
        stage.add_replica().await?;
        // Participants join their groups meanwhile.
        stage.site.client.one(&Workload::completed(0)).await?;
        Ok(stage)
    }

    /// One replica more, which gets its share of new connections.
    pub(crate) async fn add_replica(&mut self) -> anyhow::Result<()> {
        let name = REPLICAS.get(self.replicas.len());
        let name = name.with_context(|| format!("there are no more than {}", REPLICAS.len()))?;
        let port = sagas_local::port::free()?;
        let url = format!("http://127.0.0.1:{port}");
        let mut command = program("bench-orchestrator", &self.settings)?;
        command.args(["serve", "--brokers", &self.brokers]);
        command.args(["--drain-delay", "0s"]);
        command.args(["--topic-prefix", &self.name, "--replica-name", name]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        command.env("SAGA_DATABASE_URL", &self.site.database_url);
        let mut child = Child::start(name, &self.folder, command)?;
        ready(&shop::client::Client::new(&url)?, &mut child).await?;
        self.site.parts.push(part_of(&child));
        self.replicas.push((child, url));
        self.serve(..);
        self.until_all_are_known().await
    }

    /// Ends the replica that came last, with SIGTERM as a deployment does, and waits until it is gone.
    pub(crate) async fn remove_replica(&mut self) -> anyhow::Result<()> {
        let (child, _) = self.replicas.pop().context("there is no replica")?;
        self.site.parts.pop();
        self.serve(..);
        tokio::task::spawn_blocking(move || drop(child)).await?;
        self.until_all_are_known().await
    }

    /// Waits until the replicas know of each other, and share the work.
    async fn until_all_are_known(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + KNOWN_LIMIT;
        loop {
            let known = summary(&self.site.url).await?.replicas.len();
            if known == self.replicas.len() {
                return Ok(());
            }
            let count = self.replicas.len();
            let in_time = Instant::now() < deadline;
            ensure!(in_time, "{known} replicas are known, not {count}");
            sleep(POLL).await;
        }
    }

    /// Sends new connections to these replicas, by number.
    pub(crate) fn serve(&mut self, range: impl SliceIndex<[Replica], Output = [Replica]>) {
        let urls = self.replicas[range].iter().map(|(_, url)| url.clone());
        let urls: Vec<String> = urls.collect();
        self.site.url = urls.first().cloned().unwrap_or_default();
        self.site.client.talk_to(&urls);
    }

    /// Kills the first replica with SIGKILL.
    pub(crate) fn kill_first(&self) -> anyhow::Result<()> {
        let (child, _) = self.replicas.first().context("there is no replica")?;
        Ok(signal(child.id().1, Signal::Kill)?)
    }

    /// Freezes the participants, or lets them go on.
    pub(crate) fn freeze_participants(&self, is_frozen: bool) -> anyhow::Result<()> {
        let sent = if is_frozen {
            Signal::Stop
        } else {
            Signal::Continue
        };
        Ok(signal(self.participants.id().1, sent)?)
    }

    /// The orchestrator's database.
    pub(crate) async fn database(&self) -> anyhow::Result<Database> {
        Database::connect(&self.site.database_url).await
    }

    /// Checks that every saga has ended as clients were told, and left at each participant what it
    /// had to. `copied`: completed sagas that nobody submitted.
    pub(crate) async fn ensure_ended(&self, copied: u64) -> anyhow::Result<()> {
        let told = self.site.client.totals();
        self.database().await?.ensure_ended(told, copied).await?;
        if !self.has_databases {
            return Ok(());
        }
        ensure!(
            told.unanswered == 0,
            "{} had no end in time",
            told.unanswered
        );
        for participant in participants::NAMES {
            let url = format!("{}_{participant}", self.site.database_url);
            let mut connection = PgConnection::connect(&url).await?;
            let effects: i64 = sqlx::query_scalar("SELECT count(*) FROM effect")
                .fetch_one(&mut connection)
                .await?;
            let completed = told.completed;
            ensure!(
                effects.unsigned_abs() == completed,
                "{participant} has {effects} effects of {completed} sagas"
            );
        }
        Ok(())
    }

    /// Ends the processes, and drops the databases. Call it also when the run failed.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let Self {
            participants,
            mut replicas,
            name,
            server_url,
            has_databases,
            folder: _folder,
            ..
        } = self;
        tokio::task::spawn_blocking(move || {
            for (replica, _) in &mut replicas {
                replica.ask_to_end();
            }
            drop((participants, replicas));
        })
        .await?;
        let mut connection = PgConnection::connect(&format!("{server_url}/postgres")).await?;
        for database in databases(&name, has_databases) {
            // Only names from this file.
            let drop = AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"));
            sqlx::raw_sql(drop).execute(&mut connection).await?;
        }
        Ok(())
    }
}

/// The databases of a stage: the orchestrator's, and those of the participants.
fn databases(name: &str, has_databases: bool) -> Vec<String> {
    let participants = participants::NAMES.into_iter().filter(|_| has_databases);
    let of = |participant: &str| format!("{name}_{participant}");
    std::iter::once(name.to_owned())
        .chain(participants.map(of))
        .collect()
}

fn part_of(child: &Child) -> Part {
    let (name, pid) = child.id();
    Part {
        name: name.to_owned(),
        pid,
    }
}
