//! Whether a broker answers: one `ApiVersions` request, the first that every client sends.
//!
//! An open port is not enough: the broker opens it before it serves requests. It knows no other
//! part of Kafka's protocol.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A broker that is up answers within milliseconds; a starting one keeps the connection waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// `ApiVersions` (key 18), version 0, correlation id 7, no client id; the length comes first.
const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

pub(super) fn answers(address: impl Into<SocketAddr>) -> bool {
    ask(address.into()).is_ok_and(|error_code| error_code == 0)
}

/// The error code of the answer.
fn ask(address: SocketAddr) -> std::io::Result<i16> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&REQUEST)?;
    // Length, correlation id, error code.
    let mut answer = [0; 10];
    stream.read_exact(&mut answer)?;
    if answer[4..8] != REQUEST[8..12] {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    Ok(i16::from_be_bytes([answer[8], answer[9]]))
}
