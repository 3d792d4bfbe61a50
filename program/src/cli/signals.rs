//! SIGTERM and Ctrl-C: the first one asks the service to end, the second one ends the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Failure;

/// What a shell reports of a process that Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// A token that is cancelled by the first signal. From then on, another signal ends the process
/// at once: what was accepted is stored, and goes on elsewhere or after the next start.
pub(super) fn ending() -> Result<CancellationToken, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::Failed(format!("cannot listen to signals: {error}")))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let ending = CancellationToken::new();
    let told = ending.clone();
    tokio::spawn(async move {
        let name = next(&mut interrupt, &mut terminate).await;
        tracing::info!(signal = name, "stopping; send it again to end at once");
        told.cancel();
        let name = next(&mut interrupt, &mut terminate).await;
        tracing::warn!(signal = name, "ended at once; what was accepted is stored");
        std::process::exit(INTERRUPTED);
    });
    Ok(ending)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
