-- The shipping service.

-- A day on which shipments leave.
CREATE TABLE shipping_day (
    day      date   PRIMARY KEY,
    -- How many pieces fit.
    capacity bigint NOT NULL CHECK (capacity >= 0),
    booked   bigint NOT NULL DEFAULT 0 CHECK (booked BETWEEN 0 AND capacity)
) WITH (fillfactor = 20); -- Few rows, changed by every order.

CREATE TABLE shipment (
    order_id uuid   PRIMARY KEY,
    day      date   NOT NULL REFERENCES shipping_day,
    pieces   bigint NOT NULL CHECK (pieces > 0),
    state    text   NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'cancelled'))
) WITH (fillfactor = 90);
