-- Moves sagas of one shard that have ended from the hot tables to the archive: a single statement,
-- hence a single transaction. Whoever reads sees each saga in one place, never in both or none.
--
-- Two of these at once on one shard lose and double nothing: rows are locked in the same order, the
-- second finds that they are gone, and takes only the history of what it took itself. Nobody else
-- locks these rows: a saga that has ended is never written again.
WITH
due AS MATERIALIZED (
    SELECT id FROM saga
    WHERE shard = $1 AND finished_at <= $2
    ORDER BY finished_at, id LIMIT $3
),
gone AS (
    DELETE FROM saga USING due
    WHERE saga.shard = $1 AND saga.id = due.id AND saga.finished_at <= $2
    RETURNING saga.*
),
entry AS (
    DELETE FROM saga_history AS h USING gone
    WHERE h.shard = $1 AND h.saga_id = gone.id
    RETURNING h.saga_id AS id, h.revision, h.entry
),
told AS (
    SELECT id, '[' || string_agg(entry, ',' ORDER BY revision) || ']' AS history
    FROM entry GROUP BY id
),
-- The first day on which each may go, among the days on which something goes.
placed AS (
    SELECT gone.*, coalesce(told.history, '[]') AS history,
        greatest($4, due.day + (due.step - (due.day - $5) % due.step) % due.step) AS drop_on
    FROM gone
    -- All of `told` are of `gone`. A full join cannot be a loop, which the planner would take, as it
    -- expects one row, and then put every history together once for every saga.
    FULL JOIN told USING (id)
    LEFT JOIN unnest($6::text[], $7::interval[], $8::integer[]) AS p (definition, kept, step)
        USING (definition)
    CROSS JOIN LATERAL (
        SELECT coalesce(p.step, $10) AS step,
            ((finished_at + coalesce(p.kept, $9)) AT TIME ZONE 'UTC')::date + 1 AS day
    ) AS due
),
kept AS (
    INSERT INTO saga_archive (id, fingerprint, revision, version, started_at, finished_at, drop_on,
        shard, is_compensated, definition, moving, history)
    SELECT id, fingerprint, revision, version, started_at, finished_at, drop_on, shard,
        status = 'compensated', definition, moving,
        -- Up to the size from which on Postgres compresses a row.
        history || repeat(' ', 2048 - octet_length(history))
    FROM placed
    RETURNING drop_on, definition, is_compensated
),
tallied AS (
    INSERT INTO saga_archive_tally (shard, drop_on, definition, is_compensated, sagas)
    SELECT $1, drop_on, definition, is_compensated, count(*) FROM kept
    GROUP BY drop_on, definition, is_compensated ORDER BY drop_on, definition, is_compensated
    ON CONFLICT (shard, drop_on, definition, is_compensated)
        DO UPDATE SET sagas = saga_archive_tally.sagas + excluded.sagas
)
SELECT count(*) AS moved,
    -- A crash that undoes the move loses nothing: the saga is then found where it was.
    set_config('synchronous_commit', 'off', true)
FROM kept
