//! Arrows between the crates of the workspace: `sagas` and `sagas-core` cannot do I/O, because they
//! cannot name anything that does, and of what goes into production only `sagas-program` knows `sagas-local`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
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
fn what_decides_depends_on_nothing_that_does_io_or_logs() {
    let metadata = metadata();
    let impure = [
        "tokio",
        "sqlx",
        "sqlx-core",
        "rdkafka",
        "rdkafka-sys",
        "mio",
        "axum",
        "tracing",
    ];
    for pure in ["sagas", "sagas-core"] {
        let needed = needed_by(&metadata, pure);
        let found: Vec<_> = impure
            .iter()
            .filter(|name| needed.contains(**name))
            .collect();
        assert!(found.is_empty(), "{pure} depends on {found:?}");
        assert!(needed.contains("serde_json"), "{needed:?}");
    }
    // The same walk finds them where they belong, so it would find them above.
    let service = needed_by(&metadata, "sagas-orchestrator");
    let missed: Vec<_> = impure
        .iter()
        .filter(|name| !service.contains(**name))
        .collect();
    assert!(missed.is_empty(), "the walk does not find {missed:?}");
}

/// Names of the packages that name `wanted` in their own manifest, for more than their tests.
fn dependents(metadata: &Metadata, wanted: &str) -> BTreeSet<String> {
    let packages = metadata.packages.iter();
    let names: BTreeMap<_, _> = packages
        .map(|package| (&package.id, package.name.as_str()))
        .collect();
    let nodes = metadata.resolve.nodes.iter();
    let dependents = nodes.filter(|node| {
        node.deps.iter().any(|dependency| {
            let is_at_run_time = dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
            names[&dependency.pkg] == wanted && is_at_run_time
        })
    });
    let names = dependents.map(|node| names[&node.id].to_owned());
    names.collect()
}

#[test]
fn of_what_goes_into_production_only_the_program_starts_servers() {
    let metadata = metadata();
    // The others are tools and examples.
    let expected = ["bench", "sagas-program", "shop", "xtask"].map(str::to_owned);
    assert_eq!(
        dependents(&metadata, "sagas-local"),
        BTreeSet::from(expected)
    );
    let service = needed_by(&metadata, "sagas-orchestrator");
    for absent in ["sagas-local", "sagas-program", "clap"] {
        assert!(!service.contains(absent), "orchestrator needs {absent}");
    }
}

/// The clock and the die are in the standard library and in `uuid`, which both crates name.
#[test]
fn what_decides_reads_no_clock_and_rolls_no_die() {
    let impure = [
        "Instant::now",
        "SystemTime",
        "now_v7",
        "new_v4",
        "thread_rng",
        "RandomState",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.expect("the crate lies in the workspace");
    let mut open = vec![root.join("sagas/src"), root.join("core/src")];
    let mut files = 0;
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            files += 1;
            let text = fs::read_to_string(&path).expect("source is text");
            // A test may begin its time anywhere.
            let decides = text.split("#[cfg(test)]").next().unwrap_or_default();
            let named = impure.iter().filter(|name| decides.contains(**name));
            let found: Vec<_> = named.collect();
            assert!(found.is_empty(), "{} names {found:?}", path.display());
        }
    }
    assert!(files > 50, "{files} files are not all");
}
