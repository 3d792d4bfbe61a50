//! Orders, as customers place them: each ends where its data says.

use std::time::Duration;

use shop::workload::Workload;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_order_ends_where_its_data_says_and_the_books_agree() {
    let world = World::open().await;
    let orders: Vec<_> = Workload::new(1, 40).take(40).collect();
    for planned in &orders {
        world.submit(&planned.order).await;
    }
    let audit = world.audited(Duration::from_secs(120)).await;
    assert_eq!(audit.exit_code(), 0, "{audit:?}");
}
