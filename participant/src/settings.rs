//! What a service has to know of its surroundings.

use std::fmt;
use std::time::Duration;

use sagas::wire::topics;
use sqlx::PgPool;

use crate::Error;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where Kafka and the database are, and the bounds. [`Settings::new`] has the defaults.
#[derive(Clone)]
pub struct Settings {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// The prefix of all topics: `saga`.
    pub prefix: String,
    /// The service's own database, which holds its inbox; `None` for a service whose effects lie
    /// elsewhere ([`Service::handle_outside`](crate::Service::handle_outside)).
    ///
    /// Give the pool a lifetime (sqlx's `max_lifetime`, half an hour if it is not set) and an
    /// `acquire_timeout` of a few seconds. A connection that turns out to lead to a standby, or whose
    /// prepared statements the server refuses, is closed and opened again. `synchronous_commit` stays
    /// `on` (or `remote_write`, `remote_apply`): an answer is sent once its COMMIT returns.
    pub database: Option<PgPool>,
    /// How many partitions the command topic gets if it has to be created: 4. Each
    /// is a request of its own to the broker: no more of them than instances to come.
    pub partitions: i32,
    /// Its replication factor; -1, the default, leaves it to the broker.
    pub replication: i32,
    /// Its retention: how late a command can still come. 7 days.
    pub command_retention: Duration,
    /// The oldest that a saga can get: 30 days.
    pub saga_age_max: Duration,
    /// How long inbox rows are kept: 45 days. Purged hourly, by whole days.
    pub inbox_retention: Duration,
    /// The most commands in one transaction: 500.
    pub batch_max: usize,
    /// The longest that one statement of a handler may run or wait for a lock: 30 s. What exceeds it is
    /// answered `failed`, code `handler-timeout`, and commands beside it are run without it. It is
    /// `statement_timeout` and `lock_timeout` of the transaction, so a handler can set its own.
    pub handler_timeout: Duration,
    /// How long a stop may take: 10 s.
    pub stop_within: Duration,
    /// Further settings of librdkafka, for TLS and SASL. They win over the SDK's own.
    pub kafka: Vec<(String, String)>,
}

/// Values of [`Settings::kafka`] may be passwords and are not shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kafka: Vec<&str> = self.kafka.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("prefix", &self.prefix)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("command_retention", &self.command_retention)
            .field("saga_age_max", &self.saga_age_max)
            .field("inbox_retention", &self.inbox_retention)
            .field("batch_max", &self.batch_max)
            .field("handler_timeout", &self.handler_timeout)
            .field("stop_within", &self.stop_within)
            .field("kafka", &kafka)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The defaults.
    #[must_use]
    pub fn new(brokers: impl Into<String>, database: PgPool) -> Self {
        Self {
            database: Some(database),
            ..Self::without_database(brokers)
        }
    }

    /// The defaults of a service without a database of its own, hence without an inbox.
    #[must_use]
    pub fn without_database(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            prefix: "saga".to_owned(),
            database: None,
            partitions: topics::COMMAND_PARTITIONS,
            replication: topics::REPLICATION,
            command_retention: topics::RETENTION,
            saga_age_max: DAY * 30,
            inbox_retention: DAY * 45,
            batch_max: 500,
            handler_timeout: Duration::from_secs(30),
            stop_within: Duration::from_secs(10),
            kafka: Vec::new(),
        }
    }

    /// How long a row may still be asked for.
    pub(crate) fn rows_needed_for(&self) -> Duration {
        self.saga_age_max + self.command_retention
    }

    pub(crate) fn check_retention(&self) -> Result<(), Error> {
        let (inbox, needed) = (self.inbox_retention, self.rows_needed_for());
        if inbox < needed {
            Err(Error::RetentionTooShort { inbox, needed })
        } else {
            Ok(())
        }
    }
}
