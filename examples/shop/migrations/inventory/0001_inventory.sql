-- The inventory service.

CREATE TABLE stock (
    sku      text   PRIMARY KEY,
    -- All pieces that ever came in.
    received bigint NOT NULL CHECK (received >= 0),
    -- Those that nobody holds.
    on_hand  bigint NOT NULL CHECK (on_hand BETWEEN 0 AND received)
) WITH (fillfactor = 20); -- Few rows, changed by every order.

CREATE TABLE reservation (
    order_id uuid   NOT NULL,
    sku      text   NOT NULL REFERENCES stock,
    quantity bigint NOT NULL CHECK (quantity > 0),
    state    text   NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'released')),
    PRIMARY KEY (order_id, sku)
) WITH (fillfactor = 90);
