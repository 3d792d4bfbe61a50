//! As little of an HTTP client as the work needs: one connection, POST, JSON.

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection that takes one request after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    /// `host:port`.
    address: String,
    requests: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to `host:port`.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let address = address.to_owned();
        Ok(Self { address, requests })
    }

    /// Posts JSON and gives the body of the answer; any status but 2xx is an error with that body.
    pub(crate) async fn post(&mut self, path: &str, json: String) -> anyhow::Result<Bytes> {
        let request = Request::post(path)
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Full::new(Bytes::from(json)))?;
        let failed = || format!("post to {}{path}", self.address);
        self.requests.ready().await.with_context(failed)?;
        let response = self.requests.send_request(request).await;
        let response = response.with_context(failed)?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let text = || String::from_utf8_lossy(&body);
        ensure!(status.is_success(), "{}: {status}: {}", failed(), text());
        Ok(body)
    }
}
