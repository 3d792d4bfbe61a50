//! Arrows between the files of each crate: a circle of files can only be read as a whole.
//!
//! Invariant: no circle but those that are left, in [`LEFT`], and those only get smaller.
//!
//! An arrow is a path that begins with `crate`, `super` or a module's own name; it ends at the file
//! that has the item, however it is re-exported. Arrows between a file and the files of its own folder
//! do not count, for a module names its parts and they its types. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Crates, and the circles of files that are left in them.
const LEFT: [(&str, &[&[&str]]); 7] = [
    ("core", &[]),
    ("kafka", &[]),
    ("log", &[]),
    (
        "orchestrator",
        &[
            &["api/backend", "api/counts"],
            &["bus/context", "bus/late", "bus/producer", "bus/watch"],
            &["engine/lanes", "engine/shell"],
            &[
                "store/archive",
                "store/list",
                "store/load",
                "store/overview",
                "store/session",
                "store/terms",
            ],
        ],
    ),
    ("participant", &[&["batch", "outside"]]),
    ("program", &[&["conformance/scale", "conformance/talk"]]),
    (
        "sagas",
        &[
            &["definition/builder", "definition/check", "definition/words"],
            &[
                "machine/entry",
                "machine/forward",
                "machine/order",
                "machine/point",
                "machine/saga",
                "machine/turn",
                "machine/unwind",
                "machine/wake",
            ],
            &["machine/late", "machine/reply"],
            &["testkit/participants", "testkit/promises"],
            &["testkit/person", "testkit/run"],
        ],
    ),
];

/// Re-exports that are followed from one path; no item of ours goes through as many.
const EXPORTS_MAX: usize = 8;

/// Names from the crate's root: `machine`, `order`.
type Names = Vec<String>;

/// Text of each file of a crate by its module.
type Sources = BTreeMap<Names, String>;

/// Files that each file names.
type Arrows = BTreeMap<Names, Vec<Names>>;

#[test]
fn no_circle_of_files_is_new() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.expect("the crate lies in the workspace");
    for (name, left) in LEFT {
        let mut sources = Sources::new();
        read(
            &root.join(name).join("src"),
            &mut Names::new(),
            &mut sources,
        );
        assert!(sources.len() > 1, "{name} has no files");
        let is_left = |circle: &BTreeSet<String>| {
            let mut left = left.iter();
            left.any(|left| circle.iter().all(|file| left.contains(&file.as_str())))
        };
        let mut new = circles(&sources);
        new.retain(|circle| !is_left(circle));
        assert!(new.is_empty(), "{name} has new circles of files: {new:#?}");
    }
}

#[test]
fn a_circle_is_found_through_lists_exports_and_expressions() {
    let circles_of = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(file, text)| {
            let names = file.split('/').filter(|name| !name.is_empty());
            (names.map(str::to_owned).collect(), plain(text))
        });
        circles(&files.collect())
    };
    let root = ("", "mod a;\nmod b;\nmod c;\npub use a::{A, Other};\n");
    let a = ("a", "use crate::b::{self, deep::{D, E}};\n");
    let b = ("b", "mod deep;\nfn f() -> u8 { super::c::g() }\n");
    let deep = ("b/deep", "use super::f;\npub struct D;\npub struct E;\n");
    let c = ("c", "use super::A;\n");
    let expected = ["a", "b", "c"].map(str::to_owned);
    let all = [root, a, b, deep, c];
    assert_eq!(circles_of(&all), [BTreeSet::from(expected)]);
    let commented = (
        "c",
        "// use super::A;\n#[cfg(test)]\nmod tests { use super::super::A; }\n",
    );
    assert!(circles_of(&[root, a, b, deep, commented]).is_empty());
}

fn read(folder: &Path, at: &mut Names, sources: &mut Sources) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.expect("its name is text");
        if matches!(stem, "tests" | "bin" | "main") {
            continue;
        }
        at.push(stem.to_owned());
        if path.is_dir() {
            read(&path, at, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source is text");
            let is_root = at.as_slice() == ["lib"];
            let names = if is_root { Names::new() } else { at.clone() };
            sources.insert(names, plain(&text));
        }
        at.pop();
    }
}

/// Source without comments and without the tests at its end.
fn plain(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next());
    lines
        .map(Option::unwrap_or_default)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Files that reach each other by arrows.
fn circles(sources: &Sources) -> Vec<BTreeSet<String>> {
    let arrows: Arrows = sources
        .keys()
        .map(|file| (file.clone(), arrows(sources, file)))
        .collect();
    let reached: BTreeMap<_, _> = sources
        .keys()
        .map(|file| (file, reached_from(&arrows, file)))
        .collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(*file) {
            let back = others.iter().filter(|other| reached[other].contains(*file));
            circles.insert(back.map(|names| names.join("/")).collect::<BTreeSet<_>>());
        }
    }
    circles.into_iter().collect()
}

fn reached_from(arrows: &Arrows, file: &Names) -> BTreeSet<Names> {
    let mut open = vec![file];
    let mut reached = BTreeSet::new();
    while let Some(from) = open.pop() {
        for to in &arrows[from] {
            if reached.insert(to.clone()) {
                open.push(to);
            }
        }
    }
    reached
}

fn arrows(sources: &Sources, from: &Names) -> Vec<Names> {
    let text = &sources[from];
    let paths = imports(text).into_iter().chain(expressions(text));
    let files = paths.filter_map(|path| file_of(sources, from, &path, EXPORTS_MAX));
    let is_family = |to: &Names| to.starts_with(from) || from.starts_with(to);
    files.filter(|to| !is_family(to)).collect()
}

/// The file that has the item at `path`, as `from` names it; `None` where it is of another crate.
fn file_of(sources: &Sources, from: &Names, path: &[String], exports: usize) -> Option<Names> {
    let mut at = from.clone();
    let mut rest = path;
    while let [first, others @ ..] = rest {
        match first.as_str() {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    let is_ours = rest.len() < path.len();
    while let [first, others @ ..] = rest {
        at.push(first.clone());
        if !sources.contains_key(&at) {
            at.pop();
            break;
        }
        rest = others;
    }
    if !is_ours && at == *from {
        return None;
    }
    let exported = rest.first().filter(|_| exports > 0).and_then(|item| {
        let imports = imports(&sources[&at]).into_iter();
        let mut named = imports.filter(|path| path.last() == Some(item) && path.len() > 1);
        named.find_map(|path| file_of(sources, &at, &path, exports - 1))
    });
    Some(exported.unwrap_or(at))
}

/// Paths of all `use` declarations.
fn imports(text: &str) -> Vec<Names> {
    let mut paths = Vec::new();
    for statement in text.split(';') {
        if let Some((before, tree)) = statement.rsplit_once("use ")
            && !before.ends_with(|end: char| end.is_alphanumeric() || end == '_')
        {
            expand(tree.trim(), &Names::new(), &mut paths);
        }
    }
    paths
}

/// Paths of a tree as `a::{b, c::{d, e}}`.
fn expand(tree: &str, before: &Names, paths: &mut Vec<Names>) {
    let (head, list) = match tree.split_once('{') {
        Some((head, list)) => (head, list.trim_end().strip_suffix('}')),
        None => (tree, None),
    };
    let mut path = before.clone();
    let names = head
        .split("::")
        .filter_map(|name| name.split_whitespace().next());
    path.extend(names.map(str::to_owned));
    let Some(list) = list else {
        return paths.push(path);
    };
    let (mut depth, mut start) = (0_usize, 0);
    for (index, letter) in list.char_indices().chain([(list.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                let part = list[start..index].trim();
                start = index + 1;
                if !part.is_empty() {
                    expand(part, &path, paths);
                }
            }
            _ => {}
        }
    }
}

/// Paths that begin with `crate` or `super` wherever they stand.
fn expressions(text: &str) -> Vec<Names> {
    let starts = ["crate::", "super::"].into_iter();
    let starts = starts.flat_map(|word| text.match_indices(word));
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let whole = starts.filter(|(at, _)| !text[..*at].ends_with(is_part));
    let paths = whole.map(|(at, _)| {
        let path = text[at..].split(|letter| !is_part(letter)).next();
        let names = path.unwrap_or_default().split("::");
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    });
    paths.collect()
}
