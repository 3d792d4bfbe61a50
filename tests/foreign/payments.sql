-- The inbox of docs/wire.md. Runs on every new connection; a second time changes no table.

SET default_transaction_isolation = 'read committed';
SET client_min_messages = warning; -- "already exists" is no news.

SELECT pg_advisory_xact_lock(5361676120); -- Two instances may start at once.

CREATE TABLE IF NOT EXISTS saga_inbox (
    start_day               date   NOT NULL, -- UTC day of started
    saga                    uuid   NOT NULL,
    step                    text   NOT NULL,
    status                  text   NOT NULL CHECK (status IN ('taken', 'done', 'rejected', 'compensated')),
    generation              bigint,          -- of the answer to the forward command
    answer                  text,            -- JSON, exactly as it was sent
    compensation_generation bigint, -- of the answer to the compensation
    compensation_answer     text,
    PRIMARY KEY (start_day, saga, step)
);

CREATE TABLE IF NOT EXISTS saga_inbox_watermark (
    single     boolean PRIMARY KEY DEFAULT true CHECK (single),
    before_day date    NOT NULL
);

INSERT INTO saga_inbox_watermark (before_day) VALUES ('0001-01-01') ON CONFLICT DO NOTHING;
