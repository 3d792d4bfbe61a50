-- Moves sagas of one shard that have ended from the hot tables to the archive: a single statement,
-- hence a single transaction. Whoever reads sees each saga in one place, never in both or none.
--
-- Two of these at once on one shard lose and double nothing: rows are locked in the same order, the
-- second finds that they are gone, and takes only the history of what it took itself. Nobody else
-- locks these rows: a saga that has ended is never written again.
--
-- to_archive.sql comes between the two parts; words with a colon are arguments (archive.rs).
--- gone
due AS MATERIALIZED (
    SELECT id FROM saga
    WHERE shard = :shard AND finished_at <= :now
    ORDER BY finished_at, id LIMIT :limit OFFSET :skip
),
gone AS (
    DELETE FROM saga USING due
    WHERE saga.shard = :shard AND saga.id = due.id AND saga.finished_at <= :now
    RETURNING saga.shard, saga.id, saga.definition, saga.version, saga.fingerprint, saga.started_at,
        saga.finished_at, saga.revision, saga.status, saga.moving, saga.spilled,
        saga.entries AS first_entries, NULL::text AS last_entries
)
--- answer
SELECT count(*) AS moved,
    -- A crash that undoes the move loses nothing: the saga is then found where it was.
    set_config('synchronous_commit', 'off', true)
FROM kept
