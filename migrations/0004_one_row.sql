-- One row a saga, while it runs and afterwards: its history is kept in its row, and the commit that
-- ends it moves it to the archive. A saga of three steps took 14 writes of rows and 13 of index
-- entries; it takes 5 and 7.
--
-- A binary that is older than this migration goes on with the sagas that it has started, and leaves
-- those of newer ones alone: it does not find their history.

ALTER TABLE saga
    -- JSON: the first entries of the history, separated by commas, as many as have room here.
    ADD COLUMN entries text NOT NULL DEFAULT '',
    -- Whether later entries are in saga_history. So it is with rows of older binaries.
    ADD COLUMN spilled boolean NOT NULL DEFAULT true;

ALTER TABLE saga SET (
    -- The row grows with every step; a HOT update needs room for it on the same page.
    fillfactor = 25,
    -- As long as the row fits a page, it is left as it is: to compress it would cost more than it
    -- saves, because it does not stay.
    toast_tuple_target = 8160
);

-- Most open sagas run: whoever wants a list of those reads it from saga_started.
DROP INDEX saga_status;
CREATE INDEX saga_status ON saga (status, started_at DESC, id DESC)
    WHERE status IN ('compensating', 'stuck');

-- Now an entry, or several of one commit separated by commas, that found no room in the saga's row;
-- `revision` is the last one's.
COMMENT ON COLUMN saga_history.entry IS 'JSON: entries up to `revision`, separated by commas';

-- Counted by the commits that end sagas, as in saga_tally: the slot keeps commits of different lanes
-- off each other's row. A mover uses its shard's number for it.
ALTER TABLE saga_archive_tally RENAME COLUMN shard TO slot;
ALTER TABLE saga_archive_tally ALTER COLUMN slot TYPE integer;

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

CREATE OR REPLACE VIEW every_saga AS
    SELECT shard, id, definition, version, fingerprint, status, revision, needs_attention, started_at,
        updated_at, finished_at, wake_at, moving,
        '[' || concat_ws(',', nullif(entries, ''), (
            SELECT string_agg(h.entry, ',' ORDER BY h.revision)
            FROM saga_history h WHERE h.shard = saga.shard AND h.saga_id = saga.id
        )) || ']' AS history
    FROM saga
    UNION ALL
    SELECT shard, id, definition, version, fingerprint,
        CASE WHEN is_compensated THEN 'compensated' ELSE 'completed' END, revision, false, started_at,
        finished_at, finished_at, NULL, moving, history
    FROM saga_archive;
