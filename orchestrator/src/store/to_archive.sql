-- What becomes of `gone`, rows of the table saga that this statement has deleted: shard, id,
-- definition, version, fingerprint, started_at, finished_at, revision, status, moving, spilled,
-- first_entries, last_entries. Part of two statements; words with a colon are arguments, which both
-- of them have.
spilled AS (
    DELETE FROM saga_history AS h USING gone
    WHERE gone.spilled AND h.shard = ANY (ARRAY[gone.shard]) AND h.saga_id = gone.id
    RETURNING h.saga_id AS id, h.revision, h.entry
),
told AS (
    SELECT id, string_agg(entry, ',' ORDER BY revision) AS entries FROM spilled GROUP BY id
),
-- The first day on which each may go, among the days on which something goes.
placed AS (
    SELECT id, fingerprint, revision, version, started_at, finished_at, shard, status, definition,
        moving,
        '[' || concat_ws(',', first_entries, told.entries, last_entries) || ']' AS history,
        greatest(:first_day,
            due.day + (due.step - (due.day - :counted_from::date) % due.step) % due.step) AS drop_on
    FROM gone
    -- All of `told` are of `gone`. A full join cannot be a loop, which the planner would take, as it
    -- expects one row, and then put every history together once for every saga.
    FULL JOIN told USING (id)
    LEFT JOIN unnest(:definitions::text[], :kept::interval[], :steps::integer[])
        AS p (definition, kept, step) USING (definition)
    CROSS JOIN LATERAL (
        SELECT coalesce(p.step, :other_step) AS step,
            ((finished_at + coalesce(p.kept, :other_kept)) AT TIME ZONE 'UTC')::date + 1 AS day
    ) AS due
),
kept AS (
    INSERT INTO saga_archive (id, fingerprint, revision, version, started_at, finished_at, drop_on,
        shard, is_compensated, definition, moving, history)
    SELECT id, fingerprint, revision, version, started_at, finished_at, drop_on, shard,
        status = 'compensated', definition, moving,
        -- Up to the size from which on Postgres compresses a row.
        history || repeat(' ', :history_bytes_min - octet_length(history))
    FROM placed
    RETURNING drop_on, definition, is_compensated
),
counted AS (
    INSERT INTO saga_archive_tally (slot, drop_on, definition, is_compensated, sagas)
    SELECT :slot, drop_on, definition, is_compensated, count(*) FROM kept
    GROUP BY drop_on, definition, is_compensated ORDER BY drop_on, definition, is_compensated
    ON CONFLICT (slot, drop_on, definition, is_compensated)
        DO UPDATE SET sagas = saga_archive_tally.sagas + excluded.sagas
)
