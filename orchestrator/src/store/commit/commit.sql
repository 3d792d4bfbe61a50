-- One commit of one batch: a single statement, hence a single transaction and one round trip.
--
-- It is put together from the parts below that the batch needs (statement.rs), because each part
-- costs time even if it has nothing to do; `---` begins a part, and says which. Words with a colon
-- are arguments (arguments.rs).
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
    FROM unnest(:starts_shard::smallint[], :starts_id::uuid[], :starts_digest::bytea[])
        AS s (shard, id, digest)
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
    FROM unnest(:starts_shard::smallint[], :starts_id::uuid[], :starts_digest::bytea[],
            :starts_definition::text[], :starts_version::bigint[], :starts_fingerprint::uuid[],
            :starts_status::text[], :starts_revision::bigint[], :starts_wake_at::timestamptz[],
            :starts_moving::text[], :starts_needs_attention::boolean[],
            :starts_started_at::timestamptz[], :starts_updated_at::timestamptz[],
            :starts_entries::text[])
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
                AND octet_length(saga.entries) + octet_length(u.entries) < :entries_bytes_max
            THEN saga.entries || ',' || u.entries ELSE saga.entries END,
        spilled = spilled
            OR octet_length(saga.entries) + octet_length(u.entries) >= :entries_bytes_max
    FROM unnest(:updates_shard::smallint[], :updates_id::uuid[], :updates_expected::bigint[],
            :updates_revision::bigint[], :updates_status::text[], :updates_wake_at::timestamptz[],
            :updates_moving::text[], :updates_needs_attention::boolean[],
            :updates_updated_at::timestamptz[], :updates_entries::text[])
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
-- As an update, but the row does not stay. to_archive.sql follows.
gone AS (
    DELETE FROM saga
    USING unnest(:ends_shard::smallint[], :ends_id::uuid[], :ends_expected::bigint[],
            :ends_revision::bigint[], :ends_status::text[], :ends_moving::text[],
            :ends_finished_at::timestamptz[], :ends_entries::text[])
        AS e (shard, id, expected, revision, status, moving, finished_at, entries)
    WHERE saga.shard = ANY (ARRAY[e.shard]) AND saga.id = e.id AND saga.revision = e.expected
    RETURNING saga.shard, saga.id, saga.definition, saga.version, saga.fingerprint,
        saga.started_at, saga.entries AS first_entries, saga.spilled, e.revision, e.status, e.moving,
        e.finished_at, e.entries AS last_entries
)
--- postponements
-- A saga that has another revision has had its wake set anew.
postponed AS (
    UPDATE saga
    SET wake_at = p.wake_at
    FROM unnest(:postponements_shard::smallint[], :postponements_id::uuid[],
            :postponements_expected::bigint[], :postponements_wake_at::timestamptz[])
        AS p (shard, id, expected, wake_at)
    WHERE saga.shard = ANY (ARRAY[p.shard]) AND saga.id = p.id AND saga.revision = p.expected
)
--- events
announced AS (
    INSERT INTO event_outbox (slot, id, events)
    SELECT :events_slot, gen_random_uuid(),
        '[' || string_agg(a.event, ',' ORDER BY a.position) || ']'
    FROM unnest(:events_id::uuid[], :events_is_start::boolean[], :events_event::text[])
        WITH ORDINALITY AS a (id, is_start, event, position)
    JOIN winner USING (id, is_start)
    HAVING count(*) > 0
    RETURNING id
)
--- deliveries
delivered AS (
    DELETE FROM event_outbox
    USING unnest(:deliveries_slot::integer[], :deliveries_id::uuid[]) AS d (slot, id)
    WHERE event_outbox.slot = ANY (ARRAY[d.slot]) AND event_outbox.id = d.id
)
--- letters
-- Records with the same bytes that are of no use for the same reason are one row, with the place and the
-- reason of the last one; the batch has them put together already. A record that comes again at once,
-- because nobody knew that it was stored, is not counted again; one that comes again later is.
letter AS MATERIALIZED (
    SELECT l.cluster, l.topic, l.partition, l.record_offset, l.digest, l.records, l.kind, l.reason,
        l.key, l.headers, l.value, l.number, EXISTS (
            SELECT FROM dead_letter AS d
            WHERE d.cluster = ANY (ARRAY[l.cluster]) AND d.topic = l.topic AND d.digest = l.digest
        ) AS is_known
    FROM unnest(:letters_cluster::text[], :letters_topic::text[], :letters_partition::integer[],
            :letters_record_offset::bigint[], :letters_digest::bytea[], :letters_records::bigint[],
            :letters_kind::text[], :letters_reason::text[], :letters_key::bytea[],
            :letters_headers::bytea[], :letters_value::bytea[])
        WITH ORDINALITY AS l (cluster, topic, partition, record_offset, digest, records, kind, reason,
            key, headers, value, number)
),
-- A new row for each, as long as its kind has had fewer today. Commits beside this one do the same, so
-- there may be a few more.
letter_room AS (
    SELECT l.number,
        row_number() OVER (PARTITION BY l.kind ORDER BY l.number) + coalesce(t.kept, 0)
            <= :letters_kept_max AS has_room
    FROM letter AS l
    LEFT JOIN (
        SELECT kind, sum(kept) AS kept FROM dead_letter_tally
        WHERE kind = ANY (:letters_kind::text[])
            AND day = (statement_timestamp() AT TIME ZONE 'UTC')::date
        GROUP BY kind
    ) AS t USING (kind)
    WHERE NOT l.is_known
),
buried AS (
    INSERT INTO dead_letter
        (cluster, topic, partition, record_offset, digest, records, kind, reason, key, headers, value)
    SELECT l.cluster, l.topic, l.partition, l.record_offset, l.digest, l.records, l.kind, l.reason,
        l.key, l.headers, l.value
    FROM letter AS l LEFT JOIN letter_room AS r USING (number)
    WHERE l.is_known OR r.has_room
    ORDER BY l.number
    ON CONFLICT (cluster, topic, digest) DO UPDATE
    SET records = dead_letter.records + excluded.records
            - ((dead_letter.partition, dead_letter.record_offset)
                = (excluded.partition, excluded.record_offset))::integer,
        partition = excluded.partition, record_offset = excluded.record_offset,
        reason = excluded.reason, received_at = excluded.received_at
),
letters_counted AS (
    INSERT INTO dead_letter_tally (kind, day, slot, kept, left_out)
    SELECT l.kind, (statement_timestamp() AT TIME ZONE 'UTC')::date, :slot,
        count(*) FILTER (WHERE r.has_room),
        coalesce(sum(l.records) FILTER (WHERE NOT r.has_room), 0)
    FROM letter AS l JOIN letter_room AS r USING (number)
    GROUP BY l.kind ORDER BY l.kind
    ON CONFLICT (kind, day, slot) DO UPDATE
    SET kept = dead_letter_tally.kept + excluded.kept,
        left_out = dead_letter_tally.left_out + excluded.left_out
)
--- tally
-- Last, because other commits of the same slot wait for these rows.
tallied AS (
    INSERT INTO saga_tally (slot, status, sagas)
    SELECT :slot, status, count(*) FROM winner
    WHERE status IN ('completed', 'compensated')
    GROUP BY status ORDER BY status
    ON CONFLICT (slot, status) DO UPDATE SET sagas = saga_tally.sagas + excluded.sagas
)
