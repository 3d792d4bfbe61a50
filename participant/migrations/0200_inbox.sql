-- What this service knows of the saga steps that it was told to execute (docs/wire.md).
-- The key starts with the saga's start day, so that old days are one range.
CREATE TABLE saga_inbox (
    start_day               date   NOT NULL,
    saga                    uuid   NOT NULL,
    step                    text   NOT NULL,
    status                  text   NOT NULL CHECK (status IN ('taken', 'done', 'rejected', 'compensated')),
    generation              bigint,
    answer                  text,
    compensation_generation bigint,
    compensation_answer     text,
    PRIMARY KEY (start_day, saga, step)
) WITH (fillfactor = 70); -- every row is written twice in its transaction; the second fits beside

-- Rows of sagas that started before this day may be gone.
CREATE TABLE saga_inbox_watermark (
    single     boolean PRIMARY KEY DEFAULT true CHECK (single),
    before_day date    NOT NULL
);
INSERT INTO saga_inbox_watermark (before_day) VALUES ('0001-01-01');
