//! A world for the shop, and orders in it: what demo, tests and benchmark run.
//!
//! Invariant: the same seed gives the same orders, and whether an order is confirmed, or where it is
//! refused, follows from the order alone, whatever runs beside it. Ordinary products, customers and
//! days have plenty; every refusal comes from one product or customer made for it.

use sagas::splitmix::{INCREMENT, scramble};
use uuid::Uuid;

use crate::commands::Line;
use crate::place_order::PlaceOrder;

/// Ordinary products: `sku-001`, `sku-002`, ….
pub const PRODUCTS: u32 = 200;
/// Pieces of each ordinary product: enough for some hundred million orders.
pub const PIECES: i64 = 1_000_000_000;
/// A product of which there is none.
pub const SKU_GONE: &str = "sku-gone";
/// A product that is ordered in masses.
pub const SKU_BULK: &str = "sku-bulk";
/// Pieces of one mass order: more than leave on any day.
pub const BULK_PIECES: u32 = 1_000_000;
/// Pieces that leave on one day: less than a mass order, enough for some 300 000 ordinary ones.
pub const PIECES_PER_DAY: i64 = 900_000;
/// Days that are planned ahead.
pub const DAYS: i32 = 60;
/// Ordinary customers: 1, 2, ….
pub const CUSTOMERS: u32 = 1_000;
/// What each ordinary customer may spend.
pub const CREDIT_CENTS: i64 = 100_000_000_000;
/// A customer whose credit covers no order.
pub const CUSTOMER_POOR: u32 = CUSTOMERS + 1;
/// A customer with credit, whose bank settles no order.
pub const CUSTOMER_BLOCKED: u32 = CUSTOMERS + 2;
/// Less than any order costs.
pub const CENTS_FEW: i64 = 100;

/// Name of an ordinary product, from 1.
#[must_use]
pub fn sku(product: u32) -> String {
    format!("sku-{product:03}")
}

/// Price of an ordinary product: from 150 to 1 149 cents.
#[must_use]
pub fn price_cents(product: u32) -> u32 {
    150 + product * 37 % 1_000
}

/// Where an order ends, and what makes it end there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Everything is there.
    Confirmed,
    /// The customer was told another price: `create-order`.
    PriceChanged,
    /// A product is gone: `reserve-stock`.
    OutOfStock,
    /// No credit: `authorize-payment`.
    CardDeclined,
    /// No stock and no credit: whichever of the two parallel steps answers first.
    OutOfStockAndCardDeclined,
    /// More than leaves on any day: `create-shipment`.
    NoCapacity,
    /// The bank does not settle it: `capture-payment`.
    CaptureDeclined,
}

impl Fate {
    /// Every way to be refused.
    pub const REFUSALS: [Self; 6] = [
        Self::PriceChanged,
        Self::OutOfStock,
        Self::CardDeclined,
        Self::OutOfStockAndCardDeclined,
        Self::NoCapacity,
        Self::CaptureDeclined,
    ];

    /// The steps that may refuse it; none for an order that is confirmed.
    #[must_use]
    pub fn refused_at(self) -> &'static [&'static str] {
        match self {
            Self::Confirmed => &[],
            Self::PriceChanged => &["create-order"],
            Self::OutOfStock => &["reserve-stock"],
            Self::CardDeclined => &["authorize-payment"],
            Self::OutOfStockAndCardDeclined => &["reserve-stock", "authorize-payment"],
            Self::NoCapacity => &["create-shipment"],
            Self::CaptureDeclined => &["capture-payment"],
        }
    }
}

/// An order, and what will become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The order.
    pub order: PlaceOrder,
    /// What will become of it.
    pub fate: Fate,
}

/// Orders without end.
#[derive(Debug, Clone)]
pub struct Workload {
    random: SplitMix64,
    refused_percent: u32,
    /// What is owed to the percentage, in hundredths of an order.
    debt: u32,
    next_refusal: usize,
}

impl Workload {
    /// Orders that follow from `seed`, of which `refused_percent` are refused, in turn at every
    /// possible place.
    #[must_use]
    pub fn new(seed: u64, refused_percent: u32) -> Self {
        Self {
            random: SplitMix64(seed),
            refused_percent: refused_percent.min(100),
            debt: 0,
            next_refusal: 0,
        }
    }

    fn fate(&mut self) -> Fate {
        self.debt += self.refused_percent;
        if self.debt < 100 {
            return Fate::Confirmed;
        }
        self.debt -= 100;
        let fate = Fate::REFUSALS[self.next_refusal % Fate::REFUSALS.len()];
        self.next_refusal += 1;
        fate
    }

    /// One or two products, one to three pieces of each, and what they cost.
    fn basket(&mut self) -> (Vec<Line>, u32) {
        let first = self.random.below(PRODUCTS) + 1;
        let mut products = vec![first];
        if self.random.below(2) == 0 {
            products.push(first % PRODUCTS + 1);
        }
        let mut cents = 0;
        let line = |product| {
            let quantity = self.random.below(3) + 1;
            cents += price_cents(product) * quantity;
            Line {
                sku: sku(product),
                quantity,
            }
        };
        let lines = products.into_iter().map(line).collect();
        (lines, cents)
    }
}

impl Iterator for Workload {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        let fate = self.fate();
        let (lines, cents) = self.basket();
        let mut order = PlaceOrder {
            order: self.random.uuid(),
            customer: self.random.below(CUSTOMERS) + 1,
            lines,
            cents,
        };
        match fate {
            Fate::Confirmed => {}
            Fate::PriceChanged => order.cents += 1,
            Fate::OutOfStock => add(&mut order, SKU_GONE, 1),
            Fate::CardDeclined => order.customer = CUSTOMER_POOR,
            Fate::OutOfStockAndCardDeclined => {
                add(&mut order, SKU_GONE, 1);
                order.customer = CUSTOMER_POOR;
            }
            Fate::NoCapacity => add(&mut order, SKU_BULK, BULK_PIECES),
            Fate::CaptureDeclined => order.customer = CUSTOMER_BLOCKED,
        }
        Some(Planned { order, fate })
    }
}

/// The two special products cost one cent a piece.
fn add(order: &mut PlaceOrder, sku: &str, quantity: u32) {
    order.cents += quantity;
    order.lines.push(Line {
        sku: sku.to_owned(),
        quantity,
    });
}

/// A counter whose scrambled states are the numbers: equal everywhere.
#[derive(Debug, Clone)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        let number = scramble(self.0);
        self.0 = self.0.wrapping_add(INCREMENT);
        number
    }

    /// A number below `bound`; the bias is far below what anybody could notice here.
    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).expect("a remainder is below its u32 divisor")
    }

    fn uuid(&mut self) -> Uuid {
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_orders_and_another_seed_gives_others() {
        let orders = |seed| Workload::new(seed, 30).take(50).collect::<Vec<_>>();
        assert_eq!(orders(7), orders(7));
        assert_ne!(orders(7), orders(8));
    }

    #[test]
    fn twenty_orders_meet_every_refusal() {
        let planned: Vec<_> = Workload::new(1, 30).take(20).collect();
        for fate in Fate::REFUSALS {
            let count = planned.iter().filter(|one| one.fate == fate).count();
            assert_eq!(count, 1, "{fate:?}");
        }
        assert_eq!(
            planned
                .iter()
                .filter(|one| one.fate == Fate::Confirmed)
                .count(),
            14
        );
    }

    #[test]
    fn no_ordinary_order_is_covered_by_little_money() {
        let cheapest = (1..=PRODUCTS).map(price_cents).min().unwrap();
        assert!(i64::from(cheapest) > CENTS_FEW);
    }
}
