//! The benchmark's own saga on this machine: servers, one orchestrator, the participants.

use std::path::Path;

use anyhow::Context as _;
use shop::client::Client;
use shop::stage::child::{Child, program};
use shop::stage::folder::Folder;
use shop::stage::{Addresses, Servers, ready, servers};

use crate::shares::Part;

/// Everything that runs. Fields drop in order.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) url: String,
    pub(crate) addresses: Addresses,
    participants: Child,
    orchestrator: Child,
    servers: Servers,
    _folder: Folder,
}

impl Stage {
    /// Starts everything, and returns when the orchestrator is ready.
    pub(crate) async fn open(folder: &Path, settings: &[(String, String)]) -> anyhow::Result<Self> {
        let folder = Folder::open(Some(folder))?;
        let (servers, addresses) = servers(&folder).await?;
        let port = local::port::free()?;
        let url = format!("http://127.0.0.1:{port}");
        let mut command = program("bench-orchestrator", settings)?;
        command.args(["serve", "--brokers", &addresses.brokers]);
        command.env("SAGA_DATABASE_URL", &addresses.database_url);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        let mut orchestrator = Child::start("orchestrator", &folder, command)?;
        let mut command = program("bench-participants", &[])?;
        command.args(["--brokers", &addresses.brokers]);
        let participants = Child::start("participants", &folder, command)?;
        ready(&Client::new(&url)?, &mut orchestrator).await?;
        Ok(Self {
            url,
            addresses,
            participants,
            orchestrator,
            servers,
            _folder: folder,
        })
    }

    /// Every process, and this one.
    pub(crate) fn parts(&self) -> anyhow::Result<Vec<Part>> {
        let postgres = self.servers.postgres.pid().context("Postgres has ended")?;
        let kafka = self.servers.kafka.pid().context("Kafka has ended")?;
        let parts = [
            self.orchestrator.id(),
            self.participants.id(),
            ("postgres", postgres),
            ("kafka", kafka),
            ("client", std::process::id()),
        ];
        let part = |(name, pid): (&str, u32)| Part {
            name: name.to_owned(),
            pid,
        };
        Ok(parts.into_iter().map(part).collect())
    }
}
