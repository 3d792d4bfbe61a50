-- The orchestrator's schema. Postgres 15 or later.
--
-- Rules that every later migration keeps:
--   * It is numbered by the minor release that brings it, then in that release: 0301 is 0.3's second.
--   * It takes away only what the release before does not use.
--   * Hot tables have a primary key that starts with `shard` (or with `slot`, the number of a
--     reply partition), and every hot statement names it, so that the tables can be distributed.
--   * No sequences, foreign keys or triggers; no advisory locks, LISTEN or SKIP LOCKED on the hot
--     path.
--   * An ordinary step of a saga changes no indexed column, so that its UPDATE is HOT: it writes
--     one heap tuple and no index entry.
--   * Payloads are text, byte for byte as they came; never jsonb, which rewrites them and refuses
--     the escape \u0000.
--   * In a new table, columns stand by their alignment: no row has padding between them.

-- What was fixed when the service was installed. One row.
CREATE TABLE installation (
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- A saga's shard is computed from its id modulo this number; another number would look for
    -- every saga in the wrong place.
    shards       smallint    NOT NULL CHECK (shards > 0),
    is_only      boolean     PRIMARY KEY DEFAULT true CHECK (is_only)
);

-- One row per saga while it runs, its history in it. The commit that ends a saga moves it to
-- saga_archive.
CREATE TABLE saga (
    id              uuid        NOT NULL,
    fingerprint     uuid        NOT NULL,
    revision        bigint      NOT NULL,
    version         bigint      NOT NULL,
    started_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    -- Set where a saga has ended and could not be moved yet.
    finished_at     timestamptz,
    -- Not later than the earliest thing that is due; null when nothing is.
    wake_at         timestamptz,
    shard           smallint    NOT NULL,
    -- Stuck, or trying beyond its retry policy.
    needs_attention boolean     NOT NULL,
    -- Whether later entries are in saga_history.
    spilled         boolean     NOT NULL,
    status          text        NOT NULL CHECK
        (status IN ('running', 'compensating', 'completed', 'compensated', 'stuck')),
    definition      text        NOT NULL,
    -- JSON: how far each step has come, and why the saga turned back.
    moving          text        NOT NULL,
    -- JSON: the first entries of the history, separated by commas, as many as have room here.
    entries         text        NOT NULL,
    PRIMARY KEY (shard, id)
) WITH (
    -- A HOT update needs room on the row's own page, and the row grows with every step. Sagas that
    -- start together lie together and often move in one commit, which cannot reuse what it has just
    -- made dead: so there is room for a second version of every row, and for what it grows by. (HOT
    -- updates when all neighbours move in each commit and rows do not grow: 100 % at 50 and 60, 89 %
    -- at 70, 76 % at 75.)
    fillfactor = 25,
    -- As long as the row fits a page, it is left as it is: to compress it would cost more than it
    -- saves, because it does not stay.
    toast_tuple_target = 8160,
    -- Dead versions are pruned when a page is visited; vacuum takes what is left, and keeps the
    -- visibility map young. A fifth of a large table (the default) is too long to wait.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 1
);

-- Who is due. A saga enters with its first wake and leaves when it ends; steps in between leave
-- wake_at alone.
CREATE INDEX saga_wake ON saga (shard, wake_at) WHERE wake_at IS NOT NULL;

-- Open sagas that have no wake: paused, or stuck. With saga_wake, which has all others, whoever counts
-- what is open, or looks through it, finds it by an index, and does not pass what ended since the last
-- vacuum. Sagas of neither kind of trouble never get an entry.
CREATE INDEX saga_asleep ON saga (status)
    WHERE wake_at IS NULL AND status IN ('running', 'compensating', 'stuck');

-- The list of all sagas, newest first. By the start alone: sagas that started at the same microsecond
-- are few, and are put in order when they are read. An index that has the id as well is a second way to
-- a saga by its id, the wrong one: without the shard it is a walk through the whole of it, and a planner
-- that expects one row cannot tell the two apart.
CREATE INDEX saga_started ON saga (started_at DESC);

-- Lists and counts by status. Most open sagas run: whoever wants a list of those reads it from
-- saga_started.
CREATE INDEX saga_status ON saga (status, started_at DESC, id DESC)
    WHERE status IN ('compensating', 'stuck');

-- What a person should look at.
CREATE INDEX saga_attention ON saga (started_at DESC, id DESC) WHERE needs_attention;

-- Who has ended and was not moved yet, the longest ago first.
CREATE INDEX saga_finished ON saga (shard, finished_at) WHERE finished_at IS NOT NULL;

-- How many sagas have ended, counted by the commits that end them, because counting the rows of
-- a large table takes minutes. The slot keeps commits of different lanes off each other's row.
CREATE TABLE saga_tally (
    sagas  bigint  NOT NULL,
    slot   integer NOT NULL,
    status text    NOT NULL,
    PRIMARY KEY (slot, status)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000);

-- What of a saga's history found no room in its row: one row per commit, never changed.
CREATE TABLE saga_history (
    saga_id  uuid        NOT NULL,
    revision bigint      NOT NULL,
    at       timestamptz NOT NULL,
    shard    smallint    NOT NULL,
    entry    text        NOT NULL,
    PRIMARY KEY (shard, saga_id, revision)
) WITH (
    -- Rows leave as fast as they come.
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 1
);

COMMENT ON COLUMN saga_history.entry IS 'JSON: entries up to `revision`, separated by commas';

-- Decides, alone, whether a submission with an idempotency key is new. Never changed, and kept
-- longer than the saga.
CREATE TABLE saga_key (
    id         uuid     NOT NULL,
    -- A key is refused for longer than its saga is kept; by whole days, because equal entries of an
    -- index are stored once: 7 bytes a key instead of 28.
    created_on date     NOT NULL DEFAULT (statement_timestamp() AT TIME ZONE 'UTC')::date,
    shard      smallint NOT NULL,
    -- The number of its form, then SHA-256 of definition and input.
    digest     bytea    NOT NULL,
    PRIMARY KEY (shard, id)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX saga_key_created ON saga_key (shard, created_on);

-- One row per saga that has ended, never changed. Partitions are days of `drop_on`, so definitions
-- that are kept for different times share them; each is named saga_archive_YYYYMMDD and made by the
-- service, days ahead. A whole partition goes at a time.
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

-- Compressed, but in the row: a place of its own costs another 70 bytes and an index entry. (Postgres 15
-- does not take STORAGE where the table is made.)
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

-- How many sagas each partition has, counted by the statements that move them. As in saga_tally, the
-- slot keeps commits of different lanes off each other's row; a move after the end uses its shard's
-- number for it.
CREATE TABLE saga_archive_tally (
    sagas          bigint  NOT NULL,
    drop_on        date    NOT NULL,
    slot           integer NOT NULL,
    is_compensated boolean NOT NULL,
    definition     text    NOT NULL,
    PRIMARY KEY (slot, drop_on, definition, is_compensated)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000);

-- Lifecycle events that the broker may not have yet: one row per commit, deleted by a later one.
CREATE TABLE event_outbox (
    id         uuid        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    slot       integer     NOT NULL,
    -- JSON array, in order.
    events     text        NOT NULL,
    PRIMARY KEY (slot, id)
) WITH (
    -- Rows live for milliseconds: the table is small and nearly all dead.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

-- A third of the time of Postgres' own method, which stays where the server was built without it.
DO $$ BEGIN
    ALTER TABLE saga_archive
        ALTER COLUMN definition SET COMPRESSION lz4,
        ALTER COLUMN moving SET COMPRESSION lz4,
        ALTER COLUMN history SET COMPRESSION lz4;
    -- The events of one commit repeat themselves: compressed, they fit into the row.
    ALTER TABLE event_outbox
        ALTER COLUMN events SET COMPRESSION lz4,
        ALTER COLUMN events SET STORAGE MAIN;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;

-- Which replicas of the service live.
CREATE TABLE replica (
    id           uuid        PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    name         text        NOT NULL
) WITH (fillfactor = 50);

-- Which definitions some live replica has, and when one last had it. Every replica says so with its
-- first heartbeat, before it starts a saga, so whatever an open saga pins stands here. A row is renewed
-- every few seconds, however many replicas have the definition. What is not renewed is nobody's any
-- more, and its open sagas need attention. Rows stay: one for every definition that was ever deployed
-- is few, and tells since when it is missing.
CREATE TABLE definition_seen (
    fingerprint uuid        NOT NULL,
    version     bigint      NOT NULL,
    seen_at     timestamptz NOT NULL,
    name        text        NOT NULL,
    PRIMARY KEY (name, version, fingerprint)
) WITH (fillfactor = 50);

-- Records of the reply topic that nobody can use, kept for people, byte for byte. They fold: records
-- with the same bytes that are of no use for the same reason are one row, with their number. Of one kind
-- of reason, a bounded number of rows is added on a day; of what comes beyond it, only the number is
-- kept.
CREATE TABLE dead_letter (
    id            uuid        NOT NULL DEFAULT gen_random_uuid(),
    -- How many; with received_at and the place of the last of them, and its reason.
    records       bigint      NOT NULL,
    record_offset bigint      NOT NULL,
    -- When the first of them was stored.
    first_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    partition     integer     NOT NULL,
    -- The Kafka cluster's id, because offsets of another cluster start again; '' while unknown.
    cluster       text        NOT NULL,
    topic         text        NOT NULL,
    -- The reason in a word.
    kind          text        NOT NULL,
    reason        text        NOT NULL,
    -- SHA-256 of kind, key, headers and value.
    digest        bytea       NOT NULL,
    key           bytea,
    -- Repeated: length of the name (4 bytes, big-endian), name, length of the value, value.
    headers       bytea       NOT NULL,
    value         bytea,
    PRIMARY KEY (cluster, topic, digest)
);

CREATE INDEX dead_letter_received ON dead_letter (received_at DESC, id DESC);

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

-- Every saga that is kept, wherever it lies, with its history as one JSON array: for auditors and
-- people. The service itself reads the tables.
CREATE VIEW every_saga AS
    SELECT shard, id, definition, version, fingerprint, status, revision, needs_attention, started_at,
        updated_at, finished_at, wake_at, moving,
        '[' || concat_ws(',', entries, (
            SELECT string_agg(h.entry, ',' ORDER BY h.revision)
            FROM saga_history h WHERE h.shard = saga.shard AND h.saga_id = saga.id
        )) || ']' AS history
    FROM saga
    UNION ALL
    SELECT shard, id, definition, version, fingerprint,
        CASE WHEN is_compensated THEN 'compensated' ELSE 'completed' END, revision, false, started_at,
        finished_at, finished_at, NULL, moving, history
    FROM saga_archive;
