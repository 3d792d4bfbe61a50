//! A logged error has its whole chain, in every crate that logs through this one.

use std::fs;
use std::path::Path;

/// A field that has only the head of an error, or loses its sources in JSON.
const HEADS: [&str; 5] = [
    "%error",
    "?error",
    "error = %",
    "error as &dyn",
    ": &dyn std::error::Error =",
];

fn heads_of_errors(folder: &Path, files: &mut usize, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            heads_of_errors(&path, files, found);
            continue;
        }
        *files += 1;
        let text = fs::read_to_string(&path).expect("source is text");
        let lines = text.lines().zip(1..);
        let bad = lines.filter(|(line, _)| HEADS.iter().any(|head| line.contains(head)));
        found.extend(bad.map(|(line, at)| format!("{}:{at}: {line}", path.display())));
    }
}

#[test]
fn every_logged_error_has_its_whole_chain() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.expect("the crate lies in the workspace");
    let (mut files, mut found) = (0, Vec::new());
    for folder in ["log/src", "kafka/src", "participant/src"] {
        heads_of_errors(&root.join(folder), &mut files, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(files > 30, "{files} files are not all");
}
