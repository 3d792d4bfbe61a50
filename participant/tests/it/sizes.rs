//! Replies that are larger than replies may be, and those that their topic refuses.

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use sagas::Outcome;
use sagas::barrier::Ask;
use sagas::wire::topics;

use crate::service::{CountMany, Wish, service};
use crate::world::{World, client, code, saga};

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_too_large_is_answered_failed_and_its_effects_are_taken_back() {
    let mut world = World::new().await;
    let wishes = [
        ("good-1", Wish::Succeed, Outcome::Succeeded, ""),
        (
            "large",
            Wish::AnswerAtLength,
            Outcome::Failed,
            "reply-too-large",
        ),
        ("good-2", Wish::Succeed, Outcome::Succeeded, ""),
    ];
    for (key, wish, ..) in wishes {
        world.send_to(0, &world.count(key, wish));
        let many = world.command(&format!("many-{key}"), Ask::Forward, 1, &CountMany { wish });
        world.send_to(0, &many);
    }
    world.flush();
    let running = service(world.settings()).start().await.unwrap();
    let outcomes = world.outcomes(2 * wishes.len());
    for (key, _, outcome, code) in wishes {
        for key in [key.to_owned(), format!("many-{key}")] {
            assert_eq!(outcomes[&saga(&key)], (outcome, code.to_owned()), "{key}");
            let effects = i64::from(outcome == Outcome::Succeeded);
            assert_eq!(world.effects(&key).await, (effects, 0), "{key}");
        }
    }
    assert_eq!(world.rows_left_taken().await, 0);

    let reply = world.ask(&world.count("long", Wish::FailAtLength));
    assert_eq!(code(&reply), "not-now");
    assert!(
        reply.payload.len() < 20_000,
        "{} bytes",
        reply.payload.len()
    );
    running.stop().await.unwrap();
}

/// What was stored before the topic's limit was lowered.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_its_topic_refuses_is_answered_failed_and_its_neighbours_arrive() {
    let mut world = World::new().await;
    world.limit_replies(1_000).await;
    let keys: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    for key in &keys {
        let wish = if key == "key-7" {
            Wish::AnswerWithMuch
        } else {
            Wish::Succeed
        };
        world.send_to(0, &world.count(key, wish));
    }
    world.flush();
    let running = service(world.settings()).start().await.unwrap();
    let outcomes = world.outcomes(keys.len());
    for key in &keys {
        let expected = if key == "key-7" {
            (Outcome::Failed, "reply-too-large".to_owned())
        } else {
            (Outcome::Succeeded, String::new())
        };
        assert_eq!(outcomes[&saga(key)], expected, "{key}");
        assert_eq!(world.effects(key).await, (1, 0), "{key}");
    }
    world.limit_replies(1_000_000).await;
    let mut again = world.count("key-7", Wish::AnswerWithMuch);
    again.attempt = 2;
    assert_eq!(
        world.ask(&again).outcome,
        Outcome::Succeeded,
        "it is stored"
    );
    assert_eq!(world.effects("key-7").await, (1, 0));
    running.stop().await.unwrap();
}

impl World {
    async fn limit_replies(&self, bytes: u32) {
        let admin: AdminClient<DefaultClientContext> = client(&self.brokers).create().unwrap();
        let (topic, bytes) = (topics::replies(&self.prefix), bytes.to_string());
        let change = AlterConfig::new(ResourceSpecifier::Topic(&topic));
        let change = change.set("max.message.bytes", &bytes);
        let done = admin.alter_configs([&change], &AdminOptions::new()).await;
        done.unwrap().remove(0).unwrap();
    }
}
