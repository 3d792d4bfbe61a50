//! Free ports on 127.0.0.1.
//!
//! Invariant: a port from here lies below the range from which the kernel takes the ports of
//! outgoing connections. From that range, a client that keeps knocking at its stopped server would
//! one day be given the server's own port, connect to itself, and keep the server from coming back.
//!
//! It reserves nothing: between the answer and the server's `bind`, another program may take it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::folder::random;

/// Ports that this process has handed out, so that two servers never get the same one.
static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Linux' default where it cannot be read; also right for other systems, whose range is higher.
const OUTGOING_FROM: u16 = 32_768;

/// How far below the outgoing range servers live: wide enough that two test runs rarely meet.
const SPAN: u16 = 12_000;

/// How often to try before the answer is that there is none.
const TRIES: u32 = 1_000;

/// A TCP port on which nobody listens now, never the same twice in one process.
///
/// # Errors
///
/// When a thousand candidates in a row are taken.
pub fn free() -> Result<u16, Error> {
    let above = outgoing_from();
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..TRIES {
        let below = u16::try_from(random() % u64::from(SPAN)).unwrap_or(0);
        let port = above - 1 - below;
        if handed_out.contains(&port) || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            continue;
        }
        handed_out.insert(port);
        return Ok(port);
    }
    let source = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    Err(Error::io(format!("find a free port below {above}"))(source))
}

/// The first port of outgoing connections, at least so high that [`SPAN`] fits above 1024.
fn outgoing_from() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|first| *first > SPAN + 1_024)
        .unwrap_or(OUTGOING_FROM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_ports_differ_and_can_be_bound() {
        let ports: BTreeSet<u16> = (0..100).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 100);
        assert!(ports.iter().all(|port| *port < outgoing_from()));
        let is_free = |port: &&u16| TcpListener::bind((Ipv4Addr::LOCALHOST, **port)).is_ok();
        let bound = ports.iter().filter(is_free).count();
        // Programs beside this one may have taken a few since.
        assert!(bound > 90, "{bound} of 100");
    }
}
