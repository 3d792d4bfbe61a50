//! An operator's order that was applied before, while the engine cannot be asked: Kafka is away, say.
//!
//! What came of the order is stored with its saga, so a client that repeats it need not wait.

use sagas::machine::{Event, Order, Refusal, Row};
use sagas::{Saga, SagaId, Timestamp, transition};
use sagas_core::Registry;
use sagas_core::loaded::Loaded;

use super::backend::Backend;

/// The answer that the saga has stored under the order's id; `None` where there is none, or none can be
/// read.
pub(super) async fn before(backend: &Backend, saga: SagaId, order: &Order) -> Option<Refusal> {
    let found = backend.store().load(&[saga]).await.ok()?;
    known(backend.registry(), found.loaded.into_iter().next()?, order)
}

fn known(registry: &Registry, loaded: Loaded, order: &Order) -> Option<Refusal> {
    let Loaded { row, history } = loaded;
    let definition = registry.pinned(&row.definition, row.version, row.fingerprint)?;
    // Whatever is known of the order is known at any time.
    let now: Timestamp = row.updated_at;
    let row = Row {
        id: row.id,
        started_at: row.started_at,
        revision: row.revision,
        wake_at: row.wake_at,
        moving: row.moving,
    };
    let saga = Saga::restore(definition, row, &history).ok()?;
    let refusal = transition(definition, &saga, Event::Order(order.clone()), now).err()?;
    let is_known = matches!(
        refusal,
        Refusal::OrderAppliedBefore(_) | Refusal::OrderIdUsedOtherwise { .. }
    );
    is_known.then_some(refusal)
}

#[cfg(test)]
mod tests {
    use sagas::OrderId;
    use sagas::machine::{OrderKind, OrderResult};
    use uuid::Uuid;

    use super::super::sample;
    use super::*;

    fn known_of(id: u128, kind: OrderKind) -> Option<Refusal> {
        let loaded = sample::played("start; cancel");
        let applied = loaded.history.iter().find_map(|entry| entry.order.clone());
        let applied = applied.expect("the script gives an order");
        let order = Order {
            id: if id == 0 {
                applied.id
            } else {
                OrderId(Uuid::from_u128(id))
            },
            kind,
            ..applied
        };
        known(&sample::registry(), loaded, &order)
    }

    #[test]
    fn what_came_of_an_order_is_known_and_of_another_one_nothing_is() {
        assert_eq!(
            known_of(0, OrderKind::Cancel),
            Some(Refusal::OrderAppliedBefore(OrderResult::Cancelling))
        );
        let otherwise = known_of(0, OrderKind::Pause);
        assert!(
            matches!(otherwise, Some(Refusal::OrderIdUsedOtherwise { .. })),
            "{otherwise:?}"
        );
        assert_eq!(known_of(99, OrderKind::Cancel), None);
        assert_eq!(known_of(99, OrderKind::Pause), None);
    }
}
