//! The bounds of a request, met by clients that no HTTP library would be: they are answered, and
//! do not hold the service up.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::servers::Servers;
use crate::world::{SOON, World};

/// A replica that waits for a second at most.
async fn impatient() -> World {
    let mut world = World::empty(Servers::shared().await).await;
    let number = world.launch_orchestrator(|command| {
        command.args(["--request-limit", "1s"]);
    });
    world.ready(number).await;
    world
}

/// What comes back for these bytes, up to the end of the connection.
async fn answer(world: &World, parts: &[&[u8]]) -> String {
    let address = world.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    for part in parts {
        // An answer may come before everything is sent.
        if stream.write_all(part).await.is_err() {
            break;
        }
    }
    let mut read = Vec::new();
    let all = tokio::time::timeout(SOON, stream.read_to_end(&mut read));
    all.await.unwrap().unwrap();
    String::from_utf8(read).unwrap()
}

fn head(length: &str) -> String {
    format!(
        "POST /v1/sagas HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\n{length}\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = impatient().await;
    let begun = std::time::Instant::now();
    let text = answer(&world, &[head("content-length: 100").as_bytes(), b"{"]).await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "{text}");
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(text.contains("/problems/request-too-slow"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_said_to_be_too_large_is_not_waited_for_and_ends_the_connection() {
    let world = impatient().await;
    let lengths = head("content-length: 1048577").replace("connection: close\r\n", "");
    for waits in ["", "expect: 100-continue\r\n"] {
        let head = lengths.replace("host: x\r\n", &format!("host: x\r\n{waits}"));
        let text = answer(&world, &[head.as_bytes()]).await;
        assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
        assert!(text.contains("connection: close\r\n"), "{text}");
        assert!(text.contains("/problems/too-large"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_refused_also_when_nobody_says_how_large_it_is() {
    let world = impatient().await;
    // 16 chunks of 64 KiB are the most that is taken; one byte more is too much.
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x1_0000], b"\r\n"].concat();
    let head = head("transfer-encoding: chunked");
    let mut parts = vec![head.as_bytes()];
    parts.extend([chunk.as_slice(); 16]);
    parts.extend([b"1\r\n \r\n0\r\n\r\n".as_slice()]);
    let text = answer(&world, &parts).await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    assert!(text.contains("/problems/too-large"), "{text}");
    assert_eq!(world.sagas().await, 0);
}
