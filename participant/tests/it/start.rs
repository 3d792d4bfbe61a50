//! What a service checks before it starts, and what its migration leaves alone.

use std::sync::Arc;
use std::time::Duration;

use sagas::barrier::Ask;
use sagas_participant::{Error, Service, Settings};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::servers::{servers, unique};
use crate::service::{Count, Runs, Wish, count, service};
use crate::world::World;

async fn refusal(service: Service) -> String {
    let error: anyhow::Error = service.start().await.unwrap_err().into();
    format!("{error:#}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsound_service_does_not_start() {
    let world = World::new().await;
    let day = Duration::from_secs(24 * 60 * 60);
    let short = Settings {
        inbox_retention: day * 36,
        ..world.settings()
    };
    assert_eq!(
        refusal(service(short)).await,
        "inbox_retention 3110400s is shorter than saga_age_max + command_retention 3196800s"
    );
    assert_eq!(
        refusal(Service::new("other", world.settings()).handle(count)).await,
        "command count belongs to participant counter, this service is other"
    );
    assert_eq!(
        refusal(service(world.settings()).handle_with(Arc::new(Runs::default()))).await,
        "command count-runs has two handlers"
    );
    let without = Settings {
        database: None,
        ..world.settings()
    };
    assert_eq!(
        refusal(Service::new("counter", without).handle(count)).await,
        "the handler of count and the service do not fit: this service has no database, so there \
         is no transaction to take"
    );
    assert_eq!(
        refusal(Service::new("Counter", world.settings())).await,
        "participant \"Counter\" is not a name: \
         a name has only lowercase letters a to z, digits and hyphens, not 'C'"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_kafka_option_is_named_and_its_value_is_not_shown() {
    let world = World::new().await;
    for (name, expected) in [
        ("sasl.pasword", "there is no option sasl.pasword"),
        (
            "security.protocol",
            "this value of the option security.protocol",
        ),
    ] {
        let settings = Settings {
            kafka: vec![(name.to_owned(), "hunter2".to_owned())],
            ..world.settings()
        };
        let service = service(settings);
        service.migrate().await.unwrap();
        let refused = refusal(service).await;
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_its_tables_says_so() {
    let world = World::new().await;
    let name = unique("empty");
    servers().postgres.create_database(&name).unwrap();
    let database = sqlx::PgPool::connect(&servers().postgres.url(&name))
        .await
        .unwrap();
    let error = service(Settings {
        database: Some(database),
        ..world.settings()
    })
    .start()
    .await
    .unwrap_err();
    assert!(matches!(error, Error::Database { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_topic_is_created_or_the_error_names_it() {
    let mut world = World::new().await;
    let impossible = Settings {
        prefix: unique("topic"),
        replication: 7,
        ..world.settings()
    };
    let topic = format!("{}.counter.commands", impossible.prefix);
    let text = refusal(service(impossible.clone())).await;
    assert!(
        text.starts_with(&format!("create topic {topic}: ")),
        "{text}"
    );

    let possible = Settings {
        replication: 1,
        ..impossible
    };
    let running = service(possible.clone()).start().await.unwrap();
    world.prefix_of_commands = possible.prefix;
    let command = world.command(
        "first",
        Ask::Forward,
        1,
        &Count {
            wish: Wish::Succeed,
        },
    );
    assert_eq!(world.ask(&command).outcome, sagas::Outcome::Succeeded);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_migration_lives_beside_the_services_own() {
    let name = unique("own");
    servers().postgres.create_database(&name).unwrap();
    let database = sqlx::PgPool::connect(&servers().postgres.url(&name))
        .await
        .unwrap();
    let own = Migrator::with_migrations(vec![Migration::new(
        1,
        "own".into(),
        MigrationType::Simple,
        "CREATE TABLE stock (sku text)".into_sql_str(),
        false,
    )]);
    let settings = Settings::new(servers().kafka.bootstrap(), database.clone());
    let both = (service(settings.clone()), service(settings));
    own.run(&database).await.unwrap();
    // Two instances at once, then once more.
    let (first, second) = tokio::join!(both.0.migrate(), both.1.migrate());
    first.and(second).unwrap();
    both.0.migrate().await.unwrap();
    own.run(&database).await.unwrap();
    let versions: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM _sqlx_migrations),
                (SELECT count(*) FROM saga_inbox_migrations)",
    )
    .fetch_one(&database)
    .await
    .unwrap();
    assert_eq!(versions, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn inbox_tables_from_before_the_break_are_refused_in_one_sentence() {
    let world = World::new().await;
    let database = world.settings().database.unwrap();
    let old = "UPDATE saga_inbox_migrations SET version = 1";
    sqlx::query(old).execute(&database).await.unwrap();
    let said = "the inbox's schema does not fit this binary: it is of a release before 0.2.0 (migration 1), \
                and formats broke once, with 0.2.0; nothing is converted: let the old binaries finish all \
                sagas that are open, then drop the tables saga_inbox, saga_inbox_watermark and \
                saga_inbox_migrations";
    let migrated = service(world.settings()).migrate().await.unwrap_err();
    assert_eq!(migrated.to_string(), said);
    assert_eq!(refusal(service(world.settings())).await, said);
    let drop = "DROP TABLE saga_inbox, saga_inbox_watermark, saga_inbox_migrations";
    sqlx::query(drop).execute(&database).await.unwrap();
    let anew = service(world.settings());
    anew.migrate().await.unwrap();
    anew.start().await.unwrap().stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_starts_beside_one_of_the_next_release_and_not_of_a_later_one() {
    let world = World::new().await;
    let database = world.settings().database.unwrap();
    let noted = async |version: i64| {
        let row = "INSERT INTO saga_inbox_migrations
            SELECT $1, description, installed_on, success, checksum, execution_time
            FROM saga_inbox_migrations LIMIT 1";
        let row = sqlx::query(row).bind(version);
        row.execute(&database).await.unwrap();
    };
    noted(300).await;
    service(world.settings()).migrate().await.unwrap();
    noted(400).await;
    let error = service(world.settings()).migrate().await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("release 0.4 (migration 400)"), "{said}");
    assert!(said.ends_with("start a newer binary"), "{said}");
}
