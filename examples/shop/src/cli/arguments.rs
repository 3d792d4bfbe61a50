//! What the command line looks like.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::database::DatabaseArguments;
use crate::audit::Urls;
use crate::services::ServiceName;
use crate::stage::KafkaKind;

/// An order business on sagas: four services, an audit of all their books, and a demo.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
#[command(after_help = "\
Try it: `shop demo` starts everything on this machine and shows what happens to forty orders.
The orchestrator with the shop's sagas is a program of its own: `shop-orchestrator --help`.
Exit codes: 0 all is well; 1 something is wrong or failed; 2 wrong usage, or sagas that still run.")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Runs one of the four services until SIGTERM or Ctrl-C
    Service(ServiceArguments),
    /// Asks a service on this machine how it is
    #[command(after_help = "\
Exit codes: 0 the service can do its work; 1 it cannot, or gives no answer, and what is the matter
is printed; 2 wrong usage.")]
    Health(HealthArguments),
    /// Puts products, stock, customers or days into the database of a service, then exits
    Seed(SeedArguments),
    /// Places orders over REST, and waits for what becomes of each
    Submit(SubmitArguments),
    /// Reads all five databases and says whether the books agree
    #[command(after_help = "\
Exit codes: 0 the books agree and every saga has ended; 1 something is wrong, and each order that is
wrong is named; 2 nothing is wrong, but sagas still run or wait for a person.")]
    Audit(AuditArguments),
    /// Starts everything on this machine, places orders of which some are refused, and audits
    Demo(DemoArguments),
}

/// A service and its database.
#[derive(Debug, Clone, Args)]
pub(crate) struct SeedArguments {
    /// Which service
    #[arg(value_enum)]
    pub service: ServiceName,
    /// The service's own database.
    #[command(flatten)]
    pub database: DatabaseArguments,
}

/// Which service to ask.
#[derive(Debug, Clone, Args)]
pub(super) struct HealthArguments {
    /// The address that `shop service` was given under the same name
    #[arg(long, env = "SHOP_HEALTH_LISTEN", value_name = "ADDRESS:PORT")]
    pub(super) health_listen: SocketAddr,
}

/// How to run a service.
#[derive(Clone, Args)]
pub(crate) struct ServiceArguments {
    /// Service and database.
    #[command(flatten)]
    pub own: SeedArguments,
    /// Put products, stock, customers or days where there are none, before the start
    #[arg(long, env = "SHOP_SEED", value_parser = clap::builder::BoolishValueParser::new())]
    pub seed: bool,
    /// Most connections to the database
    #[arg(
        long,
        env = "SHOP_DATABASE_CONNECTIONS_MAX",
        value_name = "NUMBER",
        default_value_t = 8
    )]
    pub database_connections_max: u32,
    /// Brokers to ask first: host:port, separated by commas
    #[arg(
        long,
        env = "SAGA_BROKERS",
        value_name = "HOST:PORT,…",
        default_value = "127.0.0.1:9092"
    )]
    pub brokers: String,
    /// First part of every topic, as the orchestrator has it
    #[arg(
        long,
        visible_alias = "prefix",
        env = "SAGA_TOPIC_PREFIX",
        value_name = "PREFIX"
    )]
    #[arg(default_value = "saga")]
    pub topic_prefix: String,
    /// Partitions of the service's command topic, if it has to be created
    #[arg(
        long,
        env = "SAGA_COMMAND_PARTITIONS",
        value_name = "NUMBER",
        default_value_t = 4
    )]
    pub command_partitions: i32,
    /// Further librdkafka options, such as TLS and SASL: name=value;name=value
    #[arg(
        long,
        env = "SAGA_KAFKA_OPTIONS",
        value_name = "NAME=VALUE;…",
        default_value = ""
    )]
    #[arg(hide_env_values = true, hide_default_value = true)]
    pub kafka_options: String,
    /// Say at this address how the service is; without it, nobody can ask
    ///
    /// `shop health` asks there, and `GET /healthz` answers 200 or 503 with a word on database,
    /// broker and commands. Nothing secret is in it, and there is no sign-in: use 127.0.0.1.
    #[arg(long, env = "SHOP_HEALTH_LISTEN", value_name = "ADDRESS:PORT")]
    pub health_listen: Option<SocketAddr>,
    /// What is logged: error, warn, info, debug or trace
    #[arg(
        long,
        env = "SAGA_LOG_LEVEL",
        value_name = "FILTER",
        default_value = "info"
    )]
    pub log_level: String,
}

/// Without URL and Kafka options, which hold passwords.
impl std::fmt::Debug for ServiceArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceArguments")
            .field("service", &self.own.service)
            .finish_non_exhaustive()
    }
}

/// Which orders to place, and where.
#[derive(Debug, Clone, Args)]
pub(crate) struct SubmitArguments {
    /// The orchestrator
    #[arg(
        long,
        env = "SAGA_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub url: String,
    /// Which orders, and how fast.
    #[command(flatten)]
    pub orders: OrdersArguments,
}

/// Which orders, and how fast.
#[derive(Debug, Clone, Args)]
pub struct OrdersArguments {
    /// How many orders
    #[arg(long, value_name = "NUMBER", default_value_t = 40)]
    pub orders: u32,
    /// The same seed gives the same orders; placed again, they are the same sagas
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// How many percent of them are refused, in turn at every place where an order can be
    #[arg(long, value_name = "PERCENT", default_value_t = 40)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=100))]
    pub refused_percent: u32,
    /// Orders per second
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
}

/// Where the five databases are.
#[derive(Clone, Args)]
pub struct AuditArguments {
    /// The orchestrator's database
    #[arg(
        long,
        env = "SAGA_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub orchestrator: String,
    /// The database of orders
    #[arg(
        long,
        env = "SHOP_ORDERS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub orders: String,
    /// The database of inventory
    #[arg(
        long,
        env = "SHOP_INVENTORY_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub inventory: String,
    /// The database of payments
    #[arg(
        long,
        env = "SHOP_PAYMENTS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub payments: String,
    /// The database of shipping
    #[arg(
        long,
        env = "SHOP_SHIPPING_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub shipping: String,
    /// Print the audit as JSON
    #[arg(long)]
    pub json: bool,
}

impl AuditArguments {
    /// The five URLs.
    #[must_use]
    pub fn urls(&self) -> Urls {
        Urls {
            orchestrator: self.orchestrator.clone(),
            orders: self.orders.clone(),
            inventory: self.inventory.clone(),
            payments: self.payments.clone(),
            shipping: self.shipping.clone(),
        }
    }
}

/// Connection strings carry passwords.
impl std::fmt::Debug for AuditArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditArguments")
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// How to run the demo.
#[derive(Debug, Clone, Args)]
pub struct DemoArguments {
    /// Which broker: one inside the orchestrator's process, or a real Kafka (needs Java and `cargo
    /// xtask kafka`)
    #[arg(long, value_enum, default_value_t = KafkaKind::InProcess)]
    pub kafka: KafkaKind,
    /// Which orders, and how fast.
    #[command(flatten)]
    pub orders: OrdersArguments,
    /// End after the audit, with 0 if all is well and 1 if not
    #[arg(long)]
    pub once: bool,
    /// Keep the databases and logs here; without it, everything is gone at the end
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Port of REST and the dashboard on 127.0.0.1; by default 8080, or a free one if it is taken
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_argument_has_a_help_text() {
        for verb in Cli::command().get_subcommands() {
            for argument in verb.get_arguments() {
                let (verb, name) = (verb.get_name(), argument.get_id());
                assert!(argument.get_help().is_some(), "{verb} {name} has no help");
            }
        }
    }

    #[test]
    fn no_secret_is_in_a_debug_output() {
        let url = "postgres://saga:hunter2@db/orders";
        let line = ["shop", "service", "orders", "--database-url", url];
        let Verb::Service(arguments) = Cli::try_parse_from(line).unwrap().verb else {
            panic!("not a service")
        };
        assert!(!format!("{arguments:?}").contains("hunter2"));
    }
}
