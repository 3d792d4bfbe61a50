//! The four services: their names, their schemas and their seeds.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{PgConnection, PgPool};

use crate::seed;

static ORDERS: Migrator = sqlx::migrate!("migrations/orders");
static INVENTORY: Migrator = sqlx::migrate!("migrations/inventory");
static PAYMENTS: Migrator = sqlx::migrate!("migrations/payments");
static SHIPPING: Migrator = sqlx::migrate!("migrations/shipping");

/// One of the four services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ServiceName {
    /// What customers ordered.
    Orders,
    /// What is on the shelves.
    Inventory,
    /// What customers pay.
    Payments,
    /// What leaves on which day.
    Shipping,
}

impl ServiceName {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Orders,
        Self::Inventory,
        Self::Payments,
        Self::Shipping,
    ];

    /// The participant's name, which is also the name of its database in the demo.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Inventory => "inventory",
            Self::Payments => "payments",
            Self::Shipping => "shipping",
        }
    }

    /// Creates or updates the service's own tables.
    ///
    /// # Errors
    ///
    /// When the database fails, or has a schema of a later version.
    pub async fn migrate(self, pool: &PgPool) -> Result<(), MigrateError> {
        let migrator = match self {
            Self::Orders => &ORDERS,
            Self::Inventory => &INVENTORY,
            Self::Payments => &PAYMENTS,
            Self::Shipping => &SHIPPING,
        };
        migrator.run(pool).await
    }

    /// Puts products, stock, customers or days where there are none; see [`crate::workload`].
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn seed(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::Orders => seed::orders(connection).await,
            Self::Inventory => seed::inventory(connection).await,
            Self::Payments => seed::payments(connection).await,
            Self::Shipping => seed::shipping(connection).await,
        }
    }
}
