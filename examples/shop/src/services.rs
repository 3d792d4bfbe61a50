//! The four services: their names, their schemas and their seeds.

use sagas_participant::{HandlerError, Received, Rejection, Service, Settings};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{PgConnection, PgPool};

use crate::{inventory, orders, payments, seed, shipping};

static ORDERS: Migrator = sqlx::migrate!("migrations/orders");
static INVENTORY: Migrator = sqlx::migrate!("migrations/inventory");
static PAYMENTS: Migrator = sqlx::migrate!("migrations/payments");
static SHIPPING: Migrator = sqlx::migrate!("migrations/shipping");

/// What a handler answers: a reply or a refusal for each command of the batch, in its order.
pub type Answers<R> = Result<Vec<Result<R, Rejection>>, HandlerError>;

/// What a batch asks for; who asks does not matter in this business.
pub(crate) fn commands<C>(batch: Vec<Received<C>>) -> Vec<C> {
    batch.into_iter().map(|received| received.command).collect()
}

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

    /// The service with its handlers.
    pub fn service(self, settings: Settings) -> Service {
        let service = Service::new(self.as_str(), settings);
        match self {
            Self::Orders => service
                .handle_batch(orders::create_order)
                .handle_batch(orders::cancel_order)
                .handle_batch(orders::confirm_order),
            Self::Inventory => service
                .handle_batch(inventory::reserve_stock)
                .handle_batch(inventory::release_stock),
            Self::Payments => service
                .handle_batch(payments::authorize_payment)
                .handle_batch(payments::void_payment)
                .handle_batch(payments::capture_payment),
            Self::Shipping => service
                .handle_batch(shipping::create_shipment)
                .handle_batch(shipping::cancel_shipment),
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
