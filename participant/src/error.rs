//! Why a service could not start, stop or go on.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sagas::name::NameError;
use sagas::schema::Unfit;
use sagas::wire::topics::Finding;

/// Why a service could not start, stop or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The participant's or the prefix's name does not fit in a topic name.
    #[error("{what} {name:?} is not a name")]
    Name {
        /// Which of the two.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A handler is for a command of another participant.
    #[error("command {command} belongs to participant {owner}, this service is {service}")]
    ForeignCommand {
        /// The command's name.
        command: &'static str,
        /// Whose it is.
        owner: &'static str,
        /// Who registered the handler.
        service: String,
    },
    /// The handler needs a transaction and the service has no database, or the other way round.
    #[error("the handler of {command} and the service do not fit: {why}")]
    OtherSurroundings {
        /// The command's name.
        command: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// Two handlers were registered for one command.
    #[error("command {0} has two handlers")]
    TwoHandlers(&'static str),
    /// Rows would be dropped while commands that need them can still come.
    #[error(
        "inbox_retention {inbox:?} is shorter than saga_age_max + command_retention {needed:?}"
    )]
    RetentionTooShort {
        /// What is configured.
        inbox: Duration,
        /// The least that is safe.
        needed: Duration,
    },
    /// The inbox tables are of a release that this one does not work with, or of a build between releases.
    #[error("the inbox's schema does not fit this binary: {}; {}", .0, remedy(.0))]
    OtherSchema(Unfit),
    /// The inbox migration did not apply.
    #[error("apply the inbox migration")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The inbox could not be read or written at start or purge.
    #[error("{doing}")]
    Database {
        /// What was attempted.
        doing: &'static str,
        /// Why it did not work.
        source: sqlx::Error,
    },
    /// A purge up to this day would drop rows that commands still need.
    #[error("purge before {day}: sagas that started on or after {earliest} may still run")]
    PurgeTooNear {
        /// The day asked for.
        day: chrono::NaiveDate,
        /// The first day that has to stay.
        earliest: chrono::NaiveDate,
    },
    /// This process's clock is too far ahead of the database's for a purge, which goes by both.
    #[error(
        "this process's clock says {today}, the database's {database}: one is wrong, and rows that are \
         purged do not come back"
    )]
    ClockAhead {
        /// Day of this process's clock.
        today: chrono::NaiveDate,
        /// Day of the database's clock.
        database: chrono::NaiveDate,
    },
    /// The Kafka client did not work.
    #[error("{doing}")]
    Kafka {
        /// What was attempted.
        doing: &'static str,
        /// Why it did not work.
        source: KafkaError,
    },
    /// The command topic would lose commands.
    #[error("{0}")]
    Unfit(Finding),
    /// The command topic is absent and could not be created.
    #[error("create topic {topic}: {code}")]
    Topic {
        /// The topic.
        topic: String,
        /// What the broker said.
        code: RDKafkaErrorCode,
    },
    /// The producer met a fatal error and can never send again; start the service anew.
    #[error("the Kafka producer is broken; the log says why")]
    ProducerBroken,
    /// The thread that reads commands could not be started.
    #[error("start the thread that reads commands")]
    Thread {
        /// Why the system refused.
        source: std::io::Error,
    },
    /// A background task ended by a panic; its message is in the log.
    #[error("the service's {0} ended by a panic")]
    Panicked(&'static str),
    /// Work in hand did not end within the bound. What was not committed comes again.
    #[error("the service did not stop within {0:?}")]
    StopTimedOut(Duration),
}

fn remedy(unfit: &Unfit) -> &'static str {
    if unfit.is_newer() {
        "start a newer binary"
    } else {
        "nothing is converted: let the old binaries finish all sagas that are open, then drop the tables \
         saga_inbox, saga_inbox_watermark and saga_inbox_migrations"
    }
}
