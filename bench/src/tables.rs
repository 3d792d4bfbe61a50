//! The tables of `bench all`, in Markdown, and their place in `docs/performance.md`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::all::All;
use crate::report::Figure;

/// What is between these lines of the document is written by [`write`], the rest by hand.
const BEGIN: &str = "<!-- begin: written by `cargo xtask bench all --write` -->";
const END: &str = "<!-- end: written by `cargo xtask bench all --write` -->";

/// The document, from the root of the workspace.
const DOCUMENT: &str = "docs/performance.md";

/// All tables.
pub(crate) fn text(all: &All) -> String {
    let sections = [
        machine(all),
        goals(all),
        loads(all),
        shares(all),
        figures(all),
        peers(all),
    ];
    let sections = sections.into_iter().filter(|section| !section.is_empty());
    sections.collect::<Vec<_>>().join("\n")
}

/// Puts the tables into the document.
pub(crate) fn write(all: &All) -> anyhow::Result<()> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = package.parent().unwrap_or(package).join(DOCUMENT);
    let shown = file.display();
    let before = std::fs::read_to_string(&file).with_context(|| format!("read {shown}"))?;
    let after = replaced(&before, &text(all));
    let after = after.with_context(|| format!("{shown} has no place for the tables: {BEGIN}"))?;
    std::fs::write(&file, after).with_context(|| format!("write {shown}"))?;
    crate::progress(&format!("The tables are in {shown}."));
    Ok(())
}

/// `None` when the marks are not there.
fn replaced(document: &str, tables: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        tables.trim()
    ))
}

fn machine(all: &All) -> String {
    let machine = all.machine.to_string();
    format!("```\n{}\n```\n", machine.trim_end())
}

fn goals(all: &All) -> String {
    let mut table = "| | measured | must | aim | |\n|---|---|---|---|---|\n".to_owned();
    for goal in &all.goals {
        let measured = goal.measured.map_or_else(
            || "–".to_owned(),
            |value| format!("{} {}", number(value), goal.unit),
        );
        let (what, must, aim, verdict) = (goal.what, &goal.must, &goal.aim, goal.verdict.as_str());
        let _ = writeln!(
            table,
            "| {what} | {measured} | {must} | {aim} | {verdict} |"
        );
    }
    table
}

fn loads(all: &All) -> String {
    let mut table = "| workload | load | sagas/s (spread) | p50 ms | p99 ms | rows a commit | logged bytes a saga | bound by |\n\
        |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for report in &all.reports {
        for load in &report.loads {
            let rows = load.of(|window| window.rows_per_commit as f64);
            let logged = load.of(|window| window.logged_bytes_per_saga);
            let _ = writeln!(
                table,
                "| `{}` | {} | {:.0} ({:.0} %) | {:.1} | {:.1} | {rows:.0} | {logged:.0} | {} |",
                report.workload,
                load.name,
                load.sagas_per_second,
                load.spread_percent,
                load.p50_ms,
                load.p99_ms,
                load.bound_by
            );
        }
    }
    table
}

/// Processors that each process kept busy, and its memory, in the last round of each load.
fn shares(all: &All) -> String {
    let mut table = "| workload | load | processors (memory) |\n|---|---|---|\n".to_owned();
    for report in &all.reports {
        for load in &report.loads {
            let shares = load.rounds.last().map(|round| &round.window.shares);
            let shares: Vec<_> = shares
                .into_iter()
                .flatten()
                .map(ToString::to_string)
                .collect();
            let (workload, name, shares) = (report.workload, &load.name, shares.join(", "));
            let _ = writeln!(table, "| `{workload}` | {name} | {shares} |");
        }
    }
    table
}

fn figures(all: &All) -> String {
    let mut table = "| workload | | |\n|---|---|---|\n".to_owned();
    for report in &all.reports {
        for Figure { name, value, unit } in &report.figures {
            let (workload, value) = (report.workload, number(*value));
            let _ = writeln!(table, "| `{workload}` | {name} | {value} {unit} |");
        }
    }
    table
}

fn peers(all: &All) -> String {
    if all.peers.is_empty() {
        return String::new();
    }
    let head = "| peer | in flight | sagas/s | p50 ms | p99 ms |\n|---|---|---|---|---|\n";
    let mut table = head.to_owned();
    for peer in &all.peers {
        let (name, version) = (&peer.name, &peer.version);
        let _ = match &peer.figure {
            Some(figure) => writeln!(
                table,
                "| {name} {version} | {} | {:.0} | {:.1} | {:.1} |",
                figure.in_flight, figure.sagas_per_second, figure.p50_ms, figure.p99_ms
            ),
            None => writeln!(table, "| {name} | – | not measured | – | – |"),
        };
    }
    table
}

/// Three digits or more, none of them after the point of a large number.
fn number(value: f64) -> String {
    let digits = if value < 100.0 { 2 } else { 0 };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays() {
        let document = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let expected = format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n");
        let once = replaced(&document, "new\n").unwrap();
        assert_eq!(once, expected);
        assert_eq!(replaced(&once, "new\n").unwrap(), expected);
        assert_eq!(replaced("nothing", "new"), None);
    }

    #[test]
    fn the_document_has_a_place_for_the_tables() {
        let document = include_str!("../../docs/performance.md");
        assert!(replaced(document, "").is_some());
    }

    #[test]
    fn large_numbers_have_no_digits_after_the_point() {
        assert_eq!(number(6_123.4), "6123");
        assert_eq!(number(2.5), "2.50");
    }
}
