//! The sagas that this business runs.

use sagas_program::Registry;

use crate::place_order::place_order;

/// All definitions, for [`sagas_program::main`].
///
/// # Panics
///
/// When a definition has no legal end from some point. Tests build it, so that no release does.
#[must_use]
pub fn registry() -> Registry {
    let place_order = place_order().expect("a test builds this definition");
    Registry::new().with(place_order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_of_the_shop_takes_part() {
        let participants = registry().participants();
        assert_eq!(
            participants,
            ["inventory", "orders", "payments", "shipping"]
        );
    }

    #[test]
    fn the_saga_is_sixty_lines_long() {
        let source = include_str!("place_order.rs");
        let body = source.split_once("pub fn place_order").unwrap().1;
        let body = body.split_once("\n}\n").unwrap().0;
        // The line of `pub fn` is counted, the one of `}` was cut off.
        assert!(body.lines().count() < 60, "{}", body.lines().count() + 1);
    }
}
