//! A start before the servers are there, or with settings that are wrong.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

use super::outage::{assert_come_back_later, order_once, readiness};
use super::{alone, blocking};
use crate::process::binary;
use crate::servers::Servers;
use crate::wait::until;
use crate::world::{SOON, World};

const RIGHT: &str = "swordfish-41";
const WRONG: &str = "trout-17";

#[tokio::test(flavor = "multi_thread")]
async fn a_start_before_postgres_and_kafka_says_what_it_waits_for_and_comes_up() {
    let _alone = alone().await;
    let mut world = World::empty(Servers::own().await).await;
    lock_out(&world).await;
    let servers = world.servers.clone();
    blocking(move || servers.kafka().stop().unwrap()).await;
    let url = world
        .urls
        .orchestrator
        .replacen("postgres@", &format!("locked:{RIGHT}@"), 1);
    world.launch_orchestrator(|command| {
        command.env("SAGA_DATABASE_URL", url);
        command.env(
            "SAGA_KAFKA_OPTIONS",
            format!("sasl.username=saga;sasl.password={RIGHT}"),
        );
    });

    until("it says that Postgres turns it away", SOON, async || {
        let (status, body) = readiness(&world, 0).await?;
        let text = body["postgres"].to_string();
        // The server's own words are for the log.
        let is_clear = text.contains("SQLSTATE 28P01") && !text.contains("authentication failed");
        if status == 503 && is_clear {
            Ok(())
        } else {
            Err(format!("{status} {body}"))
        }
    })
    .await;
    assert_come_back_later(order_once(&world, 1, Duration::from_secs(5)).await).await;
    execute(&world, &format!("ALTER ROLE locked PASSWORD '{RIGHT}'")).await;
    until("it says that Kafka is away", SOON, async || {
        let (status, body) = readiness(&world, 0).await?;
        let is_clear = body["postgres"] == "ok" && body["kafka"] != "not asked yet";
        if status == 503 && is_clear {
            Ok(())
        } else {
            Err(format!("{status} {body}"))
        }
    })
    .await;
    assert_come_back_later(order_once(&world, 1, Duration::from_secs(5)).await).await;
    let servers = world.servers.clone();
    blocking(move || servers.kafka().start_again().unwrap()).await;
    let back = Instant::now();
    world.ready(0).await;
    println!("ready {:?} after Kafka was there", back.elapsed());

    let log = world.log_of(0);
    assert!(log.contains("password authentication failed"), "{log}");
    assert!(log.contains(&world.servers.brokers()), "{log}");
    assert!(!log.contains(RIGHT) && !log.contains(WRONG), "{log}");
}

#[test]
fn a_malformed_configuration_ends_with_two_and_names_the_option() {
    let folder = sagas_local::folder::Temporary::new("saga-it").unwrap();
    let file = folder.path().join("saga.toml");
    std::fs::write(&file, "shrads = 64\n").unwrap();
    let file = file.to_str().unwrap();
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 7] = [
        (&["--lanes", "0"], &[], "--lanes"),
        (&["--listen", "here"], &[], "--listen"),
        (&["--topic-prefix", "a b"], &[], "--topic-prefix"),
        (
            &["--database-url", "postgers//saga:swordfish-41@db"],
            &[],
            "--database-url",
        ),
        (
            &["--log-level", "sagas_orchestrator=loud"],
            &[],
            "--log-level",
        ),
        (&[], &[("SAGA_DRAIN_LIMIT", "soon")], "--drain-limit"),
        (&["--config", file], &[], "shrads"),
    ];
    for (flags, variables, option) in cases {
        let mut command = binary("shop-orchestrator");
        command
            .arg("serve")
            .args(flags)
            .envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{flags:?} {variables:?}: {text}"
        );
        assert!(text.contains(option), "{option} is not named: {text}");
        assert!(!text.contains(RIGHT), "{text}");
    }
}

/// Makes a role whose password is not the one that the service has, on a server that asks for it.
async fn lock_out(world: &World) {
    execute(
        world,
        &format!("CREATE ROLE locked SUPERUSER LOGIN PASSWORD '{WRONG}'"),
    )
    .await;
    let mut connection = maintenance(world).await;
    let file: String = sqlx::query_scalar("SHOW hba_file")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let rules = std::fs::read_to_string(&file).unwrap();
    let rule = "host all locked 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(&file, format!("{rule}{rules}")).unwrap();
    execute(world, "SELECT pg_reload_conf()").await;
}

async fn execute(world: &World, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    let mut connection = maintenance(world).await;
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
}

async fn maintenance(world: &World) -> PgConnection {
    let url = world.servers.postgres().url("postgres");
    PgConnection::connect(&url).await.unwrap()
}
