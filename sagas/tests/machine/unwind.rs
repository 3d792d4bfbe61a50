//! What is undone next: dependents first, independent steps in parallel, for as long as it takes.

use crate::definitions::place_order;
use crate::script::check;

#[test]
fn a_compensation_that_fails_is_tried_again_without_end() {
    check(
        &place_order(),
        "until create-shipment; create-shipment rejected; authorize-payment ok; \
         reserve-stock failed; wake +1s; reserve-stock failed; wake +2s; reserve-stock failed; \
         wake +4s; reserve-stock failed; wake +8s; reserve-stock ok; create-order ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment rejected => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          authorize-payment ok => nothing | compensating, wake 2s
          reserve-stock failed => nothing | compensating, wake 0.877s
          wake +1s => reserve-stock compensate#2 | compensating, wake 3s
          reserve-stock failed => nothing | compensating, wake 2.772s
          wake +2s => reserve-stock compensate#3 | compensating, wake 5s
          reserve-stock failed => nothing | compensating, wake 5s, reserve-stock needs attention since 3s
          wake +4s => reserve-stock compensate#4 | compensating, wake 9s, reserve-stock needs attention since 3s
          reserve-stock failed => nothing | compensating, wake 9s, reserve-stock needs attention since 3s
          wake +8s => reserve-stock compensate#5 | compensating, wake 17s, reserve-stock needs attention since 3s
          reserve-stock ok => create-order compensate#1 | compensating, wake 17s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment rejected, capture-payment idle, confirm-order idle
          reason: create-shipment: some-code: says the participant
        ",
    );
}

#[test]
fn a_compensation_without_an_answer_is_tried_again_without_end() {
    check(
        &place_order(),
        "until reserve-stock; reserve-stock rejected; authorize-payment rejected; wake +10s; \
         wake +10s; wake +10s; wake +20s; wake +40s; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock rejected => nothing | compensating, announces compensating, wake 2s
          authorize-payment rejected => create-order compensate#1 | compensating, wake 2s
          wake +10s => create-order compensate#2 | compensating, wake 20s
          wake +10s => create-order compensate#3 | compensating, wake 30s
          wake +10s => create-order compensate#4 | compensating, wake 50s, create-order needs attention since 30s
          wake +20s => create-order compensate#5 | compensating, wake 90s, create-order needs attention since 30s
          wake +40s => create-order compensate#6 | compensating, wake 170s, create-order needs attention since 30s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock rejected, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: reserve-stock: some-code: says the participant
        ",
    );
}

#[test]
fn a_compensation_that_was_done_before_counts_as_done() {
    check(
        &place_order(),
        "until reserve-stock; reserve-stock rejected; authorize-payment rejected; \
         create-order already-compensated",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock rejected => nothing | compensating, announces compensating, wake 2s
          authorize-payment rejected => create-order compensate#1 | compensating, wake 2s
          create-order already-compensated => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock rejected, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: reserve-stock: some-code: says the participant
        ",
    );
}

#[test]
fn nothing_is_undone_before_what_was_built_on_it() {
    check(
        &place_order(),
        "until capture-payment; capture-payment rejected; reserve-stock/compensate ok; \
         create-order/compensate ok; create-shipment ok; create-order/compensate ok; \
         reserve-stock ok; create-order/compensate ok; authorize-payment ok; create-order ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          capture-payment rejected => create-shipment compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock/compensate ok => refused: no compensate command of generation 1, attempt 1, waits for it
          create-order/compensate ok => refused: no compensate command of generation 1, attempt 1, waits for it
          create-shipment ok => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, wake 2s
          create-order/compensate ok => refused: no compensate command of generation 1, attempt 1, waits for it
          reserve-stock ok => nothing | compensating, wake 2s
          create-order/compensate ok => refused: no compensate command of generation 1, attempt 1, waits for it
          authorize-payment ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment compensated, capture-payment rejected, confirm-order idle
          reason: capture-payment: some-code: says the participant
        ",
    );
}
