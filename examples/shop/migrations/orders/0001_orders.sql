-- The orders service.

-- What is sold, and for how much.
CREATE TABLE product (
    sku         text   PRIMARY KEY,
    price_cents bigint NOT NULL CHECK (price_cents > 0)
);

CREATE TABLE orders (
    id        uuid   PRIMARY KEY,
    -- What the customer sees.
    number    bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    customer  bigint NOT NULL,
    cents     bigint NOT NULL CHECK (cents > 0),
    placed_at timestamptz NOT NULL DEFAULT now(),
    ships_on  date,
    state     text   NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'confirmed', 'cancelled')),
    -- A confirmed order has a day on which it leaves, and no other has one.
    CHECK ((state = 'confirmed') = (ships_on IS NOT NULL))
) WITH (fillfactor = 80); -- Room for the one update that every order gets.

CREATE TABLE order_line (
    order_id uuid   NOT NULL REFERENCES orders,
    -- Not a foreign key: it would lock the row of a product that everybody orders, with every order.
    sku      text   NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, sku)
);
