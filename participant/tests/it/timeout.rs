//! A handler whose statement takes, or waits, too long is answered; its neighbours do not wait with it.

use std::time::Duration;

use sagas::Outcome;
use sagas::barrier::Ask;
use sagas_participant::Settings;
use sqlx::{Connection as _, PgConnection};

use crate::service::{CountMany, Wish, service};
use crate::world::{World, saga};

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_waits_too_long_is_answered_failed_and_its_neighbours_are_done() {
    let mut world = World::new().await;
    let mut holder = PgConnection::connect(&world.url).await.unwrap();
    let hold = sqlx::query("SELECT pg_advisory_lock(1)");
    hold.execute(&mut holder).await.unwrap();
    let timed_out = (Outcome::Failed, "handler-timeout".to_owned());
    let done = (Outcome::Succeeded, String::new());
    let wishes = [
        ("good-1", Wish::Succeed, &done),
        ("waits", Wish::WaitForLock, &timed_out),
        ("sleeps", Wish::Sleep, &timed_out),
        ("good-2", Wish::Succeed, &done),
    ];
    for (key, wish, _) in wishes {
        world.send_to(0, &world.count(key, wish));
        let many = world.command(&format!("many-{key}"), Ask::Forward, 1, &CountMany { wish });
        world.send_to(0, &many);
    }
    world.flush();
    let settings = Settings {
        handler_timeout: Duration::from_millis(300),
        ..world.settings()
    };
    let running = service(settings).start().await.unwrap();
    let outcomes = world.outcomes(2 * wishes.len());
    for (key, _, expected) in wishes {
        for key in [key.to_owned(), format!("many-{key}")] {
            assert_eq!(&outcomes[&saga(&key)], expected, "{key}");
            let effects = i64::from(expected == &done);
            assert_eq!(world.effects(&key).await, (effects, 0), "{key}");
        }
    }
    assert_eq!(world.rows_left_taken().await, 0);

    // Once the lock is free, the next attempt does what the first one could not.
    holder.close().await.unwrap();
    let mut again = world.count("waits", Wish::WaitForLock);
    again.attempt = 2;
    assert_eq!(world.ask(&again).outcome, Outcome::Succeeded);
    running.stop().await.unwrap();
}
