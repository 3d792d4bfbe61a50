//! The comparison of all pairs: ratio by ratio, then their median and range.
//!
//! A ratio is new / baseline within one pair; medians are taken of ratios, never a ratio of medians,
//! because only what ran side by side had the same machine.

use std::fmt;

use anyhow::ensure;
use serde_json::{Value, json};

use super::Tree;
use super::figures::{Figure, RATE};
use super::options::Options;
use super::pairs::{BASELINE, NEW, Pair};

/// What was compared, and what came of it.
#[derive(Debug)]
pub(super) struct Comparison {
    baseline: String,
    new: Tree,
    workload: String,
    orders: Vec<[usize; 2]>,
    rows: Vec<Row>,
}

/// One figure over all pairs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// The load and what it is: `2000 sagas/s`.
    pub(super) name: String,
    unit: String,
    is_rate: bool,
    /// By pair, the baseline's first.
    values: Vec<[f64; 2]>,
    pub(super) ratio: Spread,
}

/// The middle of some values, and their ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    least: f64,
    most: f64,
}

impl Comparison {
    pub(super) fn new(
        baseline: String,
        new: Tree,
        options: &Options,
        pairs: &[Pair],
    ) -> anyhow::Result<Self> {
        let first = pairs.first();
        let names = first.into_iter().flat_map(|pair| pair.figures[NEW].iter());
        let rows: Vec<Row> = names.filter_map(|figure| Row::new(figure, pairs)).collect();
        ensure!(!rows.is_empty(), "the two sides have no figure in common");
        Ok(Self {
            baseline,
            new,
            workload: options.workload.join(" "),
            orders: pairs.iter().map(|pair| pair.order).collect(),
            rows,
        })
    }

    /// The rate that fares worst.
    pub(super) fn least_rate(&self) -> Option<&Row> {
        let rates = self.rows.iter().filter(|row| row.is_rate);
        rates.min_by(|one, other| one.ratio.median.total_cmp(&other.ratio.median))
    }

    pub(super) fn json(&self) -> Value {
        let row = |row: &Row| {
            let Spread {
                median,
                least,
                most,
            } = row.ratio;
            json!({
                "name": row.name,
                "unit": row.unit,
                "pairs": row.values.iter().map(|[baseline, new]| {
                    json!({ "baseline": baseline, "new": new })
                }).collect::<Vec<_>>(),
                "ratio": { "median": median, "least": least, "most": most },
            })
        };
        json!({
            "baseline": { "commit": self.baseline },
            "new": { "commit": self.new.commit, "is_dirty": self.new.is_dirty },
            "workload": self.workload,
            "first": self.orders.iter().map(|order| side(order[0])).collect::<Vec<_>>(),
            "figures": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    /// Nothing when a pair lacks it, or the baseline's is zero, of which there is no ratio.
    fn new(figure: &Figure, pairs: &[Pair]) -> Option<Self> {
        let values = pairs.iter().map(|pair| {
            let [baseline, new] = &pair.figures;
            let [baseline, new] = [baseline.like(figure)?.value, new.like(figure)?.value];
            (baseline > 0.0).then_some([baseline, new])
        });
        let values: Vec<[f64; 2]> = values.collect::<Option<_>>()?;
        let name = format!("{} {}", figure.load, figure.name);
        Some(Self {
            name: name.trim_start().to_owned(),
            unit: figure.unit.clone(),
            is_rate: figure.name == RATE,
            ratio: Spread::of(values.iter().map(|[baseline, new]| new / baseline))?,
            values,
        })
    }

    fn spread(&self, side: usize) -> Option<Spread> {
        Spread::of(self.values.iter().map(|values| values[side]))
    }
}

impl Spread {
    /// Nothing of nothing. Of an even number, the middle lies between the two in the middle.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let [least, most] = [*values.first()?, *values.last()?];
        let (below, above) = ((values.len() - 1) / 2, values.len() / 2);
        Some(Self {
            median: f64::midpoint(values[below], values[above]),
            least,
            most,
        })
    }
}

fn side(place: usize) -> &'static str {
    if place == BASELINE { "baseline" } else { "new" }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dirty = if self.new.is_dirty {
            ", with uncommitted changes"
        } else {
            ""
        };
        writeln!(f, "baseline  {}", self.baseline)?;
        writeln!(f, "new       {}{dirty}", self.new.commit)?;
        let pairs = self.orders.len();
        writeln!(f, "runs      bench {}; pairs: {pairs}", self.workload)?;
        for row in self.rows.iter().filter(|row| row.is_rate) {
            writeln!(f, "\n{}", row.name)?;
            for (number, ([baseline, new], order)) in
                row.values.iter().zip(&self.orders).enumerate()
            {
                let (number, ratio, first) = (number + 1, new / baseline, side(order[0]));
                write!(
                    f,
                    "  pair {number:2}  baseline {baseline:8.0}  new {new:8.0}"
                )?;
                writeln!(f, "  ratio {ratio:.3}  ({first} first)")?;
            }
        }
        let title = "ratio new / baseline";
        write!(
            f,
            "\n{title:40}  median  (from … to …)  medians: baseline, new"
        )?;
        for row in &self.rows {
            let Spread {
                median,
                least,
                most,
            } = row.ratio;
            write!(
                f,
                "\n  {:38}  {median:.3}  ({least:.3} to {most:.3})",
                row.name
            )?;
            if let [Some(baseline), Some(new)] = [BASELINE, NEW].map(|side| row.spread(side)) {
                let (baseline, new, unit) = (baseline.median, new.median, &row.unit);
                let digits = if baseline < 100.0 { 3 } else { 0 };
                write!(f, "  {baseline:.digits$}, {new:.digits$} {unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Figures;
    use super::*;

    fn figures(rate: f64, p50: f64) -> Figures {
        let load = json!({ "name": "2000", "sagas_per_second": rate, "p50_ms": p50,
            "p99_ms": 0.0, "rounds": [] });
        let document = json!({ "loads": [load], "figures": [] });
        Figures::read(document.to_string().as_bytes()).unwrap()
    }

    fn comparison(rates: &[[f64; 2]]) -> Comparison {
        let pair = |[baseline, new]: &[f64; 2]| Pair {
            order: [BASELINE, NEW],
            figures: [figures(*baseline, 200.0), figures(*new, 100.0)],
        };
        let new = Tree {
            commit: "bbb".to_owned(),
            is_dirty: true,
        };
        let options = Options::parse(&["--baseline=a".to_owned()], &[]).unwrap();
        let pairs: Vec<Pair> = rates.iter().map(pair).collect();
        Comparison::new("aaa".to_owned(), new, &options, &pairs).unwrap()
    }

    #[test]
    fn the_median_lies_in_the_middle_or_between_the_two_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let expected = |median, least, most| {
            Some(Spread {
                median,
                least,
                most,
            })
        };
        assert_eq!(spread(&[3.0, 1.0, 2.0]), expected(2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), expected(2.5, 1.0, 4.0));
        assert_eq!(spread(&[7.0]), expected(7.0, 7.0, 7.0));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_pair_before_their_median() {
        // The machine halved its speed: a ratio of medians would say 1.0.
        let comparison = comparison(&[[100.0, 90.0], [50.0, 45.0], [200.0, 100.0]]);
        let least = comparison.least_rate().unwrap();
        assert_eq!(least.name, "2000 sagas/s");
        assert!((least.ratio.median - 0.9).abs() < 1e-9, "{least:?}");
        assert!((least.ratio.least - 0.5).abs() < 1e-9, "{least:?}");
    }

    #[test]
    fn the_text_names_both_commits_each_pair_and_the_ratio() {
        let text = comparison(&[[100.0, 95.0]]).to_string();
        for part in [
            "baseline  aaa",
            "new       bbb, with uncommitted changes",
            "bench steps3 --seconds 20",
            "pair  1  baseline      100  new       95  ratio 0.950  (baseline first)",
            "0.950  (0.950 to 0.950)",
            "0.500  (0.500 to 0.500)",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        // The baseline's was zero.
        assert!(!text.contains("p99"), "{text}");
    }

    #[test]
    fn the_json_has_what_the_text_has() {
        let json = comparison(&[[100.0, 95.0], [100.0, 105.0]]).json();
        assert_eq!(json["new"], json!({ "commit": "bbb", "is_dirty": true }));
        assert_eq!(json["first"], json!(["baseline", "baseline"]));
        let rate = &json["figures"][0];
        assert_eq!(rate["name"], "2000 sagas/s");
        assert_eq!(rate["pairs"][1], json!({ "baseline": 100.0, "new": 105.0 }));
        assert_eq!(rate["ratio"]["median"], 1.0);
    }
}
