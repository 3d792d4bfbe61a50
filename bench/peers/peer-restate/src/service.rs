//! The saga as Restate has it: one handler with three steps that do nothing.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use restate_sdk::prelude::{
    Context, ContextSideEffects as _, Endpoint, HandlerResult, HttpServer, RunFuture as _, service,
};
use tokio::net::TcpListener;

/// Where the server takes a start of the saga.
pub(crate) const PATH: &str = "/ThreeSteps/place";

/// The service, served by this process.
#[derive(Debug)]
pub(crate) struct Service {
    address: SocketAddr,
    steps: Arc<AtomicU64>,
}

/// What the server calls.
struct ThreeSteps {
    /// Steps done.
    steps: Arc<AtomicU64>,
}

#[service]
impl ThreeSteps {
    /// Three steps; a step is done once the server has its result in the log.
    #[handler]
    async fn place(&self, ctx: Context<'_>, _input: String) -> HandlerResult<()> {
        for name in ["first", "second", "third"] {
            ctx.run(async || Ok(())).name(name).await?;
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Service {
    /// Serves on a free port of 127.0.0.1 for the life of this process.
    pub(crate) async fn serve() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("listen for Restate's calls")?;
        let address = listener.local_addr()?;
        let steps = Arc::new(AtomicU64::new(0));
        let handler = ThreeSteps {
            steps: Arc::clone(&steps),
        };
        let server = HttpServer::new(Endpoint::builder().bind(handler).build());
        tokio::spawn(server.serve_with_cancel(listener, pending::<()>()));
        Ok(Self { address, steps })
    }

    /// Where the server finds it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Steps done so far; one that Restate repeated counts again.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}
