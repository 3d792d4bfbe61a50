-- The payments service.

CREATE TABLE customer (
    id                bigint PRIMARY KEY,
    -- How much may be authorized and captured, all payments together.
    credit_cents      bigint NOT NULL CHECK (credit_cents >= 0),
    -- How much of it is authorized or captured.
    used_cents        bigint NOT NULL DEFAULT 0 CHECK (used_cents BETWEEN 0 AND credit_cents),
    -- The most that the customer's bank settles in one payment; it says so when asked to, and not
    -- before.
    settled_cents_max bigint NOT NULL CHECK (settled_cents_max >= 0)
) WITH (fillfactor = 20); -- Few rows, changed by every order.

CREATE TABLE payment (
    order_id uuid   PRIMARY KEY,
    customer bigint NOT NULL REFERENCES customer,
    cents    bigint NOT NULL CHECK (cents > 0),
    state    text   NOT NULL DEFAULT 'authorized'
        CHECK (state IN ('authorized', 'captured', 'voided'))
) WITH (fillfactor = 80); -- Room for the one update that every payment gets.
