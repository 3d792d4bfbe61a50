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
    ORDER BY finished_at, id LIMIT $3 OFFSET $10
),
gone AS (
    DELETE FROM saga USING due
    WHERE saga.shard = $1 AND saga.id = due.id AND saga.finished_at <= $2
    RETURNING saga.shard, saga.id, saga.definition, saga.version, saga.fingerprint, saga.started_at,
        saga.finished_at, saga.revision, saga.status, saga.moving, saga.spilled,
        saga.entries AS first_entries, NULL::text AS last_entries
),
:to_archive
SELECT count(*) AS moved,
    -- A crash that undoes the move loses nothing: the saga is then found where it was.
    set_config('synchronous_commit', 'off', true)
FROM kept
