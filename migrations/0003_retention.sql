-- Retention: sagas that have ended leave the hot tables, are kept for a while where they cost little,
-- and go with a whole partition at a time.
--
-- The rules at the head of 0001_sagas.sql hold. An ordinary step changes none of the columns below:
-- `finished_at` is set by the one update that ends a saga, which writes index entries anyway.

-- Who has ended, the longest ago first. Entries leave when the saga does, a minute after its end.
CREATE INDEX saga_finished ON saga (shard, finished_at) WHERE finished_at IS NOT NULL;

-- Rows leave these tables as fast as they come now.
ALTER TABLE saga_history SET (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 1
);

-- A key is refused for longer than its saga is kept; by whole days, because equal entries of an
-- index are stored once: 7 bytes a key instead of 28.
ALTER TABLE saga_key ADD COLUMN created_on date NOT NULL
    DEFAULT (statement_timestamp() AT TIME ZONE 'UTC')::date;
CREATE INDEX saga_key_created ON saga_key (shard, created_on);

-- One row per saga that has ended, never changed. Partitions are days of `drop_on`, so definitions
-- that are kept for different times share them; each is named saga_archive_YYYYMMDD and made by the
-- service, days ahead.
CREATE TABLE saga_archive (
    id             uuid        NOT NULL,
    fingerprint    uuid        NOT NULL,
    revision       bigint      NOT NULL,
    version        bigint      NOT NULL,
    started_at     timestamptz NOT NULL,
    finished_at    timestamptz NOT NULL,
    -- The first day, in UTC, on which it may be gone.
    drop_on        date        NOT NULL,
    shard          smallint    NOT NULL,
    -- Otherwise it completed.
    is_compensated boolean     NOT NULL,
    definition     text        NOT NULL,
    -- As in the table saga.
    moving         text        NOT NULL,
    -- A JSON array of all entries, then blanks: Postgres compresses rows above 2 kB only, and those
    -- of a common saga are shorter, although they shrink to a third.
    history        text        NOT NULL,
    PRIMARY KEY (shard, id, drop_on)
) PARTITION BY RANGE (drop_on);

-- Compressed, but in the row: a place of its own costs another 70 bytes and an index entry.
ALTER TABLE saga_archive
    ALTER COLUMN definition SET STORAGE MAIN,
    ALTER COLUMN moving SET STORAGE MAIN,
    ALTER COLUMN history SET STORAGE MAIN;

-- Lists, newest first: of one state, or of one definition in one state. What shows both states
-- merges two lists.
CREATE INDEX saga_archive_completed ON saga_archive (started_at) WHERE NOT is_compensated;
CREATE INDEX saga_archive_compensated ON saga_archive (started_at) WHERE is_compensated;
CREATE INDEX saga_archive_completed_of ON saga_archive (definition, started_at)
    WHERE NOT is_compensated;
CREATE INDEX saga_archive_compensated_of ON saga_archive (definition, started_at)
    WHERE is_compensated;

-- How many sagas each partition has, counted by the statements that move them.
CREATE TABLE saga_archive_tally (
    sagas          bigint   NOT NULL,
    drop_on        date     NOT NULL,
    shard          smallint NOT NULL,
    is_compensated boolean  NOT NULL,
    definition     text     NOT NULL,
    PRIMARY KEY (shard, drop_on, definition, is_compensated)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000);

-- Every saga that is kept, wherever it lies, with its history as one JSON array: for auditors and
-- people. The service itself reads the tables.
CREATE VIEW every_saga AS
    SELECT shard, id, definition, version, fingerprint, status, revision, needs_attention, started_at,
        updated_at, finished_at, wake_at, moving, (
            SELECT '[' || string_agg(h.entry, ',' ORDER BY h.revision) || ']'
            FROM saga_history h WHERE h.shard = saga.shard AND h.saga_id = saga.id
        ) AS history
    FROM saga
    UNION ALL
    SELECT shard, id, definition, version, fingerprint,
        CASE WHEN is_compensated THEN 'compensated' ELSE 'completed' END, revision, false, started_at,
        finished_at, finished_at, NULL, moving, history
    FROM saga_archive;
