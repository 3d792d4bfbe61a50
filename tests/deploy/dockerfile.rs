//! `Dockerfile`, checked against the repository: every path that it copies and every program that it
//! builds exists, and nothing that cargo needs is left out.
//!
//! It reads the instructions that the file uses, in their exec and plain forms; it is no builder.

use std::collections::BTreeSet;
use std::path::Path;

use crate::repository::{self, Workspace};

/// Where cargo writes release programs.
const RELEASE: &str = "target/release/";

/// An instruction with its words, continued lines joined.
struct Instruction {
    name: String,
    words: Vec<String>,
}

/// The programs of the workspace that the last stage holds.
pub(crate) fn programs(text: &str) -> BTreeSet<String> {
    let copied = copied_last(text).into_iter();
    let programs = copied.filter(|(_, to)| to == "/usr/local/bin/");
    programs
        .map(|(from, _)| file_name(&from).to_owned())
        .collect()
}

/// Other files that the last stage holds, by their place in it.
pub(crate) fn tools(text: &str) -> BTreeSet<String> {
    let copied = copied_last(text).into_iter();
    copied
        .map(|(_, to)| to)
        .filter(|to| !to.ends_with('/'))
        .collect()
}

/// What the last stage copies, and to where.
fn copied_last(text: &str) -> Vec<(String, String)> {
    let all = instructions(text);
    let last = all.iter().rposition(|one| one.name == "FROM").unwrap_or(0);
    let copies = all[last..].iter().filter(|one| one.name == "COPY");
    copies
        .flat_map(|copy| {
            let to = copy.words.last().cloned().unwrap_or_default();
            let from = sources(copy).into_iter().map(str::to_owned);
            from.map(|from| (from, to.clone())).collect::<Vec<_>>()
        })
        .collect()
}

/// Everything that is wrong with the text.
pub(crate) fn problems(text: &str, ignored: &str, workspace: &Workspace) -> Vec<String> {
    let all = instructions(text);
    let mut problems = Vec::new();
    let mut copied = Vec::new();
    let mut stages = BTreeSet::new();
    for one in &all {
        match one.name.as_str() {
            "FROM" => {
                problems.extend(image(&one.words, workspace));
                stages.extend(one.words.get(2).cloned());
            }
            "COPY" => match option(one, "--from=") {
                Some(stage) if !stages.contains(stage) => {
                    problems.push(format!("copies from {stage}, which is no stage above"));
                }
                Some(_) => {}
                None => {
                    problems.extend(sources(one).into_iter().filter_map(|p| path(p, ignored)));
                    copied.extend(sources(one));
                }
            },
            "RUN" => problems.extend(build(&one.words, workspace)),
            _ => {}
        }
    }
    for member in workspace.members() {
        if !copied.iter().any(|folder| member.starts_with(folder)) {
            problems.push(format!("the member {} is not copied", member.display()));
        }
    }
    problems.extend(held(text, &all));
    problems
}

/// A path of the build context must exist and must not be ignored.
fn path(path: &str, ignored: &str) -> Option<String> {
    if !repository::root().join(path).exists() {
        return Some(format!("copies {path}, which does not exist"));
    }
    let patterns = ignored
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut hit = patterns.filter(|pattern| Path::new(path).starts_with(pattern));
    hit.next()
        .map(|pattern| format!("copies {path}, but .dockerignore has {pattern}"))
}

/// The compiler must be one that the workspace accepts.
fn image(words: &[String], workspace: &Workspace) -> Option<String> {
    let tag = words.first()?.strip_prefix("rust:")?;
    let version = tag.split('-').next().unwrap_or(tag);
    let (has, needs) = (numbers(version), numbers(workspace.rust_version()));
    (has < needs).then(|| format!("rust:{tag} is older than {}", workspace.rust_version()))
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect()
}

/// Every `--bin` must be a program of one of the packages, and only what is built can be installed.
fn build(words: &[String], workspace: &Workspace) -> Vec<String> {
    let after = |flag: &str| -> Vec<&str> {
        let pairs = words.windows(2).filter(|pair| pair[0] == flag);
        pairs.map(|pair| pair[1].as_str()).collect()
    };
    let (packages, built) = (after("--package"), after("--bin"));
    let programs = workspace.programs();
    let mut problems = Vec::new();
    for program in &built {
        match programs.get(program) {
            None => problems.push(format!("builds {program}, which is no program of cargo's")),
            Some(package) if !packages.contains(package) => {
                problems.push(format!("builds {program} without its package {package}"));
            }
            Some(_) => {}
        }
    }
    let installed = words.iter().filter_map(|word| word.strip_prefix(RELEASE));
    let unbuilt = installed.filter(|program| !built.contains(program));
    problems.extend(unbuilt.map(|program| format!("installs {program}, which it does not build")));
    problems
}

/// What is in the last stage must have been installed, and its command must be among it.
fn held(text: &str, all: &[Instruction]) -> Vec<String> {
    let words = all.iter().flat_map(|one| &one.words);
    let installed: BTreeSet<_> = words
        .filter_map(|word| word.strip_prefix(RELEASE))
        .collect();
    let held = programs(text);
    let missing = held
        .iter()
        .filter(|name| !installed.contains(name.as_str()));
    let mut problems: Vec<_> = missing
        .map(|name| format!("holds {name}, which is not installed"))
        .collect();
    let command = all
        .iter()
        .rfind(|one| one.name == "CMD")
        .and_then(|one| one.words.first());
    let command = command.map(|word| word.trim_matches(['[', ']', ',', '"']));
    if !command.is_some_and(|program| held.contains(program)) {
        problems.push(format!("starts {command:?}, which it does not hold"));
    }
    if !all
        .iter()
        .any(|one| one.name == "USER" && one.words[0] != "root")
    {
        problems.push("runs as root".to_owned());
    }
    problems
}

fn instructions(text: &str) -> Vec<Instruction> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some(Instruction {
                name: words.next()?,
                words: words.collect(),
            })
        })
        .collect()
}

/// What a COPY copies: all words but the options and the last one.
fn sources(copy: &Instruction) -> Vec<&str> {
    let words: Vec<_> = copy
        .words
        .iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let (_, sources) = words.split_last().unwrap_or((&words[0], &[]));
    sources.iter().map(|word| word.as_str()).collect()
}

fn option<'a>(one: &'a Instruction, name: &str) -> Option<&'a str> {
    one.words.iter().find_map(|word| word.strip_prefix(name))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
