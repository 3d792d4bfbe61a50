//! A service without a database: answered over Kafka, and called as often as a command comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sagas::Outcome;
use sagas::barrier::Ask;
use sagas_participant::{HandlerError, Received, Service, Settings};

use crate::service::{Count, Counted, PARTICIPANT, Wish};
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_database_answers_and_keeps_no_barrier() {
    let mut world = World::new().await;
    let settings = Settings {
        prefix: world.prefix.clone(),
        ..Settings::without_database(&world.brokers)
    };
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let service = Service::new(PARTICIPANT, settings);
    let service = service.handle_outside(move |received: Received<Count>| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            match received.command.wish {
                Wish::Reject => Err(HandlerError::rejected("no", "not today")),
                _ => Ok(Counted::of(received.generation)),
            }
        }
    });
    service.migrate().await.unwrap();
    let health = service.health();
    let running = service.start().await.unwrap();

    let count = world.count("twice", Wish::Succeed);
    assert_eq!(world.ask(&count).outcome, Outcome::Succeeded);
    assert_eq!(world.ask(&count).outcome, Outcome::Succeeded);
    assert_eq!(calls.load(Ordering::Relaxed), 2, "no inbox knows the first");
    let refused = world.ask(&world.count("refused", Wish::Reject));
    assert_eq!(refused.outcome, Outcome::Rejected);
    let fence = world.command(
        "twice",
        Ask::FenceForward,
        1,
        &Count {
            wish: Wish::Succeed,
        },
    );
    assert_eq!(world.ask(&fence).outcome, Outcome::Failed);
    eventually("healthy", || async { health.report().is_healthy() }).await;
    running.stop().await.unwrap();
}
