//! The configuration of the broker.
//!
//! Everything is as small as one machine with one client program wants it. Durability is untouched:
//! Kafka's default, which leaves the flush to the operating system, survives a kill of the broker.

use std::fmt::Write as _;
use std::path::Path;

/// A broker's place in its cluster, whose controller is the first one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// From 1 on.
    pub(super) id: u32,
    pub(super) port: u16,
    pub(super) controller_port: u16,
}

/// The text of `server.properties`; `further` comes last and wins.
pub(super) fn text(node: Node, segments: &Path, further: &[(String, String)]) -> String {
    let Node {
        id,
        port,
        controller_port,
    } = node;
    let (roles, controller) = if id == 1 {
        let controller = format!(",CONTROLLER://127.0.0.1:{controller_port}");
        ("broker,controller", controller)
    } else {
        ("broker", String::new())
    };
    let mut text = format!(
        "process.roles={roles}
node.id={id}
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:{port}{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={}
",
        segments.display()
    );
    for (name, value) in SETTINGS {
        let _ = writeln!(text, "{name}={value}");
    }
    for (name, value) in further {
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

const SETTINGS: &[(&str, &str)] = &[
    // A typing error in a topic name must be an error, not a new topic.
    ("auto.create.topics.enable", "false"),
    // One broker: nothing can be replicated.
    ("default.replication.factor", "1"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    // The default of 50 partitions each makes the first group wait for 50 folders and files.
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.num.partitions", "4"),
    ("share.coordinator.state.topic.num.partitions", "4"),
    // The first group does not wait for more members.
    ("group.initial.rebalance.delay.ms", "0"),
    // After a kill, the controller refuses the same broker until its old session has run out: 11 s
    // with the default of 9 s.
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    // 64 MiB instead of 1 GiB, and indexes to match: less address space per partition.
    ("log.segment.bytes", "67108864"),
    ("log.index.size.max.bytes", "1048576"),
    ("offsets.topic.segment.bytes", "16777216"),
    // The cleaner takes this at start; the default is 128 MiB, a quarter of our heap.
    ("log.cleaner.dedupe.buffer.size", "16777216"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_the_caller_comes_after_ours() {
        let further = [("offsets.topic.num.partitions".to_owned(), "9".to_owned())];
        let node = Node {
            id: 1,
            port: 9092,
            controller_port: 9093,
        };
        let text = text(node, Path::new("/data"), &further);
        assert!(text.contains("listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"));
        assert!(text.ends_with("offsets.topic.num.partitions=9\n"), "{text}");
    }
}
