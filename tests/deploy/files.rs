//! The two files as they are, and each check on a copy with one mistake.

use sqlx::postgres::PgPoolOptions;

use crate::compose::{self, Surroundings};
use crate::dockerfile;
use crate::repository::{self, Workspace};
use crate::secrets::Secrets;

/// What is wrong with a text of `docker-compose.yml`.
fn compose_problems(text: &str) -> Vec<String> {
    let secrets = Secrets::make();
    let image = repository::read("Dockerfile");
    let around = Surroundings {
        secrets: &secrets.folder,
        programs: &dockerfile::programs(&image),
        tools: &dockerfile::tools(&image),
        service_stop_seconds: service_stop_seconds(),
    };
    compose::problems(text, &around)
}

/// The SDK's own bound, which the services of the shop do not change.
fn service_stop_seconds() -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let nowhere = PgPoolOptions::new()
        .connect_lazy("postgres://127.0.0.1/none")
        .unwrap();
    sagas_participant::Settings::new("127.0.0.1:1", nowhere)
        .stop_within
        .as_secs()
}

/// What is wrong with a text of `Dockerfile`.
fn dockerfile_problems(text: &str) -> Vec<String> {
    dockerfile::problems(text, &repository::read(".dockerignore"), &Workspace::read())
}

/// Replaces `from` by `to` in a file and expects to be told so.
#[track_caller]
fn mistake(file: &str, from: &str, to: &str, expected: &str) {
    let text = repository::read(file);
    assert!(text.contains(from), "{file} has no {from:?}");
    let wrong = text.replacen(from, to, 1);
    let problems = match file {
        "Dockerfile" => dockerfile_problems(&wrong),
        _ => compose_problems(&wrong),
    };
    let is_told = problems.iter().any(|problem| problem.contains(expected));
    assert!(
        is_told,
        "{from:?} -> {to:?} told {problems:#?}, not {expected:?}"
    );
}

#[test]
fn the_compose_file_sets_only_what_its_programs_read_and_names_only_what_there_is() {
    let problems = compose_problems(&repository::read("docker-compose.yml"));
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_misspelt_variable_is_told_with_the_command_that_does_not_read_it() {
    let told = |from, to, expected| mistake("docker-compose.yml", from, to, expected);
    told(
        "SAGA_DRAIN_LIMIT:",
        "SAGA_DRAIN_LIMITS:",
        "orchestrator: sets SAGA_DRAIN_LIMITS, which `shop-orchestrator serve` does not read",
    );
    told(
        "SAGA_BROKERS:",
        "SAGA_BROKER:",
        "payments: sets SAGA_BROKER, which `shop service payments`",
    );
    told(
        "SHOP_SEED:",
        "SHOP_SEEDS:",
        "orders: sets SHOP_SEEDS, which",
    );
    told(
        "SAGA_URL:",
        "SAGA_URI:",
        "shop: sets SAGA_URI, which `shop`",
    );
    // Known to another program, but not to this one.
    told(
        "SAGA_URL:",
        "SAGA_LISTEN:",
        "shop: sets SAGA_LISTEN, which `shop`",
    );
    // The settings of other images.
    told(
        "KAFKA_LOG_DIRS:",
        "KAFKA_LOG_FOLDERS:",
        "kafka: sets KAFKA_LOG_FOLDERS, which no test",
    );
    told(
        "POSTGRES_DB:",
        "POSTGRES_DATABASE:",
        "postgres: sets POSTGRES_DATABASE, which no test",
    );
    // Variables of files count too.
    told(
        "entrypoint: [shop]",
        "entrypoint: [shop, submit]",
        "shop: sets SHOP_PAYMENTS_URL, which `shop submit`",
    );
}

#[test]
fn a_misspelt_key_command_or_argument_is_told() {
    let told = |from, to, expected| mistake("docker-compose.yml", from, to, expected);
    told("stop_grace_period:", "stop_grace_time:", "does not parse");
    told(
        "[shop, service, orders]",
        "[shop, service, order]",
        "`shop service order` is refused",
    );
    told(
        "[shop, service, orders]",
        "[shap, service, orders]",
        "shap is not in the image",
    );
    told("    context: .", "    context: docker", "has no Dockerfile");
}

#[test]
fn a_reference_that_leads_nowhere_is_told() {
    let told = |from, to, expected| mistake("docker-compose.yml", from, to, expected);
    told(
        "    kafka: { condition",
        "    kafke: { condition",
        "depends on kafke, which there is not",
    );
    told(
        "      orchestrator: { condition",
        "      shop: { condition",
        "waits for the health of shop, which has no health check",
    );
    told(
        "service_healthy",
        "service_healthful",
        "waits for service_healthful of",
    );
    told(
        "- kafka-data:/",
        "- kafka-date:/",
        "volume kafka-date is not declared",
    );
    told(
        "- kafka-data:/",
        "- postgres-data:/",
        "volume kafka-data is used nowhere",
    );
    told(
        "./deploy/postgres/databases.sh",
        "./deploy/databases.sh",
        "which does not exist",
    );
    told(
        "secrets: [saga_database_url]",
        "secrets: []",
        "which is not mounted",
    );
    told(
        "secrets: [saga_database_url]",
        "secrets: [saga_url]",
        "saga_url is not declared",
    );
    told(
        "file: deploy/secrets/saga_",
        "file: deploy/secrets/sage_",
        "does not write",
    );
    told(
        "[deploy/secrets/audit.env]",
        "[audit.env]",
        "is not in deploy/secrets",
    );
}

#[test]
fn an_address_that_nobody_has_is_told() {
    let told = |from: &str, to, expected| mistake("docker-compose.yml", from, to, expected);
    told(
        "SAGA_BROKERS: kafka:9092",
        "SAGA_BROKERS: kafka:9094",
        "brokers at kafka:9094, where none",
    );
    told(
        "INTERNAL://kafka:9092",
        "INTERNAL://kafka:9095",
        "brokers at kafka:9092, where none",
    );
    told(
        "//orchestrator:8080",
        "//orchestrator:8081",
        "orchestrator:8081, where it is not",
    );
    told(
        "SAGA_LISTEN: 0.0.0.0:8080",
        "SAGA_LISTEN: 0.0.0.0:80",
        "health at port 80",
    );
    told(
        "127.0.0.1:8080:8080",
        "127.0.0.1:8080:8081",
        "does not publish port 8080",
    );
    told(
        "FILE: /run/secrets/orders_database_url",
        "FILE: /run/secrets/payments_database_url",
        "orders: its database is that of Some(\"/run/secrets/payments_database_url\")",
    );
}

#[test]
fn a_health_check_that_is_missing_or_cannot_run_is_told() {
    let told = |from, to, expected| mistake("docker-compose.yml", from, to, expected);
    told(
        "CMD, /bin/busybox",
        "CMD, /bin/curl",
        "orchestrator: its health check starts /bin/curl, which is not in the image",
    );
    told(
        "[CMD, shop, health]",
        "[CMD, shap, health]",
        "shipping: its health check starts shap, which is not in the image",
    );
    told(
        "[CMD, shop, health]",
        "[CMD, shop, healthy]",
        "orders: its health check: `shop healthy` is refused",
    );
    told("[CMD, shop, health]", "[CMD]", "use CMD and a program");
    told(
        "  SHOP_HEALTH_LISTEN: 127.0.0.1:8081\n",
        "",
        "payments: its health check reads SHOP_HEALTH_LISTEN, which is not set",
    );
    told(
        "HEALTH_LISTEN: 127.0.0.1:8081",
        "HEALTH_LISTEN: 0.0.0.0:8081",
        "tells its health at 0.0.0.0:8081 to other containers",
    );
    let text = repository::read("docker-compose.yml");
    let start = text.find("  healthcheck:\n    # Bad").unwrap();
    let end = text.find("  # A service stops").unwrap();
    told(&text[start..end], "", "inventory: has no health check");
}

#[test]
fn what_is_open_unlimited_or_privileged_is_told() {
    let told = |from, to, expected| mistake("docker-compose.yml", from, to, expected);
    told(
        "- 127.0.0.1:8080:8080",
        "- 8080:8080",
        "port 8080:8080 is open",
    );
    told("max-size:", "mode:", "log has no limit");
    told(
        "apache/kafka:4.4.0",
        "apache/kafka:latest",
        "has no version",
    );
    told("apache/kafka:4.4.0", "apache/kafka", "has no version");
    told(
        "restart: unless-stopped",
        "restart: always",
        "restart is always",
    );
    told(
        "[CMD, pg_isready",
        "[CMD-SHELL, pg_isready",
        "needs a shell",
    );
    told("interval: 10s", "interval: 1s", "overlap");
    told("read_only: true", "read_only: false", "is not read_only");
    told(
        "cap_drop: [ALL]",
        "cap_drop: [NET_RAW]",
        "is not read_only with cap_drop ALL",
    );
}

#[test]
fn a_grace_period_that_is_shorter_than_the_stop_is_told() {
    let told = |from, to, expected| mistake("docker-compose.yml", from, to, expected);
    told(
        "SAGA_DRAIN_LIMIT: 25s",
        "SAGA_DRAIN_LIMIT: 30s",
        "is killed after 30 s",
    );
    told(
        "stop_grace_period: 15s",
        "stop_grace_period: 10s",
        "may take 10 s to stop",
    );
    told(
        "    stop_grace_period: 60s\n",
        "",
        "has no stop_grace_period",
    );
}

#[test]
fn the_dockerfile_copies_and_builds_only_what_there_is() {
    let problems = dockerfile_problems(&repository::read("Dockerfile"));
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_path_that_the_build_cannot_copy_is_told() {
    let told = |from, to, expected| mistake("Dockerfile", from, to, expected);
    told(
        "COPY migrations migrations",
        "COPY migration migrations",
        "copies migration, which",
    );
    told(
        "COPY migrations migrations",
        "COPY target target",
        ".dockerignore has target",
    );
    told("COPY bench bench\n", "", "the member bench is not copied");
    told(
        "--from=dashboard",
        "--from=page",
        "copies from page, which is no stage",
    );
}

#[test]
fn a_program_that_cargo_does_not_have_is_told() {
    let told = |from, to, expected| mistake("Dockerfile", from, to, expected);
    told(
        "--bin saga",
        "--bin sagas",
        "builds sagas, which is no program",
    );
    told(
        "--bin saga",
        "--bin saga --bin xtask",
        "builds xtask without its package xtask",
    );
    told(
        "target/release/saga",
        "target/release/sags",
        "installs sags, which it does not build",
    );
    told(
        "/programs/saga ",
        "/programs/sage ",
        "holds sage, which is not installed",
    );
    told(
        "[\"shop-orchestrator\"",
        "[\"orchestrator\"",
        "starts Some(\"orchestrator\")",
    );
    told("rust:1.95", "rust:1.90", "is older than 1.94");
    told("USER 65532:65532", "USER root", "runs as root");
}
