-- The orchestrator's schema. Postgres 15 or later.
--
-- Rules that every later migration keeps:
--   * Hot tables have a primary key that starts with `shard` (or with `slot`, the number of a
--     reply partition), and every hot statement names it, so that the tables can be distributed.
--   * No sequences, foreign keys or triggers; no advisory locks, LISTEN or SKIP LOCKED on the hot
--     path.
--   * An ordinary step of a saga changes no indexed column, so that its UPDATE is HOT: it writes
--     one heap tuple and no index entry.
--   * Payloads are text, byte for byte as they came; never jsonb, which rewrites them and refuses
--     the escape \u0000.

-- What was fixed when the service was installed. One row.
CREATE TABLE installation (
    is_only      boolean     PRIMARY KEY DEFAULT true CHECK (is_only),
    -- A saga's shard is computed from its id modulo this number; another number would look for
    -- every saga in the wrong place.
    shards       smallint    NOT NULL CHECK (shards > 0),
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row per saga: the part that moves. Input, payloads and replies are in saga_history.
CREATE TABLE saga (
    -- Fixed-width columns first: no padding between them.
    id              uuid        NOT NULL,
    fingerprint     uuid        NOT NULL,
    revision        bigint      NOT NULL,
    version         bigint      NOT NULL,
    started_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    -- Not later than the earliest thing that is due; null when nothing is.
    wake_at         timestamptz,
    shard           smallint    NOT NULL,
    -- Stuck, or trying beyond its retry policy.
    needs_attention boolean     NOT NULL,
    status          text        NOT NULL CHECK
        (status IN ('running', 'compensating', 'completed', 'compensated', 'stuck')),
    definition      text        NOT NULL,
    -- JSON: how far each step has come, and why the saga turned back.
    moving          text        NOT NULL,
    PRIMARY KEY (shard, id)
) WITH (
    -- A HOT update needs room on the row's own page. Sagas that start together lie together and
    -- often move in one commit, which cannot reuse what it has just made dead: so there is room for
    -- a second version of every row. (HOT updates when all neighbours move in each commit:
    -- 100 % at 50 and 60, 89 % at 70, 76 % at 75.)
    fillfactor = 50,
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

-- The list of all sagas, newest first.
CREATE INDEX saga_started ON saga (started_at DESC, id DESC);

-- Lists and counts by status. Completed sagas are nearly all of a full table, and leave.
CREATE INDEX saga_status ON saga (status, started_at DESC, id DESC) WHERE status <> 'completed';

-- What a person should look at.
CREATE INDEX saga_attention ON saga (started_at DESC, id DESC) WHERE needs_attention;

-- How many sagas have ended, counted by the commits that end them, because counting the rows of
-- a large table takes minutes. The slot keeps commits of different lanes off each other's row.
CREATE TABLE saga_tally (
    sagas  bigint  NOT NULL,
    slot   integer NOT NULL,
    status text    NOT NULL,
    PRIMARY KEY (slot, status)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000);

-- One row per transition, never changed: what happened, and the bytes that were sent.
CREATE TABLE saga_history (
    saga_id  uuid        NOT NULL,
    revision bigint      NOT NULL,
    at       timestamptz NOT NULL,
    shard    smallint    NOT NULL,
    -- JSON.
    entry    text        NOT NULL,
    PRIMARY KEY (shard, saga_id, revision)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05);

-- Decides, alone, whether a submission with an idempotency key is new. Never changed, and kept
-- longer than the saga.
CREATE TABLE saga_key (
    id     uuid     NOT NULL,
    shard  smallint NOT NULL,
    -- SHA-256 of definition and input.
    digest bytea    NOT NULL,
    PRIMARY KEY (shard, id)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05);

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

-- Which replicas of the service live.
CREATE TABLE replica (
    id           uuid        PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    name         text        NOT NULL
) WITH (fillfactor = 50);

-- Records of the reply topic that nobody can use, kept for people, byte for byte.
CREATE TABLE dead_letter (
    id             uuid        NOT NULL DEFAULT gen_random_uuid(),
    received_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    record_offset  bigint      NOT NULL,
    partition      integer     NOT NULL,
    -- The Kafka cluster's id, because offsets of another cluster start again; '' while unknown.
    cluster        text        NOT NULL,
    topic          text        NOT NULL,
    reason         text        NOT NULL,
    -- SHA-256 of key, headers and value: a topic that was created anew has the same offsets.
    digest         bytea       NOT NULL,
    key            bytea,
    -- Repeated: length of the name (4 bytes, big-endian), name, length of the value, value.
    headers        bytea       NOT NULL,
    value          bytea,
    PRIMARY KEY (cluster, topic, partition, record_offset, digest)
);

CREATE INDEX dead_letter_received ON dead_letter (received_at DESC, id DESC);
