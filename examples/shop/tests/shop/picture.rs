//! The picture of `place-order` in the shop's page is the picture of the definition.

use sagas::definition::GraphFormat;
use shop::place_order::place_order;

#[test]
fn the_page_shows_the_saga_as_it_is_defined() {
    let page = include_str!("../../README.md");
    let graph = place_order()
        .unwrap()
        .describe()
        .graph(GraphFormat::Mermaid);
    let block = format!("```mermaid\n{graph}```\n");
    assert!(
        page.contains(&block),
        "examples/shop/README.md does not have what \
         `shop-orchestrator definitions graph place-order` prints:\n{block}"
    );
}
