//! The figures of one run, out of the JSON document that `bench NAME --json` prints.
//!
//! Only what documents of all commits have is asked for by name; a figure that one side lacks is
//! left out of the comparison, not guessed.

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// A rate: what `--at-least` is about.
pub(super) const RATE: &str = "sagas/s";

/// One number of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// The load that it was found with, empty for what is about the whole run.
    pub(super) load: String,
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) value: f64,
}

/// All numbers of a run that are compared, in the order of the document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figures(Vec<Figure>);

impl Figures {
    /// Understands a document.
    pub(super) fn read(document: &[u8]) -> anyhow::Result<Self> {
        let document: Value = serde_json::from_slice(document)?;
        let mut all = Vec::new();
        for load in document["loads"].as_array().context("it has no `loads`")? {
            all.extend(of_load(load)?);
        }
        for figure in document["figures"].as_array().into_iter().flatten() {
            let words = (figure["name"].as_str(), figure["unit"].as_str());
            if let ((Some(name), Some(unit)), Some(value)) = (words, figure["value"].as_f64()) {
                all.push(new("", name, unit, value));
            }
        }
        // What the disk did at that moment; every rate depends on it.
        if let Some(commit) = document["machine"]["single_commit_ms"].as_f64() {
            all.push(new("", "single commit", "ms", commit));
        }
        ensure!(!all.is_empty(), "it has no figures");
        Ok(Self(all))
    }

    /// The one that is the same thing as this, in this run.
    pub(super) fn like(&self, other: &Figure) -> Option<&Figure> {
        let is_like = |figure: &&Figure| {
            (&figure.load, &figure.name, &figure.unit) == (&other.load, &other.name, &other.unit)
        };
        self.0.iter().find(is_like)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Figure> {
        self.0.iter()
    }

    /// The rates in one line, for those who wait.
    pub(super) fn rates(&self) -> String {
        let rates = self.0.iter().filter(|figure| figure.name == RATE);
        let one = |figure: &Figure| format!("{}: {:.0} {RATE}", figure.load, figure.value);
        rates.map(one).collect::<Vec<_>>().join(", ")
    }
}

fn of_load(load: &Value) -> anyhow::Result<Vec<Figure>> {
    let name = load["name"].as_str().context("a load has no `name`")?;
    let number = |field: &str| {
        let number = load[field].as_f64();
        number.with_context(|| format!("the load {name} has no `{field}`"))
    };
    let mut all = vec![
        new(name, RATE, "", number("sagas_per_second")?),
        new(name, "p50", "ms", number("p50_ms")?),
        new(name, "p99", "ms", number("p99_ms")?),
    ];
    all.extend(processors(name, load));
    Ok(all)
}

/// Processor time per saga of each part, over all rounds; replicas count together.
fn processors(name: &str, load: &Value) -> Vec<Figure> {
    let mut parts: Vec<(String, f64)> = Vec::new();
    let mut sagas = 0.0;
    for round in load["rounds"].as_array().into_iter().flatten() {
        let rate = round["sagas_per_second"].as_f64().unwrap_or_default();
        let seconds = round["seconds"].as_f64().unwrap_or_default();
        sagas += rate * seconds;
        for share in round["shares"].as_array().into_iter().flatten() {
            let (Some(part), Some(busy)) = (share["name"].as_str(), share["processors"].as_f64())
            else {
                continue;
            };
            let part = part.trim_end_matches(|end: char| end == '-' || end.is_ascii_digit());
            match parts.iter_mut().find(|(known, _)| known == part) {
                Some((_, all)) => *all += busy * seconds,
                None => parts.push((part.to_owned(), busy * seconds)),
            }
        }
    }
    if sagas <= 0.0 {
        return Vec::new();
    }
    let per_saga = |(part, all): (String, f64)| {
        let part = format!("processor of {part}");
        new(name, &part, "ms a saga", all * 1000.0 / sagas)
    };
    parts.into_iter().map(per_saga).collect()
}

fn new(load: &str, name: &str, unit: &str, value: f64) -> Figure {
    Figure {
        load: load.to_owned(),
        name: name.to_owned(),
        unit: unit.to_owned(),
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As 02bc92b prints it, cut to what is read and a field that is not.
    const DOCUMENT: &str = r#"{
        "machine": { "processors": 2, "single_commit_ms": 0.5 }, "workload": "steps3",
        "loads": [ { "name": "2000", "in_flight": 2000, "sagas_per_second": 4000.0,
          "p50_ms": 250.0, "p99_ms": 450.0, "rounds": [ { "seconds": 2.0,
            "sagas_per_second": 4000.0, "shares": [
              { "name": "postgres", "processors": 0.8, "rss_mb": 1.0 },
              { "name": "orchestrator-1", "processors": 0.5, "rss_mb": 1.0 },
              { "name": "orchestrator-2", "processors": 0.3, "rss_mb": 1.0 } ] } ] } ],
        "figures": [ { "name": "orchestrator rss", "value": 115.0, "unit": "MB" } ] }"#;

    #[test]
    fn a_document_gives_its_loads_and_its_figures() {
        let figures = Figures::read(DOCUMENT.as_bytes()).unwrap();
        let lines: Vec<_> = figures
            .iter()
            .map(|f| format!("{} {} {:.2} {}", f.load, f.name, f.value, f.unit))
            .collect();
        let expected = [
            "2000 sagas/s 4000.00 ",
            "2000 p50 250.00 ms",
            "2000 p99 450.00 ms",
            "2000 processor of postgres 0.20 ms a saga",
            "2000 processor of orchestrator 0.20 ms a saga",
            " orchestrator rss 115.00 MB",
            " single commit 0.50 ms",
        ];
        assert_eq!(lines, expected);
        assert_eq!(figures.rates(), "2000: 4000 sagas/s");
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        for text in ["", "{}", r#"{"loads":[]}"#, r#"{"loads":[{"name":"a"}]}"#] {
            assert!(Figures::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
