//! The saga of this business under everything that can happen to it, without services or servers.

use sagas::testkit::Kit;
use serde_json::json;
use shop::place_order::place_order;

#[test]
fn place_order_keeps_its_promises_whatever_happens() {
    let order = json!({
        "order": "9b1c2d3e-0000-4000-8000-000000000007",
        "customer": 7,
        "lines": [{ "sku": "tea", "quantity": 2 }],
        "cents": 1_200,
    });
    Kit::new(&place_order().unwrap(), order).check();
}
