//! The closed loop: so many sagas are in flight, whatever the peer does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::peer::Peer;

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// From a saga's start to its end, one entry a saga.
    pub(crate) latencies: Vec<Duration>,
    /// From the first saga's start to the last one's end.
    pub(crate) elapsed: Duration,
}

impl Round {
    /// Sagas that ended.
    pub(crate) fn ended(&self) -> u64 {
        self.latencies.len().try_into().unwrap_or(u64::MAX)
    }

    /// Sagas that ended, per second.
    pub(crate) fn per_second(&self) -> f64 {
        let ended = u32::try_from(self.latencies.len()).unwrap_or(u32::MAX);
        f64::from(ended) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Keeps `in_flight` sagas in flight for a while, then waits for the last ones.
pub(crate) async fn closed_loop<P: Peer>(
    peer: &Arc<P>,
    in_flight: usize,
    during: Duration,
) -> anyhow::Result<Round> {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..in_flight {
        let peer = Arc::clone(peer);
        clients.spawn(async move {
            let mut latencies = Vec::new();
            let mut client = peer.client().await?;
            while start.elapsed() < during {
                let began = Instant::now();
                peer.saga(&mut client).await?;
                latencies.push(began.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut round = Round::default();
    while let Some(latencies) = clients.join_next().await {
        round
            .latencies
            .extend(latencies.context("a client task panicked")??);
    }
    peer.settle().await?;
    round.elapsed = start.elapsed();
    Ok(round)
}
