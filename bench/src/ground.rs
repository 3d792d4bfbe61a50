//! What the stages of a run stand on: one Postgres and one Kafka, which several workloads share, so
//! that the broker's compiler is warm for all but the first.

use std::path::PathBuf;

use sagas_local::folder::Temporary;
use shop::stage::folder::Folder;
use shop::stage::{Addresses, Servers, servers};

use crate::machine::Machine;

/// The folder of everything that a run leaves behind while it lasts, and the servers.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Variables for the orchestrator: (`SAGA_LANES`, `2`).
    pub(crate) settings: Vec<(String, String)>,
    machine: Option<Machine>,
    open: Option<Open>,
    stages: u32,
    folder: Temporary,
}

/// Servers that run.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) servers: Servers,
    pub(crate) addresses: Addresses,
    _folder: Folder,
}

impl Ground {
    /// Without servers yet: the shop brings its own.
    pub(crate) fn new(settings: Vec<(String, String)>) -> anyhow::Result<Self> {
        Ok(Self {
            settings,
            machine: None,
            open: None,
            stages: 0,
            folder: Temporary::new("saga-bench")?,
        })
    }

    /// The servers; starts them, and measures the machine, the first time.
    pub(crate) async fn open(&mut self) -> anyhow::Result<&Open> {
        if self.open.is_none() {
            crate::progress("Starting Postgres and Kafka …");
            let folder = Folder::open(Some(&self.folder.path().join("servers")))?;
            let (servers, addresses) = servers(&folder).await?;
            self.measure(&addresses.database_url).await?;
            self.open = Some(Open {
                servers,
                addresses,
                _folder: folder,
            });
        }
        Ok(self.open.as_ref().expect("it was opened above"))
    }

    /// Ends the servers, and frees the memory and the processor time that they take.
    pub(crate) async fn close(&mut self) -> anyhow::Result<()> {
        let open = self.open.take();
        Ok(tokio::task::spawn_blocking(move || drop(open)).await?)
    }

    /// Measures the machine with this database, the first time.
    pub(crate) async fn measure(&mut self, database_url: &str) -> anyhow::Result<()> {
        if self.machine.is_none() {
            let folder = self.folder.path();
            self.machine = Some(Machine::measure(database_url, folder).await?);
        }
        Ok(())
    }

    /// The machine, once something has run on it.
    pub(crate) fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref()
    }

    /// A word that no stage of this run had before, for databases, topics and folders.
    pub(crate) fn next_name(&mut self) -> String {
        self.stages += 1;
        format!("bench{}", self.stages)
    }

    /// A folder for a stage.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
