//! `saga conformance`: services that keep the barrier pass, in Rust and in Python, and for each case
//! there is a participant that it finds out.

mod sloppy;

use std::path::{Path, PathBuf};
use std::process::Output;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};
use shop::services::ServiceName;

use crate::foreign;
use crate::process::binary;
use crate::servers::Servers;
use crate::wait::until;
use crate::world::{SOON, World};
use sloppy::{Defect, PARTICIPANT, SCENARIO, Sloppy};

/// A scenario of the shop.
fn scenario(service: ServiceName) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop/conformance");
    folder.join(format!("{}.toml", service.as_str()))
}

async fn conformance(
    servers: &Servers,
    participant: &str,
    scenario: &Path,
    more: &[&str],
) -> Output {
    let mut command = binary("saga");
    command.args(["conformance", "--participant", participant]);
    command.args(["--brokers", &servers.brokers()]);
    command.args(["--topic-prefix", servers.prefix()]);
    command.arg("--scenario").arg(scenario).args(more);
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.unwrap().unwrap()
}

/// The same, of a participant that has only just been started: its topic may not be known yet.
async fn asked(servers: &Servers, participant: &str, scenario: &Path, more: &[&str]) -> Output {
    until("the participant has its topic", SOON, async || {
        let output = conformance(servers, participant, scenario, more).await;
        match output.status.code() {
            Some(2) => Err(String::from_utf8(output.stderr).unwrap()),
            _ => Ok(output),
        }
    })
    .await
}

/// The report of a service that has to pass.
async fn passed(world: &World, service: ServiceName) -> String {
    let (name, scenario) = (service.as_str(), scenario(service));
    let output = asked(&world.servers, name, &scenario, &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{name}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shops_services_pass_with_every_case_tried() {
    let mut world = World::empty(Servers::shared().await).await;
    for service in ServiceName::ALL {
        world.start_service(service);
    }
    for service in ServiceName::ALL {
        let report = passed(&world, service).await;
        assert_only_the_standby_stays(&report);
        let last = format!("{} keeps the barrier.\n", service.as_str());
        assert!(report.ends_with(&last), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_in_python_pass_the_same_cases() {
    let world = World::empty(Servers::shared().await).await;
    let _service = foreign::payments(&world, None).await;
    let report = passed(&world, ServiceName::Payments).await;
    assert_only_the_standby_stays(&report);
}

/// Other tests use the same server, and would wait.
#[track_caller]
fn assert_only_the_standby_stays(report: &str) {
    let skipped = report.lines().filter(|line| line.starts_with("skipped"));
    let skipped: Vec<_> = skipped.collect();
    let expected = "skipped  stored answer while the standby is away \
                    (the scenario does not say how the standby is sent away)";
    assert_eq!(skipped, [expected], "{report}");
}

/// What the scenario says beside the commands.
#[derive(Clone, Copy)]
enum With {
    Nothing,
    Effects,
    Standby,
}

/// A participant with this defect, put through the cases.
async fn put_through(defect: Defect, with: With, options: &[&str]) -> Output {
    let servers = Servers::shared().await;
    let folder = sagas_local::folder::Temporary::new("saga-conformance").unwrap();
    let effects = folder.path().join("effects");
    std::fs::write(&effects, "0").unwrap();
    let mut scenario: Value = serde_json::from_str(SCENARIO).unwrap();
    match with {
        With::Nothing => {}
        With::Effects => scenario["effects"] = json!(["cat", effects]),
        With::Standby => {
            let away = effects.with_file_name(sloppy::AWAY);
            scenario["standby"] = json!({ "away": ["touch", away], "back": ["rm", away] });
        }
    }
    let path = folder.path().join("scenario.json");
    std::fs::write(&path, scenario.to_string()).unwrap();
    let _participant = Sloppy::start(&servers, defect, effects).await;
    asked(&servers, PARTICIPANT, &path, options).await
}

/// The cases that fail for a participant with this defect.
async fn found(defect: Defect, with: With) -> Vec<String> {
    let output = put_through(defect, with, &["--json", "--reply-timeout", "3s"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let cases = report["cases"].as_array().unwrap().iter();
    let failed = cases.filter(|case| case["verdict"] == "failed");
    let failed: Vec<_> = failed
        .map(|case| case["name"].as_str().unwrap().to_owned())
        .collect();
    let expected = i32::from(!failed.is_empty());
    assert_eq!(output.status.code(), Some(expected), "{text}");
    assert_eq!(report["failed"], failed.len(), "{text}");
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_finds_out_the_participant_that_breaks_it() {
    for (defect, expected) in sloppy::FOUND_BY {
        assert_eq!(found(*defect, With::Nothing).await, *expected, "{defect:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_no_answer_tells_of_is_found_where_effects_are_weighed() {
    assert!(found(Defect::None, With::Effects).await.is_empty());
    assert!(
        found(Defect::RunsAgainUnseen, With::Nothing)
            .await
            .is_empty()
    );
    let weighed = found(Defect::RunsAgainUnseen, With::Effects).await;
    assert_eq!(weighed, sloppy::FOUND_BY_EFFECTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_failover_would_take_back_is_found_where_the_standby_can_be_sent_away() {
    assert!(found(Defect::None, With::Standby).await.is_empty());
    assert!(
        found(Defect::AnswersUnconfirmed, With::Nothing)
            .await
            .is_empty()
    );
    let unconfirmed = found(Defect::AnswersUnconfirmed, With::Standby).await;
    assert_eq!(unconfirmed, sloppy::FOUND_WITHOUT_STANDBY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_what_was_sent_what_was_expected_and_what_came() {
    let output = put_through(Defect::IgnoresTheBarrier, With::Nothing, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "ok       forward and compensation\n",
        "FAILED   late forward\n           sent forward hold @1, attempt 1 of saga …",
        "         expected: already-compensated null\n         came:     succeeded @1 null\n",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

/// The topics of a test that conformance runs have made.
fn reply_topics(servers: &Servers) -> Vec<String> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", servers.brokers());
    let client: BaseConsumer = client.create().unwrap();
    let metadata = client.fetch_metadata(None, SOON).unwrap();
    let names = metadata
        .topics()
        .iter()
        .map(|topic| topic.name().to_owned());
    let own = format!("{}.conformance-", servers.prefix());
    names.filter(|name| name.starts_with(&own)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_no_topic_behind() {
    let servers = Servers::shared().await;
    let orders = scenario(ServiceName::Orders);
    conformance(&servers, "nobody", &orders, &[]).await;
    until(
        "the topic of the run is gone",
        SOON,
        async || match reply_topics(&servers) {
            topics if topics.is_empty() => Ok(()),
            topics => Err(topics),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_is_not_there_and_a_scenario_that_is_none_are_said() {
    let servers = Servers::shared().await;
    let orders = scenario(ServiceName::Orders);
    let output = conformance(&servers, "nobody", &orders, &[]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let topic = format!("there is no topic {}.nobody.commands", servers.prefix());
    assert!(text.contains(&topic), "{text}");

    let output = conformance(&servers, "orders", Path::new("/nowhere.toml"), &[]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("--scenario: cannot read /nowhere.toml"),
        "{text}"
    );
}
