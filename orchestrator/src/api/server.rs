//! The listening socket and its connections.
//!
//! Everything that a peer can hold on to is bounded: the number of connections, and the time in
//! which a request's head must come. What is inside a request is the router's.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use sagas_log::trouble;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cause::chain;

/// A connection without a request's head for so long is closed. Longer than the minute for which
/// load balancers commonly keep an idle connection, so that they close it first.
const HEAD_WITHIN: Duration = Duration::from_secs(75);

/// Open connections; further ones wait in the system's backlog.
const CONNECTIONS_MAX: usize = 20_000;

/// The system has no room for another connection: look again after this time.
const NO_ROOM: Duration = Duration::from_millis(200);

/// The HTTP server in its task.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    ///
    /// When the system does not give the address, because it is in use for example.
    pub async fn start(address: SocketAddr, router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let closing = CancellationToken::new();
        let task = tokio::spawn(accept(listener, router, closing.clone()));
        Ok(Self {
            address,
            closing,
            task,
        })
    }

    /// Takes no new connection, and waits for the requests in progress; `false` when some were
    /// still there after `within`.
    pub async fn finish(mut self, within: Duration) -> bool {
        self.closing.cancel();
        let is_done = tokio::time::timeout(within, &mut self.task).await.is_ok();
        if !is_done {
            self.task.abort();
        }
        is_done
    }
}

async fn accept(listener: TcpListener, router: Router, closing: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let watched = GracefulShutdown::new();
    let service = TowerToHyperService::new(router);
    while let Some(Ok(permit)) = closing
        .run_until_cancelled(room.clone().acquire_owned())
        .await
    {
        let Some(accepted) = closing.run_until_cancelled(listener.accept()).await else {
            break;
        };
        match accepted {
            Ok((stream, _)) => {
                let (service, watcher) = (service.clone(), watched.watcher());
                tokio::spawn(async move {
                    answer(stream, service, watcher).await;
                    drop(permit);
                });
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                trouble!(warn, "cannot accept a connection", error = chain(&error));
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
    drop(listener);
    watched.shutdown().await;
}

async fn answer(stream: TcpStream, service: TowerToHyperService<Router>, watcher: Watcher) {
    // Answers are small and one write each: nothing is gained by holding them back.
    let _ = stream.set_nodelay(true);
    // Only HTTP/1.1: its head has a time limit from the first byte on.
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::trace!(error = chain(&error), "a connection ended early");
    }
}

/// The peer went away before it was accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_request_in_progress_is_answered_before_the_server_ends() {
        let (entered, has_entered) = oneshot::channel::<()>();
        let (release, released) = oneshot::channel::<()>();
        let parts = Arc::new(std::sync::Mutex::new(Some((entered, released))));
        let slow = move || {
            let (entered, released) = parts.lock().unwrap().take().unwrap();
            async move {
                entered.send(()).unwrap();
                released.await.unwrap();
                "done"
            }
        };
        let router = Router::new().route("/", get(slow));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::start(any, router).await.unwrap();
        let mut peer = TcpStream::connect(server.address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        peer.write_all(request).await.unwrap();
        has_entered.await.unwrap();
        let finished = tokio::spawn(server.finish(Duration::from_secs(10)));
        release.send(()).unwrap();
        let mut text = String::new();
        peer.read_to_string(&mut text).await.unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200") && text.ends_with("done"),
            "{text}"
        );
        assert!(finished.await.unwrap());
    }

    #[tokio::test]
    async fn an_address_in_use_is_refused() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = Server::start(any, Router::new()).await.unwrap();
        let error = Server::start(first.address, Router::new()).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(first.finish(Duration::from_secs(10)).await);
    }
}
