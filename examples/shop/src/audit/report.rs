//! An audit as text for people.

use std::fmt;

use super::{About, Audit, Sum, Sums};

/// How many errors or open sagas are listed; the JSON has all.
const LISTED_MAX: usize = 50;

/// Prints the sums as a table, then what is wrong, then what is open, then the verdict.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a>(pub &'a Audit);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let audit = self.0;
        table(f, &audit.sums)?;
        for one in audit.wrong.iter().take(LISTED_MAX) {
            writeln!(f, "WRONG  {}: {}", one.about, one.what)?;
        }
        more(f, audit.wrong.len())?;
        for one in audit.open.iter().take(LISTED_MAX) {
            write!(f, "OPEN   saga {} is {}", one.saga, one.state)?;
            match one.order {
                Some(order) => writeln!(f, " (order {order})")?,
                None => writeln!(f)?,
            }
        }
        more(f, audit.open.len())?;
        match (audit.wrong.len(), audit.open.len()) {
            (0, 0) => write!(f, "The books agree, and every saga has ended."),
            (0, open) => write!(f, "The books agree; {open} sagas have not ended."),
            (wrong, 0) => write!(f, "{wrong} errors; every saga has ended."),
            (wrong, open) => write!(f, "{wrong} errors; {open} sagas have not ended."),
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(id) => write!(f, "order {id}"),
            Self::Saga(id) => write!(f, "saga {id}"),
            Self::Product(sku) => write!(f, "product {sku}"),
            Self::Customer(id) => write!(f, "customer {id}"),
            Self::Day(day) => write!(f, "shipping day {day}"),
        }
    }
}

fn more(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    match count.checked_sub(LISTED_MAX) {
        None | Some(0) => Ok(()),
        Some(left) => writeln!(f, "       … and {left} more"),
    }
}

fn table(f: &mut fmt::Formatter<'_>, sums: &Sums) -> fmt::Result {
    let saga = |state: &str| sums.sagas.get(state).copied().unwrap_or(0).to_string();
    let open = ["running", "compensating", "stuck"];
    head(f, ["", "count", "pieces", "cents"])?;
    row(f, "sagas completed", [saga("completed"), dash(), dash()])?;
    goods(f, "orders confirmed", sums.confirmed)?;
    row(f, "stock reserved", count_pieces(sums.reserved))?;
    row(f, "shipments planned", count_pieces(sums.shipped))?;
    row(f, "payments captured", count_cents(sums.captured))?;
    writeln!(f)?;
    row(
        f,
        "sagas compensated",
        [saga("compensated"), dash(), dash()],
    )?;
    goods(f, "orders cancelled", sums.cancelled)?;
    row(f, "payments authorized", count_cents(sums.authorized))?;
    goods(f, "orders pending", sums.pending)?;
    for state in open {
        let name = format!("sagas {state}");
        row(f, &name, [saga(state), dash(), dash()])?;
    }
    writeln!(f)?;
    row(
        f,
        "stock received",
        [dash(), sums.stock_received.to_string(), dash()],
    )?;
    let on_hand = sums.stock_on_hand + sums.reserved.pieces;
    row(
        f,
        "stock on hand + reserved",
        [dash(), on_hand.to_string(), dash()],
    )?;
    row(
        f,
        "credit used",
        [dash(), dash(), sums.credit_used_cents.to_string()],
    )?;
    let paid = sums.authorized.cents + sums.captured.cents;
    row(
        f,
        "authorized + captured",
        [dash(), dash(), paid.to_string()],
    )?;
    row(
        f,
        "shipping days booked",
        [dash(), sums.days_booked.to_string(), dash()],
    )?;
    row(
        f,
        "shipments planned",
        [dash(), sums.shipped.pieces.to_string(), dash()],
    )?;
    writeln!(f)
}

fn dash() -> String {
    "-".to_owned()
}

fn count_pieces(sum: Sum) -> [String; 3] {
    [sum.count.to_string(), sum.pieces.to_string(), dash()]
}

fn count_cents(sum: Sum) -> [String; 3] {
    [sum.count.to_string(), dash(), sum.cents.to_string()]
}

fn goods(f: &mut fmt::Formatter<'_>, name: &str, sum: Sum) -> fmt::Result {
    let cells = [
        sum.count,
        sum.pieces.unsigned_abs(),
        sum.cents.unsigned_abs(),
    ];
    row(f, name, cells.map(|cell| cell.to_string()))
}

fn head(f: &mut fmt::Formatter<'_>, [name, a, b, c]: [&str; 4]) -> fmt::Result {
    writeln!(f, "{name:<26}{a:>10}{b:>16}{c:>16}")
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, [a, b, c]: [String; 3]) -> fmt::Result {
    writeln!(f, "{name:<26}{a:>10}{b:>16}{c:>16}")
}
