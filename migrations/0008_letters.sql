-- Dead letters fold: records with the same bytes that are of no use for the same reason are one row, with
-- their number. Of one kind of reason, a bounded number of rows is added on a day; of what comes beyond
-- it, only the number is kept.
--
-- An older binary goes on adding a row for each record, without a kind. It shows all rows. Its rows are
-- not folded, and count for no limit.

ALTER TABLE dead_letter
    -- How many; with the columns below, of the last of them: cluster, topic, partition, record_offset,
    -- reason, received_at.
    ADD COLUMN records  bigint NOT NULL DEFAULT 1,
    -- When the first of them was stored; null in rows from before this migration: received_at.
    ADD COLUMN first_at timestamptz,
    -- The reason in a word; null in rows of older binaries.
    ADD COLUMN kind     text;
ALTER TABLE dead_letter ALTER COLUMN first_at SET DEFAULT clock_timestamp();

-- Where a row has a kind, `digest` is of the kind, too.
CREATE UNIQUE INDEX dead_letter_fold ON dead_letter (cluster, topic, digest) WHERE kind IS NOT NULL;

-- Rows that were added on a day (UTC), and records that were not. As in saga_tally, the slot keeps
-- commits of different lanes off each other's row.
CREATE TABLE dead_letter_tally (
    kept     bigint  NOT NULL,
    left_out bigint  NOT NULL,
    slot     integer NOT NULL,
    day      date    NOT NULL,
    kind     text    NOT NULL,
    PRIMARY KEY (kind, day, slot)
) WITH (fillfactor = 50);
