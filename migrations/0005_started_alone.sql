-- Lists of what runs are read by the start alone, as those of the archive are: sagas that started at
-- the same microsecond are few, and are put in order when they are read. An index that has the id as
-- well is a second way to a saga by its id, the wrong one: without the shard it is a walk through the
-- whole of it, and a planner that expects one row cannot tell the two apart.
DROP INDEX saga_started;
CREATE INDEX saga_started ON saga (started_at DESC);
