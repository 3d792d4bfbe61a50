//! `sagas` cannot do I/O, because it cannot name anything that does.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// `None` for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
}

fn metadata() -> Metadata {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
        // What only another platform needs was not fetched for the build.
        .args(["--filter-platform", &host()])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .output()
        .expect("cargo runs, for it runs this test");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {problem}");
    serde_json::from_slice(&output.stdout).expect("cargo writes its documented format")
}

/// The platform of this compiler, as `x86_64-unknown-linux-gnu`.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.expect("rustc runs, for it compiled this test");
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc says for which host it is").to_owned()
}

/// The names of all packages that `root` needs at run time, directly or through others.
fn needed_by(metadata: &Metadata, root: &str) -> BTreeSet<String> {
    let packages = metadata.packages.iter();
    let names: BTreeMap<_, _> = packages
        .map(|package| (&package.id, &package.name))
        .collect();
    let nodes = metadata.resolve.nodes.iter();
    let nodes: BTreeMap<_, _> = nodes.map(|node| (&node.id, node)).collect();
    let root = names.iter().find(|(_, name)| **name == root);
    let mut open = vec![*root.expect("the package is in the workspace").0];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let needed = nodes[id]
                .deps
                .iter()
                .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            open.extend(needed.map(|dependency| &dependency.pkg));
        }
    }
    seen.into_iter().map(|id| names[id].clone()).collect()
}

#[test]
fn sagas_depends_on_nothing_that_does_io() {
    let metadata = metadata();
    let needed = needed_by(&metadata, "sagas");
    let impure = [
        "tokio",
        "sqlx",
        "sqlx-core",
        "rdkafka",
        "rdkafka-sys",
        "mio",
    ];
    let found: Vec<_> = impure
        .iter()
        .filter(|name| needed.contains(**name))
        .collect();
    assert!(found.is_empty(), "sagas depends on {found:?}");
    // The same walk finds them where they belong, so it would find them here.
    assert!(needed.contains("serde_json"), "{needed:?}");
    let service = needed_by(&metadata, "orchestrator");
    let missed: Vec<_> = impure
        .iter()
        .filter(|name| !service.contains(**name))
        .collect();
    assert!(missed.is_empty(), "the walk does not find {missed:?}");
}
