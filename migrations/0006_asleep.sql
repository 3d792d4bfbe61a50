-- Open sagas that have no wake: paused, or stuck. With saga_wake, which has all others, whoever counts
-- what is open, or looks through it, finds it by an index, and does not pass what ended since the last
-- vacuum. Sagas of neither kind of trouble never get an entry.
CREATE INDEX saga_asleep ON saga (status)
    WHERE wake_at IS NULL AND status IN ('running', 'compensating', 'stuck');
