-- One commit of one batch: a single statement, hence a single transaction and one round trip.
--
-- Members win or lose one by one; everything that belongs to a loser is left out. Rows arrive
-- sorted by (shard, id), and the planner is told to go through them in that order (session.rs), so
-- that two commits lock common rows in the same order.
WITH
-- Keyed starts: this row alone decides who is new.
claimed AS (
    INSERT INTO saga_key (shard, id, digest)
    SELECT shard, id, digest
    FROM unnest($1::smallint[], $2::uuid[], $3::bytea[]) AS s (shard, id, digest)
    WHERE digest IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING id
),
-- A start without a key conflicts only with its own earlier commit, whose answer was lost.
started AS (
    INSERT INTO saga (shard, id, definition, version, fingerprint, status, revision, wake_at,
        moving, needs_attention, started_at, updated_at, finished_at)
    SELECT s.shard, s.id, s.definition, s.version, s.fingerprint, s.status, s.revision, s.wake_at,
        s.moving, s.needs_attention, s.started_at, s.updated_at,
        CASE WHEN s.status IN ('completed', 'compensated') THEN s.updated_at END
    FROM unnest($1::smallint[], $2::uuid[], $3::bytea[], $4::text[], $5::bigint[], $6::uuid[],
            $7::text[], $8::bigint[], $9::timestamptz[], $10::text[], $11::boolean[],
            $12::timestamptz[], $13::timestamptz[])
        AS s (shard, id, digest, definition, version, fingerprint, status, revision, wake_at,
            moving, needs_attention, started_at, updated_at)
    WHERE s.digest IS NULL OR s.id IN (SELECT id FROM claimed)
    ON CONFLICT DO NOTHING
    RETURNING id, status
),
-- Compare and set.
updated AS (
    UPDATE saga
    SET revision = u.revision, status = u.status, wake_at = u.wake_at, moving = u.moving,
        needs_attention = u.needs_attention, updated_at = u.updated_at,
        finished_at = CASE WHEN u.status IN ('completed', 'compensated') THEN u.updated_at END
    FROM unnest($14::smallint[], $15::uuid[], $16::bigint[], $17::bigint[], $18::text[],
            $19::timestamptz[], $20::text[], $21::boolean[], $22::timestamptz[])
        AS u (shard, id, expected, revision, status, wake_at, moving, needs_attention, updated_at)
    WHERE saga.shard = u.shard AND saga.id = u.id AND saga.revision = u.expected
    RETURNING saga.id, saga.status
),
winner AS (
    SELECT id, status, true AS is_start FROM started
    UNION ALL
    SELECT id, status, false FROM updated
),
recorded AS (
    INSERT INTO saga_history (shard, saga_id, revision, at, entry)
    SELECT h.shard, h.id, h.revision, h.at, h.entry
    FROM unnest($23::smallint[], $24::uuid[], $25::boolean[], $26::bigint[], $27::timestamptz[],
            $28::text[])
        AS h (shard, id, is_start, revision, at, entry)
    JOIN winner USING (id, is_start)
),
-- A saga that has another revision has had its wake set anew.
postponed AS (
    UPDATE saga
    SET wake_at = p.wake_at
    FROM unnest($29::smallint[], $30::uuid[], $31::bigint[], $32::timestamptz[])
        AS p (shard, id, expected, wake_at)
    WHERE saga.shard = p.shard AND saga.id = p.id AND saga.revision = p.expected
),
announced AS (
    INSERT INTO event_outbox (slot, id, events)
    SELECT $33, gen_random_uuid(), '[' || string_agg(a.event, ',' ORDER BY a.position) || ']'
    FROM unnest($34::uuid[], $35::boolean[], $36::text[])
        WITH ORDINALITY AS a (id, is_start, event, position)
    JOIN winner USING (id, is_start)
    HAVING count(*) > 0
    RETURNING id
),
delivered AS (
    DELETE FROM event_outbox
    USING unnest($37::integer[], $38::uuid[]) AS d (slot, id)
    WHERE event_outbox.slot = d.slot AND event_outbox.id = d.id
),
buried AS (
    INSERT INTO dead_letter
        (cluster, topic, partition, record_offset, digest, reason, key, headers, value)
    SELECT * FROM unnest($39::text[], $40::text[], $41::integer[], $42::bigint[], $43::bytea[],
        $44::text[], $45::bytea[], $46::bytea[], $47::bytea[])
    ON CONFLICT DO NOTHING
),
-- Last, because other commits of the same slot wait for these rows.
tallied AS (
    INSERT INTO saga_tally (slot, status, sagas)
    SELECT $33, status, count(*) FROM winner
    WHERE status IN ('completed', 'compensated')
    GROUP BY status ORDER BY status
    ON CONFLICT (slot, status) DO UPDATE SET sagas = saga_tally.sagas + excluded.sagas
)
SELECT
    ARRAY(SELECT id FROM started) AS started,
    ARRAY(SELECT id FROM updated) AS updated,
    (SELECT id FROM announced) AS outbox,
    clock_timestamp() AS database_time
