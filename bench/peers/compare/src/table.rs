//! What came of it: one line for each contestant and number in flight, with our rate as a multiple
//! of theirs.

use std::fmt::{self, Display, Formatter};

use load::{Figure, Report, best};
use serde::Serialize;

use crate::contestant::Contestant;

/// What came of one contestant.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was measured, and its books agree.
    Measured(Report),
    /// It could not be fetched or built, and why.
    Missing(String),
    /// It ran, and failed, and why.
    Failed(String),
}

/// Everybody's outcome, in the order of measurement.
#[derive(Debug)]
pub(crate) struct Table(pub(crate) Vec<(Contestant, Outcome)>);

/// An entry of the JSON list.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Row<'a> {
    Measured {
        name: &'static str,
        version: &'a str,
        #[serde(flatten)]
        figure: &'a Figure,
        /// Our sagas per second divided by theirs, at the same number in flight.
        #[serde(skip_serializing_if = "Option::is_none")]
        ours_by_theirs: Option<f64>,
    },
    Missing {
        name: &'static str,
        missing: &'a str,
    },
    Failed {
        name: &'static str,
        failed: &'a str,
    },
}

impl Table {
    /// Whether somebody was measured, and nobody ran and failed.
    pub(crate) fn is_sound(&self) -> bool {
        let outcomes = || self.0.iter().map(|(_, outcome)| outcome);
        outcomes().any(|outcome| matches!(outcome, Outcome::Measured(_)))
            && !outcomes().any(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// The list as JSON.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<Row<'_>> = self.rows().collect();
        serde_json::to_string_pretty(&rows).expect("strings and numbers are JSON")
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.0.iter().flat_map(|(contestant, outcome)| {
            let name = contestant.name();
            match outcome {
                Outcome::Missing(missing) => vec![Row::Missing { name, missing }],
                Outcome::Failed(failed) => vec![Row::Failed { name, failed }],
                Outcome::Measured(Report { version, figures }) => figures
                    .iter()
                    .map(|figure| Row::Measured {
                        name,
                        version,
                        figure,
                        ours_by_theirs: self.ours_by(*contestant, figure),
                    })
                    .collect(),
            }
        })
    }

    /// Our rate divided by theirs at the same number in flight; `None` for ourselves.
    fn ours_by(&self, contestant: Contestant, theirs: &Figure) -> Option<f64> {
        let is_same = |ours: &&Figure| ours.in_flight == theirs.in_flight;
        let ours = self.ours()?.iter().find(is_same)?;
        (contestant != Contestant::Ours).then(|| ratio(ours, theirs))
    }

    fn ours(&self) -> Option<&[Figure]> {
        self.0
            .iter()
            .find_map(|(contestant, outcome)| match outcome {
                Outcome::Measured(report) if *contestant == Contestant::Ours => {
                    Some(report.figures.as_slice())
                }
                Outcome::Measured(_) | Outcome::Missing(_) | Outcome::Failed(_) => None,
            })
    }

    /// One line for each: the best of each, whatever number in flight gave it.
    fn write_best(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\n\nthe best of each")?;
        let ours = self.ours().and_then(best);
        for (contestant, outcome) in &self.0 {
            let Outcome::Measured(report) = outcome else {
                continue;
            };
            let Some(figure) = best(&report.figures) else {
                continue;
            };
            let of_others = ours.filter(|_| *contestant != Contestant::Ours);
            write_line(
                f,
                contestant.name(),
                &report.version,
                figure,
                of_others.map(|ours| ratio(ours, figure)),
            )?;
        }
        Ok(())
    }
}

fn ratio(ours: &Figure, theirs: &Figure) -> f64 {
    ours.sagas_per_second / theirs.sagas_per_second.max(f64::EPSILON)
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<14} {:<20} {:>9} {:>8} {:>9} {:>9} {:>13}  rounds",
            "", "version", "in flight", "sagas/s", "p50 ms", "p99 ms", "ours / theirs"
        )?;
        for row in self.rows() {
            match row {
                Row::Missing { name, missing } => write!(f, "\n{name:<14} missing: {missing}")?,
                Row::Failed { name, failed } => write!(f, "\n{name:<14} failed: {failed}")?,
                Row::Measured {
                    name,
                    version,
                    figure,
                    ours_by_theirs,
                } => write_line(f, name, version, figure, ours_by_theirs)?,
            }
        }
        self.write_best(f)
    }
}

fn write_line(
    f: &mut Formatter<'_>,
    name: &str,
    version: &str,
    figure: &Figure,
    ours_by_theirs: Option<f64>,
) -> fmt::Result {
    let Figure {
        in_flight,
        sagas_per_second,
        rounds,
        p50_ms,
        p99_ms,
    } = figure;
    let ratio = ours_by_theirs.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    write!(
        f,
        "\n{name:<14} {version:<20} {in_flight:>9} {sagas_per_second:>8.0} {p50_ms:>9.1} {p99_ms:>9.1} {ratio:>13} "
    )?;
    for round in rounds {
        write!(f, " {round:.0}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rates: &[(usize, f64)]) -> Outcome {
        let figure = |&(in_flight, sagas_per_second): &(usize, f64)| Figure {
            in_flight,
            sagas_per_second,
            rounds: vec![sagas_per_second],
            p50_ms: 1.0,
            p99_ms: 2.0,
        };
        Outcome::Measured(Report {
            version: "1.0".to_owned(),
            figures: rates.iter().map(figure).collect(),
        })
    }

    fn table() -> Table {
        Table(vec![
            (Contestant::Ours, measured(&[(64, 600.0), (512, 3000.0)])),
            (
                Contestant::Restate,
                measured(&[(64, 1200.0), (512, 1000.0)]),
            ),
            (Contestant::Dbos, Outcome::Missing("no network".to_owned())),
        ])
    }

    #[test]
    fn ratios_are_ours_by_theirs_at_the_same_number_and_between_the_best() {
        let text = table().to_string();
        let ratios: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("Restate"))
            .filter_map(|line| line.split_whitespace().nth(6))
            .collect();
        assert_eq!(ratios, ["0.50", "3.00", "2.50"], "{text}");
    }

    #[test]
    fn a_missing_peer_has_a_line_with_the_reason_and_is_no_failure() {
        let table = table();
        assert!(table.to_string().contains("missing: no network"));
        assert!(table.is_sound());
    }

    #[test]
    fn a_failed_peer_and_an_empty_table_are_failures() {
        let mut table = table();
        table
            .0
            .push((Contestant::Dtmrs, Outcome::Failed("books".to_owned())));
        assert!(!table.is_sound());
        assert!(!Table(Vec::new()).is_sound());
    }

    #[test]
    fn the_json_is_a_flat_list() {
        let list: serde_json::Value = serde_json::from_str(&table().json()).unwrap();
        assert_eq!(list[0]["name"], "ours");
        assert_eq!(list[0]["ours_by_theirs"], serde_json::Value::Null);
        assert_eq!(list[2]["in_flight"], 64);
        assert_eq!(list[2]["ours_by_theirs"], 0.5);
        assert_eq!(list[4]["missing"], "no network");
    }
}
