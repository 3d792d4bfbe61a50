//! Every setting, once: flag, variable, default and what `--help` says of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, Args, Command, ValueEnum};
use sagas::wire::topics;
use sagas_orchestrator::store::retention::Policy;

use super::{KafkaOptions, KeptByDefinition, Secret, Span};

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// A TOML file of settings: `shards = 64` sets what `--shards` and `SAGA_SHARDS` set
    ///
    /// A key is a flag's name with underscores. Flags win over variables, variables over the file,
    /// the file over defaults. A key that no command knows is an error.
    #[arg(long, env = "SAGA_CONFIG", value_name = "PATH", global = true)]
    pub config: Option<PathBuf>,

    /// How log lines look; `auto` is human on a terminal and JSON elsewhere
    #[arg(long, env = "SAGA_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    #[arg(global = true, help_heading = "Logging")]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug or trace; per module as in `info,sagas_orchestrator=debug`
    #[arg(
        long,
        env = "SAGA_LOG_LEVEL",
        value_name = "FILTER",
        default_value = "info,sqlx=warn"
    )]
    #[arg(global = true, help_heading = "Logging")]
    pub log_level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Human,
    /// One JSON object per line.
    Json,
}

/// Where the state of all sagas is kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Postgres")]
pub struct Postgres {
    /// The orchestrator's database: postgres://user:password@host:port/database
    ///
    /// Connection settings of libpq's kind follow as `?sslmode=verify-full`. The password is never
    /// printed.
    #[arg(
        long,
        env = "SAGA_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    #[arg(default_value = "postgres://postgres@127.0.0.1:5432/saga")]
    pub database_url: Secret,

    /// A file whose content is the database URL, as secret managers mount it
    #[arg(long, env = "SAGA_DATABASE_URL_FILE", value_name = "PATH")]
    pub database_url_file: Option<PathBuf>,

    /// Most connections to Postgres that this replica opens
    #[arg(long, env = "SAGA_DATABASE_CONNECTIONS_MAX", value_name = "NUMBER")]
    #[arg(default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..=1000))]
    pub database_connections_max: u32,

    /// Shards that the sagas are spread over; fixed when the schema is created, then checked
    #[arg(long, env = "SAGA_SHARDS", value_name = "NUMBER")]
    #[arg(default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub shards: u16,
}

/// How participants are reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct Kafka {
    /// Brokers to ask first: host:port, separated by commas
    #[arg(long, env = "SAGA_BROKERS", value_name = "HOST:PORT,…")]
    #[arg(default_value = "127.0.0.1:9092")]
    pub brokers: String,

    /// First part of every topic: PREFIX.replies, PREFIX.events, PREFIX.PARTICIPANT.commands
    #[arg(
        long,
        env = "SAGA_TOPIC_PREFIX",
        value_name = "PREFIX",
        default_value = "saga"
    )]
    pub topic_prefix: String,

    /// Partitions of the reply topic, if it is created; at most so many replicas share the work
    #[arg(long, env = "SAGA_REPLY_PARTITIONS", value_name = "NUMBER")]
    #[arg(default_value_t = topics::REPLY_PARTITIONS, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub reply_partitions: i32,

    /// Partitions of each command topic that is created; at most so many instances of a
    /// participant share its work
    ///
    /// Each partition is a request of its own to the broker: no more of them than instances to come.
    #[arg(long, env = "SAGA_COMMAND_PARTITIONS", value_name = "NUMBER")]
    #[arg(default_value_t = topics::COMMAND_PARTITIONS, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub command_partitions: i32,

    /// Partitions of the topic of lifecycle events, if it is created
    #[arg(long, env = "SAGA_EVENT_PARTITIONS", value_name = "NUMBER")]
    #[arg(default_value_t = topics::EVENT_PARTITIONS, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub event_partitions: i32,

    /// Copies that Kafka keeps of each topic that is created; 3 in production, -1 leaves it to the
    /// broker
    #[arg(
        long,
        env = "SAGA_REPLICATION",
        value_name = "NUMBER",
        allow_negative_numbers = true
    )]
    #[arg(default_value_t = topics::REPLICATION, value_parser = clap::value_parser!(i32).range(-1..=15))]
    pub replication: i32,

    /// How long a created topic keeps replies; longer than the longest outage to be survived
    #[arg(
        long,
        env = "SAGA_REPLY_RETENTION",
        value_name = "DURATION",
        default_value = "7d"
    )]
    pub reply_retention: Span,

    /// How long a created topic keeps commands; participants keep their inboxes longer
    #[arg(
        long,
        env = "SAGA_COMMAND_RETENTION",
        value_name = "DURATION",
        default_value = "7d"
    )]
    pub command_retention: Span,

    /// How long a created topic keeps lifecycle events
    #[arg(
        long,
        env = "SAGA_EVENT_RETENTION",
        value_name = "DURATION",
        default_value = "7d"
    )]
    pub event_retention: Span,

    /// Further librdkafka options, such as TLS and SASL: name=value;name=value
    ///
    /// In the file a table: `[kafka_options]`, then `"security.protocol" = "SASL_SSL"`. Values are
    /// never printed.
    #[arg(
        long,
        env = "SAGA_KAFKA_OPTIONS",
        value_name = "NAME=VALUE;…",
        hide_env_values = true
    )]
    #[arg(default_value = "", hide_default_value = true)]
    pub kafka_options: KafkaOptions,

    /// A file of librdkafka options, one name=value per line, as secret managers mount it
    #[arg(long, env = "SAGA_KAFKA_OPTIONS_FILE", value_name = "PATH")]
    pub kafka_options_file: Option<PathBuf>,
}

/// How clients and operators reach the service.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct Http {
    /// Address and port of REST and the dashboard; there is no sign-in, so mind who can reach it
    #[arg(long, env = "SAGA_LISTEN", value_name = "ADDRESS:PORT")]
    #[arg(default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Largest request body, in bytes; a larger one is answered 413
    #[arg(long, env = "SAGA_BODY_BYTES_MAX", value_name = "BYTES")]
    #[arg(default_value_t = 1_048_576, value_parser = clap::value_parser!(u32).range(1024..=104_857_600))]
    pub body_bytes_max: u32,

    /// Deepest nesting of arrays and objects in a request body; deeper is answered 400
    #[arg(long, env = "SAGA_JSON_DEPTH_MAX", value_name = "LEVELS")]
    #[arg(default_value_t = 64, value_parser = clap::value_parser!(u8).range(4..=120))]
    pub json_depth_max: u8,

    /// Longest time to read, and then to answer, one request, beside what `Prefer: wait` asks for
    #[arg(
        long,
        env = "SAGA_REQUEST_LIMIT",
        value_name = "DURATION",
        default_value = "15s"
    )]
    pub request_limit: Span,

    /// Longest time that `Prefer: wait=N` may wait for a saga's end; more is cut to this
    #[arg(
        long,
        env = "SAGA_WAIT_MAX",
        value_name = "DURATION",
        default_value = "30s"
    )]
    pub wait_max: Span,

    /// Most requests in progress at once; further ones are answered 429
    #[arg(long, env = "SAGA_REQUESTS_MAX", value_name = "NUMBER")]
    #[arg(default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests_max: u32,
}

/// How this replica works.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineSettings {
    /// Sagas are moved by so many independent lanes, each with one commit under way, or two
    ///
    /// One keeps two processors busy; more lanes decide on more processors, in smaller commits.
    #[arg(long, env = "SAGA_LANES", value_name = "NUMBER")]
    #[arg(default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub lanes: u16,

    /// What this replica is called in the dashboard and the log [default: the host's name]
    #[arg(long, env = "SAGA_REPLICA_NAME", value_name = "NAME")]
    pub replica_name: Option<String>,

    /// Time after SIGTERM or Ctrl-C in which work is still taken while /readyz already answers 503, for
    /// load balancers to notice; part of the drain limit
    #[arg(
        long,
        env = "SAGA_DRAIN_DELAY",
        value_name = "DURATION",
        default_value = "3s"
    )]
    pub drain_delay: Span,

    /// Longest time from SIGTERM or Ctrl-C to the end of the process
    #[arg(
        long,
        env = "SAGA_DRAIN_LIMIT",
        value_name = "DURATION",
        default_value = "25s"
    )]
    pub drain_limit: Span,
}

/// What is kept for how long once it is over.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Retention")]
pub struct Retention {
    /// How long a saga is kept after its end; then it goes with a whole day of others
    ///
    /// In the file also `[retention]`, then `finished = "30d"`, and likewise for the settings below.
    /// A changed time holds for the sagas that end from then on.
    #[arg(
        long,
        env = "SAGA_RETENTION_FINISHED",
        value_name = "DURATION",
        default_value = "30d"
    )]
    pub retention_finished: Span,

    /// The same for single definitions: place-order=7d;book-trip=1000d
    ///
    /// In the file a table: `[retention.definitions]`, then `place-order = "7d"`.
    #[arg(
        long,
        env = "SAGA_RETENTION_DEFINITIONS",
        value_name = "NAME=DURATION;…"
    )]
    #[arg(default_value = "", hide_default_value = true)]
    pub retention_definitions: KeptByDefinition,

    /// How long an Idempotency-Key is refused to other submissions, at least two days longer than
    /// sagas are kept
    ///
    /// Also longer than the topics, and the inboxes of the participants: afterwards the key starts a
    /// new saga, under the same id.
    #[arg(
        long,
        env = "SAGA_RETENTION_KEYS",
        value_name = "DURATION",
        default_value = "180d"
    )]
    pub retention_keys: Span,

    /// How long records that nobody could use are kept
    #[arg(
        long,
        env = "SAGA_RETENTION_DEAD_LETTERS",
        value_name = "DURATION",
        default_value = "90d"
    )]
    pub retention_dead_letters: Span,
}

impl Retention {
    /// What the store wants to know; not checked yet.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            finished: self.retention_finished.0,
            definitions: self.retention_definitions.0.clone(),
            keys: self.retention_keys.0,
            dead_letters: self.retention_dead_letters.0,
        }
    }
}

/// What only `serve` takes.
#[derive(Debug, Clone, Args)]
pub struct ServeOnly {
    /// Leave the schema as it is; start only if it is up to date (see `saga migrate`)
    #[arg(long, env = "SAGA_NO_MIGRATE", help_heading = "Postgres")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new())]
    pub no_migrate: bool,

    /// Start although a definition was changed under its version; sagas of the one before wait
    ///
    /// Without it, the start is refused while open sagas pin another graph than this binary has under
    /// the same name and version. They stay where they are, and need attention, until a binary has
    /// what they pin; `saga definitions check` lists them.
    #[arg(long, env = "SAGA_ALLOW_CHANGED_DEFINITIONS", help_heading = "Engine")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_changed_definitions: bool,
}

/// Every setting that a file may hold, whatever command it is for.
pub(super) fn every_argument() -> Vec<Arg> {
    let mut command = Command::new("settings");
    command = Common::augment_args(command);
    command = Postgres::augment_args(command);
    command = Kafka::augment_args(command);
    command = Http::augment_args(command);
    command = EngineSettings::augment_args(command);
    command = Retention::augment_args(command);
    command = ServeOnly::augment_args(command);
    command.get_arguments().cloned().collect()
}
