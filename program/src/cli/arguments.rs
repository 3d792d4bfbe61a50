//! What the command line looks like.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Common, EngineSettings, Http, Kafka, Postgres, Retention, ServeOnly, Span};

/// Runs sagas: business transactions over several services, kept consistent by compensations.
#[derive(Debug, Parser)]
// Spelt out, where clap would take name and description of this crate.
#[command(name = "orchestrator", version, max_term_width = 100)]
#[command(after_help = "\
Try it: `saga dev` needs nothing but Postgres' programs on this machine.
Exit codes: 0 done; 1 it failed; 2 wrong arguments or settings; 3 Postgres or Kafka is out of reach;
4 a check found something to mend.")]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Runs the service: REST, dashboard and engine, until SIGTERM or Ctrl-C
    Serve(Box<ServeArguments>),
    /// Runs the service on this machine alone, with a Postgres and a Kafka broker of its own
    Dev(Box<DevArguments>),
    /// Brings the database's schema up to date, then exits
    Migrate(MigrateArguments),
    /// Shows what is kept for how long and what goes when; moves and drops what is due
    Retention(RetentionArguments),
    /// Creates, checks or lists the Kafka topics of the definitions
    Topics(TopicsArguments),
    /// Lists the definitions of this binary, shows or draws one, or compares them with open sagas
    Definitions(DefinitionsArguments),
    /// Puts a running participant, in any language, through the cases that its inbox is there for
    Conformance(ConformanceArguments),
}

/// Everything that the service needs to know.
#[derive(Debug, Clone, Args)]
pub(super) struct ServeArguments {
    /// Postgres.
    #[command(flatten)]
    pub(super) postgres: Postgres,
    /// What only `serve` takes.
    #[command(flatten)]
    pub(super) only: ServeOnly,
    /// Kafka.
    #[command(flatten)]
    pub(super) kafka: Kafka,
    /// REST and dashboard.
    #[command(flatten)]
    pub(super) http: Http,
    /// Engine.
    #[command(flatten)]
    pub(super) engine: EngineSettings,
    /// What is kept for how long.
    #[command(flatten)]
    pub(super) retention: Retention,
}

/// What `dev` takes.
#[derive(Debug, Clone, Args)]
pub(super) struct DevArguments {
    /// Keep Postgres' data here; without it, everything is gone at the end
    #[arg(long, env = "SAGA_DEV_DATA", value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Port of REST and the dashboard on 127.0.0.1
    #[arg(
        long,
        env = "SAGA_DEV_PORT",
        value_name = "PORT",
        default_value_t = 8080
    )]
    pub(super) port: u16,
    /// Write the addresses of broker and database here, for the participants' processes
    ///
    /// Two lines that a shell can source: `SAGA_BROKERS=host:port` and `SAGA_DATABASE_URL=url`.
    #[arg(long, env = "SAGA_DEV_ADDRESSES", value_name = "PATH")]
    pub(super) addresses: Option<PathBuf>,
}

/// What `migrate` takes.
#[derive(Debug, Clone, Args)]
pub(super) struct MigrateArguments {
    #[command(flatten)]
    pub(super) postgres: Postgres,
}

/// What `retention` takes.
#[derive(Debug, Clone, Args)]
#[command(after_help = RETENTION_EXAMPLE)]
pub(super) struct RetentionArguments {
    /// Change nothing: only show what is kept, and what goes when
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) postgres: Postgres,
    #[command(flatten)]
    pub(super) retention: Retention,
}

const RETENTION_EXAMPLE: &str = r#"Try it; give it the settings of `serve`, by the same file, say:
  saga retention --dry-run --config saga.toml

What becomes of a saga:
  it ends                     the same commit moves it to the archive, one compressed row, and
                              it is found there by lists, details and its key
  it has been kept            (--retention-finished, or its definition's own) it goes with the
                              partition of its day; GET answers 410, its key stays refused
  its key has been kept       (--retention-keys) the key is free again
In saga.toml:
  [retention]
  finished = "30d"
  keys = "180d"
  [retention.definitions]
  place-order = "7d"

Every replica does all that by itself, a little at a time. Without --dry-run this command does now
what is due, for all shards, and says what it did; it may run beside the service, and twice at once.
A partition that somebody still reads (a backup, say) is dropped by a later run.
Exit codes: 0 done; 1 it failed; 2 wrong settings; 3 Postgres is out of reach."#;

#[derive(Debug, Clone, Args)]
pub(super) struct TopicsArguments {
    /// What to do with them
    #[arg(value_enum)]
    pub(super) verb: TopicsVerb,
    /// How the topics are printed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) kafka: Kafka,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TopicsVerb {
    /// Creates what is missing; leaves what exists, and says where it differs.
    Create,
    /// Exits with 4 when a topic is missing or differs from the settings.
    Check,
    /// Shows the topics, wanted and found.
    List,
}

#[derive(Debug, Clone, Args)]
pub(super) struct DefinitionsArguments {
    #[command(subcommand)]
    pub(super) verb: Option<DefinitionsVerb>,
    /// How the list, or one definition, is printed; not for a picture
    #[arg(long, value_enum, default_value_t = Output::Table, global = true)]
    pub(super) output: Output,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum DefinitionsVerb {
    /// Shows one definition: steps, what each needs, and the schema of its input
    Show {
        /// Its name
        name: String,
    },
    /// Draws one definition: steps, needs, compensations and the point of no return
    ///
    /// Mermaid goes into a Markdown page as it is; `dot -Tsvg` makes a picture of dot.
    Graph {
        /// Its name
        name: String,
        /// The language of the picture
        #[arg(long, value_enum, default_value_t = Picture::Mermaid)]
        format: Picture,
    },
    /// Lists what open sagas pin and this binary lacks: run it with the new binary before a rollout
    ///
    /// It reads the database, and changes nothing. `serve` compares the same before it is ready: it
    /// refuses to start where a definition was changed under its version, and only says what is not
    /// there, because in a rollout the replicas that go may still have it.
    #[command(after_help = CHECK_CODES)]
    Check {
        #[command(flatten)]
        postgres: Postgres,
    },
}

const CHECK_CODES: &str = "\
Exit codes: 0 this binary has all that open sagas pin; 1 it failed; 2 wrong settings; 3 Postgres is out
of reach; 4 it lacks some.";

/// In which language a definition is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Picture {
    /// A flowchart of Mermaid.
    Mermaid,
    /// A digraph of Graphviz.
    Dot,
    /// Steps and edges, for programs.
    Json,
}

/// What `conformance` takes.
#[derive(Debug, Clone, Args)]
#[command(after_help = CONFORMANCE_EXAMPLE)]
pub(super) struct ConformanceArguments {
    /// The participant's name, as in the topic PREFIX.NAME.commands
    #[arg(long, value_name = "NAME")]
    pub(super) participant: String,
    /// A file, TOML or JSON, that names a command, what undoes it, and payloads; see below
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: PathBuf,
    /// How long a reply may take; an instance that was killed is missed after 6s
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub(super) reply_timeout: Span,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) kafka: Kafka,
}

const CONFORMANCE_EXAMPLE: &str = r#"Try it, against a participant of a test installation that is running:
  saga conformance --participant inventory --brokers 127.0.0.1:9092 --scenario inventory.toml

inventory.toml, where {uuid} stands for an id that is new for each saga:
  # A program that prints how much effect stands; without it, answers alone are judged.
  effects = ["psql", "-Atc", "SELECT sum(on_hand) FROM stock", "postgres://…/inventory"]
  [forward]                       # a command that is not refused
  command = "reserve-stock"
  payload = { order = "{uuid}", lines = [{ sku = "sku-001", quantity = 1 }] }
  [compensation]                  # what undoes it; without it, some cases are skipped
  command = "release-stock"
  payload = { order = "{uuid}" }
  [refused]                       # the first command, refused; may be left out
  payload = { order = "{uuid}", lines = [{ sku = "sku-gone", quantity = 1 }] }

It sends real commands: what they do in the participant's database is done. Nothing else is touched
but a reply topic of its own, PREFIX.conformance-….replies, which it deletes.
Exit codes: 0 every case holds; 1 one does not; 2 wrong arguments, scenario or participant; 3 Kafka is
out of reach."#;

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Aligned columns for people.
    Table,
    /// One JSON value for programs.
    Json,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::config::{Layers, variables};
    use sagas_orchestrator::store::retention::Policy;

    fn serve(arguments: &[&str], file: Option<&str>) -> ServeArguments {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("saga-{}.toml", uuid::Uuid::now_v7()));
        let mut all = vec!["saga".to_owned(), "serve".to_owned()];
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
            all.push(format!("--config={}", path.display()));
        }
        all.extend(arguments.iter().map(|text| (*text).to_owned()));
        let layers = Layers::parse(&Cli::command(), all.into_iter().map(OsString::from));
        let _ = std::fs::remove_file(&path);
        let layers = layers.unwrap();
        let Verb::Serve(mut serve) = Cli::from_arg_matches(&layers.matches).unwrap().verb else {
            panic!("not serve")
        };
        layers.resolve_postgres(&mut serve.postgres).unwrap();
        *serve
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_fill_what_nobody_sets() {
        let settings = serve(&[], None);
        assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
        assert_eq!((settings.postgres.shards, settings.engine.lanes), (64, 1));
        assert_eq!(settings.kafka.reply_partitions, 8);
        assert_eq!(settings.http.body_bytes_max, 1 << 20);
        assert_eq!(settings.http.wait_max.to_string(), "30s");
        assert_eq!(settings.engine.drain_limit.to_string(), "25s");
        assert_eq!(settings.retention.policy(), Policy::default());
        assert_eq!(settings.retention.policy().check(), Ok(()));
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = "shards = 8\nlanes = 2\nno_migrate = true\nbody_bytes_max = 2048";
        let settings = serve(&["--lanes", "3"], Some(file));
        assert_eq!((settings.postgres.shards, settings.engine.lanes), (8, 3));
        assert_eq!(settings.http.body_bytes_max, 2048);
        assert!(settings.only.no_migrate);
    }

    #[test]
    fn a_secret_comes_from_a_file_whose_flag_outranks_the_settings_file() {
        let path = std::env::temp_dir().join(format!("saga-{}.secret", uuid::Uuid::now_v7()));
        std::fs::write(&path, "postgres://saga:hunter2@db/saga\n").unwrap();
        let flag = format!("--database-url-file={}", path.display());
        let settings = serve(
            &[&flag],
            Some("database_url = \"postgres://elsewhere/saga\""),
        );
        std::fs::remove_file(&path).unwrap();
        let url = &settings.postgres.database_url;
        assert_eq!(url.expose(), "postgres://saga:hunter2@db/saga");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn a_secret_given_twice_at_one_rank_is_refused() {
        let all = [
            "saga",
            "migrate",
            "--database-url=postgres://a/b",
            "--database-url-file=/c",
        ];
        let layers = Layers::parse(&Cli::command(), all.map(OsString::from)).unwrap();
        let Verb::Migrate(mut migrate) = Cli::from_arg_matches(&layers.matches).unwrap().verb
        else {
            panic!("not migrate")
        };
        let error = layers.resolve_postgres(&mut migrate.postgres).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("both --database-url and --database-url-file")
        );
    }

    #[test]
    fn topics_takes_its_flags_on_either_side_of_the_verb() {
        for words in [["list", "--brokers=a:1"], ["--brokers=a:1", "list"]] {
            let words = [&["saga", "topics"], &words[..]].concat();
            let Verb::Topics(topics) = Cli::parse_from(words).verb else {
                panic!("not topics")
            };
            assert_eq!(topics.verb, TopicsVerb::List);
            assert_eq!(topics.kafka.brokers, "a:1");
        }
    }

    #[test]
    fn every_flag_of_serve_has_a_variable_and_a_help_text() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for argument in serve.get_arguments().filter(|a| a.get_id() != "help") {
            let name = argument.get_id();
            let variable = argument
                .get_env()
                .map(|name| name.to_string_lossy().into_owned());
            assert_eq!(
                variable,
                Some(format!("SAGA_{}", name.as_str().to_uppercase()))
            );
            assert!(argument.get_help().is_some(), "{name} has no help");
            assert!(
                variables().contains(&variable.unwrap()),
                "{name} is no key of the file"
            );
        }
    }
}
