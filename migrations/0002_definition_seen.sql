-- Which definitions some live replica has, and when one last had it. Every replica says so with its
-- heartbeats; a row is renewed every few seconds, however many replicas have the definition. What
-- is not renewed is nobody's any more, and its open sagas need attention. Rows stay: one for every
-- definition that was ever deployed is few, and tells since when it is missing.
CREATE TABLE definition_seen (
    fingerprint uuid        NOT NULL,
    version     bigint      NOT NULL,
    seen_at     timestamptz NOT NULL,
    name        text        NOT NULL,
    PRIMARY KEY (name, version, fingerprint)
) WITH (fillfactor = 50);
