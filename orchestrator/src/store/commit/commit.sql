-- One commit of one batch: a single statement, hence a single transaction and one round trip.
--
-- It is put together from the parts below that the batch needs (statement.rs), because each part
-- costs time even if it has nothing to do; `---` begins a part, and says which. Numbers of arguments
-- are the same in all of them.
--
-- Members win or lose one by one; everything that belongs to a loser is left out. Rows arrive
-- sorted by (shard, id), and the planner is told to go through them in that order (session.rs), so
-- that two commits lock common rows in the same order. (One that ends a saga and moves another may
-- still meet one that does the opposite. Then Postgres ends one of the two, which is tried again.)
--
-- Rows are found by `shard = ANY (ARRAY[...])`, not by an equation. It means the same, but promises
-- no order: with an equation, and one row in the table when it is planned, the planner looks for
-- something to merge in order, passes over the bitmap of the primary key, and walks through a whole
-- index for every row of the batch. The plan stays when the table has grown.
--- keys
-- Keyed starts: this row alone decides who is new.
claimed AS (
    INSERT INTO saga_key (shard, id, digest)
    SELECT shard, id, digest
    FROM unnest($1::smallint[], $2::uuid[], $3::bytea[]) AS s (shard, id, digest)
    WHERE digest IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING id
)
--- no keys
claimed AS (SELECT NULL::uuid AS id WHERE false)
--- starts
-- A start without a key conflicts only with its own earlier commit, whose answer was lost.
started AS (
    INSERT INTO saga (shard, id, definition, version, fingerprint, status, revision, wake_at,
        moving, needs_attention, started_at, updated_at, finished_at, entries, spilled)
    SELECT s.shard, s.id, s.definition, s.version, s.fingerprint, s.status, s.revision, s.wake_at,
        s.moving, s.needs_attention, s.started_at, s.updated_at,
        CASE WHEN s.status IN ('completed', 'compensated') THEN s.updated_at END, s.entries, false
    FROM unnest($1::smallint[], $2::uuid[], $3::bytea[], $4::text[], $5::bigint[], $6::uuid[],
            $7::text[], $8::bigint[], $9::timestamptz[], $10::text[], $11::boolean[],
            $12::timestamptz[], $13::timestamptz[], $14::text[])
        AS s (shard, id, digest, definition, version, fingerprint, status, revision, wake_at,
            moving, needs_attention, started_at, updated_at, entries)
    WHERE s.digest IS NULL OR s.id IN (SELECT id FROM claimed)
    ON CONFLICT DO NOTHING
    RETURNING id, status
)
--- updates
-- Compare and set. The history goes on in the row as long as it has room there, and never again
-- once it had none.
updated AS (
    UPDATE saga
    SET revision = u.revision, status = u.status, wake_at = u.wake_at, moving = u.moving,
        needs_attention = u.needs_attention, updated_at = u.updated_at,
        finished_at = CASE WHEN u.status IN ('completed', 'compensated') THEN u.updated_at END,
        entries = CASE WHEN NOT spilled
                AND octet_length(saga.entries) + octet_length(u.entries) < 2000
            THEN saga.entries || ',' || u.entries ELSE saga.entries END,
        spilled = spilled OR octet_length(saga.entries) + octet_length(u.entries) >= 2000
    FROM unnest($15::smallint[], $16::uuid[], $17::bigint[], $18::bigint[], $19::text[],
            $20::timestamptz[], $21::text[], $22::boolean[], $23::timestamptz[], $24::text[])
        AS u (shard, id, expected, revision, status, wake_at, moving, needs_attention, updated_at,
            entries)
    WHERE saga.shard = ANY (ARRAY[u.shard]) AND saga.id = u.id AND saga.revision = u.expected
    RETURNING saga.shard, saga.id, saga.revision, saga.status, saga.updated_at, saga.spilled,
        u.entries AS new_entries
),
recorded AS (
    INSERT INTO saga_history (shard, saga_id, revision, at, entry)
    SELECT shard, id, revision, updated_at, new_entries FROM updated WHERE spilled
)
--- ends
-- As an update, but the row does not stay.
gone AS (
    DELETE FROM saga
    USING unnest($25::smallint[], $26::uuid[], $27::bigint[], $28::bigint[], $29::text[],
            $30::text[], $31::timestamptz[], $32::text[])
        AS e (shard, id, expected, revision, status, moving, finished_at, entries)
    WHERE saga.shard = ANY (ARRAY[e.shard]) AND saga.id = e.id AND saga.revision = e.expected
    RETURNING saga.shard, saga.id, saga.definition, saga.version, saga.fingerprint,
        saga.started_at, saga.entries AS first_entries, saga.spilled, e.revision, e.status, e.moving,
        e.finished_at, e.entries AS last_entries
),
:to_archive
--- postponements
-- A saga that has another revision has had its wake set anew.
postponed AS (
    UPDATE saga
    SET wake_at = p.wake_at
    FROM unnest($39::smallint[], $40::uuid[], $41::bigint[], $42::timestamptz[])
        AS p (shard, id, expected, wake_at)
    WHERE saga.shard = ANY (ARRAY[p.shard]) AND saga.id = p.id AND saga.revision = p.expected
)
--- events
announced AS (
    INSERT INTO event_outbox (slot, id, events)
    SELECT $43, gen_random_uuid(), '[' || string_agg(a.event, ',' ORDER BY a.position) || ']'
    FROM unnest($44::uuid[], $45::boolean[], $46::text[])
        WITH ORDINALITY AS a (id, is_start, event, position)
    JOIN winner USING (id, is_start)
    HAVING count(*) > 0
    RETURNING id
)
--- deliveries
delivered AS (
    DELETE FROM event_outbox
    USING unnest($47::integer[], $48::uuid[]) AS d (slot, id)
    WHERE event_outbox.slot = ANY (ARRAY[d.slot]) AND event_outbox.id = d.id
)
--- letters
buried AS (
    INSERT INTO dead_letter
        (cluster, topic, partition, record_offset, digest, reason, key, headers, value)
    SELECT * FROM unnest($49::text[], $50::text[], $51::integer[], $52::bigint[], $53::bytea[],
        $54::text[], $55::bytea[], $56::bytea[], $57::bytea[])
    ON CONFLICT DO NOTHING
)
--- tally
-- Last, because other commits of the same slot wait for these rows.
tallied AS (
    INSERT INTO saga_tally (slot, status, sagas)
    SELECT $58, status, count(*) FROM winner
    WHERE status IN ('completed', 'compensated')
    GROUP BY status ORDER BY status
    ON CONFLICT (slot, status) DO UPDATE SET sagas = saga_tally.sagas + excluded.sagas
)
