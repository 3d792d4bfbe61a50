//! Drives Restate: a server with a log of its own, and a service of its Rust SDK.
//!
//! ```text
//!   client ──HTTP/1.1──▶ restate-server ──HTTP/2──▶ service, three steps (`ctx.run`)
//!   this process         from npm                   this process
//! ```
//!
//! The steps are functions of the service: Restate journals each, and calls nobody for it. That is
//! the form in which Restate is fastest; three services called in turn would cost three times that.

mod http;
mod server;
mod service;

use clap::Parser;
use load::{Arguments, Books, Peer};
use server::Server;
use service::Service;

/// The allocator of our own binaries, so that it makes no difference.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Restate, and prints the figures as JSON
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

/// A server with the service registered.
struct Restate {
    service: Service,
    /// The JSON that every saga is started with.
    input: String,
    server: Server,
}

impl Restate {
    async fn start(ballast: usize) -> anyhow::Result<Self> {
        let service = Service::serve().await?;
        let server = Server::start().await?;
        server.register(&service.url()).await?;
        Ok(Self {
            service,
            input: serde_json::to_string(&"x".repeat(ballast))?,
            server,
        })
    }
}

impl Peer for Restate {
    type Client = http::Connection;

    async fn client(&self) -> anyhow::Result<http::Connection> {
        http::Connection::open(self.server.ingress()).await
    }

    async fn saga(&self, client: &mut http::Connection) -> anyhow::Result<()> {
        // Answered when the invocation has ended and its result is in the log.
        client.post(service::PATH, self.input.clone()).await?;
        Ok(())
    }

    async fn books(&self) -> anyhow::Result<Books> {
        Ok(Books {
            succeeded: self
                .server
                .invocations("completion_result = 'success'")
                .await?,
            others: self
                .server
                .invocations("completion_result IS DISTINCT FROM 'success'")
                .await?,
            steps: self.service.steps(),
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let restate = Restate::start(cli.arguments.ballast).await?;
    let sdk = load::version("restate-sdk");
    let version = format!("{} (SDK {sdk})", server::version()?);
    let restate = load::run(restate, version, &cli.arguments).await?;
    tokio::task::spawn_blocking(move || drop(restate)).await?;
    Ok(())
}
