//! A driver's whole run: every number in flight with its rounds, then the check of the books.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::closed_loop::{Round, closed_loop};
use crate::figure::{Figure, Report, median, permille_ms};
use crate::peer::Peer;

/// Measures a peer that runs, prints the report as JSON on standard output, and gives the peer back
/// so that its owner can stop it.
///
/// # Errors
///
/// When a saga ended otherwise than it should, or the peer's books disagree with what its clients saw.
pub async fn run<P: Peer>(peer: P, version: String, arguments: &Arguments) -> anyhow::Result<P> {
    let peer = Arc::new(peer);
    let (figures, ended) = figures(&peer, arguments).await?;
    peer.books().await?.check(ended)?;
    let report = serde_json::to_string(&Report { version, figures })?;
    writeln!(std::io::stdout(), "{report}")?;
    Arc::into_inner(peer).ok_or_else(|| anyhow::anyhow!("a client still runs"))
}

/// The figures, and how many sagas ended in all, warm-ups included.
async fn figures<P: Peer>(
    peer: &Arc<P>,
    arguments: &Arguments,
) -> anyhow::Result<(Vec<Figure>, u64)> {
    let mut figures = Vec::new();
    let mut ended = 0;
    for &in_flight in &arguments.in_flight {
        let _ = writeln!(std::io::stderr(), "{in_flight} in flight …");
        let warm_up = Duration::from_secs(arguments.warm_up);
        ended += closed_loop(peer, in_flight, warm_up).await?.ended();
        let mut rounds = Vec::new();
        let mut last = Round::default();
        for _ in 0..arguments.rounds {
            last = closed_loop(peer, in_flight, Duration::from_secs(arguments.seconds)).await?;
            ended += last.ended();
            rounds.push(last.per_second());
        }
        last.latencies.sort_unstable();
        figures.push(Figure {
            in_flight,
            sagas_per_second: median(rounds.clone()),
            rounds,
            p50_ms: permille_ms(&last.latencies, 500),
            p99_ms: permille_ms(&last.latencies, 990),
        });
    }
    Ok((figures, ended))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::peer::Books;

    /// Does nothing, and forgets the sagas beyond so many.
    struct Forgetful {
        sagas: AtomicU64,
        most: u64,
    }

    impl Peer for Forgetful {
        type Client = ();

        async fn client(&self) -> anyhow::Result<()> {
            Ok(())
        }

        async fn saga(&self, (): &mut ()) -> anyhow::Result<()> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.sagas.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }

        async fn books(&self) -> anyhow::Result<Books> {
            let succeeded = self.sagas.load(Ordering::Relaxed).min(self.most);
            Ok(Books {
                succeeded,
                others: 0,
                steps: 3 * succeeded,
            })
        }
    }

    /// One second with two sagas in flight.
    fn shortest() -> Arguments {
        Arguments {
            in_flight: vec![2],
            rounds: 1,
            seconds: 1,
            warm_up: 0,
            ballast: 0,
        }
    }

    fn forgetful(most: u64) -> Forgetful {
        let sagas = AtomicU64::new(0);
        Forgetful { sagas, most }
    }

    #[tokio::test]
    async fn a_saga_in_flight_counts_once_and_two_of_them_run_beside_each_other() {
        let peer = Arc::new(forgetful(u64::MAX));
        let (figures, ended) = figures(&peer, &shortest()).await.unwrap();
        assert_eq!(ended, peer.sagas.load(Ordering::Relaxed));
        let [figure] = figures.as_slice() else {
            panic!("{figures:?}");
        };
        assert!(
            figure.sagas_per_second > 0.0 && figure.p50_ms >= 1.0,
            "{figure:?}"
        );
    }

    #[tokio::test]
    async fn a_peer_that_forgets_a_saga_has_no_figure() {
        let ended = run(forgetful(1), String::new(), &shortest()).await;
        let error = ended.err().expect("the books disagree").to_string();
        assert!(error.contains("1 that succeeded"), "{error}");
    }
}
