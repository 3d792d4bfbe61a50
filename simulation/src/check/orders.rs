//! What became of operators' orders.

use std::collections::BTreeSet;

use sagas::OrderId;
use sagas::SagaId;
use sagas::machine::OrderResult;

use super::{Evidence, Finding, require};

/// An order that was answered is in the history, once, with the result that the caller was told.
pub(super) fn answered_orders_are_stored(evidence: &Evidence<'_>) -> Finding {
    for ordered in &evidence.journal.ordered {
        let id = ordered.saga;
        let results = evidence.results(id, ordered.order);
        require(results == [Some(ordered.result)], id, || {
            format!(
                "order {} was answered {:?}, stored is {results:?}",
                ordered.order, ordered.result
            )
        })?;
    }
    Ok(())
}

/// An order is in a saga's history at most once; given again, it is answered with what is recorded,
/// never refused.
pub(super) fn orders_are_applied_once(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let mut seen = BTreeSet::new();
        let entries = stored.loaded.history.iter();
        for order in entries.filter_map(|entry| entry.order.as_ref()) {
            require(seen.insert(order.id), *id, || {
                format!("order {} was applied twice", order.id)
            })?;
        }
    }
    for refused in &evidence.journal.refused {
        require(refused.result_before.is_none(), refused.saga, || {
            let (order, result) = (refused.order, refused.result_before);
            format!("order {order} was refused, although it had been applied: {result:?}")
        })?;
    }
    Ok(())
}

/// An order is refused for what is stored: where the saga did not move between question and answer,
/// its stored state gives the same refusal.
pub(super) fn orders_are_refused_by_the_stored_state(evidence: &Evidence<'_>) -> Finding {
    for refused in &evidence.journal.refused {
        require(refused.would_be.is_none(), refused.saga, || {
            let (order, would_be) = (refused.order, refused.would_be.as_deref());
            format!("order {order} was refused; the stored state makes of it: {would_be:?}")
        })?;
    }
    Ok(())
}

impl Evidence<'_> {
    fn results(&self, id: SagaId, order: OrderId) -> Vec<Option<OrderResult>> {
        let stored = self.sagas.get(&id).into_iter();
        let entries = stored.flat_map(|stored| &stored.loaded.history);
        let entries = entries.filter(|entry| entry.order.as_ref().is_some_and(|o| o.id == order));
        entries.map(|entry| entry.result).collect()
    }
}
